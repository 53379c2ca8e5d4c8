//! What a log can be asked.

use std::ops::Range;

use super::{Block, Chunk, KeyId, KeyState, Log, Position};

/// How far a search has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scan {
    /// The first record that was wanted.
    Found(u64),
    /// None was found yet. The search goes on at this sequence.
    More(u64),
    /// No record is wanted.
    End,
}

impl Log {
    /// Distinct keys.
    pub fn key_count(&self) -> usize {
        self.keys.len()
    }

    /// What is known of a key.
    pub fn key(&self, key: &[u8]) -> Option<&KeyState> {
        self.keys.find(key).map(|id| self.keys.state(id))
    }

    /// Every key, in no order that means anything.
    pub fn keys(&self) -> impl Iterator<Item = &KeyState> {
        self.keys_from(KeyId::FIRST).map(|(_, key)| key)
    }

    /// Every key whose place is not before `from`, in order of their places. A key stays at its place
    /// for as long as it has a record; so whoever goes through them in pieces sees each that stays.
    pub fn keys_from(&self, from: KeyId) -> impl Iterator<Item = (KeyId, &KeyState)> {
        self.keys.iter_from(from)
    }

    /// Keys that begin with `prefix`, in order of their bytes.
    pub fn keys_with_prefix(&self, prefix: &[u8]) -> impl Iterator<Item = (KeyId, &KeyState)> {
        self.keys.with_prefix(prefix).map(|id| (id, self.keys.state(id)))
    }

    /// Keys that are not before `from`, in order of their bytes.
    pub fn keys_behind(&self, from: &[u8]) -> impl Iterator<Item = &KeyState> {
        self.keys.in_order_from(from).map(|id| self.keys.state(id))
    }

    /// Number of a key, which it has as long as it has a record.
    pub fn key_id(&self, key: &[u8]) -> Option<KeyId> {
        self.keys.find(key)
    }

    /// What is known of a key. Its number may belong to another key, or to none, once it has no
    /// record.
    pub fn key_state(&self, key: KeyId) -> Option<&KeyState> {
        self.keys.checked(key)
    }

    /// The name of a key that has a record.
    pub fn key_name(&self, key: KeyId) -> &[u8] {
        self.keys.state(key).name()
    }

    /// The key of a record.
    pub fn key_of(&self, sequence: u64) -> Option<&KeyState> {
        self.key_id_of(sequence).map(|id| self.keys.state(id))
    }

    /// The key of a record, with its number.
    pub fn key_entry_of(&self, sequence: u64) -> Option<(KeyId, &KeyState)> {
        self.key_id_of(sequence).map(|id| (id, self.keys.state(id)))
    }

    /// The key of a record.
    pub fn key_id_of(&self, sequence: u64) -> Option<KeyId> {
        self.chunk_of(sequence)?.entry(sequence).map(|entry| entry.key)
    }

    /// Time of a record, nanoseconds since 1970.
    pub fn time_of(&self, sequence: u64) -> Option<i64> {
        self.chunk_of(sequence)?.time(sequence)
    }

    /// Where a record is.
    pub fn position(&self, sequence: u64) -> Option<Position> {
        self.block_of(sequence)?.position(sequence)
    }

    /// What a record was said to weigh.
    pub fn weight_of(&self, sequence: u64) -> Option<u32> {
        self.chunk_of(sequence)?.weight_of(sequence)
    }

    /// The first record at or behind `sequence`.
    pub fn next(&self, sequence: u64) -> Option<u64> {
        self.chunks_from(sequence).find_map(|chunk| chunk.next(sequence))
    }

    /// The last record at or before `sequence`.
    pub fn prev(&self, sequence: u64) -> Option<u64> {
        self.chunks_upto(sequence).find_map(|chunk| chunk.prev(sequence))
    }

    /// The first record of a key at or behind `from`.
    pub fn next_of(&self, key: KeyId, from: u64) -> Option<u64> {
        self.key_state(key)?.next(from)
    }

    /// The last record of a key at or before `upto`.
    pub fn prev_of(&self, key: KeyId, upto: u64) -> Option<u64> {
        self.key_state(key)?.prev(upto)
    }

    /// The first record of a key.
    pub fn first_of(&self, key: &[u8]) -> Option<u64> {
        self.key(key).map(KeyState::first)
    }

    /// The first record at or behind `from` whose key is wanted. Looks at `budget` records at most.
    pub fn scan(&self, from: u64, budget: usize, mut wanted: impl FnMut(KeyId) -> bool) -> Scan {
        let chunks = self.chunks_from(from);
        let mut records = chunks.flat_map(|chunk| chunk.iter_from(from));
        for (sequence, entry) in records.by_ref().take(budget) {
            if wanted(entry.key) {
                return Scan::Found(sequence);
            }
        }
        records.next().map_or(Scan::End, |(sequence, _)| Scan::More(sequence))
    }

    /// The first record at or behind `sequence` whose key is wanted. Looks at every record up to it:
    /// [`Log::scan`] has a budget.
    pub fn next_where(&self, sequence: u64, wanted: impl FnMut(KeyId) -> bool) -> Option<u64> {
        match self.scan(sequence, usize::MAX, wanted) {
            Scan::Found(found) => Some(found),
            Scan::More(_) | Scan::End => None,
        }
    }

    /// The last record at or before `sequence` whose key is wanted. Looks at every record from it on.
    pub fn last_where(&self, sequence: u64, wanted: impl FnMut(KeyId) -> bool) -> Option<u64> {
        match self.scan_back(sequence, usize::MAX, wanted) {
            Scan::Found(found) => Some(found),
            Scan::More(_) | Scan::End => None,
        }
    }

    /// The last record at or before `upto` whose key is wanted. Looks at `budget` records at most.
    pub fn scan_back(
        &self,
        upto: u64,
        mut budget: usize,
        mut wanted: impl FnMut(KeyId) -> bool,
    ) -> Scan {
        let mut upto = upto;
        for chunk in self.chunks_upto(upto) {
            while let Some(found) = chunk.prev(upto) {
                if budget == 0 {
                    return Scan::More(found);
                }
                budget -= 1;
                if chunk.entry(found).is_some_and(|entry| wanted(entry.key)) {
                    return Scan::Found(found);
                }
                let Some(before) = found.checked_sub(1) else { return Scan::End };
                upto = before;
            }
        }
        Scan::End
    }

    /// Records at or behind `sequence`. O(blocks).
    pub fn count_from(&self, sequence: u64) -> u64 {
        if sequence <= self.first {
            return self.records;
        }
        if sequence > self.last {
            return 0;
        }
        let start = self.block_from(sequence);
        let Some(block) = self.blocks.get(start) else { return 0 };
        let behind: u64 = self.blocks.range(start + 1..).map(Block::live).sum();
        behind + block.chunks_from(sequence).map(|chunk| chunk.count_from(sequence)).sum::<u64>()
    }

    /// Records of a key at or behind `sequence`. O(log n), or n/128 if the key has thousands.
    pub fn count_key_from(&self, key: KeyId, sequence: u64) -> u64 {
        self.key_state(key).map_or(0, |state| state.count_from(sequence))
    }

    /// Records at or behind `sequence` whose key is wanted. Looks at every one of them.
    pub fn count_where(&self, sequence: u64, mut wanted: impl FnMut(KeyId) -> bool) -> u64 {
        let records = self.chunks_from(sequence).flat_map(|chunk| chunk.iter_from(sequence));
        records.filter(|(_, entry)| wanted(entry.key)).count() as u64
    }

    /// The first of the last `count` records; the first one if there are fewer. `count` is at least
    /// 1. O(blocks).
    pub fn nth_last(&self, count: u64) -> Option<u64> {
        let mut left = count.max(1);
        if left >= self.records {
            return self.next(self.first);
        }
        let block = self.blocks.iter().rev().find(|block| {
            let here = left <= block.live();
            left -= if here { 0 } else { block.live() };
            here
        })?;
        let chunk = block.chunks_upto(u64::MAX).find(|chunk| {
            let live = chunk.live().count() as u64;
            let here = left <= live;
            left -= if here { 0 } else { live };
            here
        })?;
        let before = chunk.live().count() as u64 - left;
        chunk.iter_from(0).nth(usize::try_from(before).ok()?).map(|(sequence, _)| sequence)
    }

    /// The first record that is not older than `time`, nanoseconds since 1970. A clock may have gone
    /// back: older ones may follow. O(blocks).
    pub fn at_time(&self, time: i64) -> Option<u64> {
        let blocks = self.blocks.iter().filter(|block| block.latest() >= time);
        let chunks = blocks.flat_map(|block| block.chunks_from(0));
        chunks.filter(|chunk| chunk.latest() >= time).find_map(|chunk| chunk.at_time(time))
    }

    /// Sequences between the first and the last that are gone, as many as there are.
    pub fn gaps(&self) -> impl Iterator<Item = u64> {
        self.gap_ranges().flatten()
    }

    /// Runs of sequences between the first and the last that are gone.
    pub fn gap_ranges(&self) -> impl Iterator<Item = Range<u64>> {
        let mut from = self.first;
        std::iter::from_fn(move || {
            let start = self.next_gone(from);
            if start > self.last {
                return None;
            }
            from = self.next(start).unwrap_or(self.last + 1);
            Some(start..from)
        })
    }

    /// The first sequence at or behind `sequence` that has no record.
    fn next_gone(&self, mut sequence: u64) -> u64 {
        for block in self.blocks.range(self.block_from(sequence).min(self.blocks.len())..) {
            if block.first() == sequence && block.live() == block.end() - sequence {
                sequence = block.end();
                continue;
            }
            for chunk in block.chunks_from(sequence) {
                if sequence < chunk.first() {
                    return sequence;
                }
                sequence = chunk.next_gone(sequence);
                if sequence < chunk.end() {
                    return sequence;
                }
            }
        }
        sequence
    }
}

impl Chunk {
    /// The first record that is not older than `time`.
    fn at_time(&self, time: i64) -> Option<u64> {
        let mut records = self.iter_from(0).map(|(sequence, _)| sequence);
        records.find(|sequence| self.time(*sequence).is_some_and(|found| found >= time))
    }
}
