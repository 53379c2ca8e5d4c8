//! Message ids that were seen inside the duplicate window.

use std::collections::VecDeque;
use std::hash::BuildHasher;

use foldhash::fast::FixedState;
use hashbrown::HashMap;
use watershed_store::bytes::{BadState, Reader, put_counted, put_i64, put_u64};
use watershed_wire::time::UnixNanos;

/// Ids that are forgotten where one is remembered. A window that passes lets a million go: they go
/// while others come, and are not found before that.
const FORGOTTEN_PER_ID: usize = 4;

/// Tables that ids are in. One of a million would be made larger at one go.
const SHARDS: usize = 256;

/// The newest sequence of each id, and when it was stored.
type Shard = HashMap<Box<[u8]>, (u64, UnixNanos), FixedState>;

/// Ids by the sequence that they were stored under.
#[derive(Debug, Default)]
pub(crate) struct Dedup {
    /// By their hashes; none before there is an id.
    shards: Vec<Shard>,
    hasher: FixedState,
    /// In the order in which they came.
    order: VecDeque<(UnixNanos, u64, Box<[u8]>)>,
    /// Time before which ids had passed when the window became longer: they stay forgotten.
    passed: i64,
}

impl Dedup {
    /// The sequence under which `id` was stored inside the window.
    pub(crate) fn find(&self, id: &[u8], now: UnixNanos, window: i64) -> Option<u64> {
        let (sequence, time) = *self.shards.get(self.shard_of(id))?.get(id)?;
        let passed = time.0 < self.passed || now.0.saturating_sub(time.0) >= window;
        (!passed).then_some(sequence)
    }

    /// The window becomes longer than `window`: what has passed it is not found again.
    pub(crate) fn lengthen(&mut self, now: UnixNanos, window: i64) {
        self.passed = self.passed.max(now.0.saturating_sub(window).saturating_add(1));
    }

    /// Remembers an id, and forgets some of those that are older than the window.
    pub(crate) fn insert(&mut self, id: &[u8], sequence: u64, time: UnixNanos, window: i64) {
        self.expire(time, window);
        if window <= 0 {
            return;
        }
        self.put(id.into(), sequence, time);
    }

    fn put(&mut self, id: Box<[u8]>, sequence: u64, time: UnixNanos) {
        if self.shards.is_empty() {
            self.shards.resize_with(SHARDS, Shard::default);
        }
        let shard = self.shard_of(&id);
        self.shards[shard].insert(id.clone(), (sequence, time));
        self.order.push_back((time, sequence, id));
    }

    /// Which table an id is in. Tables themselves go by the bits at the ends of its hash.
    fn shard_of(&self, id: &[u8]) -> usize {
        (self.hasher.hash_one(id) >> 32) as usize % SHARDS
    }

    fn expire(&mut self, now: UnixNanos, window: i64) {
        for _ in 0..FORGOTTEN_PER_ID {
            let Some((time, ..)) = self.order.front() else { return };
            if time.0 >= self.passed && now.0.saturating_sub(time.0) < window {
                return;
            }
            let Some((_, sequence, id)) = self.order.pop_front() else { return };
            let shard = self.shard_of(&id);
            // It may have been stored again since.
            let shard = self.shards.get_mut(shard);
            if let Some(shard) =
                shard.filter(|own| own.get(&id).is_some_and(|own| own.0 == sequence))
            {
                shard.remove(&id);
            }
        }
    }

    /// Lets the memory of `budget` ids go, for good: the rest is of no use. Says whether none is left.
    pub(crate) fn free(&mut self, budget: usize) -> bool {
        if !self.order.is_empty() {
            self.order.truncate(self.order.len().saturating_sub(budget));
            return false;
        }
        let mut freed = 0;
        while freed < budget {
            let Some(shard) = self.shards.last_mut() else { return true };
            freed += shard.extract_if(|_, _| true).take(budget - freed).count();
            if shard.is_empty() {
                self.shards.pop();
                freed += 1;
            }
        }
        false
    }

    /// Appends what [`Dedup::restore`] reads, `budget` ids from the one on that is the `from`th. Says
    /// from which one on it goes on.
    pub(crate) fn checkpoint(
        &self,
        from: usize,
        budget: &mut usize,
        out: &mut Vec<u8>,
    ) -> Option<usize> {
        // An empty id is none: it stands for what had passed when the window became longer.
        let passed = usize::from(self.passed > 0);
        let count = self.order.len() + passed;
        if from == 0 {
            put_u64(out, count as u64);
        }
        let end = from.saturating_add(*budget).min(count);
        for index in from..end {
            let (time, sequence, id): (_, _, &[u8]) = match index.checked_sub(passed) {
                Some(index) => (self.order[index].0.0, self.order[index].1, &self.order[index].2),
                None => (self.passed, 0, b""),
            };
            put_i64(out, time);
            put_u64(out, sequence);
            put_counted(out, id);
        }
        *budget -= end - from;
        (end < count).then_some(end)
    }

    pub(crate) fn restore(reader: &mut Reader<'_>) -> Result<Self, BadState> {
        let mut dedup = Self::default();
        for _ in 0..reader.u64()? {
            let time = UnixNanos(reader.i64()?);
            let sequence = reader.u64()?;
            let id = reader.counted()?;
            if id.is_empty() {
                dedup.passed = time.0;
            } else {
                dedup.put(id.into(), sequence, time);
            }
        }
        Ok(dedup)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_window_that_passes_is_forgotten_while_others_come() {
        let mut dedup = Dedup::default();
        for number in 0..1000_u64 {
            dedup.insert(&number.to_le_bytes(), number, UnixNanos(100), 50);
        }
        let mut left = dedup.order.len();
        for number in 1000..1500_u64 {
            dedup.insert(&number.to_le_bytes(), number, UnixNanos(150), 50);
            assert!(left < dedup.order.len() + FORGOTTEN_PER_ID, "many are forgotten at one go");
            left = dedup.order.len();
            assert_eq!(dedup.find(&999_u64.to_le_bytes(), UnixNanos(150), 50), None);
        }
        assert_eq!(dedup.order.len(), 500);
        assert_eq!(dedup.shards.iter().map(Shard::len).sum::<usize>(), 500);
        let mut slices = 1;
        while !dedup.free(64) {
            slices += 1;
        }
        assert!(slices >= 500 / 64, "they are freed in {slices} slices");
    }

    #[test]
    fn what_has_passed_is_not_found_in_a_longer_window() {
        let mut dedup = Dedup::default();
        for number in 0..10_u64 {
            dedup.insert(&number.to_le_bytes(), number, UnixNanos(100), 50);
        }
        dedup.insert(b"a", 10, UnixNanos(130), 50);
        dedup.lengthen(UnixNanos(150), 50);
        let state = |dedup: &Dedup| {
            let mut state = Vec::new();
            assert_eq!(dedup.checkpoint(0, &mut 100, &mut state), None);
            state
        };
        let mut restored = Dedup::restore(&mut Reader(&state(&dedup))).unwrap();
        for dedup in [&mut dedup, &mut restored] {
            assert_eq!(dedup.find(&9_u64.to_le_bytes(), UnixNanos(150), 1000), None);
            assert_eq!(dedup.find(b"a", UnixNanos(150), 1000), Some(10));
            dedup.insert(b"b", 11, UnixNanos(160), 1000);
        }
        assert_eq!(state(&restored), state(&dedup));
    }

    #[test]
    fn ids_are_known_inside_the_window() {
        let mut dedup = Dedup::default();
        dedup.insert(b"a", 1, UnixNanos(100), 50);
        dedup.insert(b"b", 2, UnixNanos(120), 50);
        assert_eq!(dedup.find(b"a", UnixNanos(149), 50), Some(1));
        assert_eq!(dedup.find(b"a", UnixNanos(150), 50), None);
        assert_eq!(dedup.find(b"b", UnixNanos(150), 50), Some(2));
        let mut state = Vec::new();
        assert_eq!(dedup.checkpoint(0, &mut 1, &mut state), Some(1));
        assert_eq!(dedup.checkpoint(1, &mut 1, &mut state), None);
        let mut restored = Dedup::restore(&mut Reader(&state)).unwrap();
        assert_eq!(restored.find(b"b", UnixNanos(150), 50), Some(2));
        // Stored again after the window, and outliving the first time.
        restored.insert(b"b", 9, UnixNanos(171), 50);
        restored.insert(b"c", 10, UnixNanos(172), 50);
        assert_eq!(restored.find(b"b", UnixNanos(172), 50), Some(9));
        assert_eq!(restored.order.len(), 2);
    }
}
