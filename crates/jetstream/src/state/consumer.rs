//! A consumer as it is on disk: where it is in its stream, and what it has delivered and not heard of.
//!
//! Nothing in here changes but by a record that is applied.

use std::collections::{BTreeMap, VecDeque};

use watershed_store::Log;
use watershed_store::bytes::{BadState, Reader, put_count, put_counted, put_i64, put_u64};
use watershed_store::log::KeyState;
use watershed_wire::jetstream::ConsumerConfig;
use watershed_wire::jetstream::consumer::{AckPolicy, ConsumerInfo, DeliverPolicy, SequencePair};
use watershed_wire::subject::{has_wildcard, matches};
use watershed_wire::time::UnixNanos;

use crate::record::Event;

/// A consumer.
#[derive(Debug)]
pub(crate) struct Consumer {
    pub(crate) config: ConsumerConfig,
    pub(crate) created: UnixNanos,
    /// The next sequence that was never delivered.
    pub(crate) cursor: u64,
    /// Sequences to deliver before those from the cursor on: the last of each subject.
    pub(crate) ahead: VecDeque<u64>,
    /// Deliveries so far.
    pub(crate) deliveries: u64,
    /// The highest sequence that was delivered, or the one before the start.
    pub(crate) delivered: u64,
    /// Messages that match and were never delivered.
    pub(crate) backlog: u64,
    pub(crate) unacked: BTreeMap<u64, Unacked>,
    last_delivered: Option<UnixNanos>,
    last_acked: Option<UnixNanos>,
    /// Position before the first message, where the floor starts.
    start: u64,
}

/// A message that was delivered and not yet acknowledged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Unacked {
    /// Which delivery of the consumer was its first.
    pub(crate) consumer_seq: u64,
    /// How often it was delivered.
    pub(crate) deliveries: u64,
    /// When it is to be delivered again, if a client said so.
    pub(crate) retry_at: Option<UnixNanos>,
}

/// Messages with which a consumer has finished.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Finished {
    Nothing,
    One(u64),
    Many(Vec<u64>),
}

impl Consumer {
    /// A consumer that starts where its policy says.
    pub(super) fn new(config: ConsumerConfig, created: UnixNanos, log: &Log) -> Self {
        let mut consumer = Self {
            config,
            created,
            cursor: log.first(),
            ahead: VecDeque::new(),
            deliveries: 0,
            delivered: 0,
            backlog: 0,
            unacked: BTreeMap::new(),
            last_delivered: None,
            last_acked: None,
            start: 0,
        };
        consumer.begin(log);
        consumer.count_backlog(log);
        consumer
    }

    fn begin(&mut self, log: &Log) {
        let end = log.last() + 1;
        self.cursor = match self.config.deliver_policy {
            DeliverPolicy::All => log.first(),
            DeliverPolicy::New => end,
            DeliverPolicy::Last => self.keys(log).map(KeyState::last).max().unwrap_or(end),
            DeliverPolicy::ByStartSequence => self.config.opt_start_seq.max(1),
            DeliverPolicy::ByStartTime => {
                let time = self.config.opt_start_time.unwrap_or_default();
                log.at_time(time.0).unwrap_or(end)
            }
            DeliverPolicy::LastPerSubject => {
                let mut last: Vec<u64> = self.keys(log).map(KeyState::last).collect();
                last.sort_unstable();
                self.ahead = last.into();
                end
            }
        };
        let first = self.ahead.front().copied().unwrap_or(self.cursor);
        self.start = first.max(1) - 1;
        self.delivered = self.start;
    }

    /// Takes another configuration. What its filters newly take is delivered from `cursor` on.
    pub(super) fn configure(&mut self, config: ConsumerConfig, cursor: Option<u64>, log: &Log) {
        self.config = config;
        self.cursor = self.cursor.max(cursor.unwrap_or(0));
        self.count_backlog(log);
    }

    /// Whether the consumer delivers messages of `subject`.
    pub(crate) fn wants(&self, subject: &[u8]) -> bool {
        let filters = self.config.filters();
        filters.is_empty() || filters.iter().any(|filter| matches(filter.as_bytes(), subject))
    }

    /// The subjects of the stream that the consumer delivers.
    fn keys<'a>(&self, log: &'a Log) -> Box<dyn Iterator<Item = &'a KeyState> + 'a> {
        let filters: Vec<Vec<u8>> =
            self.config.filters().iter().map(|filter| filter.as_bytes().to_vec()).collect();
        if filters.is_empty() {
            return Box::new(log.keys());
        }
        if filters.iter().all(|filter| !has_wildcard(filter)) {
            return Box::new(filters.into_iter().filter_map(|filter| log.key(&filter)));
        }
        let wanted = move |name: &[u8]| filters.iter().any(|filter| matches(filter, name));
        Box::new(log.keys().filter(move |key| wanted(key.name())))
    }

    /// Counts what matches and was never delivered.
    fn count_backlog(&mut self, log: &Log) {
        let counted = if self.config.filters().is_empty() {
            log.count_from(self.cursor)
        } else {
            self.keys(log).map(|key| key.count_from(self.cursor)).sum()
        };
        let ahead = self.ahead.iter().filter(|sequence| log.position(**sequence).is_some()).count();
        self.backlog = counted + ahead as u64;
    }

    /// A message was stored behind all others. Says whether the consumer delivers it.
    pub(super) fn stored(&mut self, sequence: u64, subject: &[u8]) -> bool {
        let wanted = sequence >= self.cursor && self.wants(subject);
        self.backlog += u64::from(wanted);
        wanted
    }

    /// A message is about to be removed. Says whether it would have been delivered, now or again.
    pub(super) fn removed(&mut self, sequence: u64, subject: &[u8]) -> bool {
        if self.is_ahead(sequence, subject) {
            self.backlog = self.backlog.saturating_sub(1);
            if sequence < self.cursor {
                self.ahead.retain(|ahead| *ahead != sequence);
            }
            return true;
        }
        self.unacked.remove(&sequence).is_some()
    }

    /// All messages have gone.
    pub(super) fn emptied(&mut self) {
        self.backlog = 0;
        self.ahead.clear();
        self.unacked.clear();
    }

    /// Whether the message was never delivered and will be.
    fn is_ahead(&self, sequence: u64, subject: &[u8]) -> bool {
        if sequence >= self.cursor {
            return self.wants(subject);
        }
        // The last of each subject, in order.
        !self.ahead.is_empty() && self.ahead.binary_search(&sequence).is_ok()
    }

    /// Whether interest retention must keep a message for this consumer.
    pub(super) fn needs(&self, sequence: u64, subject: &[u8]) -> bool {
        self.is_ahead(sequence, subject) || self.unacked.contains_key(&sequence)
    }

    /// Changes the position. `exists` says whether the stream still has the message.
    pub(super) fn apply(&mut self, time: UnixNanos, event: Event, exists: bool) -> Finished {
        match event {
            Event::Delivered { sequence, consumer_seq, deliveries } => {
                self.deliver(time, sequence, consumer_seq, deliveries, exists);
                let finished = exists && self.config.ack_policy == AckPolicy::None;
                if finished { Finished::One(sequence) } else { Finished::Nothing }
            }
            Event::Acked { sequence } => {
                self.last_acked = Some(time);
                self.unacked.remove(&sequence);
                // A message that was given up before is finished all the same.
                Finished::One(sequence)
            }
            Event::AckedAll { sequence } => {
                self.last_acked = Some(time);
                let done: Vec<u64> = self.unacked.range(..=sequence).map(|(key, _)| *key).collect();
                for sequence in &done {
                    self.unacked.remove(sequence);
                }
                Finished::Many(done)
            }
            Event::GivenUp { sequence } => {
                self.unacked.remove(&sequence);
                Finished::Nothing
            }
            Event::Retry { sequence, at } => {
                if let Some(unacked) = self.unacked.get_mut(&sequence) {
                    unacked.retry_at = Some(at);
                }
                Finished::Nothing
            }
        }
    }

    fn deliver(
        &mut self,
        time: UnixNanos,
        sequence: u64,
        consumer_seq: u64,
        deliveries: u64,
        exists: bool,
    ) {
        self.deliveries = consumer_seq;
        self.last_delivered = Some(time);
        if deliveries == 1 {
            if self.ahead.front() == Some(&sequence) {
                self.ahead.pop_front();
                self.backlog = self.backlog.saturating_sub(1);
            } else if sequence >= self.cursor {
                self.cursor = sequence + 1;
                self.backlog = self.backlog.saturating_sub(u64::from(exists));
            }
            self.delivered = self.delivered.max(sequence);
        }
        if self.config.ack_policy != AckPolicy::None && exists {
            let known = self.unacked.get(&sequence);
            let consumer_seq = known.map_or(consumer_seq, |known| known.consumer_seq);
            let unacked = Unacked { consumer_seq, deliveries, retry_at: None };
            self.unacked.insert(sequence, unacked);
        }
    }

    /// Everything up to here is done, in the consumer's count and in the stream's.
    pub(crate) fn floor(&self) -> (u64, u64) {
        let Some((first, _)) = self.unacked.first_key_value() else {
            return (self.deliveries, self.delivered);
        };
        let lowest = self.unacked.values().map(|unacked| unacked.consumer_seq).min();
        let stream = (first - 1).max(self.start.min(first - 1));
        (lowest.map_or(self.deliveries, |lowest| lowest - 1), stream)
    }

    /// The consumer as replies show it.
    pub(crate) fn info(&self, stream: &str, now: UnixNanos) -> ConsumerInfo {
        let delivered = SequencePair {
            consumer_seq: self.deliveries,
            stream_seq: self.delivered,
            last_active: self.last_delivered,
        };
        let (consumer_seq, stream_seq) = self.floor();
        let ack_floor = SequencePair { consumer_seq, stream_seq, last_active: self.last_acked };
        let redelivered = self.unacked.values().filter(|unacked| unacked.deliveries > 1);
        ConsumerInfo {
            stream_name: stream.to_owned(),
            name: self.config.name.clone(),
            created: self.created,
            config: self.config.clone(),
            delivered,
            ack_floor,
            num_ack_pending: self.unacked.len(),
            num_redelivered: redelivered.count(),
            num_pending: self.backlog,
            ts: now,
            ..ConsumerInfo::default()
        }
    }

    /// Appends what [`Consumer::restore`] reads.
    pub(super) fn checkpoint(&self, out: &mut Vec<u8>) {
        let config = serde_json::to_vec(&self.config).expect("configurations are JSON");
        put_counted(out, &config);
        put_i64(out, self.created.0);
        for number in [self.cursor, self.deliveries, self.delivered, self.start] {
            put_u64(out, number);
        }
        for time in [self.last_delivered, self.last_acked] {
            put_i64(out, time.map_or(i64::MIN, |time| time.0));
        }
        put_count(out, self.ahead.len());
        for sequence in &self.ahead {
            put_u64(out, *sequence);
        }
        put_count(out, self.unacked.len());
        for (sequence, unacked) in &self.unacked {
            for number in [*sequence, unacked.consumer_seq, unacked.deliveries] {
                put_u64(out, number);
            }
            put_i64(out, unacked.retry_at.map_or(i64::MIN, |at| at.0));
        }
    }

    /// Reads a consumer of a stream with this log.
    pub(super) fn restore(reader: &mut Reader<'_>, log: &Log) -> Result<Self, BadState> {
        let time = |nanos: i64| Some(UnixNanos(nanos)).filter(|_| nanos != i64::MIN);
        let config = serde_json::from_slice(reader.counted()?).map_err(|_| BadState)?;
        let created = UnixNanos(reader.i64()?);
        let mut consumer = Self {
            config,
            created,
            cursor: reader.u64()?,
            deliveries: reader.u64()?,
            delivered: reader.u64()?,
            start: reader.u64()?,
            last_delivered: time(reader.i64()?),
            last_acked: time(reader.i64()?),
            ahead: VecDeque::new(),
            backlog: 0,
            unacked: BTreeMap::new(),
        };
        let ahead = reader.count(8)?;
        consumer.ahead = (0..ahead).map(|_| reader.u64()).collect::<Result<_, _>>()?;
        for _ in 0..reader.count(32)? {
            let (sequence, consumer_seq) = (reader.u64()?, reader.u64()?);
            let (deliveries, retry_at) = (reader.u64()?, time(reader.i64()?));
            if sequence == 0 || consumer_seq == 0 {
                return Err(BadState);
            }
            let unacked = Unacked { consumer_seq, deliveries, retry_at };
            consumer.unacked.insert(sequence, unacked);
        }
        if consumer.cursor == u64::MAX || !consumer.ahead.iter().is_sorted() {
            return Err(BadState);
        }
        consumer.count_backlog(log);
        Ok(consumer)
    }
}
