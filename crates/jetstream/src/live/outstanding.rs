//! Messages that were delivered and not yet acknowledged, and when each is to be delivered again.

use std::collections::{BTreeSet, VecDeque};

use watershed_base::Tick;

use crate::window::Window;

/// A message that was delivered and not yet acknowledged.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Delivery {
    /// Which delivery of the consumer was its first.
    pub(crate) consumer_seq: u64,
    /// How often it was delivered.
    pub(crate) deliveries: u64,
    /// When it was delivered last, or when a client last said that it is at work.
    started: Tick,
    /// When it counts as failed; `None` while it waits to be delivered again.
    deadline: Option<Tick>,
}

/// All of them.
///
/// Both queues may hold entries that no longer hold: an entry of `inorder` counts if its message has
/// that very deadline, one of `again` if its message has none. The first of each always counts.
#[derive(Debug, Default)]
pub(crate) struct Outstanding {
    by_sequence: Window<Delivery>,
    /// Deadlines that came in order, as they do while every delivery has the same time.
    inorder: VecDeque<(Tick, u64)>,
    /// The other deadlines.
    others: BTreeSet<(Tick, u64)>,
    /// Those to be delivered again, in the order in which they failed.
    again: VecDeque<u64>,
}

impl Outstanding {
    pub(crate) fn len(&self) -> usize {
        self.by_sequence.len()
    }

    pub(crate) fn contains(&self, sequence: u64) -> bool {
        self.by_sequence.contains(sequence)
    }

    pub(crate) fn get(&self, sequence: u64) -> Option<Delivery> {
        self.by_sequence.get(sequence).copied()
    }

    /// A message was delivered, the first time or again.
    pub(crate) fn deliver(
        &mut self,
        sequence: u64,
        consumer_seq: u64,
        deliveries: u64,
        now: Tick,
        deadline: Tick,
    ) {
        let old = self.by_sequence.get(sequence).copied();
        let consumer_seq = old.map_or(consumer_seq, |old| old.consumer_seq);
        let delivery =
            Delivery { consumer_seq, deliveries, started: now, deadline: Some(deadline) };
        self.by_sequence.insert(sequence, delivery);
        self.schedule(sequence, deadline);
        self.forget(sequence, old);
    }

    /// A message is done. Says whether it was outstanding.
    pub(crate) fn remove(&mut self, sequence: u64) -> bool {
        let old = self.by_sequence.remove(sequence);
        self.forget(sequence, old);
        old.is_some()
    }

    /// All messages up to `sequence` are done. Says whether there were any.
    pub(crate) fn remove_up_to(&mut self, sequence: u64) -> bool {
        let mut any = false;
        while let Some((first, _)) = self.by_sequence.first()
            && first <= sequence
        {
            any |= self.remove(first);
        }
        any
    }

    /// A client is at work on a message, or wants it again at a certain time.
    pub(crate) fn postpone(&mut self, sequence: u64, now: Tick, deadline: Tick) {
        let old = self.by_sequence.get(sequence).copied();
        if let Some(delivery) = self.by_sequence.get_mut(sequence) {
            (delivery.started, delivery.deadline) = (now, Some(deadline));
            self.schedule(sequence, deadline);
            self.forget(sequence, old);
        }
    }

    /// A delivery failed: it is to be made again.
    pub(crate) fn retry(&mut self, sequence: u64) {
        let old = self.by_sequence.get(sequence).copied();
        if let Some(delivery) = self.by_sequence.get_mut(sequence)
            && delivery.deadline.take().is_some()
        {
            self.again.push_back(sequence);
            self.forget(sequence, old);
        }
    }

    /// Deliveries have another time from now on: `wait` says how long, by their number.
    pub(crate) fn reschedule(&mut self, wait: impl Fn(u64) -> u64) {
        self.inorder.clear();
        self.others.clear();
        let mut deadlines = Vec::new();
        for (sequence, delivery) in self.by_sequence.iter_mut() {
            if delivery.deadline.is_some() {
                let deadline = Tick(delivery.started.0.saturating_add(wait(delivery.deliveries)));
                delivery.deadline = Some(deadline);
                deadlines.push((deadline, sequence));
            }
        }
        deadlines.sort_unstable();
        self.inorder = deadlines.into();
    }

    /// The next message to deliver again, and how often it was. It stays until it is delivered.
    pub(crate) fn next_redelivery(&self) -> Option<(u64, u64)> {
        let sequence = *self.again.front()?;
        self.by_sequence.get(sequence).map(|delivery| (sequence, delivery.deliveries))
    }

    /// When the next delivery counts as failed.
    pub(crate) fn next_deadline(&self) -> Option<Tick> {
        self.next().map(|(deadline, _)| deadline)
    }

    /// A message whose deadline is not after `now`, and how often it was delivered.
    pub(crate) fn overdue(&self, now: Tick) -> Option<(u64, u64)> {
        let (_, sequence) = self.next().filter(|(deadline, _)| *deadline <= now)?;
        self.by_sequence.get(sequence).map(|delivery| (sequence, delivery.deliveries))
    }

    fn next(&self) -> Option<(Tick, u64)> {
        self.inorder.front().into_iter().chain(self.others.first()).min().copied()
    }

    fn schedule(&mut self, sequence: u64, deadline: Tick) {
        if self.inorder.back().is_none_or(|(last, _)| *last <= deadline) {
            self.inorder.push_back((deadline, sequence));
        } else {
            self.others.insert((deadline, sequence));
        }
    }

    /// Takes out what was known of a message before it changed.
    fn forget(&mut self, sequence: u64, old: Option<Delivery>) {
        if let Some(deadline) = old.and_then(|old| old.deadline)
            && self.by_sequence.get(sequence).and_then(|own| own.deadline) != Some(deadline)
        {
            self.others.remove(&(deadline, sequence));
        }
        let by_sequence = &self.by_sequence;
        let deadline_of = |own: u64| by_sequence.get(own).map(|delivery| delivery.deadline);
        while self.inorder.front().is_some_and(|(at, own)| deadline_of(*own) != Some(Some(*at))) {
            self.inorder.pop_front();
        }
        while self.again.front().is_some_and(|own| deadline_of(*own) != Some(None)) {
            self.again.pop_front();
        }
        // Entries behind the first may be stale: they stay below twice what is outstanding.
        if self.inorder.len() > 64 + 2 * by_sequence.len() {
            self.inorder.retain(|(at, own)| deadline_of(*own) == Some(Some(*at)));
        }
        if self.again.len() > 64 + 2 * by_sequence.len() {
            self.again.retain(|own| deadline_of(*own) == Some(None));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    #[derive(Debug, Clone)]
    enum Step {
        Deliver(u64, u64),
        Remove(u64),
        UpTo(u64),
        Postpone(u64, u64),
        Retry(u64),
        Reschedule(u64),
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            (1..12_u64, 0..50_u64).prop_map(|(own, at)| Step::Deliver(own, at)),
            (1..12_u64).prop_map(Step::Remove),
            (1..12_u64).prop_map(Step::UpTo),
            (1..12_u64, 0..50_u64).prop_map(|(own, at)| Step::Postpone(own, at)),
            (1..12_u64).prop_map(Step::Retry),
            (0..50_u64).prop_map(Step::Reschedule),
        ]
    }

    proptest! {
        /// It agrees with a plain list of what is outstanding.
        #[test]
        fn queues_agree_with_a_list(steps in proptest::collection::vec(step(), 1..80)) {
            let mut all = Outstanding::default();
            let mut list: BTreeMap<u64, Option<u64>> = BTreeMap::new();
            let tick = Tick(0);
            for step in steps {
                match step {
                    Step::Deliver(own, at) => {
                        all.deliver(own, own, 1, tick, Tick(at));
                        list.insert(own, Some(at));
                    }
                    Step::Remove(own) => {
                        prop_assert_eq!(all.remove(own), list.remove(&own).is_some());
                    }
                    Step::UpTo(own) => {
                        let any = list.keys().any(|key| *key <= own);
                        prop_assert_eq!(all.remove_up_to(own), any);
                        list.retain(|key, _| *key > own);
                    }
                    Step::Postpone(own, at) => {
                        all.postpone(own, tick, Tick(at));
                        list.entry(own).and_modify(|own| *own = Some(at));
                    }
                    Step::Retry(own) => {
                        all.retry(own);
                        list.entry(own).and_modify(|own| *own = None);
                    }
                    Step::Reschedule(wait) => {
                        all.reschedule(|_| wait);
                        for at in list.values_mut().flatten() {
                            *at = wait;
                        }
                    }
                }
                prop_assert_eq!(all.len(), list.len());
                prop_assert_eq!(all.next_deadline().map(|at| at.0), list.values().flatten().min().copied());
                let waits = all.next_redelivery().map(|(own, _)| own);
                prop_assert_eq!(waits.is_some(), list.values().any(Option::is_none));
                prop_assert!(waits.is_none_or(|own| list[&own].is_none()));
            }
        }
    }
}
