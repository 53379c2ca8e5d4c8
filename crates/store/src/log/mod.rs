//! The index of one log, in memory: where each record is, which key it has, what is gone.
//!
//! A log's records lie in blocks, files of about [`BLOCK_BYTES`] bytes. The index decides where each
//! record goes and never does I/O: others write the blocks, and read them. A full block is sealed:
//! its part of the index is written behind its records, so that opening a log reads footers and no
//! records.

mod block;
mod keys;

use std::collections::VecDeque;

use self::block::Block;
pub use self::block::{BLOCK_HEADER_BYTES, BlockHeader};
pub(crate) use self::block::{FOOTER_TRAILER_BYTES, footer_len};
use self::keys::Keys;
pub use self::keys::{KeyId, KeyState};
use crate::bytes::{BadState, Reader, put_count, put_u32, put_u64};
use crate::record::LogId;

/// Bytes at which a block is sealed, unless a log is told otherwise.
pub const BLOCK_BYTES: u32 = 8 * 1024 * 1024;

/// Highest sequence that a stored log may have.
const SEQUENCE_MAX: u64 = u64::MAX / 4;

/// Highest number that the next block of a stored log may have.
const BLOCK_NUMBER_MAX: u32 = u32::MAX / 2;

/// Sequences that one block leaves out at once: an entry each.
const SKIPPED_MAX: u64 = 4096;

/// Where a record is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Position {
    /// Number of the block.
    pub block: u32,
    /// Offset in the block's file.
    pub offset: u32,
    /// Length of the record.
    pub length: u32,
}

/// A block that is full.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sealed {
    /// Number of the block.
    pub block: u32,
    /// Where its footer goes.
    pub offset: u32,
    /// The footer.
    pub footer: Vec<u8>,
}

/// What an append decided.
#[derive(Debug, PartialEq, Eq)]
pub struct Appended {
    /// Where the record goes.
    pub position: Position,
    /// A block that became full before it.
    pub sealed: Option<Sealed>,
}

/// A record that was removed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Removed {
    /// Its weight.
    pub weight: u32,
    /// A block that holds nothing any more and can be deleted.
    pub dropped: Option<u32>,
}

/// The index of one log.
#[derive(Debug, Clone)]
pub struct Log {
    id: LogId,
    blocks: VecDeque<Block>,
    keys: Keys,
    /// Sequence of the first record that is there; one above `last` if there is none.
    first: u64,
    /// Sequence of the last record ever.
    last: u64,
    /// Records that are there.
    records: u64,
    /// Their weights.
    weight: u64,
    next_block: u32,
    /// Bytes at which a block is sealed.
    block_bytes: u32,
}

impl Log {
    /// An empty log whose first record will have the sequence `first`.
    pub fn new(id: LogId, first: u64, block_bytes: u32) -> Self {
        let first = first.max(1);
        Self {
            id,
            blocks: VecDeque::new(),
            keys: Keys::default(),
            first,
            last: first - 1,
            records: 0,
            weight: 0,
            next_block: 1,
            block_bytes,
        }
    }

    /// Which log this is.
    pub fn id(&self) -> LogId {
        self.id
    }

    /// Sequence of the first record, or that of the next one if there is none.
    pub fn first(&self) -> u64 {
        self.first
    }

    /// Sequence of the last record ever; one below the first if there was none.
    pub fn last(&self) -> u64 {
        self.last
    }

    /// Records that are there.
    pub fn records(&self) -> u64 {
        self.records
    }

    /// Their weights together.
    pub fn weight(&self) -> u64 {
        self.weight
    }

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
        self.keys.iter()
    }

    /// The key of a record.
    pub fn key_of(&self, sequence: u64) -> Option<&KeyState> {
        let entry = self.block_of(sequence)?.entry(sequence)?;
        Some(self.keys.state(entry.key))
    }

    /// Time of a record, nanoseconds since 1970, exact to the millisecond and never later.
    pub fn time_of(&self, sequence: u64) -> Option<i64> {
        let block = self.block_of(sequence)?;
        block.entry(sequence).map(|entry| block.time(entry))
    }

    /// Adds a record of `length` bytes under the next sequence. `weight` is what it counts for.
    pub fn append(&mut self, key: &[u8], time: i64, length: u32, weight: u32) -> Appended {
        let full =
            self.blocks.back().is_some_and(|block| !block.has_room(length, time, self.block_bytes));
        let sealed = full.then(|| self.seal_last()).flatten();
        if full || self.blocks.is_empty() {
            self.blocks.push_back(Block::new(self.next_block, self.last + 1, time));
            self.next_block += 1;
        }
        self.last += 1;
        let key = self.keys.add(key, self.last);
        let block = self.blocks.back_mut().expect("one was just added");
        let position = block.append(key, time, length, weight);
        if self.records == 0 {
            self.first = self.last;
        }
        self.records += 1;
        self.weight += u64::from(weight);
        Appended { position, sealed }
    }

    /// Removes a record. `None` if it isn't there.
    pub fn remove(&mut self, sequence: u64) -> Option<Removed> {
        let index = self.block_index(sequence)?;
        let block = &mut self.blocks[index];
        let (key, weight) = block.remove(sequence)?;
        self.keys.remove(key, sequence);
        self.records -= 1;
        self.weight -= u64::from(weight);
        let mut dropped = None;
        // The last block stays: it takes what comes next.
        if block.live() == 0 && index + 1 < self.blocks.len() {
            dropped = self.blocks.remove(index).map(|block| block.number());
        }
        if sequence == self.first {
            self.first = self.next(sequence).unwrap_or(self.last + 1);
        }
        Some(Removed { weight, dropped })
    }

    /// Lets the log go on behind `last`, as a purge that names a sequence does. Only upwards, and
    /// only on a log without records.
    pub fn skip_to(&mut self, last: u64) -> Option<Sealed> {
        if self.records > 0 || last <= self.last {
            return None;
        }
        // Sequences in a block are dense: what follows begins another one.
        let sealed = self.seal_last();
        self.last = last;
        self.first = last + 1;
        self.blocks.push_back(Block::new(self.next_block, last + 1, 0));
        self.next_block += 1;
        sealed
    }

    /// Leaves out the sequences before `next`, so that the next record has that one. Only upwards.
    pub fn skip(&mut self, next: u64) -> Option<Sealed> {
        let count = next.checked_sub(self.last + 1).filter(|count| *count > 0)?;
        if self.records == 0 {
            return self.skip_to(next - 1);
        }
        self.last = next - 1;
        // Sequences in a block are dense: what is left out is as if it had been and gone, unless
        // that is so much that another block is cheaper.
        match self.blocks.back_mut().filter(|block| count <= SKIPPED_MAX && block.is_open()) {
            Some(block) => {
                block.leave_out(count);
                None
            }
            None => self.seal_last(),
        }
    }

    /// Where a record is.
    pub fn position(&self, sequence: u64) -> Option<Position> {
        self.block_of(sequence)?.position(sequence)
    }

    /// The first record at or behind `sequence`.
    pub fn next(&self, sequence: u64) -> Option<u64> {
        self.next_where(sequence, |_| true)
    }

    /// The first record at or behind `sequence` whose key is wanted.
    pub fn next_where(&self, sequence: u64, mut wanted: impl FnMut(KeyId) -> bool) -> Option<u64> {
        let start = self.blocks.partition_point(|block| block.end() <= sequence);
        let mut from = sequence;
        for block in self.blocks.range(start..) {
            if let Some(found) = block.next_where(from.max(block.first()), &mut wanted) {
                return Some(found);
            }
            from = block.end();
        }
        None
    }

    /// The last record at or before `sequence` whose key is wanted.
    pub fn last_where(&self, sequence: u64, mut wanted: impl FnMut(KeyId) -> bool) -> Option<u64> {
        let end = self.blocks.partition_point(|block| block.first() <= sequence);
        let mut blocks = self.blocks.range(..end).rev();
        blocks.find_map(|block| block.last_where(sequence, &mut wanted))
    }

    /// The first record of a key. Exact, where [`KeyState::first`] is a bound.
    pub fn first_of(&mut self, key: &[u8]) -> Option<u64> {
        let id = self.keys.find(key)?;
        let bound = self.keys.state(id).first();
        let first = self.next_where(bound, |key| key == id)?;
        self.keys.raise_first(id, first);
        Some(first)
    }

    /// Records at or behind `sequence`.
    pub fn count_from(&self, sequence: u64) -> u64 {
        if sequence <= self.first {
            return self.records;
        }
        self.count_where(sequence, |_| true)
    }

    /// Records at or behind `sequence` whose key is wanted.
    pub fn count_where(&self, sequence: u64, mut wanted: impl FnMut(KeyId) -> bool) -> u64 {
        let start = self.blocks.partition_point(|block| block.end() <= sequence);
        let blocks = self.blocks.range(start..);
        blocks.map(|block| block.count_where(sequence.max(block.first()), &mut wanted)).sum()
    }

    /// The name of a key.
    pub fn key_name(&self, key: KeyId) -> &[u8] {
        self.keys.state(key).name()
    }

    /// The first record that is not older than `time`.
    pub fn at_time(&self, time: i64) -> Option<u64> {
        let start = self.blocks.partition_point(|block| block.last_time() < time);
        let block = self.blocks.get(start)?;
        self.next(block.at_time(time))
    }

    /// Sequences between the first and the last that are gone, as many as there are.
    pub fn gaps(&self) -> impl Iterator<Item = u64> {
        let mut next = self.first;
        std::iter::from_fn(move || {
            while next <= self.last {
                let sequence = next;
                next += 1;
                if self.position(sequence).is_none() {
                    return Some(sequence);
                }
            }
            None
        })
    }

    /// Numbers of the blocks that hold something or will.
    pub fn block_numbers(&self) -> impl Iterator<Item = u32> {
        self.blocks.iter().map(Block::number)
    }

    /// Appends what [`Log::restore`] needs beside the footers of sealed blocks.
    pub fn checkpoint(&self, out: &mut Vec<u8>) {
        put_u32(out, self.id.0);
        put_u64(out, self.first);
        put_u64(out, self.last);
        put_u32(out, self.next_block);
        put_count(out, self.blocks.len());
        for block in &self.blocks {
            block.checkpoint(&self.keys, out);
        }
    }

    /// Reads a log. `footer` reads the footer of a sealed block.
    pub fn restore<E: From<BadState>>(
        reader: &mut Reader<'_>,
        block_bytes: u32,
        mut footer: impl FnMut(LogId, u32) -> Result<Vec<u8>, E>,
    ) -> Result<Self, E> {
        let id = LogId(reader.u32()?);
        let first = reader.u64()?;
        let mut log = Self::new(id, 1, block_bytes);
        let last = reader.u64()?;
        log.next_block = reader.u32()?;
        // Numbers that no log reaches, and that counting on from would overflow.
        if last > SEQUENCE_MAX || log.next_block > BLOCK_NUMBER_MAX {
            return Err(BadState.into());
        }
        for _ in 0..reader.count(1)? {
            let block = Block::restore(reader, &mut log.keys, |number| footer(id, number))?;
            let end = log.blocks.back().map_or(1, Block::end);
            if block.first() < end || block.end() > last.saturating_add(1) {
                return Err(BadState.into());
            }
            log.records += u64::from(block.live());
            log.weight += block.weight();
            log.blocks.push_back(block);
        }
        if first == 0 || first > last.saturating_add(1) {
            return Err(BadState.into());
        }
        (log.first, log.last) = (first, last);
        Ok(log)
    }

    fn seal_last(&mut self) -> Option<Sealed> {
        let block = self.blocks.back_mut()?;
        let sealed = block.seal(&self.keys);
        let empty = block.live() == 0;
        if empty {
            self.blocks.pop_back();
        }
        sealed
    }

    fn block_index(&self, sequence: u64) -> Option<usize> {
        let index = self.blocks.partition_point(|block| block.end() <= sequence);
        self.blocks.get(index).filter(|block| block.first() <= sequence).map(|_| index)
    }

    fn block_of(&self, sequence: u64) -> Option<&Block> {
        self.block_index(sequence).map(|index| &self.blocks[index])
    }
}

#[cfg(test)]
mod tests;
