//! Messages that were delivered and not yet acknowledged.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use crate::now::Tick;

/// A message that was delivered and not yet acknowledged.
#[derive(Debug, Clone, Copy)]
pub(super) struct Delivery {
    /// Which delivery of the consumer was its first.
    pub(super) consumer_seq: u64,
    /// How often it was delivered.
    pub(super) deliveries: u64,
    /// When it counts as failed; `None` while it waits to be delivered again.
    deadline: Option<Tick>,
}

/// All of them. Every sequence in `order` or `again` is in `by_sequence`.
#[derive(Debug, Default)]
pub(crate) struct Outstanding {
    by_sequence: BTreeMap<u64, Delivery>,
    /// Those with a deadline, by it.
    order: BTreeSet<(Tick, u64)>,
    /// Those to be delivered again, in the order in which they failed.
    again: VecDeque<u64>,
    /// Position before the first message, where the floor starts.
    start: u64,
}

impl Outstanding {
    pub(super) fn start_at(&mut self, sequence: u64) {
        self.start = sequence;
    }

    pub(crate) fn len(&self) -> usize {
        self.by_sequence.len()
    }

    pub(crate) fn contains(&self, sequence: u64) -> bool {
        self.by_sequence.contains_key(&sequence)
    }

    pub(super) fn get(&self, sequence: u64) -> Option<Delivery> {
        self.by_sequence.get(&sequence).copied()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (u64, &Delivery)> {
        self.by_sequence.iter().map(|(sequence, delivery)| (*sequence, delivery))
    }

    /// Messages that were delivered more than once.
    pub(super) fn redelivered(&self) -> usize {
        self.by_sequence.values().filter(|delivery| delivery.deliveries > 1).count()
    }

    /// A message was delivered, the first time or again.
    pub(super) fn deliver(
        &mut self,
        sequence: u64,
        consumer_seq: u64,
        deliveries: u64,
        deadline: Tick,
    ) {
        let old = self.by_sequence.get(&sequence).copied();
        if let Some(old) = old {
            self.unschedule(sequence, old);
        }
        let consumer_seq = old.map_or(consumer_seq, |old| old.consumer_seq);
        let delivery = Delivery { consumer_seq, deliveries, deadline: Some(deadline) };
        self.by_sequence.insert(sequence, delivery);
        self.order.insert((deadline, sequence));
    }

    /// A message is done. Says whether it was outstanding.
    pub(super) fn remove(&mut self, sequence: u64) -> bool {
        let Some(old) = self.by_sequence.remove(&sequence) else { return false };
        self.unschedule(sequence, old);
        true
    }

    /// All messages up to `sequence` that are outstanding.
    pub(crate) fn up_to(&self, sequence: u64) -> Vec<u64> {
        self.by_sequence.range(..=sequence).map(|(sequence, _)| *sequence).collect()
    }

    /// A delivery gets another deadline.
    pub(super) fn postpone(&mut self, sequence: u64, deadline: Tick) {
        if let Some(old) = self.by_sequence.get(&sequence).copied() {
            self.unschedule(sequence, old);
            self.by_sequence.insert(sequence, Delivery { deadline: Some(deadline), ..old });
            self.order.insert((deadline, sequence));
        }
    }

    /// A delivery failed: it is to be made again.
    pub(super) fn retry(&mut self, sequence: u64) {
        if let Some(old) = self.by_sequence.get(&sequence).copied() {
            self.unschedule(sequence, old);
            self.by_sequence.insert(sequence, Delivery { deadline: None, ..old });
            self.again.push_back(sequence);
        }
    }

    /// The next message to deliver again, and how often it was. It stays until it is delivered.
    pub(super) fn next_redelivery(&self) -> Option<(u64, u64)> {
        let sequence = *self.again.front()?;
        self.by_sequence.get(&sequence).map(|delivery| (sequence, delivery.deliveries))
    }

    /// When the next delivery counts as failed.
    pub(crate) fn next_deadline(&self) -> Option<Tick> {
        self.order.first().map(|(deadline, _)| *deadline)
    }

    /// A message whose deadline is not after `now`.
    pub(super) fn overdue(&self, now: Tick) -> Option<(u64, u64)> {
        let (_, sequence) = self.order.first().filter(|(deadline, _)| *deadline <= now)?;
        self.by_sequence.get(sequence).map(|delivery| (*sequence, delivery.deliveries))
    }

    /// Everything up to here is done, in the consumer's count and in the stream's.
    pub(super) fn floor(&self, consumer_seq: u64, delivered: u64) -> (u64, u64) {
        let Some((first, _)) = self.by_sequence.first_key_value() else {
            return (consumer_seq, delivered);
        };
        let lowest = self.by_sequence.values().map(|delivery| delivery.consumer_seq).min();
        let stream = (first - 1).max(self.start.min(first - 1));
        (lowest.map_or(consumer_seq, |lowest| lowest - 1), stream)
    }

    fn unschedule(&mut self, sequence: u64, delivery: Delivery) {
        match delivery.deadline {
            Some(deadline) => {
                self.order.remove(&(deadline, sequence));
            }
            None => self.again.retain(|other| *other != sequence),
        }
    }
}
