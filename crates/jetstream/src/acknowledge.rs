//! What clients say to their deliveries.

use serde_json::json;
use watershed_base::{AccountId, Tick};
use watershed_wire::jetstream::ack::{Ack, AckSubject};
use watershed_wire::jetstream::consumer::AckPolicy;
use watershed_wire::op::Publish;
use watershed_wire::subject::{has_wildcard, matches};
use watershed_wire::time::UnixNanos;

use crate::consumer_key::ConsumerKey;
use crate::events::Saved;
use crate::jetstream::JetStream;
use crate::live::ack_wait;
use crate::network::Network;
use crate::record::Event;
use crate::rounds::{Asked, Owed};

impl JetStream {
    /// The consumer of an account's stream.
    pub(crate) fn consumer(
        &self,
        account: AccountId,
        stream: &str,
        name: &str,
    ) -> Option<ConsumerKey> {
        let (key, stream) = self.state.find(account, stream)?;
        let (index, _) = stream.consumers.find(name)?;
        Some(ConsumerKey::new(key, index))
    }

    /// A client says something to a delivery. Says whether there is such a consumer.
    pub(crate) fn acknowledge_delivery(
        &mut self,
        net: &mut impl Network,
        account: AccountId,
        message: &Publish<'_>,
    ) -> bool {
        let Some(subject) = AckSubject::parse(message.subject) else { return false };
        let Some(key) = self.consumer(account, subject.stream, subject.consumer) else {
            return false;
        };
        let config = &self.state.stream(key.stream).consumers[key.index()].config;
        if matches!(config.ack_policy, AckPolicy::None | AckPolicy::FlowControl) {
            return false;
        }
        let Some(ack) = Ack::parse(message.payload) else { return true };
        let Some(dispatcher) = self.live.dispatcher(key) else { return true };
        if !dispatcher.has_delivered(subject.stream_seq) {
            // Nobody was given that message: nothing is said to it.
            return true;
        }
        let sequence = subject.stream_seq;
        match ack {
            Ack::Ack => self.ack_sampled(net, key, &subject),
            Ack::Nak { delay } => self.nak(net, key, sequence, delay),
            Ack::Progress => self.progress(key, sequence),
            Ack::Term { reason } => self.terminate(net, key, &subject, &reason),
            Ack::Next { request } => {
                self.ack_sampled(net, key, &subject);
                self.pull(net, key, account, message.reply.unwrap_or_default(), &request);
                return true;
            }
        }
        if let Some(reply) = message.reply {
            let owed = Owed { account, subject: reply, asked: Asked::Confirm };
            self.confirm(net, key, owed);
        }
        self.wake(key);
        true
    }

    /// A message is acknowledged; people are told of it if it is among those that are reported.
    fn ack_sampled(&mut self, net: &mut impl Network, key: ConsumerKey, subject: &AckSubject<'_>) {
        let (sequence, now) = (subject.stream_seq, self.now.tick);
        let config = &self.state.stream(key.stream).consumers[key.index()].config;
        let sampled = match (config.ack_policy, config.sampled_percent()) {
            (AckPolicy::Explicit, percent @ 1..) => self.random.next() % 100 < percent,
            _ => false,
        };
        let dispatcher = self.live.dispatcher(key);
        let delivery = dispatcher.and_then(|own| own.outstanding.get(sequence));
        self.ack(net, key, sequence);
        if let Some(delivery) = delivery.filter(|_| sampled) {
            self.report_acknowledged(net, key, subject, delivery.age(now));
        }
    }

    fn ack(&mut self, net: &mut impl Network, key: ConsumerKey, sequence: u64) {
        let stream = &self.state.streams[key.stream.index()];
        let consumer = &stream.consumers[key.index()];
        let policy = consumer.config.ack_policy;
        // What was given up, and is still kept for whoever finishes with it, may be finished late.
        let late = stream.keeps_for_consumers()
            && stream.log.key_of(sequence).is_some_and(|key| consumer.wants(key.name()));
        let Some(dispatcher) = self.live.dispatcher(key) else { return };
        let event = match policy {
            // The other one is acknowledged by answers to flow control.
            AckPolicy::None | AckPolicy::FlowControl => return,
            AckPolicy::Explicit => {
                if !dispatcher.outstanding.remove(sequence) && !late {
                    return;
                }
                Event::Acked { sequence }
            }
            AckPolicy::All => return self.ack_all(net, key, sequence),
        };
        dispatcher.remember(event);
        self.note_unsaved(net, key);
    }

    fn terminate(
        &mut self,
        net: &mut impl Network,
        key: ConsumerKey,
        subject: &AckSubject<'_>,
        reason: &str,
    ) {
        let sequence = subject.stream_seq;
        let dispatcher = self.live.dispatcher(key);
        let outstanding = dispatcher.is_some_and(|own| own.outstanding.contains(sequence));
        self.ack(net, key, sequence);
        if outstanding {
            self.advise_terminated(net, key, subject, reason);
        }
    }

    fn nak(&mut self, net: &mut impl Network, key: ConsumerKey, sequence: u64, delay: i64) {
        let now = self.now;
        let Some(dispatcher) = self.live.dispatcher(key) else { return };
        let Some(delivery) = dispatcher.outstanding.get(sequence) else { return };
        match u64::try_from(delay).unwrap_or(0) {
            0 => dispatcher.outstanding.retry(sequence),
            wait => {
                let at = Tick(now.tick.0.saturating_add(wait));
                dispatcher.outstanding.postpone(sequence, now.tick, at);
            }
        }
        let at = UnixNanos(now.wall.0.saturating_add(delay.max(0)));
        dispatcher.remember(Event::Retry { sequence, at });
        self.note_unsaved(net, key);
        self.advise(
            net,
            key,
            "MSG_NAKED",
            "nak",
            json!({
                "consumer_seq": delivery.consumer_seq,
                "stream_seq": sequence,
                "deliveries": delivery.deliveries,
            }),
        );
    }

    fn progress(&mut self, key: ConsumerKey, sequence: u64) {
        let now = self.now.tick;
        let Self { state, live, .. } = self;
        let config = &state.streams[key.stream.index()].consumers[key.index()].config;
        let Some(dispatcher) = live.dispatcher(key) else { return };
        if let Some(delivery) = dispatcher.outstanding.get(sequence) {
            let wait = u64::try_from(ack_wait(config, delivery.deliveries)).unwrap_or(0);
            dispatcher.outstanding.postpone(sequence, now, Tick(now.0.saturating_add(wait)));
        }
    }

    /// Replies when everything that the consumer was told so far is durable.
    pub(crate) fn confirm(&mut self, net: &mut impl Network, key: ConsumerKey, owed: Owed<'_>) {
        let Some(owed) = self.confirm_later(key, owed) else { return };
        match self.save_events(net, key, owed) {
            // The client hears nothing, asks again, and may get the message again.
            Saved::Record | Saved::Impossible => {}
            // Nothing is to be kept, or nothing new: true as soon as what came before is.
            Saved::Nothing => {
                let at_once = self.state.stream(key.stream).has_in_memory(key.index());
                self.reply_when(net, at_once, owed, Vec::new());
            }
        }
    }

    /// Publishes that a message was delivered as often as it may be.
    pub(crate) fn advise_max_deliveries(
        &mut self,
        net: &mut impl Network,
        key: ConsumerKey,
        sequence: u64,
        deliveries: u64,
    ) {
        let fields = json!({"stream_seq": sequence, "deliveries": deliveries});
        self.advise(net, key, "MAX_DELIVERIES", "max_deliver", fields);
    }

    fn advise_terminated(
        &mut self,
        net: &mut impl Network,
        key: ConsumerKey,
        subject: &AckSubject<'_>,
        reason: &str,
    ) {
        let mut fields = json!({
            "consumer_seq": subject.consumer_seq,
            "stream_seq": subject.stream_seq,
            "deliveries": subject.deliveries,
        });
        if !reason.is_empty() {
            fields["reason"] = reason.into();
        }
        self.advise(net, key, "MSG_TERMINATED", "terminated", fields);
    }

    fn report_acknowledged(
        &mut self,
        net: &mut impl Network,
        key: ConsumerKey,
        subject: &AckSubject<'_>,
        age: u64,
    ) {
        let fields = json!({
            "consumer_seq": subject.consumer_seq,
            "stream_seq": subject.stream_seq,
            // The schema wants at least one nanosecond.
            "ack_time": age.max(1),
            "deliveries": subject.deliveries,
        });
        self.tell(net, key, "METRIC.CONSUMER.ACK", "metric.v1.consumer_ack", fields);
    }

    /// Publishes an advisory about a consumer.
    pub(crate) fn advise(
        &mut self,
        net: &mut impl Network,
        key: ConsumerKey,
        event: &str,
        kind: &str,
        fields: serde_json::Value,
    ) {
        let event = format!("ADVISORY.CONSUMER.{event}");
        self.tell(net, key, &event, &format!("advisory.v1.{kind}"), fields);
    }

    /// Publishes an event of a consumer.
    fn tell(
        &mut self,
        net: &mut impl Network,
        key: ConsumerKey,
        event: &str,
        kind: &str,
        mut fields: serde_json::Value,
    ) {
        let stream = self.state.stream(key.stream);
        let name = &stream.consumers[key.index()].config.name;
        let account = stream.account;
        let subject = format!("$JS.EVENT.{event}.{}.{name}", stream.config.name);
        fields["stream"] = stream.config.name.as_str().into();
        fields["consumer"] = name.as_str().into();
        let body = self.event(kind, fields);
        self.publish_own(net, account, subject.as_bytes(), body.as_bytes());
    }

    /// Somebody listens to what a filter takes: push consumers that deliver there have a listener.
    pub fn interest(&mut self, account: AccountId, filter: &[u8]) {
        let Self { targets, ready, live, .. } = self;
        if targets.is_empty() {
            return;
        }
        let mut woken = Vec::new();
        if has_wildcard(filter) {
            let own = targets.range((account, Box::default())..);
            let own = own.take_while(|((of, _), _)| *of == account);
            let matching = own.filter(|((_, target), _)| matches(filter, target));
            woken.extend(matching.flat_map(|(_, keys)| keys.iter().copied()));
        } else if let Some(keys) = targets.get(&(account, filter.into())) {
            woken.extend(keys.iter().copied());
        }
        for key in woken {
            if let Some(live) = live.get_mut(key.stream)
                && let Some(dispatcher) = live.dispatcher(key.index())
            {
                // What another subscriber was asked, this one does not answer.
                dispatcher.flow_awaited = None;
            }
            ready.insert(key);
        }
    }
}
