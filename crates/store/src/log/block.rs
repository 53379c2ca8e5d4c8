//! One block's part of the index.
//!
//! ```text
//! block file:  header (16), records, and once sealed: footer
//! header:      "WBlk" version(4) log(4) block(4)
//! footer:      body, CRC-64 of the body (8), length of the body (4), "WFtr"
//! body:        first sequence (8), time (8), entries (count, then 16 each), keys (count, then each
//!              counted)
//! entry:       offset (4), key (4), milliseconds after the time (4), weight (4); all ones behind
//!              the offset of a record that is gone
//! ```

use std::collections::BTreeMap;

use super::keys::{KeyId, Keys};
use super::{Position, SEQUENCE_MAX, Sealed};
use crate::bytes::{BadState, Reader, put_count, put_counted, put_i64, put_u32, put_u64};
use crate::checksum::checksum;
use crate::record::LogId;

/// Bytes before the first record of a block file.
pub const BLOCK_HEADER_BYTES: u32 = 16;

const MAGIC: &[u8; 4] = b"WBlk";
const VERSION: u32 = 1;
const FOOTER_MAGIC: &[u8; 4] = b"WFtr";

/// Bytes behind the body of a footer.
pub(crate) const FOOTER_TRAILER_BYTES: usize = 16;

/// Longest block: one record alone may be longer than a block should be.
const BLOCK_LENGTH_MAX: u32 = u32::MAX / 2;

/// Weight of a record that is gone.
const GONE: u32 = u32::MAX;

const NANOS_PER_MILLISECOND: i64 = 1_000_000;

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

/// A record in a block.
#[derive(Debug, Clone, Copy)]
pub(super) struct Entry {
    pub(super) offset: u32,
    pub(super) key: KeyId,
    /// Milliseconds after the block's time.
    pub(super) time: u32,
    weight: u32,
}

/// One block's part of the index.
#[derive(Debug, Clone)]
pub(super) struct Block {
    number: u32,
    /// Sequence of the first entry.
    first: u64,
    /// Time that entries count from, nanoseconds since 1970.
    time: i64,
    entries: Vec<Entry>,
    /// Entries that are not gone.
    live: u32,
    /// Where the next record goes.
    length: u32,
    sealed: bool,
    /// Whether entries went after the footer was written.
    changed: bool,
}

impl Block {
    pub(super) fn new(number: u32, first: u64, time: i64) -> Self {
        Self {
            number,
            first,
            time,
            entries: Vec::new(),
            live: 0,
            length: BLOCK_HEADER_BYTES,
            sealed: false,
            changed: false,
        }
    }

    pub(super) fn number(&self) -> u32 {
        self.number
    }

    pub(super) fn first(&self) -> u64 {
        self.first
    }

    /// One above the last sequence.
    pub(super) fn end(&self) -> u64 {
        self.first + self.entries.len() as u64
    }

    pub(super) fn live(&self) -> u32 {
        self.live
    }

    pub(super) fn weight(&self) -> u64 {
        let live = self.entries.iter().filter(|entry| entry.weight != GONE);
        live.map(|entry| u64::from(entry.weight)).sum()
    }

    pub(super) fn has_room(&self, length: u32, time: i64, block_bytes: u32) -> bool {
        let fits = self.length.checked_add(length).is_some_and(|sum| sum <= block_bytes);
        !self.sealed && (fits || self.entries.is_empty()) && self.milliseconds(time).is_some()
    }

    /// Adds a record behind all others.
    pub(super) fn append(&mut self, key: KeyId, time: i64, length: u32, weight: u32) -> Position {
        debug_assert_ne!(weight, GONE);
        if self.entries.is_empty() {
            self.time = time;
        }
        let offset = self.length;
        // A clock that went back counts as the block's time; one that jumped has a new block.
        let time = self.milliseconds(time).unwrap_or(u32::MAX);
        self.entries.push(Entry { offset, key, time, weight });
        self.live += 1;
        self.length += length;
        Position { block: self.number, offset, length }
    }

    /// Whether records can be added behind those that it has.
    pub(super) fn is_open(&self) -> bool {
        !self.sealed && !self.entries.is_empty()
    }

    /// Adds entries of records that are gone.
    pub(super) fn leave_out(&mut self, count: u64) {
        let time = self.entries.last().map_or(0, |entry| entry.time);
        let gone = Entry { offset: self.length, key: KeyId(0), time, weight: GONE };
        let count = usize::try_from(count).expect("bounded by who asks");
        self.entries.resize(self.entries.len() + count, gone);
    }

    pub(super) fn remove(&mut self, sequence: u64) -> Option<(KeyId, u32)> {
        let index = self.index(sequence)?;
        let entry = &mut self.entries[index];
        if entry.weight == GONE {
            return None;
        }
        let weight = std::mem::replace(&mut entry.weight, GONE);
        self.live -= 1;
        self.changed |= self.sealed;
        Some((entry.key, weight))
    }

    pub(super) fn entry(&self, sequence: u64) -> Option<&Entry> {
        let entry = self.entries.get(self.index(sequence)?)?;
        (entry.weight != GONE).then_some(entry)
    }

    pub(super) fn position(&self, sequence: u64) -> Option<Position> {
        let offset = self.entry(sequence)?.offset;
        let next = self.entries.get(self.index(sequence)? + 1);
        // A damaged footer may say anything; a length that is none finds no record.
        let length = next.map_or(self.length, |next| next.offset).saturating_sub(offset);
        Some(Position { block: self.number, offset, length })
    }

    pub(super) fn time(&self, entry: &Entry) -> i64 {
        self.time.saturating_add(i64::from(entry.time) * NANOS_PER_MILLISECOND)
    }

    pub(super) fn last_time(&self) -> i64 {
        // The times of a block need not be in order; the latest of all decides.
        let latest = self.entries.iter().map(|entry| entry.time).max().unwrap_or(0);
        self.time.saturating_add((i64::from(latest) + 1) * NANOS_PER_MILLISECOND)
    }

    /// The first sequence that is not older than `time`.
    pub(super) fn at_time(&self, time: i64) -> u64 {
        let ends = |entry: &Entry| self.time(entry).saturating_add(NANOS_PER_MILLISECOND);
        let older = self.entries.iter().take_while(|entry| ends(entry) <= time).count();
        self.first + older as u64
    }

    pub(super) fn next_where(
        &self,
        sequence: u64,
        wanted: &mut impl FnMut(KeyId) -> bool,
    ) -> Option<u64> {
        let start = usize::try_from(sequence - self.first).ok()?;
        let entries = self.entries.get(start..)?;
        let found = entries.iter().position(|entry| entry.weight != GONE && wanted(entry.key))?;
        Some(sequence + found as u64)
    }

    pub(super) fn count_where(&self, sequence: u64, wanted: &mut impl FnMut(KeyId) -> bool) -> u64 {
        let start = usize::try_from(sequence - self.first).unwrap_or(usize::MAX);
        let entries = self.entries.get(start..).unwrap_or_default();
        entries.iter().filter(|entry| entry.weight != GONE && wanted(entry.key)).count() as u64
    }

    pub(super) fn last_where(
        &self,
        sequence: u64,
        wanted: &mut impl FnMut(KeyId) -> bool,
    ) -> Option<u64> {
        let count = usize::try_from(sequence - self.first).ok()?.saturating_add(1);
        let entries = &self.entries[..count.min(self.entries.len())];
        let found = entries.iter().rposition(|entry| entry.weight != GONE && wanted(entry.key))?;
        Some(self.first + found as u64)
    }

    /// Closes the block. `None` if nothing of it needs to be kept.
    pub(super) fn seal(&mut self, keys: &Keys) -> Option<Sealed> {
        if self.sealed || self.live == 0 {
            return None;
        }
        self.sealed = true;
        let mut footer = Vec::new();
        self.encode(keys, &mut footer);
        let length = footer.len();
        let crc = checksum(&[&footer]);
        put_u64(&mut footer, crc);
        put_count(&mut footer, length);
        footer.extend_from_slice(FOOTER_MAGIC);
        Some(Sealed { block: self.number, offset: self.length, footer })
    }

    /// Appends what a checkpoint keeps: all of an open block, and of a sealed one what has gone
    /// since its footer was written.
    pub(super) fn checkpoint(&self, keys: &Keys, out: &mut Vec<u8>) {
        put_u32(out, self.number);
        put_u32(out, self.length);
        out.push(u8::from(self.sealed));
        if !self.sealed {
            let mut body = Vec::new();
            self.encode(keys, &mut body);
            put_counted(out, &body);
            return;
        }
        let mut gone = Vec::new();
        if self.changed {
            gone.resize(self.entries.len().div_ceil(8), 0);
            for (index, entry) in self.entries.iter().enumerate() {
                gone[index / 8] |= u8::from(entry.weight == GONE) << (index % 8);
            }
        }
        put_counted(out, &gone);
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
        let sealed = reader.u8()? == 1;
        let part = reader.counted()?;
        let footer = if sealed { footer(number)? } else { Vec::new() };
        let (body, gone) =
            if sealed { (footer_body(&footer)?, part) } else { (part, [].as_slice()) };
        let (mut block, names) = Self::decode(body)?;
        (block.number, block.length, block.sealed) = (number, length, sealed);
        for (index, entry) in block.entries.iter_mut().enumerate() {
            if gone.get(index / 8).is_some_and(|byte| byte >> (index % 8) & 1 == 1) {
                entry.weight = GONE;
            }
        }
        block.changed = !gone.is_empty();
        block.adopt(&names, keys)?;
        Ok(block)
    }

    /// Gives the entries keys of the log's table in place of the footer's own numbers.
    fn adopt(&mut self, names: &[&[u8]], keys: &mut Keys) -> Result<(), BadState> {
        for (sequence, entry) in (self.first..).zip(&mut self.entries) {
            if entry.weight == GONE {
                continue;
            }
            let name = names.get(entry.key.0 as usize).ok_or(BadState)?;
            entry.key = keys.add(name, sequence);
            self.live += 1;
        }
        Ok(())
    }

    fn encode(&self, keys: &Keys, out: &mut Vec<u8>) {
        let mut numbers: BTreeMap<KeyId, u32> = BTreeMap::new();
        let mut names = Vec::new();
        put_u64(out, self.first);
        put_i64(out, self.time);
        put_count(out, self.entries.len());
        for entry in &self.entries {
            if entry.weight == GONE {
                // Where it was tells how long its neighbour is.
                put_u32(out, entry.offset);
                out.extend_from_slice(&[0xff; 12]);
                continue;
            }
            let next = u32::try_from(numbers.len()).expect("entries fit 32 bits");
            let key = *numbers.entry(entry.key).or_insert_with(|| {
                names.push(entry.key);
                next
            });
            put_u32(out, entry.offset);
            put_u32(out, key);
            put_u32(out, entry.time);
            put_u32(out, entry.weight);
        }
        put_count(out, names.len());
        for key in names {
            put_counted(out, keys.state(key).name());
        }
    }

    /// Reads a block whose entries still have the numbers of the names that come with it.
    fn decode(body: &[u8]) -> Result<(Self, Vec<&[u8]>), BadState> {
        let mut reader = Reader(body);
        let mut block = Self::new(0, reader.u64()?, reader.i64()?);
        let count = reader.count(16)?;
        if block.first == 0 || block.first > SEQUENCE_MAX {
            return Err(BadState);
        }
        for _ in 0..count {
            let (offset, key) = (reader.u32()?, reader.u32()?);
            let (time, weight) = (reader.u32()?, reader.u32()?);
            block.entries.push(Entry { offset, key: KeyId(key), time, weight });
        }
        let count = reader.count(4)?;
        let names = (0..count).map(|_| reader.counted()).collect::<Result<_, _>>()?;
        Ok((block, names))
    }

    fn index(&self, sequence: u64) -> Option<usize> {
        usize::try_from(sequence.checked_sub(self.first)?).ok()
    }

    fn milliseconds(&self, time: i64) -> Option<u32> {
        if self.entries.is_empty() {
            return Some(0);
        }
        let later = time.saturating_sub(self.time).max(0) / NANOS_PER_MILLISECOND;
        u32::try_from(later).ok()
    }
}

/// The body of a footer that ends where `bytes` end.
fn footer_body(bytes: &[u8]) -> Result<&[u8], BadState> {
    let (rest, trailer) = bytes.split_last_chunk::<FOOTER_TRAILER_BYTES>().ok_or(BadState)?;
    let length = crate::record::u32_at(trailer, 8) as usize;
    let start = rest.len().checked_sub(length).ok_or(BadState)?;
    let body = &rest[start..];
    let whole =
        trailer[12..] == *FOOTER_MAGIC && checksum(&[body]) == crate::record::u64_at(trailer, 0);
    if whole { Ok(body) } else { Err(BadState) }
}

/// Length of a whole footer, from its trailer.
pub(crate) fn footer_len(trailer: &[u8; FOOTER_TRAILER_BYTES]) -> Option<usize> {
    let length = crate::record::u32_at(trailer, 8) as usize;
    (trailer[12..] == *FOOTER_MAGIC).then_some(length + FOOTER_TRAILER_BYTES)
}
