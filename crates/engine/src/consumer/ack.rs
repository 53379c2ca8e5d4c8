//! What clients say to their deliveries.

use serde_json::json;
use watershed_wire::ident::unique_id;
use watershed_wire::jetstream::ack::{Ack, AckSubject};
use watershed_wire::jetstream::consumer::AckPolicy;
use watershed_wire::jetstream::pull::PullRequest;
use watershed_wire::jetstream::stream::Retention;
use watershed_wire::op::Publish;
use watershed_wire::time::UnixNanos;

use super::{ConsumerKey, Event, Request};
use crate::account::AccountId;
use crate::engine::Engine;
use crate::jetstream::{Owed, Saved};
use crate::now::Tick;
use crate::stream::{Effects, StreamKey};

impl Engine {
    /// A client says something to a delivery. Says whether there is such a consumer.
    pub(crate) fn acknowledge_delivery(
        &mut self,
        account: AccountId,
        message: &Publish<'_>,
    ) -> bool {
        let Some(subject) = AckSubject::parse(message.subject) else { return false };
        let Some(key) = self.jetstream.consumer(account, subject.stream, subject.consumer) else {
            return false;
        };
        let Some(ack) = Ack::parse(message.payload) else { return true };
        let sequence = subject.stream_seq;
        match ack {
            Ack::Ack => self.ack(key, sequence),
            Ack::Nak { delay } => self.nak(key, sequence, delay),
            Ack::Progress => self.progress(key, sequence),
            Ack::Term { reason } => {
                self.advise_terminated(key, &subject, &reason);
                self.ack(key, sequence);
            }
            Ack::Next { request } => {
                self.ack(key, sequence);
                let reply = message.reply.unwrap_or_default();
                let pull = PullRequest::parse(&request).unwrap_or_default();
                let request = Request::new(account, reply, self.now.tick, &pull);
                let consumer = &mut self.jetstream.consumers[key.0 as usize];
                let room =
                    (consumer.waiting.len() as u64) < consumer.config.max_waiting.unsigned_abs();
                if room && !consumer.config.is_push() {
                    consumer.waiting.push(request);
                }
                self.wake(key);
                return true;
            }
        }
        if let Some(reply) = message.reply {
            self.confirm(key, Owed { account, subject: reply });
        }
        self.wake(key);
        true
    }

    fn ack(&mut self, key: ConsumerKey, sequence: u64) {
        let now = self.now;
        let consumer = &mut self.jetstream.consumers[key.0 as usize];
        let stream = consumer.stream;
        let (event, done) = match consumer.config.ack_policy {
            AckPolicy::None => return,
            AckPolicy::Explicit if !consumer.outstanding.contains(sequence) => return,
            AckPolicy::Explicit => (Event::Acked { sequence }, vec![sequence]),
            AckPolicy::All | AckPolicy::FlowControl => {
                (Event::AckedAll { sequence }, consumer.outstanding.up_to(sequence))
            }
        };
        consumer.apply(now, event);
        consumer.remember(event);
        self.note_unsaved(key);
        for sequence in done {
            let log = &self.jetstream.streams[stream.0 as usize].log;
            let Some(subject) = log.key_of(sequence).map(|key| key.name().to_vec()) else {
                continue;
            };
            self.done(stream, sequence, &subject);
        }
    }

    fn nak(&mut self, key: ConsumerKey, sequence: u64, delay: i64) {
        let now = self.now;
        let consumer = &mut self.jetstream.consumers[key.0 as usize];
        let Some(delivery) = consumer.outstanding.get(sequence) else { return };
        let at = UnixNanos(now.wall.0.saturating_add(delay));
        let event = Event::Retry { sequence, at };
        consumer.apply(now, event);
        consumer.remember(event);
        self.note_unsaved(key);
        self.advise(
            key,
            "MSG_NAKED",
            "nak",
            &json!({
                "consumer_seq": delivery.consumer_seq,
                "stream_seq": sequence,
                "deliveries": delivery.deliveries,
            }),
        );
    }

    fn progress(&mut self, key: ConsumerKey, sequence: u64) {
        let now = self.now.tick;
        let consumer = &mut self.jetstream.consumers[key.0 as usize];
        if let Some(delivery) = consumer.outstanding.get(sequence) {
            let wait = u64::try_from(consumer.ack_wait(delivery.deliveries)).unwrap_or(0);
            consumer.outstanding.postpone(sequence, Tick(now.0.saturating_add(wait)));
        }
    }

    /// Replies when everything that the consumer was told so far is durable.
    fn confirm(&mut self, key: ConsumerKey, owed: Owed<'_>) {
        match self.save_events(key, owed) {
            // The client hears nothing, asks again, and may get the message again.
            Saved::Record | Saved::Impossible => {}
            // Nothing is to be kept, or nothing new: true as soon as what came before is.
            Saved::Nothing => self.reply_when(false, owed, Vec::new()),
        }
    }

    /// A consumer has finished with a message: it goes, if that is what its stream is for.
    pub(crate) fn done(&mut self, stream: StreamKey, sequence: u64, subject: &[u8]) {
        let dropped = self.remove_done(stream, sequence, subject);
        let log = self.jetstream.streams[stream.0 as usize].log.id();
        self.drop_blocks(log, dropped);
    }

    /// Removes a message that a consumer has finished with, if that is what its stream is for. Says
    /// which blocks hold nothing any more.
    pub(crate) fn remove_done(
        &mut self,
        stream: StreamKey,
        sequence: u64,
        subject: &[u8],
    ) -> Vec<u32> {
        let jetstream = &mut self.jetstream;
        let held = &jetstream.streams[stream.0 as usize];
        let goes = match held.config.retention {
            Retention::Limits => false,
            _ if jetstream.is_awaited(held, sequence, subject) => false,
            Retention::WorkQueue => true,
            Retention::Interest => {
                let consumers = held.consumers.values();
                !consumers
                    .into_iter()
                    .any(|key| jetstream.consumers[key.0 as usize].needs(sequence, subject))
            }
        };
        if !goes {
            return Vec::new();
        }
        let mut effects = Effects::default();
        jetstream.streams[stream.0 as usize].remove(sequence, &mut effects);
        self.tell_consumers(stream, &effects);
        effects.dropped
    }

    pub(super) fn advise_max_deliveries(
        &mut self,
        key: ConsumerKey,
        sequence: u64,
        deliveries: u64,
    ) {
        self.advise(
            key,
            "MAX_DELIVERIES",
            "max_deliver",
            &json!({
                "stream_seq": sequence,
                "deliveries": deliveries,
            }),
        );
    }

    fn advise_terminated(&mut self, key: ConsumerKey, subject: &AckSubject<'_>, reason: &str) {
        let mut fields = json!({
            "consumer_seq": subject.consumer_seq,
            "stream_seq": subject.stream_seq,
            "deliveries": subject.deliveries,
        });
        if !reason.is_empty() {
            fields["reason"] = reason.into();
        }
        self.advise(key, "MSG_TERMINATED", "terminated", &fields);
    }

    /// Publishes an advisory about a consumer.
    fn advise(&mut self, key: ConsumerKey, event: &str, kind: &str, fields: &serde_json::Value) {
        let consumer = &self.jetstream.consumers[key.0 as usize];
        let stream = &self.jetstream.streams[consumer.stream.0 as usize];
        let (account, name) = (stream.account, &consumer.config.name);
        let subject = format!("$JS.EVENT.ADVISORY.CONSUMER.{event}.{}.{name}", stream.config.name);
        let id = unique_id([self.random.next(), self.random.next()]);
        let mut advisory = json!({
            "type": format!("io.nats.jetstream.advisory.v1.{kind}"),
            "id": id,
            "timestamp": self.now.wall.to_string(),
            "stream": stream.config.name,
            "consumer": name,
        });
        if let (Some(advisory), Some(fields)) = (advisory.as_object_mut(), fields.as_object()) {
            advisory.extend(fields.clone());
        }
        self.publish_own(account, subject.as_bytes(), advisory.to_string().as_bytes());
    }
}
