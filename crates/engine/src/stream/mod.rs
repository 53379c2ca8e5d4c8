//! A stream: its configuration, the index of its messages, and what happens to both.

pub(crate) mod admit;
pub(crate) mod chunk;
mod dedup;
pub(crate) mod following;
mod read;
mod retention;
mod ttl;
pub(crate) mod unbuilt;

use std::collections::{BTreeMap, VecDeque};

use watershed_store::bytes::{BadState, Reader, put_counted, put_i64, put_u64};
use watershed_store::log::{Appended, Position, Sealed};
use watershed_store::{Log, LogId, Record};
use watershed_wire::header::HeaderBlock;
use watershed_wire::jetstream::StreamConfig;
use watershed_wire::jetstream::publish::{MSG_ID, TTL, TimeToLive};
use watershed_wire::jetstream::stream::{Storage, StreamState};
use watershed_wire::time::UnixNanos;

use self::dedup::Dedup;
use self::following::{Following, followings};
pub(crate) use self::read::{Stored, subject_counts};
use self::ttl::Deadlines;
use crate::account::AccountId;
use crate::consumer::ConsumerKey;
use crate::jetstream::tail::TailPlace;

/// A stream's place in the engine's table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct StreamKey(pub(crate) u32);

/// A stream.
#[derive(Debug)]
pub(crate) struct Stream {
    pub(crate) account: AccountId,
    pub(crate) config: StreamConfig,
    pub(crate) created: UnixNanos,
    pub(crate) log: Log,
    /// Consumers by name.
    pub(crate) consumers: BTreeMap<String, ConsumerKey>,
    /// Sequence that the last accepted message has; above the log's while some are not durable.
    assigned: u64,
    /// Accepted and not yet durable: subject and message id by sequence, from `log.last() + 1` on.
    inflight: VecDeque<Inflight>,
    dedup: Dedup,
    deadlines: Deadlines,
    last_time: UnixNanos,
    last_msg_id: Box<[u8]>,
    /// Where the newest messages are in memory, by sequence, for file storage.
    tail: VecDeque<(u64, TailPlace)>,
    /// The messages themselves, for memory storage; from the log's first sequence on.
    memory: VecDeque<Option<Box<[u8]>>>,
    memory_first: u64,
    /// Whom it follows, in the order of its configuration.
    pub(crate) following: Vec<Following>,
    /// Who follows it.
    pub(crate) followers: Vec<StreamKey>,
}

/// A message that was accepted and is not yet durable.
#[derive(Debug)]
struct Inflight {
    subject: Box<[u8]>,
    weight: u32,
}

/// What appending a message changed outside of the stream.
#[derive(Debug, Default)]
pub(crate) struct Effects {
    /// Where the message goes on disk.
    pub(crate) appended: Option<Appended>,
    /// Blocks that hold nothing any more.
    pub(crate) dropped: Vec<u32>,
    /// Messages that went, with their subjects, for the consumers to hear of.
    pub(crate) removed: Vec<(u64, Box<[u8]>)>,
    /// Whether a message may go earlier than any before it.
    pub(crate) sooner: bool,
}

impl Stream {
    pub(crate) fn new(
        account: AccountId,
        config: StreamConfig,
        created: UnixNanos,
        log: LogId,
        block_bytes: u32,
    ) -> Self {
        let log = Log::new(log, config.first_seq, block_bytes);
        Self {
            account,
            created,
            assigned: log.last(),
            consumers: BTreeMap::new(),
            inflight: VecDeque::new(),
            dedup: Dedup::default(),
            deadlines: Deadlines::default(),
            last_time: UnixNanos(0),
            last_msg_id: Box::default(),
            tail: VecDeque::new(),
            memory: VecDeque::new(),
            memory_first: log.last() + 1,
            following: followings(&config, &[]),
            followers: Vec::new(),
            log,
            config,
        }
    }

    pub(crate) fn is_memory(&self) -> bool {
        self.config.storage == Storage::Memory
    }

    /// What a message counts for against `max_bytes`, as nats-server counts it.
    pub(crate) fn weigh(&self, subject: &[u8], header: &[u8], payload: &[u8]) -> u32 {
        let content = subject.len() + header.len() + payload.len();
        let overhead = match self.config.storage {
            Storage::Memory => 16,
            Storage::File if header.is_empty() => 30,
            Storage::File => 34,
        };
        u32::try_from(content + overhead).unwrap_or(u32::MAX - 1)
    }

    /// Sequence that the last accepted message has.
    pub(crate) fn assigned(&self) -> u64 {
        self.assigned
    }

    /// The next message that is accepted gets this sequence, if it is above all others.
    pub(crate) fn assign_from(&mut self, sequence: u64) {
        self.assigned = self.assigned.max(sequence - 1);
    }

    /// The next message that is appended has this sequence, if it is above all others.
    pub(crate) fn skip_to(&mut self, sequence: u64) -> Option<Sealed> {
        if self.is_memory() {
            let left_out = sequence.saturating_sub(self.log.last() + 1);
            if self.memory.is_empty() {
                self.memory_first += left_out;
            } else {
                self.memory.extend((0..left_out).map(|_| None));
            }
        }
        self.log.skip(sequence)
    }

    /// Takes another configuration, keeping what is known of the origins that it names.
    pub(crate) fn configure(&mut self, config: StreamConfig) {
        self.following = followings(&config, &self.following);
        self.config = config;
    }

    /// A message that was admitted gets its sequence.
    pub(crate) fn assign(
        &mut self,
        subject: &[u8],
        weight: u32,
        msg_id: Option<&[u8]>,
        time: UnixNanos,
    ) -> u64 {
        self.assigned += 1;
        if let Some(id) = msg_id {
            self.dedup.insert(id, self.assigned, time, self.config.duplicate_window);
        }
        self.last_msg_id = msg_id.unwrap_or_default().into();
        if !self.is_memory() {
            self.inflight.push_back(Inflight { subject: subject.into(), weight });
        }
        self.assigned
    }

    /// A message is durable (or is in memory, where that is all that is promised): it is counted,
    /// readable and delivered from now on. `place` is where the tail has it.
    pub(crate) fn append(
        &mut self,
        record: &Record<'_>,
        length: u32,
        place: Option<TailPlace>,
    ) -> Effects {
        let mut effects = Effects::default();
        self.inflight.pop_front();
        debug_assert_eq!(record.sequence, self.log.last() + 1, "sequences are dense");
        let weight = self.weigh(record.key, record.head, record.body);
        let appended = self.log.append(record.key, record.time, length, weight);
        self.assigned = self.assigned.max(self.log.last());
        let time = UnixNanos(record.time);
        self.last_time = time;
        if self.inflight.is_empty() {
            // On replay nobody assigned anything before.
            let id = HeaderBlock(record.head).value(MSG_ID).unwrap_or_default();
            if !id.is_empty() {
                self.dedup.insert(id, record.sequence, time, self.config.duplicate_window);
            }
            self.last_msg_id = id.into();
        }
        if let Some(place) = place {
            self.tail.push_back((record.sequence, place));
            effects.appended = Some(appended);
        } else {
            let mut bytes = Vec::with_capacity(record.encoded_len());
            record.encode(&mut bytes);
            self.memory.push_back(Some(bytes.into()));
        }
        let ttl = HeaderBlock(record.head).value(TTL).and_then(TimeToLive::parse);
        if let Some(ttl) = ttl.filter(|_| self.config.allow_msg_ttl) {
            self.deadlines.insert(record.sequence, time, ttl);
            effects.sooner = true;
        }
        self.roll_up(record, &mut effects);
        self.enforce_limits(Some(record.key), &mut effects);
        effects
    }

    /// Forgets tail places that point before `round`.
    pub(crate) fn trim_tail(&mut self, round: u64) {
        while self.tail.front().is_some_and(|(_, at)| at.round < round) {
            self.tail.pop_front();
        }
    }

    /// Whether any message goes by itself.
    pub(crate) fn expires(&self) -> bool {
        self.config.max_age > 0 || !self.deadlines.is_empty()
    }

    /// What the stream holds.
    pub(crate) fn state(&self) -> StreamState {
        let log = &self.log;
        let empty_ever = log.last() == 0 && log.records() == 0;
        let first_time = log.time_of(log.first()).unwrap_or(0);
        let between = if log.records() == 0 { 0 } else { log.last() - log.first() + 1 };
        StreamState {
            messages: log.records(),
            bytes: log.weight(),
            first_seq: if empty_ever { 0 } else { log.first() },
            first_ts: UnixNanos(first_time),
            last_seq: log.last(),
            last_ts: self.last_time,
            num_subjects: log.key_count() as u64,
            num_deleted: between - log.records(),
            consumer_count: self.consumers.len(),
            ..StreamState::default()
        }
    }

    /// Where a message is on disk.
    pub(crate) fn position(&self, sequence: u64) -> Option<Position> {
        self.log.position(sequence)
    }

    /// Appends what [`Stream::restore`] reads.
    pub(crate) fn checkpoint(&self, account: &str, out: &mut Vec<u8>) {
        put_counted(out, account.as_bytes());
        let config = serde_json::to_vec(&self.config).expect("configurations are JSON");
        put_counted(out, &config);
        put_i64(out, self.created.0);
        put_i64(out, self.last_time.0);
        put_counted(out, &self.last_msg_id);
        if self.is_memory() {
            // The definition survives, the messages do not; sequences are never used again.
            let mut empty = Log::new(self.log.id(), 1, 0);
            if self.config.mirror.is_none() {
                empty.skip_to(self.log.last());
            } // A mirror has its origin's sequences, and begins anew.
            empty.checkpoint(out);
            put_u64(out, 0);
            put_u64(out, 0);
            following::checkpoint(&[], out);
        } else {
            self.log.checkpoint(out);
            self.dedup.checkpoint(self.log.last(), out);
            self.deadlines.checkpoint(out);
            following::checkpoint(&self.following, out);
        }
    }

    /// Reads a stream. `account` finds an account by its name.
    pub(crate) fn restore<E: From<BadState>>(
        reader: &mut Reader<'_>,
        block_bytes: u32,
        account: impl FnOnce(&str) -> AccountId,
        footer: impl FnMut(LogId, u32) -> Result<Vec<u8>, E>,
    ) -> Result<Self, E> {
        let name = std::str::from_utf8(reader.counted()?).map_err(|_| BadState)?;
        let config = serde_json::from_slice(reader.counted()?).map_err(|_| BadState)?;
        let created = UnixNanos(reader.i64()?);
        let last_time = UnixNanos(reader.i64()?);
        let last_msg_id = reader.counted()?.into();
        let log = Log::restore(reader, block_bytes, footer)?;
        let mut stream = Self::new(account(name), config, created, log.id(), block_bytes);
        stream.assigned = log.last();
        stream.memory_first = log.last() + 1;
        stream.log = log;
        (stream.last_time, stream.last_msg_id) = (last_time, last_msg_id);
        stream.dedup = Dedup::restore(reader)?;
        stream.deadlines = Deadlines::restore(reader)?;
        following::restore(&mut stream.following, reader)?;
        Ok(stream)
    }
}
