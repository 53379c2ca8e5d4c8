//! One block's part of the index: chunks of entries, and how they are stored.
//!
//! ```text
//! block file:  header (16), records, and once sealed: footer
//! header:      "WBlk" version(4) log(4) block(4)
//! footer:      body, ends, parity of both (512), ends
//! ends:        CRC-64 of the body (8), length of the body (4), "WFtr"
//! body:        chunks (count, then each), keys (count, then each counted)
//! chunk:       first sequence (8), time (8), end (4), flags(1), present (256 bits), entries, and as
//!              the flags say the high halves of their times (4 each) and their ends (4 each)
//! entry:       offset (4), key (4), low half of the nanoseconds after the time (4), weight (4)
//! ```

use std::collections::VecDeque;

use foldhash::fast::FixedState;
use hashbrown::HashMap;

use super::bits::Bits;
use super::chunk::{Chunk, New};
use super::keys::{KeyId, KeyState, Keys};
use super::{Position, RESTORED_SEQUENCE_MAX};
use crate::bytes::{BadState, Reader, count_behind, put_count, put_counted, put_u32, put_u64};
use crate::checksum::checksum;
use crate::parity::{SECTOR_BYTES, mend, parity};
use crate::record::{LogId, u32_at, u64_at};

/// Bytes before the first record of a block file.
pub const BLOCK_HEADER_BYTES: u32 = 16;

const MAGIC: &[u8; 4] = b"WBlk";

/// The format of the store in which blocks became what they are.
const VERSION: u32 = 4;
const FOOTER_MAGIC: &[u8; 4] = b"WFtr";

/// Bytes that say how long a footer's body is, and its checksum.
const ENDS_BYTES: usize = 16;

/// Bytes behind the body of a footer. No sector reaches from the first ends to the last.
pub(crate) const FOOTER_TRAILER_BYTES: usize = ENDS_BYTES + SECTOR_BYTES + ENDS_BYTES;

/// Longest block: one record alone may be longer than a block should be.
const BLOCK_LENGTH_MAX: u32 = u32::MAX / 2;

/// Bytes of the shortest chunk, one of one entry.
const CHUNK_BYTES_MIN: usize = 69;

/// Bytes of a chunk in a checkpoint of a sealed block.
const LEFT_BYTES: usize = 40;

/// Bytes of an entry in a footer, with those of its name, about.
const ENTRY_BYTES_ABOUT: usize = 48;

/// Flag of a block in a checkpoint: it is sealed.
const SEALED: u8 = 1;

/// Flag of a block in a checkpoint: records went after it was sealed. Its footer may have them.
const CHANGED: u8 = 2;

/// The first bytes of a block file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BlockHeader {
    /// Log that the block belongs to.
    pub log: LogId,
    /// Number of the block.
    pub block: u32,
}

impl BlockHeader {
    /// The header's bytes.
    pub fn encode(self) -> [u8; BLOCK_HEADER_BYTES as usize] {
        let mut bytes = [0; BLOCK_HEADER_BYTES as usize];
        bytes[0..4].copy_from_slice(MAGIC);
        bytes[4..8].copy_from_slice(&VERSION.to_le_bytes());
        bytes[8..12].copy_from_slice(&self.log.0.to_le_bytes());
        bytes[12..16].copy_from_slice(&self.block.to_le_bytes());
        bytes
    }
}

/// One block's part of the index.
#[derive(Debug, Clone)]
pub(super) struct Block {
    number: u32,
    /// In order of their sequences. Each has a record; only the last block may have no chunk.
    chunks: VecDeque<Chunk>,
    /// Records that are there.
    live: u64,
    /// Their weights.
    weight: u64,
    /// No record was ever later, nanoseconds since 1970.
    latest: i64,
    /// Where the next record goes.
    length: u32,
    sealed: bool,
    /// Whether its footer is still to be made: of all the entries that it had when it was sealed.
    unfinished: bool,
    /// Whether records went after it was sealed.
    changed: bool,
}

/// A record to append, without its place.
#[derive(Debug, Clone, Copy)]
pub(super) struct Unplaced {
    pub(super) sequence: u64,
    pub(super) key: KeyId,
    pub(super) time: i64,
    pub(super) length: u32,
    pub(super) weight: u32,
}

impl Block {
    pub(super) fn new(number: u32) -> Self {
        Self {
            number,
            chunks: VecDeque::new(),
            live: 0,
            weight: 0,
            latest: i64::MIN,
            length: BLOCK_HEADER_BYTES,
            sealed: false,
            unfinished: false,
            changed: false,
        }
    }

    pub(super) fn number(&self) -> u32 {
        self.number
    }

    /// A sequence that none of its records is before; above all sequences if it has none.
    pub(super) fn first(&self) -> u64 {
        self.chunks.front().map_or(u64::MAX, Chunk::first)
    }

    /// A sequence above all of its records; above all sequences if it has none.
    pub(super) fn end(&self) -> u64 {
        self.chunks.back().map_or(u64::MAX, Chunk::end)
    }

    pub(super) fn live(&self) -> u64 {
        self.live
    }

    pub(super) fn weight(&self) -> u64 {
        self.weight
    }

    pub(super) fn latest(&self) -> i64 {
        self.latest
    }

    pub(super) fn chunk_count(&self) -> usize {
        self.chunks.len()
    }

    pub(super) fn has_room(&self, length: u32, block_bytes: u32) -> bool {
        let fits = self.length.checked_add(length).is_some_and(|sum| sum <= block_bytes);
        !self.sealed && (fits || self.length == BLOCK_HEADER_BYTES)
    }

    /// Adds a record behind all others.
    pub(super) fn append(&mut self, record: Unplaced) -> Position {
        let Unplaced { sequence, key, time, length, weight } = record;
        let offset = self.length;
        let new = New { sequence, key, time, offset, length, weight };
        match self.chunks.back_mut() {
            Some(chunk) if chunk.has_room(sequence) => chunk.append(&new),
            // After a chunk that is full, another one is likely to become full.
            Some(full) => {
                let capacity = full.live().count();
                self.chunks.push_back(Chunk::new(&new, capacity));
            }
            None => self.chunks.push_back(Chunk::new(&new, 1)),
        }
        self.live += 1;
        self.weight += u64::from(weight);
        self.latest = self.latest.max(time);
        self.length = self.length.saturating_add(length);
        Position { block: self.number, offset, length }
    }

    pub(super) fn remove(&mut self, sequence: u64) -> Option<(KeyId, u32)> {
        let index = self.chunk_index(sequence);
        let chunk = self.chunks.get_mut(index)?;
        let (key, weight) = chunk.remove(sequence)?;
        if chunk.live().next(0).is_none() {
            self.chunks.remove(index);
            self.give_back();
        } else if !self.unfinished {
            chunk.pack_if_sparse();
        }
        self.live -= 1;
        self.weight -= u64::from(weight);
        self.changed |= self.sealed;
        Some((key, weight))
    }

    /// Removes every record before `end`, without a look at each.
    pub(super) fn remove_before(&mut self, end: u64) {
        let before = self.live;
        while let Some(chunk) = self.chunks.front().filter(|chunk| chunk.end() <= end) {
            self.live -= chunk.live().count() as u64;
            self.weight -= chunk.weight();
            self.chunks.pop_front();
        }
        if let Some(chunk) = self.chunks.front_mut() {
            let (live, weight) = (chunk.live().count() as u64, chunk.weight());
            chunk.remove_before(end);
            self.live -= live - chunk.live().count() as u64;
            self.weight -= weight - chunk.weight();
            if chunk.live().next(0).is_none() {
                self.chunks.pop_front();
            } else if !self.unfinished {
                chunk.pack_if_sparse();
            }
        }
        self.changed |= self.sealed && self.live != before;
        self.give_back();
    }

    /// Lets the memory of some chunks go, for good. Says of how many.
    pub(super) fn free(&mut self, count: usize) -> usize {
        let kept = self.chunks.len().saturating_sub(count);
        let freed = self.chunks.len() - kept;
        self.chunks.truncate(kept);
        freed
    }

    /// The chunk that a sequence would be in.
    pub(super) fn chunk_of(&self, sequence: u64) -> Option<&Chunk> {
        self.chunks.get(self.chunk_index(sequence))
    }

    pub(super) fn position(&self, sequence: u64) -> Option<Position> {
        let (offset, length) = self.chunk_of(sequence)?.place(sequence)?;
        Some(Position { block: self.number, offset, length })
    }

    /// Its chunks, from the one on that has the first record at or behind `sequence`.
    pub(super) fn chunks_from(&self, sequence: u64) -> impl Iterator<Item = &Chunk> {
        self.chunks.range(self.chunk_index(sequence).min(self.chunks.len())..)
    }

    /// Its chunks, backwards from the one that has the last record at or before `sequence`.
    pub(super) fn chunks_upto(&self, sequence: u64) -> impl Iterator<Item = &Chunk> {
        let end = self.chunks.partition_point(|chunk| chunk.first() <= sequence);
        self.chunks.range(..end).rev()
    }

    /// Closes the block. Says whether it needs a footer: whether anything of it is to be kept.
    pub(super) fn seal(&mut self) -> bool {
        if self.sealed || self.live == 0 {
            return false;
        }
        (self.sealed, self.unfinished) = (true, true);
        self.chunks.iter_mut().for_each(Chunk::normalize);
        true
    }

    /// Its footer is made, or will not be.
    pub(super) fn finish(&mut self) {
        self.unfinished = false;
    }

    /// Whether it is closed and its footer is made.
    pub(super) fn is_finished(&self) -> bool {
        self.sealed && !self.unfinished
    }

    /// Bytes of its records, with the header before them.
    pub(super) fn length(&self) -> u32 {
        self.length
    }

    /// Appends what a checkpoint keeps: all of an open block, and of a sealed one what is left since
    /// its footer was written, if that is not all. Takes what it looks at from `budget`; where that
    /// does not suffice, `encoding` is what the next call goes on with. Says whether all is there.
    pub(super) fn checkpoint(
        &self,
        keys: &Keys,
        encoding: &mut Option<Encoding>,
        budget: &mut usize,
        out: &mut Vec<u8>,
    ) -> bool {
        let encoding_now = encoding.get_or_insert_with(|| {
            put_u32(out, self.number);
            put_u32(out, self.length);
            let sealed = if self.sealed { SEALED } else { 0 };
            out.push(sealed | if self.changed { CHANGED } else { 0 });
            let start = out.len();
            put_count(out, 0); // known at the end
            Encoding { start, ..Encoding::default() }
        });
        if !self.sealed && !encoding_now.go_on(self, keys, budget, out) {
            return false;
        }
        let start = encoding_now.start;
        if self.sealed && self.changed {
            for chunk in &self.chunks {
                put_u64(out, chunk.first());
                chunk.live().encode(out);
            }
            *budget = budget.saturating_sub(self.chunks.len());
        }
        *budget = budget.saturating_sub(1);
        count_behind(out, start);
        *encoding = None;
        true
    }

    pub(super) fn restore<E: From<BadState>>(
        reader: &mut Reader<'_>,
        keys: &mut Keys,
        footer: impl FnOnce(u32) -> Result<Vec<u8>, E>,
    ) -> Result<Self, E> {
        let number = reader.u32()?;
        let length = reader.u32()?;
        if !(BLOCK_HEADER_BYTES..=BLOCK_LENGTH_MAX).contains(&length) {
            return Err(BadState.into());
        }
        let flags = reader.u8()?;
        if flags & !(SEALED | CHANGED) != 0 {
            return Err(BadState.into());
        }
        let sealed = flags & SEALED != 0;
        let part = reader.counted()?;
        let footer = if sealed { footer(number)? } else { Vec::new() };
        let body = if sealed { footer_body(&footer)? } else { part };
        let (chunks, names) = decode(body)?;
        let changed = sealed && flags & CHANGED != 0;
        let mut block = Self { chunks, length, sealed, changed, ..Self::new(number) };
        block.latest = block.chunks.iter().map(Chunk::latest).max().unwrap_or(i64::MIN);
        if changed {
            block.retain(part)?;
        }
        block.adopt(&names, keys)?;
        Ok(block)
    }

    /// Keeps what a checkpoint says is left of a sealed block.
    fn retain(&mut self, mut left: &[u8]) -> Result<(), BadState> {
        let mut kept = VecDeque::with_capacity(left.len() / LEFT_BYTES);
        let mut chunks = std::mem::take(&mut self.chunks).into_iter();
        while !left.is_empty() {
            let mut reader = Reader(left);
            let (first, live) = (reader.u64()?, Bits::decode(&mut reader)?);
            left = reader.0;
            let mut chunk = chunks.find(|chunk| chunk.first() == first).ok_or(BadState)?;
            chunk.retain(&live);
            chunk.pack_if_sparse();
            if chunk.live().next(0).is_some() {
                kept.push_back(chunk);
            }
        }
        self.chunks = kept;
        Ok(())
    }

    /// Gives the entries keys of the log's table in place of the footer's own numbers. The keys are
    /// not in order yet.
    fn adopt(&mut self, names: &[&[u8]], keys: &mut Keys) -> Result<(), BadState> {
        let mut ids: Vec<Option<KeyId>> = vec![None; names.len()];
        for chunk in &mut self.chunks {
            self.weight = self.weight.saturating_add(chunk.weight());
            self.live += chunk.live().count() as u64;
            for (sequence, entry) in chunk.live_entries_mut() {
                let index = entry.key.0 as usize;
                let known = ids.get_mut(index).ok_or(BadState)?;
                entry.key = match *known {
                    Some(id) => {
                        keys.push(id, sequence);
                        id
                    }
                    None => *known.insert(keys.add_unordered(names[index], sequence).0),
                };
            }
        }
        Ok(())
    }

    /// The chunk that has the first record at or behind `sequence`, if any has.
    fn chunk_index(&self, sequence: u64) -> usize {
        match self.chunks.front() {
            // Most of what is asked for is at the front.
            Some(chunk) if sequence < chunk.end() => 0,
            _ => self.chunks.partition_point(|chunk| chunk.end() <= sequence),
        }
    }

    fn give_back(&mut self) {
        if self.chunks.capacity() > 4 * self.chunks.len().max(4) {
            self.chunks.shrink_to(2 * self.chunks.len());
        }
    }
}

/// The body of a footer, as far as it is written.
#[derive(Debug, Clone, Default)]
pub(super) struct Encoding {
    /// Where its length stands, in a checkpoint.
    start: usize,
    /// Where the number of its chunks stands.
    counted_at: usize,
    /// Chunks that are written.
    chunks: u32,
    /// Sequences before this one are.
    next: u64,
    numbers: HashMap<KeyId, u32, FixedState>,
    /// Keys in the order of their numbers.
    names: Vec<KeyId>,
    /// Names that are written.
    named: usize,
    /// What is being written.
    part: Part,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum Part {
    #[default]
    Nothing,
    Chunks,
    Names,
}

impl Encoding {
    /// Goes on, with about `budget` entries and names. Says whether all is written.
    pub(super) fn go_on(
        &mut self,
        block: &Block,
        keys: &Keys,
        budget: &mut usize,
        out: &mut Vec<u8>,
    ) -> bool {
        if self.part == Part::Nothing {
            let records = usize::try_from(block.live).unwrap_or(usize::MAX);
            self.numbers.reserve(records.min(keys.len()));
            out.reserve(records.saturating_mul(ENTRY_BYTES_ABOUT));
            self.counted_at = out.len();
            put_count(out, 0); // known at the end
            self.part = Part::Chunks;
        }
        let Self { numbers, names, .. } = self;
        let mut number = |key| {
            *numbers.entry(key).or_insert_with(|| {
                names.push(key);
                u32::try_from(names.len() - 1).expect("entries fit 32 bits")
            })
        };
        while self.part == Part::Chunks
            && let Some(chunk) = block.chunks_from(self.next).next()
        {
            if *budget == 0 {
                return false;
            }
            if block.unfinished {
                chunk.encode_whole(&mut number, out);
            } else {
                chunk.encode(&mut number, out);
            }
            *budget = budget.saturating_sub(chunk.live().count().max(1));
            self.chunks += 1;
            self.next = chunk.end();
        }
        if self.part == Part::Chunks {
            let counted = self.counted_at..self.counted_at + size_of_val(&self.chunks);
            out[counted].copy_from_slice(&self.chunks.to_le_bytes());
            put_count(out, self.names.len());
            self.part = Part::Names;
        }
        while let Some(key) = self.names.get(self.named) {
            if *budget == 0 {
                return false;
            }
            // The name of what has gone since means nothing to anybody.
            put_counted(out, keys.checked(*key).map_or(b"", KeyState::name));
            *budget -= 1;
            self.named += 1;
        }
        true
    }
}

/// Reads chunks whose entries still have the numbers of the names that come with them.
fn decode(body: &[u8]) -> Result<(VecDeque<Chunk>, Vec<&[u8]>), BadState> {
    let mut reader = Reader(body);
    let count = reader.count(CHUNK_BYTES_MIN)?;
    let mut chunks = VecDeque::with_capacity(count);
    let mut end = 1;
    for _ in 0..count {
        let chunk = Chunk::decode(&mut reader)?;
        if chunk.first() < end || chunk.first() > RESTORED_SEQUENCE_MAX {
            return Err(BadState);
        }
        end = chunk.end();
        chunks.push_back(chunk);
    }
    let count = reader.count(4)?;
    let names = (0..count).map(|_| reader.counted()).collect::<Result<_, _>>()?;
    Ok((chunks, names))
}

/// Puts behind the body of a footer what tells whether it is whole, and mends it.
pub(crate) fn finish_footer(footer: &mut Vec<u8>) {
    let length = footer.len();
    let crc = checksum(&[footer]);
    put_u64(footer, crc);
    put_count(footer, length);
    footer.extend_from_slice(FOOTER_MAGIC);
    footer.extend_from_slice(&parity(footer));
    footer.extend_from_within(length..length + ENDS_BYTES);
}

/// Length of a footer's body and its checksum, by each of its ends. `trailer` is what stands behind
/// the body.
fn ends(trailer: &[u8; FOOTER_TRAILER_BYTES]) -> impl Iterator<Item = (usize, u64)> {
    let both = [&trailer[..ENDS_BYTES], &trailer[FOOTER_TRAILER_BYTES - ENDS_BYTES..]];
    let whole = both.into_iter().filter(|ends| ends[12..] == *FOOTER_MAGIC);
    whole.map(|ends| (u32_at(ends, 8) as usize, u64_at(ends, 0)))
}

/// The body of a footer.
fn footer_body(bytes: &[u8]) -> Result<&[u8], BadState> {
    let (body, trailer) = bytes.split_last_chunk::<FOOTER_TRAILER_BYTES>().ok_or(BadState)?;
    let computed = checksum(&[body]);
    if ends(trailer).any(|(length, crc)| (length, crc) == (body.len(), computed)) {
        return Ok(body);
    }
    Err(BadState)
}

/// Lengths that a footer may have, from what stands behind its body: the last bytes of its file.
pub(crate) fn footer_lens(trailer: &[u8; FOOTER_TRAILER_BYTES]) -> impl Iterator<Item = usize> {
    ends(trailer).map(|(length, _)| length + FOOTER_TRAILER_BYTES)
}

/// Looks whether a footer at the offset `at` of its file is whole; mends it if one sector of it is
/// damaged.
pub(crate) fn mend_footer(footer: &mut [u8], at: u64) -> Footer {
    if footer_body(footer).is_ok() {
        return Footer::Whole;
    }
    let Some((body, trailer)) = footer.split_last_chunk::<FOOTER_TRAILER_BYTES>() else {
        return Footer::Damaged;
    };
    let (length, computed) = (body.len(), checksum(&[body]));
    let inside = usize::try_from(at % SECTOR_BYTES as u64).expect("less than a sector");
    let boundary = (SECTOR_BYTES - inside) % SECTOR_BYTES;
    let data = footer.len() - ENDS_BYTES;
    let told: Vec<(usize, u64)> = ends(trailer).filter(|(told, _)| *told == length).collect();
    for (_, crc) in told {
        // The CRC may be the one that is damaged, or its ends may be in the parity's sector.
        if mend(&mut footer[..data], boundary, 0..length, crc ^ computed) {
            let mut again = footer[..length].to_vec();
            finish_footer(&mut again);
            footer.copy_from_slice(&again);
            return Footer::Mended;
        }
    }
    Footer::Damaged
}

/// What a footer was found to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Footer {
    Whole,
    Mended,
    Damaged,
}

/// Whether bytes are a whole footer and nothing else.
pub(crate) fn is_footer(bytes: &[u8]) -> bool {
    footer_body(bytes).is_ok_and(|body| body.len() + FOOTER_TRAILER_BYTES == bytes.len())
}
