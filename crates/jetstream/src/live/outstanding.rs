//! Messages that were delivered and not yet acknowledged, and when each is to be delivered again.

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
    next: Next,
}

impl Delivery {
    /// Nanoseconds since it was delivered last, or since a client last said that it is at work.
    pub(crate) fn age(&self, now: Tick) -> u64 {
        now.0.saturating_sub(self.started.0)
    }
}

/// What comes next of a delivery.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Next {
    /// It counts as failed then.
    Due(Tick),
    /// It waits to be redelivered, after those with lower numbers.
    Again(u64),
    /// Nothing: it is done, and among those whose time was over.
    Nothing,
}

/// All of them. What concerns one of them takes O(log n), what concerns many takes a budget.
#[derive(Debug, Default)]
pub(crate) struct Outstanding {
    by_sequence: Window<u64, Delivery>,
    /// By deadline.
    due: Window<(Tick, u64), ()>,
    /// Those to be delivered again, in the order in which they failed.
    again: Window<u64, u64>,
    /// How many have failed.
    failed: u64,
    /// Up to here all are done, and go a slice at a time; 0 when they have gone.
    done_upto: u64,
    /// Those of them whose time was over meanwhile: nothing comes next of them.
    done_overdue: Vec<u64>,
}

impl Outstanding {
    pub(crate) fn len(&self) -> usize {
        self.by_sequence.len()
    }

    pub(crate) fn contains(&self, sequence: u64) -> bool {
        self.get(sequence).is_some()
    }

    pub(crate) fn get(&self, sequence: u64) -> Option<Delivery> {
        self.by_sequence.get(sequence).copied().filter(|_| sequence > self.done_upto)
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
        let next = Next::Due(deadline);
        let delivery = Delivery { consumer_seq, deliveries, started: now, next };
        if let Some(old) = self.by_sequence.insert(sequence, delivery) {
            self.unqueue(sequence, old.next);
            if let Some(delivery) = self.by_sequence.get_mut(sequence) {
                delivery.consumer_seq = old.consumer_seq;
            }
        }
        self.due.insert((deadline, sequence), ());
    }

    /// A message is done. Says whether it was outstanding.
    pub(crate) fn remove(&mut self, sequence: u64) -> bool {
        let Some(old) = self.by_sequence.remove(sequence) else { return false };
        self.unqueue(sequence, old.next);
        sequence > self.done_upto
    }

    /// All messages up to `sequence` are done: [`Outstanding::remove_done`] lets them go. Says
    /// whether there were any that were not.
    pub(crate) fn finish_up_to(&mut self, sequence: u64) -> bool {
        let first = self.by_sequence.iter_from(self.done_upto + 1).next();
        let any = first.is_some_and(|(first, _)| first <= sequence);
        if any {
            self.done_upto = sequence;
        }
        any
    }

    /// Lets messages go that are done, `limit` of them at most. Says how many, and up to which
    /// sequence there are none any more.
    pub(crate) fn remove_done(&mut self, limit: u64) -> (u64, u64) {
        let mut count = 0;
        while let Some(first) = self.first_done() {
            if count == limit {
                return (count, first - 1);
            }
            self.remove(first);
            count += 1;
        }
        self.done_overdue.clear();
        (count, std::mem::take(&mut self.done_upto))
    }

    /// What was done and has not gone is not done.
    pub(crate) fn undo_finish(&mut self) {
        self.done_upto = 0;
        for sequence in std::mem::take(&mut self.done_overdue) {
            self.retry(sequence);
        }
    }

    /// The first message that is done and still there.
    pub(crate) fn first_done(&self) -> Option<u64> {
        let (first, _) = self.by_sequence.first()?;
        (first <= self.done_upto).then_some(first)
    }

    /// A client is at work on a message, or wants it again at a certain time.
    pub(crate) fn postpone(&mut self, sequence: u64, now: Tick, deadline: Tick) {
        if let Some(delivery) = self.by_sequence.get_mut(sequence) {
            let old = std::mem::replace(&mut delivery.next, Next::Due(deadline));
            delivery.started = now;
            self.unqueue(sequence, old);
            self.due.insert((deadline, sequence), ());
        }
    }

    /// A delivery failed: the message is to be redelivered, unless it is done.
    pub(crate) fn retry(&mut self, sequence: u64) {
        let Some(delivery) = self.by_sequence.get_mut(sequence) else { return };
        let old = delivery.next;
        if matches!(old, Next::Again(_)) {
            return;
        }
        if sequence <= self.done_upto {
            if old != Next::Nothing {
                delivery.next = Next::Nothing;
                self.done_overdue.push(sequence);
            }
        } else {
            self.failed += 1;
            delivery.next = Next::Again(self.failed);
            self.again.insert(self.failed, sequence);
        }
        self.unqueue(sequence, old);
    }

    /// Deliveries have another time from now on: `wait` says how long, by their number. Changes
    /// those from the sequence `from` on, `budget` of them at most. Says where it goes on.
    pub(crate) fn reschedule(
        &mut self,
        from: u64,
        budget: usize,
        wait: impl Fn(u64) -> u64,
    ) -> Option<u64> {
        let mut rest = self.by_sequence.iter_from(from);
        let slice: Vec<_> = rest.by_ref().take(budget).map(|(own, at)| (own, *at)).collect();
        let left = rest.next().map(|(sequence, _)| sequence);
        drop(rest);
        for (sequence, delivery) in slice {
            if matches!(delivery.next, Next::Due(_)) {
                let deadline = Tick(delivery.started.0.saturating_add(wait(delivery.deliveries)));
                self.postpone(sequence, delivery.started, deadline);
            }
        }
        left
    }

    /// The next message to deliver again, and how often it was. It stays until it is delivered.
    pub(crate) fn next_redelivery(&mut self) -> Option<(u64, u64)> {
        loop {
            let (_, sequence) = self.again.first()?;
            let sequence = *sequence;
            let delivery = self.by_sequence.get_mut(sequence)?;
            if sequence > self.done_upto {
                return Some((sequence, delivery.deliveries));
            }
            let old = std::mem::replace(&mut delivery.next, Next::Nothing);
            self.done_overdue.push(sequence);
            self.unqueue(sequence, old);
        }
    }

    /// Frees the memory of some of them: that of about `budget`. Says whether none is left.
    pub(crate) fn free(&mut self, budget: usize) -> bool {
        self.by_sequence.free(budget) & self.due.free(budget) & self.again.free(budget)
    }

    /// All of them, in order: the number of the first delivery, and how many there were.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (u64, u64, u64)> {
        let all = self.by_sequence.iter();
        all.map(|(sequence, own)| (sequence, own.consumer_seq, own.deliveries))
    }

    /// When the next delivery counts as failed.
    pub(crate) fn next_deadline(&self) -> Option<Tick> {
        self.due.first().map(|((deadline, _), ())| deadline)
    }

    /// A message whose deadline is not after `now`, and how often it was delivered.
    pub(crate) fn overdue(&self, now: Tick) -> Option<(u64, u64)> {
        let ((deadline, sequence), ()) = self.due.first()?;
        let delivery = self.by_sequence.get(sequence).filter(|_| deadline <= now)?;
        Some((sequence, delivery.deliveries))
    }

    /// Takes a message out of where it stood.
    fn unqueue(&mut self, sequence: u64, next: Next) {
        match next {
            Next::Due(deadline) => drop(self.due.remove((deadline, sequence))),
            Next::Again(number) => drop(self.again.remove(number)),
            Next::Nothing => {}
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
        RemoveDone(u64),
        Postpone(u64, u64),
        Retry(u64),
        Reschedule(u64),
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            (1..12_u64, 0..50_u64).prop_map(|(own, at)| Step::Deliver(own, at)),
            (1..12_u64).prop_map(Step::Remove),
            (1..12_u64).prop_map(Step::UpTo),
            (1..4_u64).prop_map(Step::RemoveDone),
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
            let (tick, mut done) = (Tick(0), 0);
            for step in steps {
                match step {
                    // What is done is not delivered.
                    Step::Deliver(own, _) if own <= done => {}
                    Step::Deliver(own, at) => {
                        all.deliver(own, own, 1, tick, Tick(at));
                        list.insert(own, Some(at));
                    }
                    Step::Remove(own) => {
                        prop_assert_eq!(all.remove(own), list.remove(&own).is_some() && own > done);
                    }
                    Step::UpTo(own) => {
                        let any = list.keys().any(|key| *key <= own && *key > done);
                        prop_assert_eq!(all.finish_up_to(own), any);
                        done = if any { own } else { done };
                    }
                    Step::RemoveDone(limit) => {
                        let there: Vec<u64> = list.range(..=done).map(|(key, _)| *key).collect();
                        let gone = there.len().min(usize::try_from(limit).unwrap());
                        let upto = there.get(gone).map_or(done, |first| first - 1);
                        prop_assert_eq!(all.remove_done(limit), (gone as u64, upto));
                        list.retain(|key, _| *key > upto);
                        done = if gone == there.len() { 0 } else { done };
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
                        let mut from = Some(0);
                        while let Some(next) = from {
                            from = all.reschedule(next, 3, |_| wait);
                        }
                        for at in list.values_mut().flatten() {
                            *at = wait;
                        }
                    }
                }
                prop_assert_eq!(all.len(), list.len());
                prop_assert!(list.keys().all(|key| all.contains(*key) == (*key > done)));
                let waits = all.next_redelivery().map(|(own, _)| own);
                let failed = list.iter().filter(|(key, at)| **key > done && at.is_none());
                prop_assert_eq!(waits.is_some(), failed.count() > 0);
                prop_assert!(waits.is_none_or(|own| own > done && list[&own].is_none()));
                // Of what is done it does not matter when it is due.
                let due = list.iter().filter(|(key, _)| **key > done).filter_map(|(_, at)| *at);
                let next = all.next_deadline().map(|at| at.0);
                prop_assert!(next.is_some() || due.clone().count() == 0);
                prop_assert!(due.min().is_none_or(|first| next.is_some_and(|at| at <= first)));
                if done == 0 {
                    prop_assert_eq!(next, list.values().flatten().min().copied());
                }
            }
        }
    }
}
