//! Atomic batches: messages that are stored together, or not at all (ADR-50).
//!
//! They are kept here until the last one comes. What makes them one on disk is that they are records of
//! one round: a round is durable as a whole, or has not happened. A batch that has not come to its
//! end when the process does was never there.

use serde_json::json;
use watershed_wire::header::HeaderBlock;
use watershed_wire::jetstream::asked::Asked as AskedFor;
use watershed_wire::jetstream::error::{ApiError, table};
use watershed_wire::jetstream::json as encoded;
use watershed_wire::jetstream::publish::BatchAck;
use watershed_wire::limits::HEADER_BYTES_MAX;
use watershed_wire::op::Publish;

use crate::jetstream::{JetStream, TimerKey};
use crate::limits::{BATCH_BYTES_MAX, BATCH_IDLE_MAX, BATCH_MESSAGES_MAX};
use crate::live::Counters;
use crate::live::admit::refuse_size;
use crate::live::admit_batch::refuse_batch;
use crate::network::Network;
use crate::rounds::{Asked, Owed};
use crate::staged::{Batch, End, Part, Staged, Why};
use crate::state::StreamKey;

impl JetStream {
    /// A message came that may be a part of a batch. Says whether it is one: then nothing else is to be
    /// done with it.
    pub(crate) fn store_batched(
        &mut self,
        net: &mut impl Network,
        key: StreamKey,
        message: &Publish<'_>,
    ) -> bool {
        let stream = self.state.stream(key);
        if !stream.config.allow_atomic || message.header.is_empty() {
            return false;
        }
        let Some(id) = AskedFor::read(HeaderBlock(message.header)).batch_id else { return false };
        let reply = message.reply.filter(|_| !stream.config.no_ack).unwrap_or_default();
        let owed = Owed { account: stream.account, subject: reply, asked: Asked::Publish };
        match self.take_part(net, key, id, message) {
            Ok(None) => Self::reply(net, owed.account, owed.subject, b"", b""),
            Ok(Some(messages)) => {
                self.commit_batch(net, key, id, messages, Counters::unbounded(), owed);
            }
            Err(error) => self.refuse_in(net, key, owed, error),
        }
        true
    }

    /// Takes in a message of a batch. Says what the batch holds, if that was the end of it.
    fn take_part(
        &mut self,
        net: &mut impl Network,
        key: StreamKey,
        id: &[u8],
        message: &Publish<'_>,
    ) -> Result<Option<Vec<Staged>>, ApiError> {
        let part = match Part::read(id, HeaderBlock(message.header)) {
            Ok(part) => part,
            Err(error) => {
                if error.err_code == table::ATOMIC_PUBLISH_INVALID_BATCH_COMMIT.code {
                    self.batches.take(key, id);
                }
                return Err(error);
            }
        };
        if part.number > BATCH_MESSAGES_MAX {
            self.abandon_batch(net, key, id, Why::Large);
            return Err(table::ATOMIC_PUBLISH_TOO_LARGE_BATCH.with(BATCH_MESSAGES_MAX));
        }
        let stream = self.state.stream(key);
        if let Some(error) = refuse_size(stream, message) {
            return Err(error);
        }
        if message.header.len() > HEADER_BYTES_MAX {
            return Err(table::STREAM_HEADER_EXCEEDS_MAXIMUM.into());
        }
        let place = (key, id.into());
        let known = self.batches.of.get(&place).map(|batch| batch.messages.len());
        if part.number != known.unwrap_or(0) + 1
            || (known.is_none() && part.end == Some(End::Before))
        {
            if known.is_some() || part.number == 1 {
                self.batches.take(key, id);
                self.advise_abandoned(net, key, id, Why::Incomplete);
            }
            return Err(table::ATOMIC_PUBLISH_INCOMPLETE_BATCH.into());
        }
        if known.is_none() && !self.batches.has_room(key) {
            return Err(table::ATOMIC_PUBLISH_TOO_MANY_INFLIGHT.into());
        }
        if part.end == Some(End::Before) {
            return Ok(self.batches.take(key, id));
        }
        let staged = Staged::new(message);
        if self.batches.bytes + staged.len() > BATCH_BYTES_MAX {
            self.abandon_batch(net, key, id, Why::Large);
            return Err(table::INSUFFICIENT_RESOURCES.into());
        }
        let until = self.now.tick.after(BATCH_IDLE_MAX);
        self.batches.bytes += staged.len();
        let fresh = Batch { messages: Vec::new(), until };
        let batch = self.batches.of.entry(place).or_insert(fresh);
        batch.messages.push(staged);
        batch.until = until;
        if part.end == Some(End::With) {
            return Ok(self.batches.take(key, id));
        }
        if self.timers.get(TimerKey::Batches).is_none() {
            self.timers.set(TimerKey::Batches, until);
        }
        Ok(None)
    }

    /// Stores all messages of a batch, or none of them. `found` are values of counters that were read for it.
    pub(crate) fn commit_batch(
        &mut self,
        net: &mut impl Network,
        key: StreamKey,
        id: &[u8],
        messages: Vec<Staged>,
        found: Counters,
        owed: Owed<'_>,
    ) {
        if !self.state.stream(key).config.allow_msg_counter {
            self.store_batch(net, key, id, &messages, owed);
            return;
        }
        let counted = self.count_batch(net, key, id, messages, found, owed);
        let Some((messages, counters)) = counted else { return };
        let Some(first) = self.store_batch(net, key, id, &messages, owed) else { return };
        for ((sequence, message), counter) in (first..).zip(&messages).zip(counters) {
            self.has_counted(key, message.publish().subject, sequence, counter);
        }
    }

    /// Stores all messages of a batch, or none of them. Says which sequence the first has.
    fn store_batch(
        &mut self,
        net: &mut impl Network,
        key: StreamKey,
        id: &[u8],
        messages: &[Staged],
        owed: Owed<'_>,
    ) -> Option<u64> {
        let stream = &self.state.streams[key.index()];
        let room = self.room(stream.account, stream.config.storage);
        let live = self.live.get_mut(key)?;
        let mut lookup = self.expecting.lookup();
        let all: Vec<Publish<'_>> = messages.iter().map(Staged::publish).collect();
        let now = self.now.wall;
        let refused = refuse_batch(stream, &mut live.intake, &all, now, room, &mut lookup);
        self.expecting.looked_at(&lookup);
        if let Some(error) = refused {
            self.refuse_in(net, key, owed, error);
            return None;
        }
        let is_memory = stream.is_memory();
        let content = messages.iter().map(Staged::len).sum();
        let has_room = self.takes_messages() && self.rounds.has_room(content);
        if !is_memory && !has_room {
            Self::refuse_publish(net, owed, table::INSUFFICIENT_RESOURCES.into());
            return None;
        }
        let first = self.live(key).intake.assigned() + 1;
        for message in &all {
            let id = AskedFor::read(HeaderBlock(message.header)).msg_id.unwrap_or_default();
            self.accept(net, key, message, id, Owed::NOTHING);
        }
        let seq = self.live(key).intake.assigned();
        let ack = BatchAck {
            stream: &self.state.stream(key).config.name,
            domain: &self.domain,
            seq,
            batch: &String::from_utf8_lossy(id),
            count: messages.len() as u64,
        };
        let payload = encoded::encode(&ack);
        if !owed.subject.is_empty() {
            self.reply_when(net, is_memory, owed, payload);
        }
        Some(first)
    }

    /// Gives up a batch, if there is one.
    fn abandon_batch(&mut self, net: &mut impl Network, key: StreamKey, id: &[u8], why: Why) {
        if self.batches.take(key, id).is_some() {
            self.advise_abandoned(net, key, id, why);
        }
    }

    /// Gives up batches that have waited for too long.
    pub(crate) fn give_up_batches(&mut self, net: &mut impl Network) {
        let now = self.now.tick;
        let late = self.batches.of.iter().filter(|(_, batch)| batch.until <= now);
        let late: Vec<(StreamKey, Box<[u8]>)> = late.map(|(place, _)| place.clone()).collect();
        for (key, id) in late {
            self.abandon_batch(net, key, &id, Why::Timeout);
        }
        if let Some(next) = self.batches.of.values().map(|batch| batch.until).min() {
            self.timers.set(TimerKey::Batches, next);
        }
    }

    fn advise_abandoned(&mut self, net: &mut impl Network, key: StreamKey, id: &[u8], why: Why) {
        let stream = self.state.stream(key);
        let (account, name) = (stream.account, stream.config.name.clone());
        let batch = String::from_utf8_lossy(id);
        let fields = json!({"stream": name, "batch": batch, "reason": why.text()});
        let body = self.event("advisory.v1.stream_batch_abandoned", fields);
        let subject = format!("$JS.EVENT.ADVISORY.STREAM.BATCH_ABANDONED.{name}");
        self.publish_own(net, account, subject.as_bytes(), body.as_bytes());
    }
}
