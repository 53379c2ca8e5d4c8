//! A consumer: where it is in its stream, what it has delivered and not heard of, who waits for it.
//!
//! This module decides; [`deliver`] sends what was decided. What changes a consumer's position is
//! remembered as [`Event`]s until a round takes them: they are applied at once, ride with the next
//! round, and a client that asks for it hears of an acknowledgement only when its event is durable.

mod ack;
mod deliver;
mod event;
mod outstanding;
mod state;
mod waiting;

use std::collections::VecDeque;

use watershed_store::Log;
use watershed_store::log::KeyState;
use watershed_wire::jetstream::ConsumerConfig;
use watershed_wire::jetstream::consumer::{AckPolicy, ConsumerInfo, DeliverPolicy, SequencePair};
use watershed_wire::subject::{has_wildcard, matches};
use watershed_wire::time::UnixNanos;

pub(crate) use self::event::{Event, decode_events};
pub(crate) use self::outstanding::Outstanding;
pub(crate) use self::waiting::{Request, Waiting};
use crate::now::{Now, Tick};
use crate::stream::StreamKey;
use crate::stream::chunk::Chunk;

/// A consumer's place in the engine's table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct ConsumerKey(pub(crate) u32);

/// A consumer.
#[derive(Debug)]
pub(crate) struct Consumer {
    pub(crate) stream: StreamKey,
    pub(crate) config: ConsumerConfig,
    pub(crate) created: UnixNanos,
    /// The next sequence that was never delivered.
    cursor: u64,
    /// Sequences to deliver before those from the cursor on: the last of each subject.
    ahead: VecDeque<u64>,
    /// Deliveries so far.
    deliveries: u64,
    /// The highest sequence that was delivered, or the one before the start.
    delivered: u64,
    last_delivered: Option<UnixNanos>,
    last_acked: Option<UnixNanos>,
    /// Messages that match and were never delivered.
    backlog: u64,
    pub(crate) outstanding: Outstanding,
    pub(crate) waiting: Waiting,
    /// Events that no round has taken yet.
    unsaved: Vec<u8>,
    /// Whether a record is on its way from the disk.
    pub(crate) reading: bool,
    /// What was last read from disk.
    pub(crate) chunk: Option<Chunk>,
    /// Since when nobody has been there; `None` while somebody is.
    pub(crate) idle_since: Option<Tick>,
    /// For push: when something was last sent.
    pub(crate) last_sent: Tick,
    /// For push with flow control: bytes since the last answer, and whether one is awaited.
    pub(crate) flow_bytes: usize,
    pub(crate) flow_awaited: bool,
}

impl Consumer {
    /// A consumer that starts where its policy says.
    pub(crate) fn new(
        stream: StreamKey,
        config: ConsumerConfig,
        created: UnixNanos,
        log: &Log,
    ) -> Self {
        let mut consumer = Self {
            stream,
            config,
            created,
            cursor: log.first(),
            ahead: VecDeque::new(),
            deliveries: 0,
            delivered: 0,
            last_delivered: None,
            last_acked: None,
            backlog: 0,
            outstanding: Outstanding::default(),
            waiting: Waiting::default(),
            unsaved: Vec::new(),
            reading: false,
            chunk: None,
            idle_since: None,
            last_sent: Tick(0),
            flow_bytes: 0,
            flow_awaited: false,
        };
        consumer.start(log);
        consumer.count_backlog(log);
        consumer
    }

    fn start(&mut self, log: &Log) {
        let end = log.last() + 1;
        let wanted = |key| self.wants(log.key_name(key));
        self.cursor = match self.config.deliver_policy {
            DeliverPolicy::All => log.first(),
            DeliverPolicy::New => end,
            DeliverPolicy::Last => log.last_where(log.last(), wanted).unwrap_or(end),
            DeliverPolicy::ByStartSequence => self.config.opt_start_seq.max(1),
            DeliverPolicy::ByStartTime => {
                let time = self.config.opt_start_time.unwrap_or_default();
                log.at_time(time.0).unwrap_or(end)
            }
            DeliverPolicy::LastPerSubject => {
                let keys = log.keys().filter(|key| self.wants(key.name()));
                let mut last: Vec<u64> = keys
                    .filter_map(|key| {
                        log.last_where(key.last(), |id| log.key_name(id) == key.name())
                    })
                    .collect();
                last.sort_unstable();
                self.ahead = last.into();
                end
            }
        };
        let first = self.ahead.front().copied().unwrap_or(self.cursor);
        self.delivered = first.max(1) - 1;
        self.outstanding.start_at(self.delivered);
    }

    /// Whether the consumer delivers messages of `subject`.
    pub(crate) fn wants(&self, subject: &[u8]) -> bool {
        let filters = self.config.filters();
        filters.is_empty() || filters.iter().any(|filter| matches(filter.as_bytes(), subject))
    }

    /// Counts what matches and was never delivered.
    pub(crate) fn count_backlog(&mut self, log: &Log) {
        let from_start = self.cursor <= log.first();
        let counted = match self.config.filters() {
            [] => log.count_from(self.cursor),
            _ if from_start => {
                log.keys().filter(|key| self.wants(key.name())).map(KeyState::count).sum()
            }
            _ => log.count_where(self.cursor, |key| self.wants(log.key_name(key))),
        };
        let ahead = self.ahead.iter().filter(|sequence| log.position(**sequence).is_some()).count();
        self.backlog = counted + ahead as u64;
    }

    /// A message was stored behind all others.
    pub(crate) fn stored(&mut self, sequence: u64, subject: &[u8]) -> bool {
        let wanted = sequence >= self.cursor && self.wants(subject);
        self.backlog += u64::from(wanted);
        wanted
    }

    /// A message is about to be removed.
    pub(crate) fn removed(&mut self, sequence: u64, subject: &[u8]) {
        if self.is_ahead(sequence, subject) {
            self.backlog = self.backlog.saturating_sub(1);
            self.ahead.retain(|ahead| *ahead != sequence);
        } else {
            self.outstanding.remove(sequence);
        }
    }

    /// Whether the message was never delivered and will be.
    fn is_ahead(&self, sequence: u64, subject: &[u8]) -> bool {
        (sequence >= self.cursor && self.wants(subject)) || self.ahead.contains(&sequence)
    }

    /// Whether interest retention must keep a message for this consumer.
    pub(crate) fn needs(&self, sequence: u64, subject: &[u8]) -> bool {
        self.is_ahead(sequence, subject) || self.outstanding.contains(sequence)
    }

    /// The next message to deliver, and how often it was delivered before.
    fn pick(&mut self, log: &Log) -> Option<(u64, u64)> {
        while let Some((sequence, deliveries)) = self.outstanding.next_redelivery() {
            if log.position(sequence).is_some() {
                return Some((sequence, deliveries));
            }
            self.outstanding.remove(sequence);
        }
        let limit = usize::try_from(self.config.max_ack_pending).ok().filter(|limit| *limit > 0);
        let full = limit.is_some_and(|limit| self.outstanding.len() >= limit);
        if self.config.ack_policy != AckPolicy::None && full {
            return None;
        }
        if let Some(sequence) = self.ahead.front() {
            return Some((*sequence, 0));
        }
        let next = self.next_new(log)?;
        // What does not match is passed over once, not at every look.
        self.cursor = next;
        Some((next, 0))
    }

    fn next_new(&self, log: &Log) -> Option<u64> {
        let from = self.cursor.max(log.first());
        match self.config.filters() {
            [] => log.next(from),
            [filter] if !has_wildcard(filter.as_bytes()) => {
                let key = log.key(filter.as_bytes())?;
                let name = filter.as_bytes();
                log.next_where(from.max(key.first()), |id| log.key_name(id) == name)
            }
            _ => log.next_where(from, |id| self.wants(log.key_name(id))),
        }
    }

    /// Messages behind the one that is being delivered.
    fn pending(&self) -> u64 {
        self.backlog
    }

    /// A message was sent. Says which delivery of the consumer and of the message it was.
    fn sent(&mut self, now: Now, sequence: u64, before: u64) -> (u64, u64) {
        let (consumer_seq, deliveries) = (self.deliveries + 1, before + 1);
        let event = Event::Delivered { sequence, consumer_seq, deliveries };
        self.apply(now, event);
        self.remember(event);
        (consumer_seq, deliveries)
    }

    /// Time that a delivery may take.
    fn ack_wait(&self, deliveries: u64) -> i64 {
        let attempt = usize::try_from(deliveries.saturating_sub(1)).unwrap_or(usize::MAX);
        let backoff = self.config.backoff.get(attempt).or(self.config.backoff.last());
        backoff.copied().unwrap_or(self.config.ack_wait)
    }

    /// Whether no further delivery of a message is allowed.
    fn is_exhausted(&self, deliveries: u64) -> bool {
        u64::try_from(self.config.max_deliver).is_ok_and(|max| deliveries >= max)
    }

    /// The consumer as replies show it.
    pub(crate) fn info(&self, stream: &str, now: UnixNanos) -> ConsumerInfo {
        let delivered = SequencePair {
            consumer_seq: self.deliveries,
            stream_seq: self.delivered,
            last_active: self.last_delivered,
        };
        let (consumer_seq, stream_seq) = self.outstanding.floor(self.deliveries, self.delivered);
        let ack_floor = SequencePair { consumer_seq, stream_seq, last_active: self.last_acked };
        ConsumerInfo {
            stream_name: stream.to_owned(),
            name: self.config.name.clone(),
            created: self.created,
            config: self.config.clone(),
            delivered,
            ack_floor,
            num_ack_pending: self.outstanding.len(),
            num_redelivered: self.outstanding.redelivered(),
            num_waiting: self.waiting.len(),
            num_pending: self.backlog,
            ts: now,
            ..ConsumerInfo::default()
        }
    }
}
