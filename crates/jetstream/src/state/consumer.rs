//! A consumer as it is on disk: where it is in its stream, and what it has delivered and not heard of.
//!
//! Nothing in here changes but by a record that is applied.

use std::collections::BTreeSet;

use watershed_store::Log;
use watershed_store::bytes::{BadState, Reader, put_count, put_counted, put_i64, put_u64};
use watershed_store::log::{KeyId, KeyState};
use watershed_wire::jetstream::ConsumerConfig;
use watershed_wire::jetstream::consumer::{
    AckPolicy, ConsumerInfo, DeliverPolicy, Paused, SequencePair,
};
use watershed_wire::subject::{has_wildcard, matches};
use watershed_wire::time::UnixNanos;

use crate::record::Event;
use crate::window::Window;
use watershed_archive::{Pending, Position};

/// Version of the state from which on a consumer of the last of each subject keeps up to where that
/// holds, instead of all of their sequences.
pub(super) const LASTS_BY_SEQUENCE: u32 = 4;

/// A consumer.
#[derive(Debug)]
pub(crate) struct Consumer {
    pub(crate) config: ConsumerConfig,
    pub(crate) created: UnixNanos,
    /// Whether neither the journal nor a checkpoint has it: it goes with the process.
    pub(crate) in_memory: bool,
    /// The next sequence that was never delivered.
    pub(crate) cursor: u64,
    /// Up to this sequence, only the last message of each subject is delivered: what was the last
    /// one up to here when the consumer was made. 0 if that is not its policy.
    pub(crate) lasts_upto: u64,
    /// Messages from the cursor on that are the last of their subjects up to there only because
    /// later ones have gone since.
    not_last: BTreeSet<u64>,
    /// Deliveries so far.
    pub(crate) deliveries: u64,
    /// The highest sequence that was delivered, or the one before the start.
    pub(crate) delivered: u64,
    pub(crate) unacked: Window<u64, Unacked>,
    /// Those of them that were delivered more than once.
    redelivered: usize,
    /// The group of those with the same filters.
    pub(crate) group: usize,
    /// Messages that match and were never delivered, as far as they are counted here.
    counted: u64,
    pub(super) tally: Tally,
    last_delivered: Option<UnixNanos>,
    last_acked: Option<UnixNanos>,
    /// Position before the first message, where the floor starts.
    start: u64,
}

/// How a consumer's backlog is counted. Not stored.
#[derive(Debug, Clone, Copy)]
pub(super) enum Tally {
    /// Counted up to where the group had taken this many messages; those it took later are added.
    Since(u64),
    /// It begins behind the last message: there is nothing to count.
    Early,
    /// Keys before this place are counted. Nothing is delivered before all are.
    Counting(KeyId),
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
    /// A consumer that starts where its policy says; where that is the last message, it may have been
    /// found before: `last`.
    pub(super) fn new(
        config: ConsumerConfig,
        created: UnixNanos,
        last: Option<u64>,
        log: &Log,
    ) -> Self {
        let mut consumer = Self {
            config,
            created,
            in_memory: false,
            cursor: log.first(),
            lasts_upto: 0,
            not_last: BTreeSet::new(),
            deliveries: 0,
            delivered: 0,
            unacked: Window::default(),
            redelivered: 0,
            group: 0,
            counted: 0,
            tally: Tally::Early,
            last_delivered: None,
            last_acked: None,
            start: 0,
        };
        consumer.begin(last, log);
        consumer
    }

    fn begin(&mut self, last: Option<u64>, log: &Log) {
        let end = log.last() + 1;
        self.cursor = match self.config.deliver_policy {
            DeliverPolicy::All => log.first(),
            DeliverPolicy::New => end,
            DeliverPolicy::Last => last.or_else(|| self.last_of_all(log)).unwrap_or(end),
            DeliverPolicy::ByStartSequence => self.config.opt_start_seq.max(1),
            DeliverPolicy::ByStartTime => {
                let time = self.config.opt_start_time.unwrap_or_default();
                log.at_time(time.0).unwrap_or(end)
            }
            DeliverPolicy::LastPerSubject => {
                self.lasts_upto = log.last();
                log.first()
            }
        };
        self.start = self.cursor.max(1) - 1;
        self.delivered = self.start;
    }

    /// The last message that the filters take.
    fn last_of_all(&self, log: &Log) -> Option<u64> {
        match self.literal_filters() {
            Some(filters) => {
                filters.iter().filter_map(|own| log.key(own.as_bytes())).map(KeyState::last).max()
            }
            None => log.last_where(log.last(), |key| self.wants(log.key_name(key))),
        }
    }

    /// Takes another configuration. What its filters newly take is delivered from `cursor` on.
    pub(super) fn configure(&mut self, config: ConsumerConfig, cursor: Option<u64>) {
        self.config = config;
        self.cursor = self.cursor.max(cursor.unwrap_or(0));
        self.counted = 0;
        self.forget_not_last();
    }

    /// Goes on from a sequence, as if nothing had been delivered. Gives what was not acknowledged.
    pub(super) fn reset(&mut self, sequence: u64) -> Window<u64, Unacked> {
        self.cursor = sequence;
        self.start = sequence.max(1) - 1;
        self.delivered = self.start;
        self.deliveries = 0;
        (self.last_delivered, self.last_acked) = (None, None);
        self.emptied()
    }

    /// Whether the consumer delivers messages of `subject`.
    pub(crate) fn wants(&self, subject: &[u8]) -> bool {
        let filters = self.config.filters();
        filters.is_empty() || filters.iter().any(|filter| matches(filter.as_bytes(), subject))
    }

    /// The filters, if there are some and none leaves anything open.
    fn literal_filters(&self) -> Option<&[String]> {
        let filters = self.config.filters();
        let open = filters.is_empty() || filters.iter().any(|own| has_wildcard(own.as_bytes()));
        (!open).then_some(filters)
    }

    /// Whether any message that was delivered and not acknowledged is none that the filters take.
    pub(super) fn has_stray(&self, log: &Log) -> bool {
        let mut keys = self.unacked.iter().filter_map(|(sequence, _)| log.key_of(sequence));
        !self.config.filters().is_empty() && keys.any(|key| !self.wants(key.name()))
    }

    /// Whether what it has before it is still being counted. Nothing is delivered meanwhile.
    pub(crate) fn is_counting(&self) -> bool {
        matches!(self.tally, Tally::Counting(_))
    }

    /// Whether none of it is counted yet.
    pub(crate) fn begins_to_count(&self) -> bool {
        matches!(self.tally, Tally::Counting(KeyId::FIRST))
    }

    /// Whether there may be messages to deliver because they were the last of their subjects.
    pub(crate) fn delivers_lasts(&self) -> bool {
        self.cursor <= self.lasts_upto
    }

    /// Messages that match and were never delivered. `taken` is the group's count.
    pub(super) fn backlog(&self, taken: u64) -> u64 {
        match self.tally {
            Tally::Since(before) => self.counted + (taken - before),
            Tally::Early | Tally::Counting(_) => self.counted,
        }
    }

    /// Takes over what the group has taken.
    pub(super) fn catch_up(&mut self, taken: u64) {
        self.counted = self.backlog(taken);
        if let Tally::Since(before) = &mut self.tally {
            *before = taken;
        }
    }

    /// Counts the backlog, where that is the work of a moment. Says whether it is.
    pub(super) fn count_at_once(&mut self, log: &Log) -> bool {
        if self.delivers_lasts() {
            return false; // The dispatcher is to hear of each.
        }
        if self.config.filters().is_empty() {
            self.counted = log.count_from(self.cursor);
            return true;
        }
        self.literal_filters().is_some() && self.count(log, 0, |_| {})
    }

    /// Goes on counting, looking at `budget` keys. Says whether all is counted.
    pub(super) fn count(&mut self, log: &Log, budget: usize, mut last: impl FnMut(u64)) -> bool {
        if let Some(filters) = self.literal_filters() {
            let keys = filters.iter().filter_map(|own| log.key(own.as_bytes()));
            self.counted = keys.map(|key| self.ahead_of(key, &mut last)).sum();
            return true;
        }
        let Tally::Counting(from) = self.tally else { return true };
        let mut keys = log.keys_from(from);
        let looked_at = keys.by_ref().take(budget).filter(|(_, key)| self.wants(key.name()));
        let more: u64 = looked_at.map(|(_, key)| self.ahead_of(key, &mut last)).sum();
        let next = keys.next().map(|(id, _)| id);
        self.counted += more;
        if let Some(next) = next {
            self.tally = Tally::Counting(next);
        }
        next.is_none()
    }

    /// Begins to count anew.
    pub(super) fn recount(&mut self) {
        self.counted = 0;
        self.tally = Tally::Counting(KeyId::FIRST);
    }

    /// Messages of a key that will be delivered. Tells `last` of the one that is because it was the
    /// last.
    fn ahead_of(&self, key: &KeyState, last: &mut impl FnMut(u64)) -> u64 {
        let found = key.prev(self.lasts_upto).filter(|sequence| {
            self.lasts_upto > 0 && *sequence >= self.cursor && !self.not_last.contains(sequence)
        });
        found.into_iter().for_each(last);
        u64::from(found.is_some()) + key.count_from(self.cursor.max(self.lasts_upto + 1))
    }

    /// Whether messages of a key are counted.
    fn has_counted(&self, key: KeyId) -> bool {
        match self.tally {
            Tally::Since(_) => true,
            Tally::Early => false,
            Tally::Counting(next) => key < next,
        }
    }

    /// A message was stored behind all others while the backlog is being counted.
    pub(super) fn stored(&mut self, key: KeyId, subject: &[u8]) {
        self.counted += u64::from(self.has_counted(key) && self.wants(subject));
    }

    /// A message is about to be removed, and with it all before the sequence `until`. Says whether it
    /// would have been delivered, now or again.
    pub(super) fn removed(&mut self, sequence: u64, id: KeyId, key: &KeyState, until: u64) -> bool {
        let ahead = self.is_ahead(sequence, key);
        if self.is_last(sequence, key) {
            self.not_last.remove(&sequence);
            let before = sequence.checked_sub(1).and_then(|upto| key.prev(upto));
            // The one before it becomes the last one, which it was not.
            self.not_last.extend(before.filter(|own| *own >= self.cursor.max(until)));
        }
        if ahead {
            self.counted = self.counted.saturating_sub(u64::from(self.has_counted(id)));
            return true;
        }
        self.forget_unacked(sequence)
    }

    /// Removes a message from those that wait for an acknowledgement. Says whether it was one.
    fn forget_unacked(&mut self, sequence: u64) -> bool {
        let Some(unacked) = self.unacked.remove(sequence) else { return false };
        self.redelivered -= usize::from(unacked.deliveries > 1);
        true
    }

    fn await_ack(&mut self, sequence: u64, unacked: Unacked) {
        self.redelivered += usize::from(unacked.deliveries > 1);
        if let Some(old) = self.unacked.insert(sequence, unacked) {
            self.redelivered -= usize::from(old.deliveries > 1);
        }
    }

    /// All messages have gone. Gives what was not acknowledged of them.
    pub(super) fn emptied(&mut self) -> Window<u64, Unacked> {
        self.counted = 0;
        self.not_last.clear();
        self.redelivered = 0;
        std::mem::take(&mut self.unacked)
    }

    /// Whether a message is from where only the last of each subject is delivered, and is the last
    /// one there.
    fn is_last(&self, sequence: u64, key: &KeyState) -> bool {
        (self.cursor..=self.lasts_upto).contains(&sequence)
            && key.prev(self.lasts_upto) == Some(sequence)
    }

    /// Whether the message was never delivered and will be.
    fn is_ahead(&self, sequence: u64, key: &KeyState) -> bool {
        let passed = if sequence <= self.lasts_upto {
            !self.is_last(sequence, key) || self.not_last.contains(&sequence)
        } else {
            sequence < self.cursor
        };
        !passed && self.wants(key.name())
    }

    /// Forgets what stands behind the cursor.
    fn forget_not_last(&mut self) {
        if !self.not_last.is_empty() {
            self.not_last = self.not_last.split_off(&self.cursor);
        }
    }

    /// Whether interest retention must keep a message for this consumer.
    pub(super) fn needs(&self, sequence: u64, key: &KeyState) -> bool {
        self.is_ahead(sequence, key) || self.unacked.contains(sequence)
    }

    /// Changes the position. `key` is that of the message, if the stream still has it.
    pub(super) fn apply(&mut self, time: UnixNanos, event: Event, key: Option<KeyId>) -> Finished {
        match event {
            Event::Delivered { sequence, consumer_seq, deliveries } => {
                self.deliver(time, sequence, consumer_seq, deliveries, key);
                let finished = key.is_some() && self.config.ack_policy == AckPolicy::None;
                if finished { Finished::One(sequence) } else { Finished::Nothing }
            }
            Event::Acked { sequence } => {
                self.last_acked = Some(time);
                self.forget_unacked(sequence);
                // A message that was given up before is finished all the same.
                Finished::One(sequence)
            }
            Event::AckedAll { sequence } => {
                self.last_acked = Some(time);
                let all = self.unacked.iter().map(|(sequence, _)| sequence);
                let done: Vec<u64> = all.take_while(|own| *own <= sequence).collect();
                for sequence in &done {
                    self.forget_unacked(*sequence);
                }
                Finished::Many(done)
            }
            Event::GivenUp { sequence } => {
                self.forget_unacked(sequence);
                Finished::Nothing
            }
            Event::Retry { sequence, at } => {
                if let Some(unacked) = self.unacked.get_mut(sequence) {
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
        key: Option<KeyId>,
    ) {
        self.deliveries = consumer_seq;
        self.last_delivered = Some(time);
        if deliveries == 1 {
            if sequence >= self.cursor {
                let counted = key.is_some_and(|key| self.has_counted(key));
                self.cursor = sequence + 1;
                self.counted = self.counted.saturating_sub(u64::from(counted));
                self.forget_not_last();
            }
            self.delivered = self.delivered.max(sequence);
        }
        if self.config.ack_policy != AckPolicy::None && key.is_some() {
            let known = self.unacked.get(sequence);
            let consumer_seq = known.map_or(consumer_seq, |known| known.consumer_seq);
            let unacked = Unacked { consumer_seq, deliveries, retry_at: None };
            self.await_ack(sequence, unacked);
        }
    }

    /// Everything up to here is done, in the consumer's count and in the stream's.
    pub(crate) fn floor(&self) -> (u64, u64) {
        // First deliveries are made in the order of the stream.
        let Some((first, unacked)) = self.unacked.first() else {
            return (self.deliveries, self.delivered);
        };
        (unacked.consumer_seq - 1, first - 1)
    }

    /// Where it is in a stream that ends with the message `last`.
    pub(crate) fn position(&self, last: u64) -> Position {
        let pending = self.unacked.iter().take_while(|(sequence, _)| *sequence <= last);
        let pending = pending.map(|(sequence, own)| Pending {
            sequence,
            consumer_seq: own.consumer_seq,
            deliveries: own.deliveries,
        });
        let delivered = self.delivered.min(last);
        Position { deliveries: self.deliveries, delivered, pending: pending.collect() }
    }

    /// A consumer that goes on from a position. Of a message that is not there nothing is awaited.
    pub(super) fn at(
        config: ConsumerConfig,
        created: UnixNanos,
        position: &Position,
        log: &Log,
    ) -> Self {
        let mut consumer = Self::new(config, created, None, log);
        let begun = position.deliveries > 0;
        if begun || consumer.lasts_upto == 0 {
            consumer.lasts_upto = 0;
            consumer.cursor = position.delivered + 1;
        }
        if !begun {
            consumer.start = position.delivered;
        }
        consumer.deliveries = position.deliveries;
        consumer.delivered = position.delivered;
        for own in position.pending.iter().filter(|own| log.position(own.sequence).is_some()) {
            let Pending { sequence, consumer_seq, deliveries } = *own;
            consumer.await_ack(sequence, Unacked { consumer_seq, deliveries, retry_at: None });
        }
        consumer
    }

    /// The consumer as replies show it. `backlog` is what it has before it.
    pub(crate) fn info(&self, stream: &str, backlog: u64, now: UnixNanos) -> ConsumerInfo {
        let delivered = SequencePair {
            consumer_seq: self.deliveries,
            stream_seq: self.delivered,
            last_active: self.last_delivered,
        };
        let (consumer_seq, stream_seq) = self.floor();
        let ack_floor = SequencePair { consumer_seq, stream_seq, last_active: self.last_acked };
        let paused = Paused::of(&self.config, now);
        ConsumerInfo {
            stream_name: stream.to_owned(),
            name: self.config.name.clone(),
            created: self.created,
            config: self.config.clone(),
            delivered,
            ack_floor,
            num_ack_pending: self.unacked.len(),
            num_redelivered: self.redelivered,
            num_pending: backlog,
            paused: paused.paused,
            pause_remaining: paused.pause_remaining,
            ts: now,
            ..ConsumerInfo::default()
        }
    }

    /// Appends what [`Consumer::restore`] reads: what is not acknowledged, `budget` of it from the
    /// sequence `from` on, and before the first of it everything else. Says from which one on it goes
    /// on.
    pub(super) fn checkpoint(
        &self,
        from: u64,
        budget: &mut usize,
        out: &mut Vec<u8>,
    ) -> Option<u64> {
        if from == 0 {
            self.checkpoint_position(out);
            put_count(out, self.unacked.len());
            *budget = budget.saturating_sub(1 + self.not_last.len());
        }
        let mut unacked = self.unacked.iter_from(from);
        for (sequence, unacked) in unacked.by_ref().take(*budget) {
            for number in [sequence, unacked.consumer_seq, unacked.deliveries] {
                put_u64(out, number);
            }
            put_i64(out, unacked.retry_at.map_or(i64::MIN, |at| at.0));
            *budget -= 1;
        }
        unacked.next().map(|(sequence, _)| sequence)
    }

    fn checkpoint_position(&self, out: &mut Vec<u8>) {
        let config = serde_json::to_vec(&self.config).expect("configurations are JSON");
        put_counted(out, &config);
        put_i64(out, self.created.0);
        for number in [self.cursor, self.deliveries, self.delivered, self.start, self.lasts_upto] {
            put_u64(out, number);
        }
        for time in [self.last_delivered, self.last_acked] {
            put_i64(out, time.map_or(i64::MIN, |time| time.0));
        }
        put_count(out, self.not_last.len());
        for sequence in &self.not_last {
            put_u64(out, *sequence);
        }
    }

    /// Reads a consumer.
    pub(super) fn restore(reader: &mut Reader<'_>, version: u32) -> Result<Self, BadState> {
        let time = |nanos: i64| Some(UnixNanos(nanos)).filter(|_| nanos != i64::MIN);
        let config = serde_json::from_slice(reader.counted()?).map_err(|_| BadState)?;
        let created = UnixNanos(reader.i64()?);
        let mut consumer = Self {
            config,
            created,
            in_memory: false,
            cursor: reader.u64()?,
            deliveries: reader.u64()?,
            delivered: reader.u64()?,
            start: reader.u64()?,
            lasts_upto: if version < LASTS_BY_SEQUENCE { 0 } else { reader.u64()? },
            last_delivered: time(reader.i64()?),
            last_acked: time(reader.i64()?),
            not_last: BTreeSet::new(),
            unacked: Window::default(),
            redelivered: 0,
            group: 0,
            counted: 0,
            tally: Tally::Early,
        };
        let listed = reader.count(8)?;
        let listed = (0..listed).map(|_| reader.u64()).collect::<Result<BTreeSet<_>, _>>()?;
        if version >= LASTS_BY_SEQUENCE {
            consumer.not_last = listed;
        } else if let Some(first) = listed.first() {
            // They were listed one by one, before what came from the cursor on.
            consumer.lasts_upto = consumer.cursor.saturating_sub(1);
            consumer.cursor = *first;
        }
        for _ in 0..reader.count(32)? {
            let (sequence, consumer_seq) = (reader.u64()?, reader.u64()?);
            let (deliveries, retry_at) = (reader.u64()?, time(reader.i64()?));
            if sequence == 0 || consumer_seq == 0 {
                return Err(BadState);
            }
            let unacked = Unacked { consumer_seq, deliveries, retry_at };
            consumer.await_ack(sequence, unacked);
        }
        if consumer.cursor == u64::MAX || consumer.lasts_upto == u64::MAX {
            return Err(BadState);
        }
        Ok(consumer)
    }
}
