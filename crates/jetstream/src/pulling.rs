//! Requests for messages, taken by the consumer that they name or refused.

use watershed_base::AccountId;
use watershed_wire::jetstream::consumer::{ConsumerConfig, PriorityPolicy};
use watershed_wire::jetstream::pull::PullRequest;
use watershed_wire::time::go_duration;

use crate::consumer_key::ConsumerKey;
use crate::jetstream::JetStream;
use crate::live::Request;
use crate::network::Network;

impl JetStream {
    /// A client asks a consumer for messages.
    pub(crate) fn pull(
        &mut self,
        net: &mut impl Network,
        key: ConsumerKey,
        account: AccountId,
        reply: &[u8],
        body: &[u8],
    ) {
        let mut refuse = |code, text: &str| Self::send_status(net, account, reply, code, text, &[]);
        let config = &self.state.streams[key.stream.index()].consumers[key.index()].config;
        if config.is_push() {
            return refuse(409, "Consumer is push based");
        }
        let pull = match PullRequest::parse(body) {
            Ok(pull) => pull,
            Err(error) => return refuse(400, &format!("Bad Request - {error}")),
        };
        if let Some((code, text)) = refused(config, &pull) {
            return refuse(code, &text);
        }
        let is_prioritized = config.priority_policy == PriorityPolicy::Prioritized;
        let pinned = self.live.dispatcher(key).and_then(|own| own.pin.as_ref());
        let is_pinned = pinned.is_some_and(|pin| *pin.id == *pull.id);
        if pinned.is_some() && !pull.id.is_empty() && !is_pinned {
            return refuse(423, "Nats-Pin-Id mismatch");
        }
        let (now, max_waiting) = (self.now.tick, config.max_waiting.unsigned_abs());
        let is_full = |own: &mut Self| {
            let waiting = own.live.dispatcher(key).map(|own| own.waiting.len());
            waiting.is_some_and(|waiting| waiting as u64 >= max_waiting)
        };
        if is_full(self) {
            self.forget_gone_clients(net, key);
            if is_full(self) {
                return Self::send_status(net, account, reply, 409, "Exceeded MaxWaiting", &[]);
            }
        }
        if is_pinned {
            self.heard_of_pinned(key);
        }
        let live = self.live(key.stream);
        let accepted = live.intake.assigned();
        let mut request = Request::new(account, reply, now, accepted, &pull);
        if !is_prioritized {
            request.priority = 0;
        }
        if let Some(dispatcher) = live.dispatcher(key.index()) {
            dispatcher.idle_since = None;
            dispatcher.waiting.push(request);
        }
        self.wake(key);
    }
}

/// Why a consumer does not take a request.
fn refused(config: &ConsumerConfig, pull: &PullRequest) -> Option<(u16, String)> {
    let over = |limit: i64, value: i64| limit > 0 && value > limit;
    if over(config.max_batch, pull.batch) {
        return Some((409, format!("Exceeded MaxRequestBatch of {}", config.max_batch)));
    }
    if over(config.max_expires, pull.expires) {
        let limit = go_duration(config.max_expires);
        return Some((409, format!("Exceeded MaxRequestExpires of {limit}")));
    }
    if over(config.max_bytes, pull.max_bytes) {
        return Some((409, format!("Exceeded MaxRequestMaxBytes of {}", config.max_bytes)));
    }
    let bad = |text: &str| Some((400, format!("Bad Request - {text}")));
    if pull.idle_heartbeat > 0 && pull.idle_heartbeat.saturating_mul(2) > pull.expires {
        return bad("heartbeat value too large");
    }
    // A request that is not JSON has no group. Every consumer accepts it, as on nats-server.
    if !pull.is_object {
        return None;
    }
    let policy = config.priority_policy;
    if policy != PriorityPolicy::Overflow && (pull.min_pending != 0 || pull.min_ack_pending != 0) {
        return bad("Not a Overflow Priority consumer");
    }
    if policy != PriorityPolicy::PinnedClient && !pull.id.is_empty() {
        return bad("Not a Pinned Client Priority consumer");
    }
    if policy == PriorityPolicy::None {
        return None;
    }
    if pull.group.is_empty() {
        return bad("Priority Group missing");
    }
    if !config.priority_groups.contains(&pull.group) {
        return bad("Invalid Priority Group");
    }
    None
}
