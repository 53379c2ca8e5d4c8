//! Who of those that wait at a consumer gets a message (ADR-42), and who is pinned to it.

use serde_json::json;
use watershed_base::Tick;
use watershed_wire::ident::unique_id;
use watershed_wire::jetstream::ConsumerConfig;
use watershed_wire::jetstream::consumer::{PriorityGroupState, PriorityPolicy};

use crate::consumer_key::ConsumerKey;
use crate::jetstream::JetStream;
use crate::live::Pin;
use crate::network::Network;

impl JetStream {
    /// Brings the request to the front that gets the next message of a pull consumer. Says whether
    /// there is one. `redelivered` is whether that message was delivered before.
    pub(crate) fn choose(
        &mut self,
        net: &mut impl Network,
        key: ConsumerKey,
        redelivered: bool,
    ) -> bool {
        let stream = &self.state.streams[key.stream.index()];
        let policy = stream.consumers[key.index()].config.priority_policy;
        let backlog = stream.consumers.backlog(key.index());
        let Some(dispatcher) = self.live.dispatcher(key) else { return false };
        match policy {
            PriorityPolicy::None | PriorityPolicy::Prioritized => dispatcher.waiting.len() > 0,
            PriorityPolicy::Overflow => {
                let pending = dispatcher.pending(backlog) + u64::from(redelivered);
                let outstanding = dispatcher.outstanding.len() as u64;
                dispatcher.waiting.choose_overflow(pending, outstanding)
            }
            PriorityPolicy::PinnedClient => self.choose_pinned(net, key),
        }
    }

    fn choose_pinned(&mut self, net: &mut impl Network, key: ConsumerKey) -> bool {
        let Some(dispatcher) = self.live.dispatcher(key) else { return false };
        let pinned = dispatcher.pin.as_ref().map(|pin| &*pin.id);
        let (wrong, found) = dispatcher.waiting.choose_pinned(pinned);
        let is_new = pinned.is_none() && found;
        for request in wrong {
            let (account, reply) = (request.account, &request.reply);
            Self::send_status(net, account, reply, 423, "Nats-Wrong-Pin-Id", &request.left());
        }
        if is_new {
            self.pin_front(net, key);
        }
        found
    }

    /// The client whose request is at the front is pinned.
    fn pin_front(&mut self, net: &mut impl Network, key: ConsumerKey) {
        let id = unique_id([self.random.next(), self.random.next()]);
        let Self { state, live, now, .. } = self;
        let config = &state.streams[key.stream.index()].consumers[key.index()].config;
        let Some(dispatcher) = live.dispatcher(key) else { return };
        let until = silent_until(config, now.tick);
        dispatcher.pin = Some(Pin { id: id.as_str().into(), since: now.wall, until });
        dispatcher.waiting.pin_front(&id);
        let fields = json!({"pinned_id": id});
        self.advise_group(net, key, "PINNED", "consumer_group_pinned", None, fields);
    }

    /// A pinned client asks for more.
    pub(crate) fn heard_of_pinned(&mut self, key: ConsumerKey) {
        let Self { state, live, now, .. } = self;
        let config = &state.streams[key.stream.index()].consumers[key.index()].config;
        let until = silent_until(config, now.tick);
        if let Some(pin) = live.dispatcher(key).and_then(|own| own.pin.as_mut()) {
            pin.until = until;
        }
    }

    /// Nobody is pinned to a consumer any more; `group` is who was asked to be so no longer.
    pub(crate) fn unpin(
        &mut self,
        net: &mut impl Network,
        key: ConsumerKey,
        reason: &str,
        group: Option<&str>,
    ) {
        if let Some(dispatcher) = self.live.dispatcher(key) {
            dispatcher.pin = None;
        }
        let fields = json!({"reason": reason});
        self.advise_group(net, key, "UNPINNED", "consumer_group_unpinned", group, fields);
        self.wake(key);
    }

    /// Lets a pinned client go that was silent for too long.
    pub(crate) fn look_at_pinned(&mut self, net: &mut impl Network, key: ConsumerKey) {
        let now = self.now.tick;
        let pin = self.live.dispatcher(key).and_then(|own| own.pin.as_ref());
        if pin.is_some_and(|pin| pin.until <= now) {
            self.unpin(net, key, "timeout", None);
        }
    }

    /// The group that a consumer serves, as replies show it: as on nats-server, that is the first.
    pub(crate) fn groups_of(&mut self, key: ConsumerKey) -> Vec<PriorityGroupState> {
        let Self { state, live, .. } = self;
        let config = &state.streams[key.stream.index()].consumers[key.index()].config;
        if config.priority_policy == PriorityPolicy::None {
            return Vec::new();
        }
        let pin = live.dispatcher(key).and_then(|own| own.pin.clone());
        let first = config.priority_groups.first().map(|group| PriorityGroupState {
            group: group.clone(),
            pinned_client_id: pin.as_ref().map(|pin| pin.id.to_string()).unwrap_or_default(),
            pinned_ts: pin.map(|pin| pin.since).unwrap_or_default(),
        });
        first.into_iter().collect()
    }

    fn advise_group(
        &mut self,
        net: &mut impl Network,
        key: ConsumerKey,
        event: &str,
        kind: &str,
        group: Option<&str>,
        mut fields: serde_json::Value,
    ) {
        let stream = self.state.stream(key.stream);
        let own = &stream.consumers[key.index()].config.priority_groups;
        let group = group.or(own.first().map(String::as_str)).unwrap_or_default();
        fields["account"] = self.state.accounts.name(stream.account).into();
        fields["group"] = group.into();
        self.advise(net, key, event, kind, fields);
    }
}

/// When a pinned client that is heard of now has been silent for too long.
fn silent_until(config: &ConsumerConfig, now: Tick) -> Tick {
    Tick(now.0.saturating_add(u64::try_from(config.priority_timeout).unwrap_or(0)))
}
