//! What goes, and when. Everything here is done in slices that a [`Budget`] bounds.

use std::collections::BTreeMap;

use watershed_store::Record;
use watershed_wire::jetstream::asked::Rollup;
use watershed_wire::jetstream::stream::{Discard, Retention, StreamConfig};
use watershed_wire::subject::has_wildcard;
use watershed_wire::time::UnixNanos;

use super::changes::Changes;
use super::chore::{Chore, Goes};
use super::stream::Stream;

/// Messages that one record touches beside its own. What is left is a chore.
pub(super) const SLICE: u64 = 256;

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
        // Most often one goes, and the key is looked up once.
        while let Some(key) = self.log.key(subject) {
            let (over, first) = (key.count().saturating_sub(max), key.first());
            if over == 0 || !budget.take() {
                return;
            }
            self.keep_replaced(first);
            self.remove(first, changes);
            if over == 1 {
                return;
            }
        }
    }

    /// Whether anything is still to be done to it.
    pub(crate) fn has_chores(&self) -> bool {
        !self.chores.is_empty() || self.is_over_size()
    }

    /// When a message that was stored at `time` expires.
    pub(crate) fn expiry(&self, sequence: u64, time: i64) -> Option<i64> {
        self.deadlines.of(sequence, time, self.age())
    }

    /// Time before which no message expires; `None` if none ever does. It may be too early: whether the
    /// next message never goes is looked at only then.
    pub(crate) fn next_expiry(&self) -> Option<i64> {
        let own = self.deadlines.next().map(|(time, _)| time);
        own.into_iter().chain(self.next_by_age()).min()
    }

    fn next_by_age(&self) -> Option<i64> {
        let age = self.age()?;
        let next = self.log.next(self.first_by_age())?;
        Some(self.log.time_of(next)?.saturating_add(age))
    }

    /// `max_age`, if there is one.
    fn age(&self) -> Option<i64> {
        positive(self.config.max_age).and_then(|age| i64::try_from(age).ok())
    }

    /// Sequence from which on messages may go by `max_age`.
    fn first_by_age(&self) -> u64 {
        self.log.first().max(self.deadlines.never_before())
    }

    /// Subjects of which nothing is left when what [`Stream::expire`] removes has gone, but for those whose
    /// last message says itself that they are gone.
    pub(crate) fn expiring_last(&self, now: UnixNanos, until: u64, limit: u64) -> Vec<Box<[u8]>> {
        let aged = std::iter::successors(self.log.next(self.first_by_age()), |sequence| {
            self.log.next(sequence + 1)
        });
        let aged = aged.take_while(|sequence| *sequence < until);
        let aged = aged.filter(|sequence| !self.deadlines.is_never(*sequence));
        let by_their_own = self.deadlines.due(now.0).filter(|sequence| *sequence >= until);
        let by_their_own = by_their_own.take(usize::try_from(limit).unwrap_or(usize::MAX));
        let mut going: BTreeMap<&[u8], u64> = BTreeMap::new();
        let mut last = Vec::new();
        for sequence in aged.chain(by_their_own) {
            let Some(key) = self.log.key_of(sequence) else { continue };
            let gone = going.entry(key.name()).or_default();
            *gone += 1;
            if *gone == key.count() && !self.deadlines.is_marker(key.last()) {
                last.push(key.name().into());
            }
        }
        last
    }

    /// Removes messages that are too old: by a TTL of their own, `budget` of them at most, and by
    /// `max_age` those before the sequence `until`. Says whether more are to go by their own.
    pub(super) fn expire(
        &mut self,
        now: UnixNanos,
        until: u64,
        budget: &mut Budget,
        changes: &mut Changes,
    ) -> bool {
        if self.deadlines.all_go_before(until) {
            self.remove_before(until, changes);
        } else {
            let mut next = self.log.next(self.first_by_age());
            while let Some(sequence) = next.filter(|sequence| *sequence < until) {
                if !self.deadlines.is_never(sequence) {
                    self.remove(sequence, changes);
                }
                next = self.log.next(sequence + 1);
            }
            self.deadlines.set_never_before(until);
        }
        while let Some((_, sequence)) = self.deadlines.next().filter(|(time, _)| *time <= now.0) {
            if !budget.take() {
                return true;
            }
            self.deadlines.remove(sequence);
            self.remove(sequence, changes);
        }
        false
    }

    /// Sequence before which messages are older than `max_age`, `slice` behind the first that may go by
    /// it at most. Times are looked at up to the first one that is not.
    pub(crate) fn end_of_aged(&self, now: UnixNanos, slice: u64) -> u64 {
        let Some(age) = self.age() else { return 0 };
        let fresh = self.log.at_time(now.0.saturating_sub(age).saturating_add(1));
        fresh.unwrap_or(self.log.last() + 1).min(self.first_by_age().saturating_add(slice))
    }

    /// Sequence before which a purge that keeps the last `keep` messages of a subject, or of `>`, removes.
    pub(crate) fn start_of_last(&self, subject: &[u8], keep: u64) -> u64 {
        if subject == b">" {
            return self.log.nth_last(keep).unwrap_or(0);
        }
        self.log.key(subject).map_or(0, |key| key.nth_last(keep))
    }

    /// Where a slice of a purge ends: it removes or looks at about `slice` messages.
    pub(crate) fn end_of_slice(&self, filter: &[u8], from: u64, end: u64, slice: u64) -> u64 {
        if filter == b">" && end > self.log.last() {
            return end; // Everything goes at once.
        }
        if has_wildcard(filter) {
            let from = if filter == b">" { self.log.first() } else { from };
            let from = self.log.next(from).unwrap_or(end);
            return from.saturating_add(slice).min(end);
        }
        let Some(key) = self.log.key(filter) else { return end };
        let going = key.count() - key.count_from(end);
        let keep = key.count().saturating_sub(slice);
        if going <= slice || keep == 0 { end } else { key.nth_last(keep) }
    }

    /// Removes messages from `from` on and before `until` that `filter` takes. If it takes all, the next
    /// message has no sequence below `until`.
    pub(super) fn remove_slice(
        &mut self,
        filter: &[u8],
        from: u64,
        until: u64,
        changes: &mut Changes,
    ) {
        if filter == b">" {
            self.remove_before(until, changes);
            self.count_on_at(until);
            return;
        }
        let mut next = from.max(self.log.first());
        while let Some(sequence) = self.next_stored_before(filter, next, until) {
            self.remove(sequence, changes);
            next = sequence + 1;
        }
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
            self.keep_replaced(sequence);
            self.remove(sequence, changes);
            next = sequence + 1;
        }
        true
    }
}

/// What is to be looked at where a changed configuration may keep less than the one before.
pub(super) fn chore_of_change(old: &StreamConfig, new: &StreamConfig) -> Option<Chore> {
    let (before, after) = (old.max_msgs_per_subject, new.max_msgs_per_subject);
    let shorter = positive(after).is_some_and(|max| positive(before).is_none_or(|old| max < old));
    // As nats-server: a stream that begins to keep for consumers lets go what they have finished
    // with, and keeps what none of them ever wanted.
    let interest = new.retention == Retention::Interest && old.retention != Retention::Interest;
    let goes = if interest { Goes::Finished } else { Goes::Excess };
    (shorter || interest).then_some(Chore::Keep { next: 1, goes })
}
