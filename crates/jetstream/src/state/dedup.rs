//! Message ids that were seen inside the duplicate window.

use std::collections::VecDeque;

use hashbrown::HashMap;
use watershed_store::bytes::{BadState, Reader, put_counted, put_i64, put_u64};
use watershed_wire::time::UnixNanos;

/// Ids by the sequence that they were stored under.
#[derive(Debug, Default)]
pub(crate) struct Dedup {
    /// The newest sequence of each, and when it was stored.
    by_id: HashMap<Box<[u8]>, (u64, UnixNanos), foldhash::fast::FixedState>,
    /// In the order in which they came.
    order: VecDeque<(UnixNanos, u64, Box<[u8]>)>,
}

impl Dedup {
    /// The sequence under which `id` was stored inside the window.
    pub(crate) fn find(&self, id: &[u8], now: UnixNanos, window: i64) -> Option<u64> {
        let (sequence, time) = *self.by_id.get(id)?;
        (now.0.saturating_sub(time.0) < window).then_some(sequence)
    }

    /// Remembers an id, and forgets those that are older than the window.
    pub(crate) fn insert(&mut self, id: &[u8], sequence: u64, time: UnixNanos, window: i64) {
        self.expire(time, window);
        if window <= 0 {
            return;
        }
        self.by_id.insert(id.into(), (sequence, time));
        self.order.push_back((time, sequence, id.into()));
    }

    fn expire(&mut self, now: UnixNanos, window: i64) {
        while let Some((time, ..)) = self.order.front()
            && now.0.saturating_sub(time.0) >= window
            && let Some((_, sequence, id)) = self.order.pop_front()
        {
            // It may have been stored again since.
            if self.by_id.get(&id).is_some_and(|(newest, _)| *newest == sequence) {
                self.by_id.remove(&id);
            }
        }
    }

    /// Appends what [`Dedup::restore`] reads, `budget` ids from the one on that is the `from`th. Says
    /// from which one on it goes on.
    pub(crate) fn checkpoint(
        &self,
        from: usize,
        budget: &mut usize,
        out: &mut Vec<u8>,
    ) -> Option<usize> {
        if from == 0 {
            put_u64(out, self.order.len() as u64);
        }
        let end = from.saturating_add(*budget).min(self.order.len());
        for (time, sequence, id) in self.order.range(from..end) {
            put_i64(out, time.0);
            put_u64(out, *sequence);
            put_counted(out, id);
        }
        *budget -= end - from;
        (end < self.order.len()).then_some(end)
    }

    pub(crate) fn restore(reader: &mut Reader<'_>) -> Result<Self, BadState> {
        let mut dedup = Self::default();
        for _ in 0..reader.u64()? {
            let time = UnixNanos(reader.i64()?);
            let sequence = reader.u64()?;
            let id: Box<[u8]> = reader.counted()?.into();
            dedup.by_id.insert(id.clone(), (sequence, time));
            dedup.order.push_back((time, sequence, id));
        }
        Ok(dedup)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
