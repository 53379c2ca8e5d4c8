//! What takes records out of a log: one, those before a sequence, those of a key, all.

use std::collections::VecDeque;

use super::{Block, KeyId, KeyState, Keys, Log, Sealing};

/// A record that was removed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Removed {
    /// Its weight.
    pub weight: u32,
    /// A block that holds nothing any more and can be deleted.
    pub dropped: Option<u32>,
}

/// What one call removed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Progress {
    /// Records that went.
    pub records: u64,
    /// Their weights together.
    pub weight: u64,
    /// Blocks that hold nothing any more and can be deleted.
    pub dropped: Vec<u32>,
    /// Whether nothing is left to remove. If not, the same call goes on.
    pub done: bool,
}

/// What a log held before everything was removed.
#[derive(Debug)]
pub struct Cleared {
    /// Records that went.
    pub records: u64,
    /// Their weights together.
    pub weight: u64,
    /// Every block that the log had: all can be deleted.
    pub dropped: Vec<u32>,
    /// What is left of the index.
    pub remains: Remains,
}

/// Memory of a log that was cleared. Freeing that of a million keys takes tens of milliseconds: drop
/// it where nobody waits, or free it in slices.
#[derive(Debug, Default)]
pub struct Remains {
    blocks: VecDeque<Block>,
    keys: Keys,
}

/// Is told of each record that goes, before it does: its sequence, its key, what is known of the key.
type Visit<'a> = &'a mut dyn FnMut(u64, KeyId, &KeyState);

impl Log {
    /// Removes a record. `None` if it isn't there.
    pub fn remove(&mut self, sequence: u64) -> Option<Removed> {
        let index = self.block_from(sequence);
        let block = self.blocks.get_mut(index)?;
        let (key, weight) = block.remove(sequence)?;
        self.keys.remove(key, sequence);
        self.records -= 1;
        self.weight -= u64::from(weight);
        let mut dropped = None;
        // The last block stays: it takes what comes next.
        if block.live() == 0 && index + 1 < self.blocks.len() {
            dropped = self.blocks.remove(index).map(|block| block.number());
            self.give_back();
        }
        if sequence == self.first {
            self.first = self.next(sequence).unwrap_or(self.last + 1);
        }
        Some(Removed { weight, dropped })
    }

    /// Removes the records before `end`. One call takes about as long as the removal of `budget`
    /// records one by one: 0.1 µs each in a log of few keys, 1 µs in one of a million. A log of few
    /// keys loses any number of records in one call; it may remove more than `budget`.
    pub fn remove_before(&mut self, end: u64, budget: usize) -> Progress {
        self.remove_range(end, budget, None)
    }

    /// Removes the records before `end` as [`Log::remove_before`] does, and tells `visit` of each
    /// before it goes: its sequence, its key, what is known of the key. Others before `end` may have
    /// gone, or be there still.
    pub fn remove_before_each(
        &mut self,
        end: u64,
        budget: usize,
        mut visit: impl FnMut(u64, KeyId, &KeyState),
    ) -> Progress {
        self.remove_range(end, budget, Some(&mut visit))
    }

    /// Removes the records of a key before `end`, `budget` of them at most.
    pub fn remove_key_before(&mut self, key: KeyId, end: u64, budget: usize) -> Progress {
        self.remove_key_before_each(key, end, budget, |_| {})
    }

    /// Removes the records of a key before `end` as [`Log::remove_key_before`] does, and tells
    /// `visit` the sequence of each.
    pub fn remove_key_before_each(
        &mut self,
        key: KeyId,
        end: u64,
        budget: usize,
        mut visit: impl FnMut(u64),
    ) -> Progress {
        let mut progress = Progress::default();
        // The key's number may be another key's once this one has no record.
        let mut left = self.key_state(key).map_or(0, |state| state.count() - state.count_from(end));
        for _ in 0..budget {
            if left == 0 {
                break;
            }
            let Some(sequence) = self.next_of(key, 0) else { break };
            visit(sequence);
            let Some(removed) = self.remove(sequence) else { break };
            progress.add(removed);
            left -= 1;
        }
        progress.done = left == 0;
        progress
    }

    /// Removes everything at once, blocks too. The next record has the sequence that it would have
    /// had. O(blocks).
    pub fn clear(&mut self) -> Cleared {
        let blocks = std::mem::take(&mut self.blocks);
        let keys = std::mem::take(&mut self.keys);
        self.sealing = Sealing::default();
        let (records, weight) = (self.records, self.weight);
        (self.first, self.records, self.weight) = (self.last + 1, 0, 0);
        let dropped = blocks.iter().map(Block::number).collect();
        Cleared { records, weight, dropped, remains: Remains { blocks, keys } }
    }

    fn remove_range(&mut self, end: u64, budget: usize, visit: Option<Visit<'_>>) -> Progress {
        let going = self.records - self.count_from(end);
        if going == 0 {
            return Progress { done: true, ..Progress::default() };
        }
        // What is only looked at, keys and runs of records, takes a tenth of a removal or less.
        let chunks = self.blocks.iter().map(Block::chunk_count).sum::<usize>();
        let seen = if visit.is_some() { going } else { 0 };
        let wholesale = (self.keys.len() + chunks) as u64 / 8 + seen / 8;
        if wholesale < going && wholesale <= budget as u64 {
            return self.remove_wholesale(end, visit);
        }
        self.remove_one_by_one(end, budget, visit)
    }

    /// Removes the records before `end` by looking at each key instead of each record.
    fn remove_wholesale(&mut self, end: u64, visit: Option<Visit<'_>>) -> Progress {
        if let Some(visit) = visit {
            for chunk in self.chunks_from(self.first).take_while(|chunk| chunk.first() < end) {
                for (sequence, entry) in chunk.iter_from(0).take_while(|(found, _)| *found < end) {
                    visit(sequence, entry.key, self.keys.state(entry.key));
                }
            }
        }
        let (records, weight) = (self.records, self.weight);
        let mut dropped = Vec::new();
        while let Some(block) = self.blocks.front_mut() {
            let (live, weight) = (block.live(), block.weight());
            block.remove_before(end);
            self.records -= live - block.live();
            self.weight -= weight - block.weight();
            if block.live() > 0 || self.blocks.len() == 1 {
                break;
            }
            dropped.extend(self.blocks.pop_front().map(|block| block.number()));
        }
        self.keys.remove_before(end);
        self.first = self.next(self.first).unwrap_or(self.last + 1);
        self.give_back();
        let (records, weight) = (records - self.records, weight - self.weight);
        Progress { records, weight, dropped, done: true }
    }

    fn remove_one_by_one(
        &mut self,
        end: u64,
        budget: usize,
        mut visit: Option<Visit<'_>>,
    ) -> Progress {
        let mut progress = Progress::default();
        for _ in 0..budget {
            let sequence = self.first;
            if sequence >= end {
                break;
            }
            if let (Some(visit), Some(key)) = (&mut visit, self.key_id_of(sequence)) {
                visit(sequence, key, self.keys.state(key));
            }
            let Some(removed) = self.remove(sequence) else { break };
            progress.add(removed);
        }
        progress.done = self.records == 0 || self.first >= end;
        progress
    }

    fn give_back(&mut self) {
        if self.blocks.capacity() > 4 * self.blocks.len().max(4) {
            self.blocks.shrink_to(2 * self.blocks.len());
        }
    }
}

impl Progress {
    fn add(&mut self, removed: Removed) {
        self.records += 1;
        self.weight += u64::from(removed.weight);
        self.dropped.extend(removed.dropped);
    }
}

impl Remains {
    /// Frees some memory: that of `budget` keys or runs of records. Says whether none is left.
    ///
    /// What was allocated last goes last to the system, and all of the free memory before it at one
    /// go. So what grew with all keys goes first, and the rest from its end.
    pub fn free(&mut self, budget: usize) -> bool {
        let mut freed = 0;
        while freed < budget && self.keys.free_ways() {
            freed += 1;
        }
        while freed < budget {
            let Some(block) = self.blocks.back_mut() else { break };
            freed += block.free(budget - freed).max(1);
            if block.chunk_count() == 0 {
                self.blocks.pop_back();
            }
        }
        while freed < budget {
            let Some(count) = self.keys.free_page() else { return true };
            freed += count.max(1);
        }
        false
    }
}
