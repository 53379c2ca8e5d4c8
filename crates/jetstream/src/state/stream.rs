//! A stream as it is on disk: its configuration, the index of its messages, its consumers.
//!
//! Nothing in here changes but by a record that is applied.

use std::collections::VecDeque;

use watershed_base::AccountId;
use watershed_store::bytes::{BadState, Reader, put_count, put_counted, put_i64};
use watershed_store::log::Position as BlockPosition;
use watershed_store::{Log, LogId, Record};
use watershed_wire::header::HeaderBlock;
use watershed_wire::jetstream::asked::{Asked, Rollup};
use watershed_wire::jetstream::stream::{Compression, Retention, Storage, StreamState};
use watershed_wire::jetstream::{ConsumerConfig, StreamConfig};
use watershed_wire::time::UnixNanos;

use super::changes::Changes;
use super::chore::{self, Chore};
use super::consumer::Consumer;
use super::consumers::Consumers;
use super::deadlines::{Deadlines, SCHEDULES};
use super::dedup::Dedup;
use super::key::StreamKey;
use super::origins::{Origin, Places, origins};
use super::pin::{Kept, Pin};
use super::usage::{Bytes, Usage};
use crate::garbage::Garbage;
use crate::limits::{SLICE_MESSAGES_MAX, SLICE_MESSAGES_MIN};
use crate::record::kind;
use crate::tail::{Tail, TailPlace};

/// A stream.
#[derive(Debug)]
pub(crate) struct Stream {
    pub(crate) account: AccountId,
    pub(crate) config: StreamConfig,
    pub(crate) created: UnixNanos,
    pub(crate) log: Log,
    pub(crate) consumers: Consumers,
    pub(crate) dedup: Dedup,
    pub(crate) deadlines: Deadlines,
    /// Messages that are schedules, by when they make the next one.
    pub(crate) schedules: Deadlines,
    pub(crate) last_time: UnixNanos,
    pub(crate) last_msg_id: Box<[u8]>,
    /// Whom it copies, in the order of its configuration.
    pub(crate) origins: Vec<Origin>,
    /// How far others have come of which it has messages.
    pub(super) places: Places,
    /// Who copies it.
    pub(crate) followers: Vec<StreamKey>,
    /// What later records are still to do.
    pub(crate) chores: VecDeque<Chore>,
    /// What is kept of it for a snapshot that is being made.
    pub(crate) pin: Option<Box<Pin>>,
    /// What is counted of it in what its account uses.
    pub(super) counted: Usage,
    /// Where the newest messages are in memory, by sequence, for file storage.
    tail: VecDeque<(u64, TailPlace)>,
    /// The messages themselves, for memory storage; from `memory_first` on.
    memory: VecDeque<Option<Box<[u8]>>>,
    memory_first: u64,
}

/// A message's record, or where it is.
#[derive(Debug)]
pub(crate) enum Stored<'a> {
    /// In memory: the stream's, or the tail.
    Memory(&'a [u8]),
    /// In a block.
    Disk(BlockPosition),
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
            consumers: Consumers::default(),
            dedup: Dedup::default(),
            deadlines: Deadlines::default(),
            schedules: Deadlines::default(),
            last_time: UnixNanos(0),
            last_msg_id: Box::default(),
            origins: origins(&config, &[], &mut Places::default()),
            places: Places::default(),
            followers: Vec::new(),
            chores: VecDeque::new(),
            pin: None,
            counted: Usage::default(),
            tail: VecDeque::new(),
            memory: VecDeque::new(),
            memory_first: log.last() + 1,
            log,
            config,
        }
    }

    pub(crate) fn is_memory(&self) -> bool {
        self.config.storage == Storage::Memory
    }

    /// Whether what a consumer does is left out of the journal.
    pub(crate) fn has_in_memory(&self, index: usize) -> bool {
        self.is_memory() || self.consumers[index].in_memory
    }

    /// Whether its blocks are compressed when they are full.
    pub(crate) fn is_compressed(&self) -> bool {
        self.config.compression != Compression::None
    }

    /// Whether a new consumer is left out of the journal: it asks to be kept in memory, it ends when its client
    /// is gone, and no message is removed because of it.
    pub(crate) fn keeps_in_memory(&self, consumer: &ConsumerConfig) -> bool {
        let ends_by_itself = !consumer.is_durable();
        consumer.mem_storage && ends_by_itself && self.config.retention == Retention::Limits
    }

    /// Whether it is being made out of an archive: no other name has a space.
    pub(crate) fn is_hidden(&self) -> bool {
        self.config.name.contains(' ')
    }

    /// Whether messages go when consumers have finished with them.
    pub(crate) fn keeps_for_consumers(&self) -> bool {
        self.config.retention != Retention::Limits
    }

    /// What it uses of its account's room.
    pub(super) fn usage(&self) -> Usage {
        let stored = self.log.weight();
        let reserved = u64::try_from(self.config.max_bytes).unwrap_or(0);
        let bytes = Bytes { stored, reserved };
        let usage = Usage::of_stream(self.config.storage, bytes, self.consumers.len());
        // Nobody sees it yet.
        if self.is_hidden() { Usage { streams: 0, consumers: 0, ..usage } } else { usage }
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

    /// What a stored message counts for; 0 if it is gone.
    pub(crate) fn weight_of(&self, sequence: u64) -> u64 {
        self.log.weight_of(sequence).map_or(0, u64::from)
    }

    /// The next message that is appended has this sequence, if it is above all others.
    pub(super) fn skip_to(&mut self, sequence: u64) {
        if self.is_memory() {
            let left_out = sequence.saturating_sub(self.log.last() + 1);
            if self.memory.is_empty() {
                self.memory_first += left_out;
            } else {
                self.memory.extend((0..left_out).map(|_| None));
            }
        }
        self.log.skip(sequence);
    }

    /// The next message that is appended has this sequence at least, if nothing is there.
    pub(super) fn count_on_at(&mut self, sequence: u64) {
        self.log.skip_to(sequence.saturating_sub(1));
        if self.memory.is_empty() {
            self.memory_first = self.memory_first.max(self.log.last() + 1);
        }
    }

    /// Adds a message behind all others. `place` is where the tail has it, for file storage. Says
    /// which earlier messages it replaces.
    pub(super) fn append(
        &mut self,
        record: &Record<'_>,
        length: u32,
        place: Option<TailPlace>,
        changes: &mut Changes,
    ) -> Option<Rollup> {
        debug_assert_eq!(record.sequence, self.log.last() + 1, "sequences are dense");
        let weight = self.weigh(record.key, record.head, record.body);
        let appended = self.log.append(record.key, record.time, length, weight);
        let time = UnixNanos(record.time);
        self.last_time = time;
        if let Some(place) = place {
            let last = self.tail.back();
            changes.first_of_round = last.is_none_or(|(_, last)| last.round != place.round);
            self.tail.push_back((record.sequence, place));
            changes.placement = Some(appended.position);
            changes.sealed |= appended.sealed;
        } else {
            if appended.sealed {
                self.log.seal_nothing();
            }
            let mut bytes = Vec::with_capacity(record.encoded_len());
            record.encode_unchecked(&mut bytes);
            self.memory.push_back(Some(bytes.into()));
        }
        if record.head.is_empty() && self.last_msg_id.is_empty() {
            return None;
        }
        let asked = Asked::read(HeaderBlock(record.head));
        let id = asked.msg_id.unwrap_or_default();
        if !id.is_empty() {
            self.dedup.insert(id, record.sequence, time, self.config.duplicate_window);
        }
        self.last_msg_id = id.into();
        // Out of an archive comes what a source of the stream copied long ago.
        let copies = self.config.mirror.is_none() && !self.origins.is_empty();
        let is_own_copy = record.kind == kind::COPY && copies;
        if let Some(source) = asked.source.filter(|_| !is_own_copy) {
            self.places.note(source, time);
        }
        let ttl = asked.time_to_live().filter(|_| self.config.allow_msg_ttl);
        self.deadlines.insert(record.sequence, time, ttl, asked.is_marker);
        if asked.schedule.is_some() && self.config.allow_msg_schedules {
            self.schedule(record);
        }
        asked.rollup()
    }

    /// Removes a message. Says whether it was there.
    pub(crate) fn remove(&mut self, sequence: u64, changes: &mut Changes) -> bool {
        if !self.consumers.is_empty()
            && let Some(key) = self.log.key_entry_of(sequence)
        {
            self.consumers.removed(sequence, key, 0, &mut changes.lost);
        }
        let Some(removed) = self.log.remove(sequence) else { return false };
        self.drop_blocks(removed.dropped, changes);
        changes.removed += 1;
        self.deadlines.remove(sequence);
        self.schedules.remove(sequence);
        if let Some(index) = sequence.checked_sub(self.memory_first)
            && let Ok(index) = usize::try_from(index)
            && let Some(message) = self.memory.get_mut(index)
        {
            *message = None;
        }
        self.tidy_memory();
        true
    }

    /// Removes all messages before the sequence `until`.
    pub(super) fn remove_before(&mut self, until: u64, changes: &mut Changes) {
        if until > self.log.last() {
            self.clear(changes);
            return;
        }
        let (log, consumers) = (&mut self.log, &mut self.consumers);
        let progress = if consumers.is_empty() {
            log.remove_before(until, usize::MAX)
        } else {
            log.remove_before_each(until, usize::MAX, |sequence, id, key| {
                consumers.removed(sequence, (id, key), until, &mut changes.lost);
            })
        };
        debug_assert!(progress.done, "nothing is left without a budget");
        changes.removed += progress.records;
        self.drop_blocks(progress.dropped, changes);
        self.deadlines.remove_before(until);
        self.schedules.remove_before(until);
        while self.memory_first < until && self.memory.pop_front().is_some() {
            self.memory_first += 1;
        }
        self.tidy_memory();
    }

    /// Removes all messages.
    fn clear(&mut self, changes: &mut Changes) {
        let cleared = self.log.clear();
        changes.removed += cleared.records;
        self.drop_blocks(cleared.dropped, changes);
        changes.garbage.push(Garbage::Index(cleared.remains));
        changes.emptied = true;
        self.consumers.emptied(&mut changes.garbage);
        changes.garbage.push(Garbage::Deadlines(std::mem::take(&mut self.deadlines)));
        changes.garbage.push(Garbage::Deadlines(std::mem::take(&mut self.schedules)));
        changes.garbage.push(Garbage::Messages(std::mem::take(&mut self.memory)));
        self.memory_first = self.log.last() + 1;
        self.tail.clear();
    }

    /// The stream is deleted: its memory is freed later. Its consumers stay, for those who wait there.
    pub(super) fn discard(&mut self, changes: &mut Changes) {
        let id = self.log.id();
        changes.dropped.extend(self.log.block_numbers().map(|block| (id, block)));
        let kept = self.pin.take().map(|pin| pin.into_blocks()).unwrap_or_default();
        changes.dropped.extend(kept.into_iter().map(|block| (id, block)));
        self.consumers.discard(&mut changes.garbage);
        changes.garbage.extend([
            Garbage::Index(self.log.clear().remains),
            Garbage::Deadlines(std::mem::take(&mut self.deadlines)),
            Garbage::Deadlines(std::mem::take(&mut self.schedules)),
            Garbage::Messages(std::mem::take(&mut self.memory)),
            Garbage::Ids(std::mem::take(&mut self.dedup)),
        ]);
    }

    /// Blocks hold nothing any more: they go, unless a snapshot is being made.
    fn drop_blocks(&mut self, blocks: impl IntoIterator<Item = u32>, changes: &mut Changes) {
        let log = self.log.id();
        match &mut self.pin {
            Some(pin) => pin.keep_blocks(blocks),
            None => changes.dropped.extend(blocks.into_iter().map(|block| (log, block))),
        }
    }

    /// A message is about to go because a later one takes its place.
    pub(super) fn keep_replaced(&mut self, sequence: u64) {
        if self.pin.as_ref().is_none_or(|pin| !pin.wants(sequence)) {
            return;
        }
        let (position, tail) = (self.log.position(sequence), self.tail_place(sequence));
        if let (Some(pin), Some(position)) = (&mut self.pin, position) {
            pin.keep(sequence, Kept { position, tail });
        }
    }

    fn tidy_memory(&mut self) {
        while self.memory.front().is_some_and(Option::is_none) {
            self.memory.pop_front();
            self.memory_first += 1;
        }
    }

    /// The record of a message, from `tail` if it is there. `None` if it is gone.
    pub(crate) fn stored<'a>(&'a self, sequence: u64, tail: &'a Tail) -> Option<Stored<'a>> {
        let position = self.log.position(sequence)?;
        if self.is_memory() {
            return self.in_memory(sequence).map(Stored::Memory);
        }
        let recent = self.tail_place(sequence).and_then(|place| tail.record(place));
        Some(recent.map_or(Stored::Disk(position), Stored::Memory))
    }

    /// The record of a message of a stream in memory.
    fn in_memory(&self, sequence: u64) -> Option<&[u8]> {
        let index = usize::try_from(sequence.checked_sub(self.memory_first)?).ok()?;
        self.memory.get(index)?.as_deref()
    }

    /// Where the tail has a message.
    fn tail_place(&self, sequence: u64) -> Option<TailPlace> {
        // The tail ends with the last message, and only a mirror's leaves out sequences.
        let back = usize::try_from(self.log.last().checked_sub(sequence)?).ok()?;
        let dense = self.tail.len().checked_sub(back + 1).and_then(|index| self.tail.get(index));
        match dense {
            Some((found, place)) if *found == sequence => Some(*place),
            _ => {
                let index = self.tail.binary_search_by_key(&sequence, |(found, _)| *found).ok()?;
                self.tail.get(index).map(|(_, place)| *place)
            }
        }
    }

    /// Forgets tail places that point before `round`.
    pub(crate) fn trim_tail(&mut self, round: u64) {
        while self.tail.front().is_some_and(|(_, at)| at.round < round) {
            self.tail.pop_front();
        }
    }

    /// Messages that one record of a larger change should touch, so that it takes a fraction of a
    /// millisecond: fewer where each has a subject of its own, and where consumers are told of each.
    pub(crate) fn slice(&self) -> u64 {
        let per_subject = self.log.records() / (self.log.key_count() as u64).max(1);
        let slice = (SLICE_MESSAGES_MIN * per_subject.max(1)).min(SLICE_MESSAGES_MAX);
        (slice / (1 + self.consumers.len() as u64 / 8)).max(1)
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
            first_seq: if empty_ever && self.config.first_seq == 0 { 0 } else { log.first() },
            first_ts: UnixNanos(first_time),
            last_seq: log.last(),
            last_ts: self.last_time,
            num_subjects: log.key_count() as u64,
            num_deleted: between - log.records(),
            consumer_count: self.consumers.len(),
            ..StreamState::default()
        }
    }

    /// Appends what [`Stream::restore`] reads first.
    pub(super) fn checkpoint_head(&self, account: &str, out: &mut Vec<u8>) {
        put_counted(out, account.as_bytes());
        let config = serde_json::to_vec(&self.config).expect("configurations are JSON");
        put_counted(out, &config);
        put_i64(out, self.created.0);
        put_i64(out, self.last_time.0);
        put_counted(out, &self.last_msg_id);
        chore::checkpoint(&self.chores, out);
    }

    /// Appends the rest of it, for a stream in memory. The definition survives, the messages do not;
    /// sequences are never used again.
    pub(super) fn checkpoint_emptied(&self, out: &mut Vec<u8>) {
        let mut empty = Log::new(self.log.id(), 1, 0);
        if self.config.mirror.is_none() {
            empty.skip_to(self.log.last());
        } // A mirror has its origin's sequences, and begins anew.
        empty.checkpoint(out);
        Dedup::default().checkpoint(0, &mut 0, out);
        Deadlines::default().checkpoint(0, &mut 0, out);
        Deadlines::default().checkpoint(0, &mut 0, out);
        super::origins::checkpoint(&[], &Places::default(), out);
        // Consumers of what is gone with the process are gone with it.
        put_count(out, 0);
    }

    /// Reads a stream of a state of this version. `account` finds an account by its name.
    pub(crate) fn restore<E: From<BadState>>(
        reader: &mut Reader<'_>,
        version: u32,
        block_bytes: u32,
        account: impl FnOnce(&str) -> AccountId,
        footer: impl FnMut(LogId, u32) -> Result<Vec<u8>, E>,
    ) -> Result<Self, E> {
        let name = std::str::from_utf8(reader.counted()?).map_err(|_| BadState)?;
        let config = serde_json::from_slice(reader.counted()?).map_err(|_| BadState)?;
        let created = UnixNanos(reader.i64()?);
        let last_time = UnixNanos(reader.i64()?);
        let last_msg_id = reader.counted()?.into();
        let chores = chore::restore(reader)?;
        let log = Log::restore(reader, block_bytes, footer)?;
        let mut stream = Self::new(account(name), config, created, log.id(), block_bytes);
        stream.memory_first = log.last() + 1;
        stream.log = log;
        (stream.last_time, stream.last_msg_id, stream.chores) = (last_time, last_msg_id, chores);
        stream.dedup = Dedup::restore(reader)?;
        stream.deadlines = Deadlines::restore(reader, version)?;
        if version >= SCHEDULES {
            stream.schedules = Deadlines::restore(reader, version)?;
        }
        stream.places = super::origins::restore(&mut stream.origins, reader, version)?;
        for _ in 0..reader.count(1)? {
            let consumer = Consumer::restore(reader, version)?;
            stream.consumers.insert(consumer, &stream.log).ok_or(BadState)?;
        }
        Ok(stream)
    }
}
