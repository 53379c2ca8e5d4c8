//! The index of one log, in memory: where each record is, which key it has, what is gone.
//!
//! A log's records lie in blocks, files of about [`BLOCK_BYTES`] bytes. The index decides where each
//! record goes and never does I/O: others write the blocks, and read them. A full block is sealed:
//! its part of the index is written behind its records, so that opening a log reads footers and no
//! records.
//!
//! Whoever asks serves everybody in one loop. So what is asked takes O(log n), or O(blocks) where it
//! says so, and what takes longer takes a budget. A record costs about 21 bytes: 16 in its chunk,
//! 0.7 for the chunk, 4.4 in the list of its key's sequences. A key that has one record or two has
//! no list; it costs 40 bytes, its name, and 6 to 12 bytes each to be found and to stand in order.

mod bits;
mod block;
mod chunk;
mod keys;
mod ordered;
mod query;
mod removal;
mod sealing;
mod sequences;
mod table;

use std::collections::VecDeque;

pub use self::block::{BLOCK_HEADER_BYTES, BlockHeader};
use self::block::{Block, Encoding, Unplaced};
pub(crate) use self::block::{
    FOOTER_TRAILER_BYTES, Footer, finish_footer, footer_lens, is_footer, mend_footer,
};
use self::chunk::Chunk;
use self::keys::Keys;
pub use self::keys::{KeyId, KeyState};
pub use self::query::Scan;
pub use self::removal::{Cleared, Progress, Remains, Removed};
pub use self::sealing::Sealed;
use self::sealing::Sealing;
use crate::bytes::{BadState, Reader, put_count, put_u32, put_u64};
use crate::record::LogId;

/// Bytes at which a block is sealed, unless a log is told otherwise.
pub const BLOCK_BYTES: u32 = 8 * 1024 * 1024;

/// Highest sequence that a log can be told to begin at or to go on behind. Whoever takes sequences
/// from requests refuses higher ones; a log takes them for this one. Records are counted on from
/// here, but none counts far enough to overflow.
pub const SEQUENCE_MAX: u64 = u64::MAX / 4;

/// Highest sequence that a stored log may have: no log gets here by counting.
const RESTORED_SEQUENCE_MAX: u64 = SEQUENCE_MAX * 2;

/// Highest number that the next block of a stored log may have.
const BLOCK_NUMBER_MAX: u32 = u32::MAX / 2;

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

/// What an append decided.
#[derive(Debug, PartialEq, Eq)]
pub struct Appended {
    /// Where the record goes.
    pub position: Position,
    /// Whether a block became full before it: [`Log::seal_some`] makes its footer.
    pub sealed: bool,
    /// A block that became full before it and holds nothing any more: it can be deleted.
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
    sealing: Sealing,
}

/// How far [`Log::checkpoint_some`] has come.
#[derive(Debug, Default)]
pub struct Writing {
    begun: bool,
    block: usize,
    open: Option<Encoding>,
}

impl Log {
    /// An empty log whose first record will have the sequence `first`, 1 to [`SEQUENCE_MAX`].
    pub fn new(id: LogId, first: u64, block_bytes: u32) -> Self {
        let first = first.clamp(1, SEQUENCE_MAX);
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
            sealing: Sealing::default(),
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

    /// Adds a record of `length` bytes under the next sequence. `time` is nanoseconds since 1970,
    /// `weight` what the record counts for.
    pub fn append(&mut self, key: &[u8], time: i64, length: u32, weight: u32) -> Appended {
        let full =
            self.blocks.back().is_some_and(|block| !block.has_room(length, self.block_bytes));
        let (sealed, dropped) = if full { self.close_last() } else { (false, None) };
        if full || self.blocks.is_empty() {
            self.blocks.push_back(Block::new(self.next_block));
            self.next_block += 1;
        }
        self.last += 1;
        let sequence = self.last;
        let key = self.keys.add(key, sequence);
        let block = self.blocks.back_mut().expect("one was just added");
        let position = block.append(Unplaced { sequence, key, time, length, weight });
        if self.records == 0 {
            self.first = self.last;
        }
        self.records += 1;
        self.weight += u64::from(weight);
        Appended { position, sealed, dropped }
    }

    /// Lets the log go on behind `last`, [`SEQUENCE_MAX`] at most, as a purge that names a sequence
    /// does. Only upwards, and only on a log without records.
    pub fn skip_to(&mut self, last: u64) {
        if self.records == 0 {
            self.last = self.last.max(last.min(SEQUENCE_MAX));
            self.first = self.last + 1;
        }
    }

    /// Leaves out the sequences before `next`, so that the next record has that one. Only upwards,
    /// and not above [`SEQUENCE_MAX`].
    pub fn skip(&mut self, next: u64) {
        self.last = self.last.max(next.saturating_sub(1).min(SEQUENCE_MAX));
        if self.records == 0 {
            self.first = self.last + 1;
        }
    }

    /// Numbers of the blocks that hold something or will.
    pub fn block_numbers(&self) -> impl Iterator<Item = u32> {
        self.blocks.iter().map(Block::number)
    }

    /// Numbers of the blocks that are full and have their footers.
    pub fn full_blocks(&self) -> impl Iterator<Item = u32> {
        self.blocks.iter().filter(|block| block.is_finished()).map(Block::number)
    }

    /// Whether a block holds something or will.
    pub fn has_block(&self, number: u32) -> bool {
        self.blocks.binary_search_by_key(&number, Block::number).is_ok()
    }

    /// Appends what [`Log::restore`] needs beside the footers of sealed blocks.
    pub fn checkpoint(&self, out: &mut Vec<u8>) {
        let mut all = usize::MAX;
        self.checkpoint_some(&mut Writing::default(), &mut all, out);
    }

    /// Appends some of it, looking at about `budget` records and keys, which is reduced by as many.
    /// Says whether all of it is there; if not, the same call goes on. The log must not change
    /// meanwhile.
    pub fn checkpoint_some(
        &self,
        writing: &mut Writing,
        budget: &mut usize,
        out: &mut Vec<u8>,
    ) -> bool {
        if !writing.begun {
            put_u32(out, self.id.0);
            put_u64(out, self.first);
            put_u64(out, self.last);
            put_u32(out, self.next_block);
            put_count(out, self.blocks.len());
            writing.begun = true;
        }
        while let Some(block) = self.blocks.get(writing.block) {
            if *budget == 0 || !block.checkpoint(&self.keys, &mut writing.open, budget, out) {
                return false;
            }
            writing.block += 1;
        }
        true
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
        log.last = reader.u64()?;
        log.next_block = reader.u32()?;
        // Numbers that no log reaches, and that counting on from would overflow.
        if log.last > RESTORED_SEQUENCE_MAX || log.next_block > BLOCK_NUMBER_MAX {
            return Err(BadState.into());
        }
        let count = reader.count(1)?;
        for index in 0..count {
            let block = Block::restore(reader, &mut log.keys, |number| footer(id, number))?;
            log.adopt(block, index + 1 == count)?;
        }
        log.keys.put_in_order();
        log.first = log.next(0).unwrap_or(log.last + 1);
        if log.first != first {
            return Err(BadState.into());
        }
        Ok(log)
    }

    /// Takes a block that was read, behind those that it has.
    fn adopt(&mut self, block: Block, is_last: bool) -> Result<(), BadState> {
        let number = self.blocks.back().map_or(0, Block::number);
        if block.number() <= number || block.number() >= self.next_block {
            return Err(BadState);
        }
        if block.live() == 0 {
            // The last one waits for records; another one would have been dropped.
            if !is_last {
                return Err(BadState);
            }
        } else if block.first() < self.blocks.back().map_or(1, Block::end)
            || block.end() > self.last + 1
        {
            return Err(BadState);
        }
        self.records += block.live();
        self.weight = self.weight.checked_add(block.weight()).ok_or(BadState)?;
        self.blocks.push_back(block);
        Ok(())
    }

    /// Closes the last block. Says whether its footer is to be made, or that it can be deleted.
    fn close_last(&mut self) -> (bool, Option<u32>) {
        let Some(block) = self.blocks.back_mut() else { return (false, None) };
        let sealed = block.seal();
        if sealed {
            self.sealing.blocks.push_back(block.number());
        }
        let empty = block.live() == 0;
        let dropped = if empty { self.blocks.pop_back() } else { None };
        (sealed, dropped.map(|block| block.number()))
    }

    /// The block that the first record at or behind `sequence` is in.
    fn block_from(&self, sequence: u64) -> usize {
        match (self.blocks.front(), self.blocks.back()) {
            // Most of what is asked for is at one of the ends.
            (Some(block), _) if sequence < block.end() => 0,
            (_, Some(block)) if sequence >= block.first() => self.blocks.len() - 1,
            _ => self.blocks.partition_point(|block| block.end() <= sequence),
        }
    }

    fn block_of(&self, sequence: u64) -> Option<&Block> {
        self.blocks.get(self.block_from(sequence))
    }

    fn chunk_of(&self, sequence: u64) -> Option<&Chunk> {
        self.block_of(sequence)?.chunk_of(sequence)
    }

    /// Chunks from the one on that has the first record at or behind `sequence`.
    fn chunks_from(&self, sequence: u64) -> impl Iterator<Item = &Chunk> {
        let blocks = self.blocks.range(self.block_from(sequence).min(self.blocks.len())..);
        blocks.flat_map(move |block| block.chunks_from(sequence))
    }

    /// Chunks backwards from the one that has the last record at or before `sequence`.
    fn chunks_upto(&self, sequence: u64) -> impl Iterator<Item = &Chunk> {
        let end = match self.blocks.back() {
            Some(block) if block.first() <= sequence => self.blocks.len(),
            _ => self.blocks.partition_point(|block| block.first() <= sequence),
        };
        let blocks = self.blocks.range(..end).rev();
        blocks.flat_map(move |block| block.chunks_upto(sequence))
    }
}

#[cfg(test)]
mod tests;
