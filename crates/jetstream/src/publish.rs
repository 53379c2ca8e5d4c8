//! Storing what is published.

use watershed_base::{AccountId, Now};
use watershed_store::{LogId, Record};
use watershed_wire::header::HeaderBlock;
use watershed_wire::jetstream::counter::{Counter, value_of};
use watershed_wire::jetstream::error::{ApiError, table};
use watershed_wire::jetstream::fast::is_fast;
use watershed_wire::jetstream::json;
use watershed_wire::jetstream::publish::{BATCH_ID, PubAck, encode_ack};
use watershed_wire::op::Publish;

use crate::fast_batches::Decided;
use crate::jetstream::JetStream;
use crate::live::admit::{Admission, admit};
use crate::markers::lengthened;
use crate::network::{Capture, Network};
use crate::record::kind;
use crate::rounds::{Asked, Held, Owed};
use crate::schedules::replacing;
use crate::state::{Lookup, StreamKey};

/// What becomes of a message that a stream captures, for whoever traces it.
#[derive(Debug)]
pub struct Told {
    /// Name of the stream.
    pub stream: String,
    /// Whether it answers each message by itself, whatever becomes of it.
    pub answers: bool,
}

impl JetStream {
    /// Which stream captures a message, and whether it will say what became of it.
    pub fn told_of(&self, capture: Capture, message: &Publish<'_>) -> Told {
        let config = &self.state.stream(StreamKey(capture.0)).config;
        let of_batch = HeaderBlock(message.header).value(BATCH_ID).is_some();
        let answers = !config.no_ack && !of_batch && !message.reply.is_some_and(is_fast);
        Told { stream: config.name.clone(), answers }
    }

    /// A message was published that a stream captures.
    #[inline]
    pub fn store(
        &mut self,
        net: &mut impl Network,
        now: Now,
        capture: Capture,
        message: &Publish<'_>,
    ) {
        self.now = now;
        self.store_in(net, StreamKey(capture.0), message);
    }

    pub(crate) fn store_in(
        &mut self,
        net: &mut impl Network,
        key: StreamKey,
        message: &Publish<'_>,
    ) {
        let lookup = self.expecting.lookup();
        let Self { live, random, .. } = self;
        let transformed = live.get(key).and_then(|own| own.transformed(message.subject, random));
        let subject = transformed.as_deref().unwrap_or(message.subject);
        let config = &self.state.stream(key).config;
        let header = replacing(config, lengthened(config, message.header));
        let message = Publish { subject, header: &header, ..*message };
        if message.reply.is_some_and(is_fast) {
            self.store_fast(net, key, &message);
        } else if !self.store_batched(net, key, &message) {
            self.store_looking(net, key, &message, lookup);
        }
    }

    /// Stores a message, if what it expects is true as far as is found by looking so far.
    pub(crate) fn store_looking(
        &mut self,
        net: &mut impl Network,
        key: StreamKey,
        message: &Publish<'_>,
        lookup: Lookup,
    ) {
        if self.state.stream(key).config.allow_msg_counter {
            self.store_counted(net, key, message, lookup);
        } else {
            self.store_admitted(net, key, message, lookup, None);
        }
    }

    /// Stores a message that is counted, if it is to be: `counter` is what it comes to.
    pub(crate) fn store_admitted(
        &mut self,
        net: &mut impl Network,
        key: StreamKey,
        message: &Publish<'_>,
        mut lookup: Lookup,
        counter: Option<Counter>,
    ) {
        let stream = &self.state.streams[key.index()];
        let room = self.room(stream.account, stream.config.storage);
        let Some(live) = self.live.get_mut(key) else { return };
        let owed = Owed::to_publisher(stream.account, message.reply, stream.config.no_ack);
        let is_fast = owed.asked == Asked::Fast;
        let log = stream.log.id();
        let now = self.now.wall;
        let admission = admit(stream, &mut live.intake, message, now, room, &mut lookup);
        self.expecting.looked_at(&lookup);
        match admission {
            Admission::Store { msg_id } => {
                let content = message.subject.len() + message.header.len() + message.payload.len();
                let available = self.takes_messages() && self.rounds.has_room(content);
                if available || stream.is_memory() {
                    let told = if is_fast { Owed::NOTHING } else { owed };
                    self.accept(net, key, message, msg_id.unwrap_or_default(), told);
                    if let Some(counter) = counter {
                        let sequence = self.live(key).intake.assigned();
                        self.has_counted(key, message.subject, sequence, counter);
                    }
                    if is_fast {
                        let sequence = self.live(key).intake.assigned();
                        self.fast_decided(net, key, owed, Decided::Stored(sequence));
                    }
                } else {
                    self.refuse_waiting(net, log, owed, table::INSUFFICIENT_RESOURCES.into());
                }
            }
            Admission::Duplicate { .. } if is_fast => {
                self.fast_decided(net, key, owed, Decided::Duplicate);
            }
            Admission::Duplicate { sequence } => {
                let durable = sequence <= stream.log.last();
                let mut payload = Vec::new();
                encode_ack(&mut payload, &stream.config.name, &self.domain, sequence, true, None);
                self.reply_when(net, durable, owed, payload);
            }
            Admission::Refuse(error) => self.refuse_in(net, key, owed, error),
            Admission::Unknown => {
                self.expect_later(net, log, message, owed, lookup.into_search());
            }
        }
    }

    /// A message that was admitted becomes a record.
    pub(crate) fn accept(
        &mut self,
        net: &mut impl Network,
        key: StreamKey,
        message: &Publish<'_>,
        msg_id: &[u8],
        owed: Owed<'_>,
    ) {
        if self.live(key).unsaved {
            // What was decided before stands before it.
            self.save_events_of(net, key);
        }
        let stream = &self.state.streams[key.index()];
        let Some(live) = self.live.get_mut(key) else { return };
        let sequence = if stream.is_memory() {
            // It is stored before anybody looks: it is never on its way.
            live.intake.assigned() + 1
        } else {
            let weight = stream.weigh(message.subject, message.header, message.payload);
            self.work.accepted(stream.account, u64::from(weight));
            live.intake.accept(message.subject, weight, msg_id)
        };
        let record = Record {
            log: stream.log.id(),
            kind: kind::MESSAGE,
            sequence,
            time: self.now.wall.0,
            key: message.subject,
            head: message.header,
            body: message.payload,
        };
        if stream.is_memory() {
            // Memory promises nothing beyond this process: no round to wait for.
            self.apply_local(net, &record, owed);
        } else {
            self.rounds.push(&record, owed);
            if self.acknowledge_ahead(net, key, &record, owed) {
                self.rounds.paid();
            }
        }
    }

    /// The server publishes a message of its own, which streams may store.
    pub(crate) fn publish_own(
        &mut self,
        net: &mut impl Network,
        account: AccountId,
        subject: &[u8],
        payload: &[u8],
    ) {
        let message = Publish { subject, reply: None, header: b"", payload, has_header: false };
        if let Some(capture) = net.publish(account, &message) {
            self.store_in(net, StreamKey(capture.0), &message);
        }
    }

    /// Whoever published a message is told that it is stored.
    pub(crate) fn acknowledge_stored(
        &mut self,
        net: &mut impl Network,
        key: StreamKey,
        record: &Record<'_>,
        owed: Owed<'_>,
    ) {
        if owed.subject.is_empty() {
            return;
        }
        self.scratch.clear();
        let config = &self.state.streams[key.index()].config;
        let counter = if config.allow_msg_counter { value_of(record.body) } else { None };
        encode_ack(&mut self.scratch, &config.name, &self.domain, record.sequence, false, counter);
        Self::reply(net, owed.account, owed.subject, b"", &self.scratch);
    }

    pub(crate) fn refuse_in(
        &mut self,
        net: &mut impl Network,
        key: StreamKey,
        owed: Owed<'_>,
        error: ApiError,
    ) {
        if owed.asked == Asked::Fast {
            return self.fast_decided(net, key, owed, Decided::Refused(error));
        }
        let stream = self.state.stream(key).config.name.clone();
        let ack = PubAck { error: Some(error), stream, ..PubAck::default() };
        Self::reply(net, owed.account, owed.subject, b"", &json::encode(&ack));
    }

    /// What waited to be stored, in this log, is not.
    pub(crate) fn refuse_waiting(
        &mut self,
        net: &mut impl Network,
        log: LogId,
        owed: Owed<'_>,
        error: ApiError,
    ) {
        match self.state.by_log(log).filter(|_| owed.asked == Asked::Fast) {
            Some(key) => self.fast_decided(net, key, owed, Decided::Refused(error)),
            None => Self::refuse_publish(net, owed, error),
        }
    }

    pub(crate) fn refuse_publish(net: &mut impl Network, owed: Owed<'_>, error: ApiError) {
        let ack = PubAck { error: Some(error), ..PubAck::default() };
        Self::reply(net, owed.account, owed.subject, b"", &json::encode(&ack));
    }

    /// Sends a reply now, or when everything that was accepted so far is applied.
    pub(crate) fn reply_when(
        &mut self,
        net: &mut impl Network,
        durable: bool,
        owed: Owed<'_>,
        payload: Vec<u8>,
    ) {
        let subject = owed.subject.to_vec();
        let held = Held { account: owed.account, subject, payload, asked: owed.asked };
        let now = if durable { Some(held) } else { self.rounds.hold(held) };
        if let Some(held) = now {
            Self::reply(net, held.account, &held.subject, b"", &held.payload);
        }
    }
}
