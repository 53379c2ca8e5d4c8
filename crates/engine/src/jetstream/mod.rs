//! Streams over the journal: what is accepted now, and what follows when it is durable.
//!
//! A publish or a change that is accepted becomes a record of the open round, and nothing else. When
//! the round is durable its records are applied in order, and only then is anybody told, is a message
//! counted, readable, delivered. A restart applies the same records through the same code.

mod apply;
pub(crate) mod command;
mod follow;
mod gather;
mod making;
mod restore;
mod rounds;
pub(crate) mod tail;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use hashbrown::HashMap;
use slab::Slab;
use watershed_store::log::BLOCK_BYTES;
use watershed_store::{LogId, Record};
use watershed_wire::jetstream::StreamConfig;
use watershed_wire::jetstream::check::Bounds;
use watershed_wire::jetstream::error::{ApiError, table};
use watershed_wire::jetstream::json;
use watershed_wire::jetstream::publish::{PubAck, encode_ack};
use watershed_wire::jetstream::stream::Storage;
use watershed_wire::op::Publish;
use watershed_wire::time::UnixNanos;

use self::command::{Command, command_record, kind};
use self::gather::Gather;
use self::making::Making;
pub use self::restore::Restored;
use self::rounds::Rounds;
pub(crate) use self::rounds::{Held, Owed};
use self::tail::Tail;
use crate::account::AccountId;
use crate::api::Reading;
use crate::consumer::{Consumer, ConsumerKey};
use crate::engine::Engine;
use crate::limits::{JOURNAL_BYTES_PER_CHECKPOINT, ROUND_BYTES_WAITING_MAX};
use crate::now::Now;
use crate::output::Output;
use crate::stream::admit::Admission;
use crate::stream::{Effects, Stream, StreamKey};
use crate::timer::TimerKey;

/// Longest time that a consumer's events wait for a round.
const EVENTS_WAIT_MAX: Duration = Duration::from_millis(20);

/// What JetStream may use.
#[derive(Debug, Clone, Copy)]
pub struct JetStreamSettings {
    /// Bytes on disk that streams may set aside.
    pub max_file_store: u64,
    /// Bytes in memory that streams may set aside.
    pub max_memory_store: u64,
    /// Bounds of every account's streams and consumers.
    pub bounds: Bounds,
    /// Bytes of rounds after which a checkpoint lets the journal be used again.
    pub journal_bytes_per_checkpoint: usize,
    /// Bytes at which a block of a stream is sealed.
    pub block_bytes: u32,
}

impl JetStreamSettings {
    /// Settings for a store that may take so much.
    pub fn new(max_file_store: u64, max_memory_store: u64) -> Self {
        Self {
            max_file_store,
            max_memory_store,
            bounds: Bounds::default(),
            journal_bytes_per_checkpoint: JOURNAL_BYTES_PER_CHECKPOINT,
            block_bytes: BLOCK_BYTES,
        }
    }
}

/// What became of a consumer's events.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Saved {
    /// They are a record of the open round.
    Record,
    /// There were none.
    Nothing,
    /// There is no room, or no disk: they wait, and nobody may be told of them.
    Impossible,
}

/// All streams of a node.
#[derive(Debug)]
pub(crate) struct JetStream {
    /// `None` where JetStream is off.
    pub(crate) settings: Option<JetStreamSettings>,
    pub(crate) streams: Slab<Stream>,
    pub(crate) by_name: BTreeMap<(AccountId, String), StreamKey>,
    pub(crate) consumers: Slab<Consumer>,
    /// Consumers that may have something to deliver.
    pub(crate) ready: BTreeSet<ConsumerKey>,
    /// Consumers that wait for a client to read what it has been sent.
    pub(crate) held: BTreeSet<ConsumerKey>,
    /// Consumers with events that no round has taken.
    unsaved: BTreeSet<ConsumerKey>,
    /// What was asked for and is not there yet.
    pub(crate) making: Making,
    /// Streams that may have something to copy.
    pub(crate) following: BTreeSet<StreamKey>,
    /// Streams that have something to copy and no room for it.
    following_waits: BTreeSet<StreamKey>,
    /// Who follows whom, by the name of the origin, which need not exist.
    followers: BTreeMap<(AccountId, String), BTreeSet<StreamKey>>,
    by_log: HashMap<LogId, StreamKey, foldhash::fast::FixedState>,
    /// Number of the last log that was given away.
    last_log: u32,
    pub(crate) rounds: Rounds,
    gather: Gather,
    pub(crate) tail: Tail,
    /// Reads on their way, by ticket.
    reads: BTreeMap<u64, Reading>,
    last_ticket: u64,
    /// Bytes of rounds since the last checkpoint.
    journal_bytes: usize,
    checkpointing: bool,
    pub(crate) api_calls: u64,
    pub(crate) api_errors: u64,
}

impl JetStream {
    pub(crate) fn new(settings: Option<JetStreamSettings>) -> Self {
        Self {
            settings,
            streams: Slab::new(),
            by_name: BTreeMap::new(),
            consumers: Slab::new(),
            ready: BTreeSet::new(),
            held: BTreeSet::new(),
            unsaved: BTreeSet::new(),
            making: Making::default(),
            following: BTreeSet::new(),
            following_waits: BTreeSet::new(),
            followers: BTreeMap::new(),
            by_log: HashMap::default(),
            last_log: 0,
            rounds: Rounds::new(1),
            gather: Gather::default(),
            tail: Tail::default(),
            reads: BTreeMap::new(),
            last_ticket: 0,
            journal_bytes: 0,
            checkpointing: false,
            api_calls: 0,
            api_errors: 0,
        }
    }

    pub(crate) fn stream(&self, account: AccountId, name: &str) -> Option<(StreamKey, &Stream)> {
        // A tuple of references is no key of a map of tuples; names are short.
        let key = *self.by_name.get(&(account, name.to_owned()))?;
        Some((key, &self.streams[key.0 as usize]))
    }

    /// A consumer of an account.
    pub(crate) fn consumer(
        &self,
        account: AccountId,
        stream: &str,
        name: &str,
    ) -> Option<ConsumerKey> {
        let (_, stream) = self.stream(account, stream)?;
        stream.consumers.get(name).copied()
    }

    /// The streams of an account, by name.
    pub(crate) fn streams_of(&self, account: AccountId) -> impl Iterator<Item = &Stream> {
        let range = self.by_name.range((account, String::new())..);
        let own = range.take_while(move |((of, _), _)| *of == account);
        own.map(|(_, key)| &self.streams[key.0 as usize])
    }

    /// Bytes that streams have set aside by `max_bytes`.
    pub(crate) fn reserved(&self, storage: Storage) -> u64 {
        let streams = self.streams.iter().map(|(_, stream)| &stream.config);
        let same = streams.filter(|config| config.storage == storage);
        same.filter_map(|config| u64::try_from(config.max_bytes).ok()).sum()
    }

    /// Bytes that the other streams of an account have set aside where `config` wants some.
    pub(crate) fn reserved_by(&self, account: AccountId, config: &StreamConfig) -> u64 {
        let streams = self.streams_of(account).map(|stream| &stream.config);
        let same =
            streams.filter(|other| other.storage == config.storage && other.name != config.name);
        same.filter_map(|other| u64::try_from(other.max_bytes).ok()).sum()
    }

    /// Who waited for a read.
    pub(crate) fn take_reading(&mut self, ticket: u64) -> Option<Reading> {
        self.reads.remove(&ticket)
    }

    /// Remembers who waits for a read; names it.
    pub(crate) fn expect_read(&mut self, reading: Reading) -> u64 {
        self.last_ticket += 1;
        self.reads.insert(self.last_ticket, reading);
        self.last_ticket
    }

    /// Bytes at which a block of a stream is sealed.
    pub(crate) fn block_bytes(&self) -> u32 {
        self.settings.map_or(BLOCK_BYTES, |settings| settings.block_bytes)
    }

    fn forget_unsaved(&mut self, key: ConsumerKey) {
        self.unsaved.remove(&key);
    }

    pub(crate) fn next_log(&mut self) -> LogId {
        self.last_log += 1;
        LogId(self.last_log)
    }

    /// Accepts a change: it becomes a record, and `owed` is replied to when it is applied.
    pub(crate) fn command(
        &mut self,
        log: LogId,
        now: UnixNanos,
        command: &Command,
        owed: Owed<'_>,
    ) -> Result<(), ApiError> {
        let body = command.encode();
        let record = command_record(log, now, &body);
        if !self.rounds.works() || !record.fits() || !self.rounds.has_room(body.len()) {
            return Err(table::CLUSTER_NOT_AVAIL.into());
        }
        self.rounds.push(&record, owed);
        Ok(())
    }
}

impl Engine {
    /// A client publishes to a subject that `key` stores. Says whether there is room for more.
    pub(crate) fn store(&mut self, now: Now, key: StreamKey, message: &Publish<'_>) -> bool {
        let jetstream = &mut self.jetstream;
        let stream = &mut jetstream.streams[key.0 as usize];
        let account = stream.account;
        let reply = message.reply.filter(|_| !stream.config.no_ack).unwrap_or_default();
        let owed = Owed { account, subject: reply };
        let refusal = match stream.admit(message, now.wall) {
            Admission::Store { msg_id } => {
                let content = message.subject.len() + message.header.len() + message.payload.len();
                let available = jetstream.rounds.works() && jetstream.rounds.has_room(content);
                if available || stream.is_memory() {
                    self.accept(now, key, message, msg_id, owed);
                    return self.jetstream.rounds.bytes_waiting() < ROUND_BYTES_WAITING_MAX;
                }
                table::CLUSTER_NOT_AVAIL.into()
            }
            Admission::Duplicate { sequence } => {
                let durable = stream.is_stored(sequence);
                let mut payload = Vec::new();
                encode_ack(&mut payload, &stream.config.name, sequence, true);
                self.reply_when(durable, owed, payload);
                return true;
            }
            Admission::Refuse(error) => error,
        };
        self.refuse_publish(key, owed, refusal);
        true
    }

    fn accept(
        &mut self,
        now: Now,
        key: StreamKey,
        message: &Publish<'_>,
        msg_id: Option<&[u8]>,
        owed: Owed<'_>,
    ) {
        let jetstream = &mut self.jetstream;
        let stream = &mut jetstream.streams[key.0 as usize];
        let weight = stream.weigh(message.subject, message.header, message.payload);
        let sequence = stream.assign(message.subject, weight, msg_id, now.wall);
        let record = Record {
            log: stream.log.id(),
            kind: kind::MESSAGE,
            sequence,
            time: now.wall.0,
            key: message.subject,
            head: message.header,
            body: message.payload,
        };
        if !stream.is_memory() {
            jetstream.rounds.push(&record, owed);
            return;
        }
        // Memory promises nothing beyond this process: no round to wait for.
        let mut effects = stream.append(&record, 0, None);
        self.after_append(now, key, &record, &mut effects);
        self.acknowledge_stored(key, sequence, owed);
    }

    fn acknowledge_stored(&mut self, key: StreamKey, sequence: u64, owed: Owed<'_>) {
        if owed.subject.is_empty() {
            return;
        }
        let mut payload = std::mem::take(&mut self.scratch);
        payload.clear();
        let stream = &self.jetstream.streams[key.0 as usize];
        encode_ack(&mut payload, &stream.config.name, sequence, false);
        self.reply(owed.account, owed.subject, b"", &payload);
        self.scratch = payload;
    }

    fn refuse_publish(&mut self, key: StreamKey, owed: Owed<'_>, error: ApiError) {
        let stream = self.jetstream.streams[key.0 as usize].config.name.clone();
        let ack = PubAck { error: Some(error), stream, ..PubAck::default() };
        self.reply(owed.account, owed.subject, b"", &json::encode(&ack));
    }

    /// Sends a reply now, or when everything that was accepted so far is durable.
    pub(crate) fn reply_when(&mut self, durable: bool, owed: Owed<'_>, payload: Vec<u8>) {
        let held = Held { account: owed.account, subject: owed.subject.to_vec(), payload };
        let now = if durable { Some(held) } else { self.jetstream.rounds.hold(held) };
        if let Some(held) = now {
            self.reply(held.account, &held.subject, b"", &held.payload);
        }
    }

    /// Sends a reply to `subject`, if there is one.
    pub(crate) fn reply(
        &mut self,
        account: AccountId,
        subject: &[u8],
        header: &[u8],
        payload: &[u8],
    ) {
        if subject.is_empty() {
            return;
        }
        let has_header = !header.is_empty();
        let message = Publish { subject, reply: None, header, payload, has_header };
        self.send_in(account, &message);
    }

    /// Lets the open round go, if the disk is free and nobody else is likely to join.
    pub(crate) fn close_round(&mut self) {
        if !self.jetstream.rounds.wants_to_close() {
            return;
        }
        let owed = self.jetstream.rounds.owed();
        if let Some(until) = self.jetstream.gather.waits_until(self.now.tick, owed) {
            self.set_timer(TimerKey::Round, until);
            return;
        }
        self.cancel_timer(TimerKey::Round);
        // Events ride with a round that goes anyway.
        self.save_all_events();
        if let Some(round) = self.jetstream.rounds.close() {
            self.jetstream.gather.goes(self.now.tick, owed);
            self.outputs.push(Output::Commit(round));
        }
    }

    /// A consumer has events to keep: they go with the next round, or after a moment at the latest.
    pub(crate) fn note_unsaved(&mut self, key: ConsumerKey) {
        let consumer = &self.jetstream.consumers[key.0 as usize];
        if self.jetstream.streams[consumer.stream.0 as usize].is_memory() {
            // What is gone with the process needs no journal.
            self.jetstream.consumers[key.0 as usize].take_unsaved();
            return;
        }
        self.jetstream.unsaved.insert(key);
        if !self.has_timer(TimerKey::Events) {
            let deadline = self.now.tick.after(EVENTS_WAIT_MAX);
            self.set_timer(TimerKey::Events, deadline);
        }
    }

    /// Makes a consumer's events a record, with the reply that is owed when it is durable.
    pub(crate) fn save_events(&mut self, key: ConsumerKey, owed: Owed<'_>) -> Saved {
        let Some(consumer) = self.jetstream.consumers.get_mut(key.0 as usize) else {
            return Saved::Nothing;
        };
        if !consumer.has_unsaved() {
            return Saved::Nothing;
        }
        let rounds = &mut self.jetstream.rounds;
        let length = consumer.config.name.len() + consumer.unsaved_len();
        if !rounds.works() || !rounds.has_room(length) {
            return Saved::Impossible;
        }
        self.jetstream.unsaved.remove(&key);
        let body = consumer.take_unsaved();
        let name = consumer.config.name.clone();
        let stream = &self.jetstream.streams[consumer.stream.0 as usize];
        let record = Record {
            log: stream.log.id(),
            kind: kind::EVENTS,
            sequence: 0,
            time: self.now.wall.0,
            key: name.as_bytes(),
            head: b"",
            body: &body,
        };
        self.jetstream.rounds.push(&record, owed);
        Saved::Record
    }

    /// Makes records of all events that wait for one.
    pub(crate) fn save_all_events(&mut self) {
        self.cancel_timer(TimerKey::Events);
        let nobody = Owed { account: AccountId(0), subject: b"" };
        for key in std::mem::take(&mut self.jetstream.unsaved) {
            if self.save_events(key, nobody) == Saved::Impossible {
                self.jetstream.unsaved.insert(key);
            }
        }
    }

    /// Consumers hear what went from their stream.
    pub(crate) fn tell_consumers(&mut self, stream: StreamKey, effects: &Effects) {
        let Some(held) = self.jetstream.streams.get(stream.0 as usize) else { return };
        for (sequence, subject) in &effects.removed {
            for key in held.consumers.values() {
                self.jetstream.consumers[key.0 as usize].removed(*sequence, subject);
            }
        }
    }

    /// Makes a checkpoint before the server stops, so that its next start has nothing to replay.
    pub fn checkpoint_at_stop(&mut self) {
        if let Some(round) = self.jetstream.rounds.last_applied()
            && self.jetstream.journal_bytes > 0
        {
            let checkpoint = self.checkpoint(round);
            self.outputs.push(Output::Checkpoint(checkpoint));
        }
    }

    fn checkpoint_if_due(&mut self, round: u64) {
        let jetstream = &mut self.jetstream;
        let due = jetstream.settings.is_some_and(|settings| {
            jetstream.journal_bytes >= settings.journal_bytes_per_checkpoint
        });
        if !due || jetstream.checkpointing {
            return;
        }
        jetstream.journal_bytes = 0;
        jetstream.checkpointing = true;
        let checkpoint = self.checkpoint(round);
        self.outputs.push(Output::Checkpoint(checkpoint));
    }
}
