//! A consumer at work: what it delivers next, what it waits to hear of, who waits for it.
//!
//! What is decided here is a step ahead of the [state](crate::state): a delivery is sent at once and
//! an acknowledgement counts at once, while its event is still to become a record. After a start the
//! dispatcher begins from the state; when the disk has failed, it undoes what no record has applied.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};

use watershed_base::{Now, Tick};
use watershed_store::Log;
use watershed_store::log::Scan;
use watershed_wire::jetstream::ConsumerConfig;
use watershed_wire::jetstream::consumer::{AckPolicy, PriorityPolicy};
use watershed_wire::subject::{has_wildcard, matches};

use super::outstanding::Outstanding;
use super::pace::Pace;
use super::pin::Pin;
use super::waiting::Waiting;
use crate::chunk::Chunk;
use crate::limits::RESCHEDULED_PER_TURN;
use crate::record::{Event, decode_events};
use crate::state::Consumer;
use crate::state::consumer::Unacked;

/// Messages that are looked at in one search for what a wildcard takes.
const LOOKED_AT: usize = 1024;

/// What a consumer delivers next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Pick {
    /// This message, which was delivered that often before.
    Message(u64, u64),
    /// It was not found yet: the next look goes on.
    Later,
    /// Nothing, before something happens.
    Nothing,
}

/// Events in a record that is not applied yet.
#[derive(Debug, Default)]
struct Saved {
    /// First deliveries among them.
    first: u64,
    events: Vec<u8>,
}

/// A consumer at work.
#[derive(Debug)]
pub(crate) struct Dispatcher {
    /// The next sequence that was never delivered.
    pub(crate) cursor: u64,
    /// What is to be delivered because it was the last of its subject; messages may have gone.
    lasts: BinaryHeap<Reverse<u64>>,
    /// Up to where nothing else is.
    lasts_upto: u64,
    /// Deliveries so far.
    pub(crate) deliveries: u64,
    /// The highest sequence that was delivered, or the one before the start.
    pub(crate) delivered: u64,
    pub(crate) outstanding: Outstanding,
    /// From which sequence on deliveries are to get other times, while they do.
    rescheduled: Option<u64>,
    pub(crate) waiting: Waiting,
    pub(crate) pace: Pace,
    /// The client that gets all messages, with the policy `pinned_client`.
    pub(crate) pin: Option<Pin>,
    /// Events that no record has taken yet.
    unsaved: Vec<u8>,
    /// Messages that acknowledgements of many finish among them.
    unsaved_finished: u64,
    /// First deliveries among them.
    unsaved_first: u64,
    /// Records of its events that are not applied yet.
    saved: VecDeque<Saved>,
    /// Their sum, with those that no record has taken.
    first_ahead: u64,
    /// The group for which it waits to be fed.
    pub(crate) awaits: Option<usize>,
    /// Whether a record is on its way from the disk.
    pub(crate) reading: bool,
    /// What was last read from disk.
    pub(crate) chunk: Option<Chunk>,
    /// Whether it was paused when somebody last looked.
    pub(crate) paused: bool,
    /// Since when nobody has been there; `None` while somebody is.
    pub(crate) idle_since: Option<Tick>,
    /// For push: when something was last sent.
    pub(crate) last_sent: Tick,
    /// For push with flow control: bytes since the last answer.
    pub(crate) flow_bytes: usize,
    /// For push with flow control: the subject on which an answer is awaited.
    pub(crate) flow_awaited: Option<Box<[u8]>>,
}

impl Dispatcher {
    /// A consumer that goes on from where it is, `last` being the last sequence of its stream. What was
    /// outstanding has all of its time again.
    pub(crate) fn new(consumer: &Consumer, last: u64, now: Now) -> Self {
        let mut dispatcher = Self::at_rest(consumer, last, now);
        for (sequence, unacked) in consumer.unacked.iter() {
            dispatcher.await_again(&consumer.config, now, sequence, *unacked);
        }
        dispatcher
    }

    /// The same for one that has failed: those who wait do so here, and what the state does not know of is undone.
    /// What is outstanding in both goes on as it was. It takes as long as what is undone had taken.
    pub(crate) fn undone(old: &mut Self, consumer: &Consumer, last: u64, now: Now) -> Self {
        let mut own = Self::at_rest(consumer, last, now);
        own.go_on_from(old);
        own.outstanding = std::mem::take(&mut old.outstanding);
        own.rescheduled = old.rescheduled;
        own.outstanding.undo_finish();
        let mut finished_upto = 0;
        let lost = old.saved.iter().map(|saved| &saved.events).chain([&old.unsaved]);
        for event in lost.flat_map(|events| decode_events(events)) {
            match event.expect("it was encoded here") {
                Event::AckedAll { sequence } => finished_upto = finished_upto.max(sequence),
                Event::Delivered { sequence, .. }
                | Event::Acked { sequence }
                | Event::GivenUp { sequence }
                | Event::Retry { sequence, .. } => {
                    own.outstanding.remove(sequence);
                    if let Some(unacked) = consumer.unacked.get(sequence) {
                        own.await_again(&consumer.config, now, sequence, *unacked);
                    }
                }
            }
        }
        let finished = consumer.unacked.iter().take_while(|(own, _)| *own <= finished_upto);
        for (sequence, unacked) in finished {
            if !own.outstanding.contains(sequence) {
                own.await_again(&consumer.config, now, sequence, *unacked);
            }
        }
        debug_assert!(own.agrees_with(consumer), "what is outstanding differs from the state");
        own
    }

    /// Whether what is outstanding is what the state says.
    fn agrees_with(&self, consumer: &Consumer) -> bool {
        let known = consumer.unacked.iter();
        let known = known.map(|(sequence, own)| (sequence, own.consumer_seq, own.deliveries));
        self.outstanding.iter().eq(known)
    }

    /// A consumer as the state says it is, with nothing outstanding yet.
    fn at_rest(consumer: &Consumer, last: u64, now: Now) -> Self {
        Self {
            cursor: consumer.cursor,
            lasts: BinaryHeap::new(),
            lasts_upto: consumer.lasts_upto,
            deliveries: consumer.deliveries,
            delivered: consumer.delivered,
            outstanding: Outstanding::default(),
            rescheduled: None,
            waiting: Waiting::default(),
            pace: Pace::new(&consumer.config, last),
            pin: None,
            unsaved: Vec::new(),
            unsaved_finished: 0,
            unsaved_first: 0,
            saved: VecDeque::new(),
            first_ahead: 0,
            awaits: None,
            reading: false,
            chunk: None,
            paused: consumer.config.pause_remaining(now.wall).is_some(),
            idle_since: None,
            last_sent: now.tick,
            flow_bytes: 0,
            flow_awaited: None,
        }
    }

    /// A message is outstanding, and has all of its time again.
    fn await_again(&mut self, config: &ConsumerConfig, now: Now, sequence: u64, own: Unacked) {
        let later = own.retry_at.map(|at| at.0.saturating_sub(now.wall.0));
        let wait = later.unwrap_or_else(|| ack_wait(config, own.deliveries));
        let wait = u64::try_from(wait).unwrap_or(0);
        let deadline = Tick(now.tick.0.saturating_add(wait));
        self.outstanding.deliver(sequence, own.consumer_seq, own.deliveries, now.tick, deadline);
    }

    /// The next message to deliver. Looks at [`LOOKED_AT`] others at most.
    pub(crate) fn pick(&mut self, config: &ConsumerConfig, log: &Log) -> Pick {
        while let Some((sequence, deliveries)) = self.outstanding.next_redelivery() {
            if log.position(sequence).is_some() {
                return Pick::Message(sequence, deliveries);
            }
            self.outstanding.remove(sequence);
        }
        if self.is_full(config) {
            return Pick::Nothing;
        }
        if let Some(sequence) = self.next_last(log) {
            return Pick::Message(sequence, 0);
        }
        let from = self.cursor.max(log.first()).max(self.lasts_upto + 1);
        // What does not match is passed over once, not at every look.
        let (cursor, pick) = match next_wanted(config, log, from) {
            Scan::Found(next) => (next, Pick::Message(next, 0)),
            Scan::More(next) => (next, Pick::Later),
            Scan::End => (from.max(log.last() + 1), Pick::Nothing),
        };
        self.cursor = cursor;
        pick
    }

    /// A message is to be delivered because it was the last of its subject.
    pub(crate) fn add_last(&mut self, sequence: u64) {
        self.lasts.push(Reverse(sequence));
    }

    /// Which ones are will be told anew.
    pub(crate) fn forget_lasts(&mut self) {
        self.lasts = BinaryHeap::new();
    }

    /// The next one that is. Those that have gone, or are behind the cursor, are forgotten.
    fn next_last(&mut self, log: &Log) -> Option<u64> {
        while let Some(Reverse(sequence)) = self.lasts.peek().copied() {
            if sequence >= self.cursor && log.position(sequence).is_some() {
                return Some(sequence);
            }
            self.lasts.pop();
        }
        None
    }

    /// For a consumer that delivers the last of each subject and has delivered nothing: the sequence
    /// before the first one.
    pub(crate) fn start(&mut self, log: &Log) -> Option<u64> {
        let begins = self.lasts_upto > 0 && self.deliveries == 0;
        begins.then(|| self.next_last(log).map_or(self.lasts_upto, |first| first - 1))
    }

    /// Whether as many messages are outstanding as may be.
    pub(crate) fn is_full(&self, config: &ConsumerConfig) -> bool {
        let limit = usize::try_from(config.max_ack_pending).ok().filter(|limit| *limit > 0);
        config.ack_policy != AckPolicy::None
            && limit.is_some_and(|limit| self.outstanding.len() >= limit)
    }

    /// A message was sent.
    pub(crate) fn sent(&mut self, config: &ConsumerConfig, now: Now, sequence: u64, before: u64) {
        let (consumer_seq, deliveries) = (self.deliveries + 1, before + 1);
        self.deliveries = consumer_seq;
        if before == 0 {
            self.unsaved_first += 1;
            self.first_ahead += 1;
            self.cursor = self.cursor.max(sequence + 1);
            self.delivered = self.delivered.max(sequence);
        }
        if config.ack_policy != AckPolicy::None {
            let wait = u64::try_from(ack_wait(config, deliveries)).unwrap_or(0);
            let deadline = Tick(now.tick.0.saturating_add(wait));
            self.outstanding.deliver(sequence, consumer_seq, deliveries, now.tick, deadline);
        }
        self.remember(Event::Delivered { sequence, consumer_seq, deliveries });
    }

    /// Keeps an event for a record.
    pub(crate) fn remember(&mut self, event: Event) {
        event.encode(&mut self.unsaved);
    }

    /// Keeps the event that that many messages are finished.
    pub(crate) fn remember_finished(&mut self, count: u64, event: Event) {
        self.unsaved_finished += count;
        self.remember(event);
    }

    /// Messages that events finish which no record has taken yet.
    pub(crate) fn unsaved_finished(&self) -> u64 {
        self.unsaved_finished
    }

    /// Bytes of events that no record has taken yet.
    pub(crate) fn unsaved_len(&self) -> usize {
        self.unsaved.len()
    }

    /// Events for a record.
    pub(crate) fn take_unsaved(&mut self) -> Vec<u8> {
        let first = std::mem::take(&mut self.unsaved_first);
        self.saved.push_back(Saved { first, events: Vec::new() });
        self.unsaved_finished = 0;
        std::mem::take(&mut self.unsaved)
    }

    /// The events that were taken for a record are on their way to the disk, which may refuse them.
    pub(crate) fn saving(&mut self, events: Vec<u8>) {
        if let Some(last) = self.saved.back_mut() {
            last.events = events;
        }
    }

    /// A record of its events was applied.
    pub(crate) fn saved(&mut self) {
        let first = self.saved.pop_front().map_or(0, |saved| saved.first);
        self.first_ahead = self.first_ahead.saturating_sub(first);
    }

    /// Messages that match and were never delivered. `backlog` is those of which the state says so.
    pub(crate) fn pending(&self, backlog: u64) -> u64 {
        backlog.saturating_sub(self.first_ahead)
    }

    /// A message has gone from the stream.
    pub(crate) fn lost(&mut self, sequence: u64) {
        self.outstanding.remove(sequence);
    }

    /// All messages have gone from the stream. Gives what was outstanding.
    pub(crate) fn emptied(&mut self) -> Outstanding {
        self.forget_lasts();
        std::mem::take(&mut self.outstanding)
    }

    /// The consumer has another configuration: deliveries under way get its times.
    pub(crate) fn configure(&mut self, config: &ConsumerConfig) {
        self.rescheduled = Some(0);
        self.pace.configure();
        if config.priority_policy != PriorityPolicy::PinnedClient {
            self.pin = None;
        }
        self.reschedule(config, RESCHEDULED_PER_TURN);
    }

    /// Gives more of them its times, `budget` at most. Says whether others are left.
    pub(crate) fn reschedule(&mut self, config: &ConsumerConfig, budget: usize) -> bool {
        let wait = |deliveries| u64::try_from(ack_wait(config, deliveries)).unwrap_or(0);
        let from = self.rescheduled.take();
        self.rescheduled = from.and_then(|from| self.outstanding.reschedule(from, budget, wait));
        self.is_rescheduling()
    }

    /// Whether deliveries under way are still to get other times.
    pub(crate) fn is_rescheduling(&self) -> bool {
        self.rescheduled.is_some()
    }

    /// Goes on for another one: those who wait do so here.
    fn go_on_from(&mut self, old: &mut Self) {
        self.waiting = std::mem::take(&mut old.waiting);
        self.pin = old.pin.take();
        self.reading = old.reading;
        self.idle_since = old.idle_since;
        // Whether people are still to be told that it is over.
        self.paused = old.paused;
        self.last_sent = old.last_sent;
        self.flow_bytes = old.flow_bytes;
        self.flow_awaited = old.flow_awaited.take();
    }

    /// Works for one that was reset. What clients have said to that one meanwhile is still to become a
    /// record, or is in records that are not applied yet.
    pub(crate) fn replace(&mut self, old: &mut Self) {
        self.go_on_from(old);
        self.unsaved = std::mem::take(&mut old.unsaved);
        self.unsaved_finished = old.unsaved_finished;
        self.saved = std::mem::take(&mut old.saved);
        self.saved.iter_mut().for_each(|saved| saved.first = 0);
    }

    /// Whether the message was delivered at least once.
    pub(crate) fn has_delivered(&self, sequence: u64) -> bool {
        sequence < self.cursor
    }
}

/// The first message at or behind `from` that the filters take. Looks at [`LOOKED_AT`] at most.
fn next_wanted(config: &ConsumerConfig, log: &Log, from: u64) -> Scan {
    let filters = config.filters();
    let found = |next: Option<u64>| next.map_or(Scan::End, Scan::Found);
    if filters.is_empty() {
        return found(log.next(from));
    }
    if filters.iter().all(|filter| !has_wildcard(filter.as_bytes())) {
        let keys = filters.iter().filter_map(|filter| log.key_id(filter.as_bytes()));
        return found(keys.filter_map(|key| log.next_of(key, from)).min());
    }
    log.scan(from, LOOKED_AT, |id| {
        let subject = log.key_name(id);
        filters.iter().any(|filter| matches(filter.as_bytes(), subject))
    })
}

/// Time that a delivery may take, in nanoseconds.
pub(crate) fn ack_wait(config: &ConsumerConfig, deliveries: u64) -> i64 {
    if config.ack_policy == AckPolicy::FlowControl {
        // Its client says how far it has come, whenever that is.
        return i64::MAX;
    }
    let attempt = usize::try_from(deliveries.saturating_sub(1)).unwrap_or(usize::MAX);
    let backoff = config.backoff.get(attempt).or(config.backoff.last());
    backoff.copied().unwrap_or(config.ack_wait)
}

/// Whether no further delivery of a message is allowed.
pub(crate) fn is_exhausted(config: &ConsumerConfig, deliveries: u64) -> bool {
    u64::try_from(config.max_deliver).is_ok_and(|max| deliveries >= max)
}
