//! What goes, and when. Everything here is done in slices that a [`Budget`] bounds.

use watershed_store::Record;
use watershed_wire::jetstream::asked::Rollup;
use watershed_wire::jetstream::stream::{Discard, StreamConfig};
use watershed_wire::subject;
use watershed_wire::time::UnixNanos;

use super::changes::Changes;
use super::chore::Chore;
use super::stream::Stream;

/// Messages that one record touches beside its own. What is left is a chore.
pub(super) const SLICE: u64 = 4096;

/// How much may still be done.
#[derive(Debug)]
pub(super) struct Budget(pub(super) u64);

impl Budget {
    /// Takes one unit, if there is one.
    pub(super) fn take(&mut self) -> bool {
        let some = self.0 > 0;
        self.0 = self.0.saturating_sub(1);
        some
    }
}

fn positive(limit: i64) -> Option<u64> {
    u64::try_from(limit).ok().filter(|limit| *limit > 0)
}

impl Stream {
    /// A message that was just appended replaces earlier ones.
    pub(super) fn roll_up(&mut self, record: &Record<'_>, rollup: Rollup, changes: &mut Changes) {
        let filter = match rollup {
            Rollup::All => b">",
            Rollup::Subject => record.key,
        };
        let mut budget = Budget(SLICE);
        if !self.remove_matching(filter, record.sequence, &mut budget, changes) {
            self.chores.push_back(Chore::Purge { filter: filter.to_vec(), end: record.sequence });
        }
    }

    /// Lets go what a message that was just appended under `subject` puts above the limits.
    pub(super) fn make_room(&mut self, subject: &[u8], changes: &mut Changes) {
        let mut budget = Budget(SLICE);
        if let Some(max) = positive(self.config.max_msgs_per_subject) {
            self.shorten_subject(subject, max, &mut budget, changes);
        }
        self.enforce_size(&mut budget, changes);
    }

    /// Whether the stream holds more than its limits, in messages or in bytes.
    pub(crate) fn is_over_size(&self) -> bool {
        let (max_msgs, max_bytes) = match self.config.discard {
            Discard::New => return false,
            Discard::Old => (positive(self.config.max_msgs), positive(self.config.max_bytes)),
        };
        max_msgs.is_some_and(|max| self.log.records() > max)
            || max_bytes.is_some_and(|max| self.log.weight() > max && self.log.records() > 0)
    }

    pub(super) fn enforce_size(&mut self, budget: &mut Budget, changes: &mut Changes) {
        while self.is_over_size() && budget.take() {
            self.remove(self.log.first(), changes);
        }
    }

    pub(super) fn shorten_subject(
        &mut self,
        subject: &[u8],
        max: u64,
        budget: &mut Budget,
        changes: &mut Changes,
    ) {
        while self.log.key(subject).is_some_and(|key| key.count() > max) && budget.take() {
            let Some(first) = self.log.first_of(subject) else { return };
            self.remove(first, changes);
        }
    }

    /// When the next message goes by itself; `None` if none does.
    pub(crate) fn next_expiry(&self) -> Option<i64> {
        let own = self.deadlines.next().map(|(time, _)| time);
        own.into_iter().chain(self.next_by_age().map(|(time, _)| time)).min()
    }

    /// The first message that goes by `max_age`, and when.
    fn next_by_age(&self) -> Option<(i64, u64)> {
        let age = positive(self.config.max_age)?;
        let age = i64::try_from(age).ok()?;
        let mut next = self.log.next(self.log.first());
        while let Some(sequence) = next {
            // One with a deadline of its own goes by that.
            if !self.deadlines.has(sequence) {
                return Some((self.log.time_of(sequence)?.saturating_add(age), sequence));
            }
            next = self.log.next(sequence + 1);
        }
        None
    }

    /// Removes messages that are too old. Says whether there are more.
    pub(super) fn expire(
        &mut self,
        now: UnixNanos,
        budget: &mut Budget,
        changes: &mut Changes,
    ) -> bool {
        while let Some((_, sequence)) = self.deadlines.next().filter(|(time, _)| *time <= now.0) {
            if !budget.take() {
                return true;
            }
            self.deadlines.remove(sequence);
            self.remove(sequence, changes);
        }
        while let Some((_, sequence)) = self.next_by_age().filter(|(time, _)| *time <= now.0) {
            if !budget.take() {
                return true;
            }
            self.remove(sequence, changes);
        }
        false
    }

    /// Sequence before which a purge that keeps the last `keep` messages of a filter removes.
    pub(crate) fn start_of_last(&self, filter: &[u8], keep: u64) -> u64 {
        if filter == b">" && keep >= self.log.records() {
            return 0;
        }
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

    /// Removes the messages before `end` that `filter` takes. Says whether all of them have gone.
    pub(super) fn remove_matching(
        &mut self,
        filter: &[u8],
        end: u64,
        budget: &mut Budget,
        changes: &mut Changes,
    ) -> bool {
        let mut next = self.log.first();
        while let Some(sequence) = self.next_stored(filter, next).filter(|found| *found < end) {
            if !budget.take() {
                return false;
            }
            self.remove(sequence, changes);
            next = sequence + 1;
        }
        true
    }
}

/// Whether a changed configuration may keep less than before, so that every message is to be looked
/// at.
pub(super) fn keeps_less(old: &StreamConfig, new: &StreamConfig) -> bool {
    let (before, after) = (old.max_msgs_per_subject, new.max_msgs_per_subject);
    let shorter = positive(after).is_some_and(|max| positive(before).is_none_or(|old| max < old));
    shorter || old.retention != new.retention
}
