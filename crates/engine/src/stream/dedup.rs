//! Message ids that were seen inside the duplicate window.

use std::collections::VecDeque;

use hashbrown::HashMap;
use watershed_store::bytes::{BadState, Reader, put_counted, put_i64, put_u64};
use watershed_wire::time::UnixNanos;

/// Ids by the sequence that they were stored under.
#[derive(Debug, Default)]
pub(super) struct Dedup {
    sequences: HashMap<Box<[u8]>, u64, foldhash::fast::FixedState>,
    /// In the order in which they came.
    order: VecDeque<(UnixNanos, u64, Box<[u8]>)>,
}

impl Dedup {
    /// The sequence under which `id` was stored inside the window.
    pub(super) fn find(&mut self, id: &[u8], now: UnixNanos, window: i64) -> Option<u64> {
        self.expire(now, window);
        self.sequences.get(id).copied()
    }

    /// Remembers an id. One that is known keeps what it has.
    pub(super) fn insert(&mut self, id: &[u8], sequence: u64, time: UnixNanos, window: i64) {
        if window <= 0 || self.sequences.contains_key(id) {
            return;
        }
        self.expire(time, window);
        self.sequences.insert(id.into(), sequence);
        self.order.push_back((time, sequence, id.into()));
    }

    fn expire(&mut self, now: UnixNanos, window: i64) {
        while let Some((time, ..)) = self.order.front()
            && now.0.saturating_sub(time.0) >= window
            && let Some((_, _, id)) = self.order.pop_front()
        {
            self.sequences.remove(&id);
        }
    }

    /// Appends the ids of messages up to `last`, which are durable.
    pub(super) fn checkpoint(&self, last: u64, out: &mut Vec<u8>) {
        let durable = self.order.iter().filter(|(_, sequence, _)| *sequence <= last);
        put_u64(out, durable.clone().count() as u64);
        for (time, sequence, id) in durable {
            put_i64(out, time.0);
            put_u64(out, *sequence);
            put_counted(out, id);
        }
    }

    pub(super) fn restore(reader: &mut Reader<'_>) -> Result<Self, BadState> {
        let mut dedup = Self::default();
        for _ in 0..reader.u64()? {
            let time = UnixNanos(reader.i64()?);
            let sequence = reader.u64()?;
            let id: Box<[u8]> = reader.counted()?.into();
            dedup.sequences.insert(id.clone(), sequence);
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
        dedup.insert(b"c", 3, UnixNanos(150), 50);
        dedup.checkpoint(2, &mut state);
        let mut restored = Dedup::restore(&mut Reader(&state)).unwrap();
        assert_eq!(restored.find(b"b", UnixNanos(150), 50), Some(2));
        assert_eq!(restored.find(b"c", UnixNanos(150), 50), None);
    }
}
