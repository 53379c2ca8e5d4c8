//! Messages that say themselves when they go.

use std::collections::{BTreeMap, BTreeSet};

use watershed_store::bytes::{BadState, Reader, put_i64, put_u64};
use watershed_wire::jetstream::publish::TimeToLive;
use watershed_wire::time::UnixNanos;

/// Deadline of a message with the TTL `never`.
const NEVER: i64 = i64::MAX;

/// Deadlines of messages with a TTL, in nanoseconds since 1970. `never` also exempts a message from
/// `max_age`; a TTL longer than `max_age` does not (ADR-43, and nats-server 2.14).
#[derive(Debug, Default)]
pub(crate) struct Deadlines {
    by_sequence: BTreeMap<u64, i64>,
    order: BTreeSet<(i64, u64)>,
    /// Those of `by_sequence` that never go.
    never: BTreeSet<u64>,
    /// Sequence before which every message never goes. Learned while messages expire, so that none of
    /// them is looked at again; not kept on disk.
    never_before: u64,
}

impl Deadlines {
    /// Whether no message before the sequence `until` has the TTL `never`.
    pub(crate) fn all_go_before(&self, until: u64) -> bool {
        self.never.first().is_none_or(|first| *first >= until)
    }

    /// Whether a message has the TTL `never`.
    pub(crate) fn is_never(&self, sequence: u64) -> bool {
        self.never.contains(&sequence)
    }

    /// When a message goes that is in a stream with that `max_age` and was stored at `time`.
    pub(crate) fn of(&self, sequence: u64, time: i64, max_age: Option<i64>) -> Option<i64> {
        let own = self.by_sequence.get(&sequence).copied();
        if own == Some(NEVER) {
            return None;
        }
        own.into_iter().chain(max_age.map(|age| time.saturating_add(age))).min()
    }

    /// Sequence before which every message never goes.
    pub(crate) fn never_before(&self) -> u64 {
        self.never_before
    }

    /// Every message before the sequence `until` never goes.
    pub(crate) fn set_never_before(&mut self, until: u64) {
        self.never_before = self.never_before.max(until);
    }

    pub(crate) fn insert(&mut self, sequence: u64, stored: UnixNanos, ttl: TimeToLive) {
        let deadline = match ttl {
            TimeToLive::Never => NEVER,
            TimeToLive::Nanos(nanos) => stored.0.saturating_add(nanos),
        };
        self.put(sequence, deadline);
    }

    fn put(&mut self, sequence: u64, deadline: i64) {
        self.by_sequence.insert(sequence, deadline);
        if deadline == NEVER {
            self.never.insert(sequence);
        } else {
            self.order.insert((deadline, sequence));
        }
    }

    pub(crate) fn remove(&mut self, sequence: u64) {
        if let Some(deadline) = self.by_sequence.remove(&sequence) {
            self.order.remove(&(deadline, sequence));
            self.never.remove(&sequence);
        }
    }

    /// Messages before the sequence `until` have gone.
    pub(crate) fn remove_before(&mut self, until: u64) {
        while let Some((first, _)) = self.by_sequence.first_key_value()
            && *first < until
        {
            let first = *first;
            self.remove(first);
        }
    }

    /// Lets the memory of `budget` of them go, for good. Says whether none is left.
    pub(crate) fn free(&mut self, budget: usize) -> bool {
        for _ in 0..budget {
            let some = self.order.pop_last().is_some()
                || self.never.pop_last().is_some()
                || self.by_sequence.pop_last().is_some();
            if !some {
                return true;
            }
        }
        false
    }

    /// The message that goes next, and when.
    pub(crate) fn next(&self) -> Option<(i64, u64)> {
        self.order.first().copied()
    }

    /// Appends what [`Deadlines::restore`] reads, `budget` of them from the sequence `from` on. Says
    /// from which one on it goes on.
    pub(crate) fn checkpoint(
        &self,
        from: u64,
        budget: &mut usize,
        out: &mut Vec<u8>,
    ) -> Option<u64> {
        if from == 0 {
            put_u64(out, self.by_sequence.len() as u64);
        }
        let mut deadlines = self.by_sequence.range(from..);
        for (sequence, deadline) in deadlines.by_ref().take(*budget) {
            put_u64(out, *sequence);
            put_i64(out, *deadline);
            *budget -= 1;
        }
        deadlines.next().map(|(sequence, _)| *sequence)
    }

    pub(crate) fn restore(reader: &mut Reader<'_>) -> Result<Self, BadState> {
        let mut deadlines = Self::default();
        for _ in 0..reader.u64()? {
            let sequence = reader.u64()?;
            deadlines.put(sequence, reader.i64()?);
        }
        Ok(deadlines)
    }
}
