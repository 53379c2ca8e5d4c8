//! What goes, and when.

use std::time::Duration;

use watershed_store::Record;
use watershed_wire::header::HeaderBlock;
use watershed_wire::jetstream::publish::ROLLUP;
use watershed_wire::jetstream::stream::{Discard, PurgeRequest};
use watershed_wire::subject;
use watershed_wire::time::UnixNanos;

use super::{Effects, Stream};

impl Stream {
    /// Removes a message. Says whether it was there.
    pub(crate) fn remove(&mut self, sequence: u64, effects: &mut Effects) -> bool {
        if !self.consumers.is_empty()
            && let Some(key) = self.log.key_of(sequence)
        {
            effects.removed.push((sequence, key.name().into()));
        }
        let Some(removed) = self.log.remove(sequence) else { return false };
        effects.dropped.extend(removed.dropped);
        self.deadlines.remove(sequence);
        if let Some(index) = sequence.checked_sub(self.memory_first)
            && let Ok(index) = usize::try_from(index)
            && let Some(message) = self.memory.get_mut(index)
        {
            *message = None;
        }
        while self.memory.front().is_some_and(Option::is_none) {
            self.memory.pop_front();
            self.memory_first += 1;
        }
        true
    }

    /// Obeys `Nats-Rollup` of a message that was just appended.
    pub(super) fn roll_up(&mut self, record: &Record<'_>, effects: &mut Effects) {
        let value = HeaderBlock(record.head).value(ROLLUP);
        let filter = match value {
            Some(b"all") => b">",
            Some(b"sub") => record.key,
            _ => return,
        };
        self.remove_matching(filter, record.sequence, effects);
    }

    /// Lets go what is above the limits. `subject` is the one that just got a message; without it
    /// every subject is looked at.
    pub(crate) fn enforce_limits(&mut self, subject: Option<&[u8]>, effects: &mut Effects) {
        let limit = |limit: i64| u64::try_from(limit).ok().filter(|limit| *limit > 0);
        if let Some(max) = limit(self.config.max_msgs_per_subject) {
            if let Some(subject) = subject {
                self.shorten_subject(subject, max, effects);
            } else {
                let subjects = self.log.keys().filter(|key| key.count() > max);
                let subjects: Vec<Vec<u8>> = subjects.map(|key| key.name().to_vec()).collect();
                for subject in subjects {
                    self.shorten_subject(&subject, max, effects);
                }
            }
        }
        if self.config.discard == Discard::New {
            return;
        }
        let (max_msgs, max_bytes) = (limit(self.config.max_msgs), limit(self.config.max_bytes));
        while max_msgs.is_some_and(|max| self.log.records() > max)
            || max_bytes.is_some_and(|max| self.log.weight() > max && self.log.records() > 0)
        {
            self.remove(self.log.first(), effects);
        }
    }

    fn shorten_subject(&mut self, subject: &[u8], max: u64, effects: &mut Effects) {
        while self.log.key(subject).is_some_and(|key| key.count() > max) {
            let Some(first) = self.log.first_of(subject) else { return };
            self.remove(first, effects);
        }
    }

    /// Removes messages that are too old. Says after what time the next one is.
    pub(crate) fn expire(&mut self, now: UnixNanos, effects: &mut Effects) -> Option<Duration> {
        while let Some((_, sequence)) = self.deadlines.next().filter(|(time, _)| *time <= now.0) {
            self.deadlines.remove(sequence);
            self.remove(sequence, effects);
        }
        let own = self.deadlines.next().map(|(time, _)| time);
        let next = own.into_iter().chain(self.expire_by_age(now, effects)).min()?;
        Some(Duration::from_nanos(u64::try_from(next.saturating_sub(now.0)).unwrap_or(0)))
    }

    /// Removes messages above `max_age`, but for those that have a deadline of their own. Says when
    /// the next one is.
    fn expire_by_age(&mut self, now: UnixNanos, effects: &mut Effects) -> Option<i64> {
        let age = self.config.max_age;
        if age <= 0 {
            return None;
        }
        let mut next = self.log.next(self.log.first());
        while let Some(sequence) = next {
            if !self.deadlines.has(sequence) {
                let deadline = self.log.time_of(sequence)?.saturating_add(age);
                if deadline > now.0 {
                    return Some(deadline);
                }
                self.remove(sequence, effects);
            }
            next = self.log.next(sequence + 1);
        }
        None
    }

    /// Obeys a purge. Says how many messages went.
    pub(crate) fn purge(&mut self, request: &PurgeRequest, effects: &mut Effects) -> u64 {
        let before = self.log.records();
        let filter = if request.filter.is_empty() { ">" } else { &request.filter };
        let filter = filter.as_bytes();
        let end = if request.keep > 0 {
            self.start_of_last(filter, request.keep)
        } else if request.seq > 0 {
            request.seq
        } else {
            self.log.last() + 1
        };
        self.remove_matching(filter, end, effects);
        before - self.log.records()
    }

    /// Sequence of the first of the last `keep` messages that `filter` takes.
    fn start_of_last(&self, filter: &[u8], keep: u64) -> u64 {
        let mut end = self.log.last();
        let mut start = 0;
        for _ in 0..keep {
            let wanted = |key| subject::matches(filter, self.log.key_name(key));
            let Some(found) = self.log.last_where(end, wanted) else { return 0 };
            start = found;
            let Some(before) = found.checked_sub(1) else { break };
            end = before;
        }
        start
    }

    /// Removes the messages before `end` that `filter` takes.
    fn remove_matching(&mut self, filter: &[u8], end: u64, effects: &mut Effects) {
        let mut next = self.log.first();
        while let Some(sequence) = self.next_stored(filter, next).filter(|found| *found < end) {
            self.remove(sequence, effects);
            next = sequence + 1;
        }
    }
}
