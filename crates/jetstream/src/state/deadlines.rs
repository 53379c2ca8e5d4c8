//! Messages that say themselves when they go.

use std::collections::{BTreeMap, BTreeSet};

use watershed_store::bytes::{BadState, Reader, put_i64, put_u64};
use watershed_wire::jetstream::publish::TimeToLive;
use watershed_wire::time::UnixNanos;

/// Deadline of a message with the TTL `never`.
const NEVER: i64 = i64::MAX;

/// Stands for no deadline, on disk.
const NONE: i64 = i64::MIN;

/// Version of the state from which on it says which messages are markers.
pub(super) const MARKERS: u32 = 9;

/// Version of the state from which on it has schedules.
pub(super) const SCHEDULES: u32 = 10;

/// What is known of a message beside its age.
#[derive(Debug, Clone, Copy)]
struct Own {
    /// When its own time to live is over, or [`NEVER`].
    deadline: Option<i64>,
    /// Whether it stands for messages that are gone.
    is_marker: bool,
}

/// Deadlines of messages with a TTL, in nanoseconds since 1970. `never` also exempts a message from
/// `max_age`; a TTL longer than `max_age` does not (ADR-43, and nats-server 2.14).
#[derive(Debug, Default)]
pub(crate) struct Deadlines {
    by_sequence: BTreeMap<u64, Own>,
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
        let own = self.by_sequence.get(&sequence).and_then(|own| own.deadline);
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

    /// A message is stored that says when it goes, or that it is a marker.
    pub(crate) fn insert(
        &mut self,
        sequence: u64,
        stored: UnixNanos,
        ttl: Option<TimeToLive>,
        is_marker: bool,
    ) {
        let deadline = ttl.map(|ttl| match ttl {
            TimeToLive::Never => NEVER,
            TimeToLive::Nanos(nanos) => stored.0.saturating_add(nanos),
        });
        if deadline.is_some() || is_marker {
            self.put(sequence, Own { deadline, is_marker });
        }
    }

    fn put(&mut self, sequence: u64, own: Own) {
        self.by_sequence.insert(sequence, own);
        match own.deadline {
            None => {}
            Some(NEVER) => {
                self.never.insert(sequence);
            }
            Some(deadline) => {
                self.order.insert((deadline, sequence));
            }
        }
    }

    /// Whether a message is a marker.
    pub(crate) fn is_marker(&self, sequence: u64) -> bool {
        self.by_sequence.get(&sequence).is_some_and(|own| own.is_marker)
    }

    pub(crate) fn remove(&mut self, sequence: u64) {
        if let Some(own) = self.by_sequence.remove(&sequence) {
            if let Some(deadline) = own.deadline {
                self.order.remove(&(deadline, sequence));
            }
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

    /// Times and sequences, in order.
    pub(crate) fn in_order(&self) -> impl Iterator<Item = (i64, u64)> {
        self.order.iter().copied()
    }

    /// Sets when something is due.
    pub(crate) fn set(&mut self, sequence: u64, due: UnixNanos) {
        self.remove(sequence);
        self.put(sequence, Own { deadline: Some(due.0.min(NEVER - 1)), is_marker: false });
    }

    /// Whether this one is known.
    pub(crate) fn has(&self, sequence: u64) -> bool {
        self.by_sequence.contains_key(&sequence)
    }

    /// Those that have come by the time `now`, in their order.
    pub(crate) fn due(&self, now: i64) -> impl Iterator<Item = u64> {
        self.order.range(..(now.saturating_add(1), 0)).map(|(_, sequence)| *sequence)
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
        for (sequence, own) in deadlines.by_ref().take(*budget) {
            put_u64(out, *sequence);
            put_i64(out, own.deadline.unwrap_or(NONE));
            out.push(u8::from(own.is_marker));
            *budget -= 1;
        }
        deadlines.next().map(|(sequence, _)| *sequence)
    }

    pub(crate) fn restore(reader: &mut Reader<'_>, version: u32) -> Result<Self, BadState> {
        let mut deadlines = Self::default();
        for _ in 0..reader.u64()? {
            let sequence = reader.u64()?;
            let deadline = Some(reader.i64()?).filter(|deadline| *deadline != NONE);
            let is_marker = version >= MARKERS && reader.u8()? > 0;
            deadlines.put(sequence, Own { deadline, is_marker });
        }
        Ok(deadlines)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn markers_survive_and_an_older_state_has_none() {
        let mut deadlines = Deadlines::default();
        deadlines.insert(1, UnixNanos(10), Some(TimeToLive::Nanos(5)), true);
        deadlines.insert(2, UnixNanos(10), Some(TimeToLive::Never), false);
        deadlines.insert(3, UnixNanos(10), None, true);
        deadlines.insert(4, UnixNanos(10), None, false);
        let mut state = Vec::new();
        let mut budget = usize::MAX;
        assert_eq!(deadlines.checkpoint(0, &mut budget, &mut state), None);
        let again = Deadlines::restore(&mut Reader(&state), MARKERS).unwrap();
        let shown = |own: &Deadlines| {
            let one = |sequence| {
                (own.of(sequence, 10, Some(100)), own.is_marker(sequence), own.is_never(sequence))
            };
            (1..=4).map(one).collect::<Vec<_>>()
        };
        let expected = [
            (Some(15), true, false),
            (None, false, true),
            (Some(110), true, false),
            (Some(110), false, false),
        ];
        assert_eq!((shown(&deadlines), shown(&again)), (expected.to_vec(), expected.to_vec()));
        let mut old = Vec::new();
        put_u64(&mut old, 1);
        put_u64(&mut old, 7);
        put_i64(&mut old, 15);
        let mut reader = Reader(&old);
        let read = Deadlines::restore(&mut reader, MARKERS - 1).unwrap();
        assert_eq!((read.next(), read.is_marker(7), reader.0.len()), (Some((15, 7)), false, 0));
    }
}
