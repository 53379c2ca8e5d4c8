//! A run of up to 256 sequences of a block.
//!
//! Entries stand densely, in the order of their sequences; a bit for each sequence says which have
//! one. So a sequence that was left out costs a bit, and a chunk most of whose records are gone is
//! packed: it keeps only the entries that are left. What most chunks don't need stands beside the
//! entries, in vectors that are empty otherwise.

use super::bits::{BITS, Bits};
use super::keys::KeyId;
use crate::bytes::{BadState, Reader, put_i64, put_u32, put_u64};

/// Sequences that one chunk covers at most.
pub(super) const CHUNK_SEQUENCES: u64 = BITS as u64;

/// A chunk with fewer entries is not packed: there is little to gain.
const PACKED_MIN: usize = 16;

/// Bytes of an entry in a footer.
const ENTRY_BYTES: usize = 16;

/// Flag of a stored chunk: the high halves of its times follow.
const HAS_TIMES_HIGH: u8 = 1;

/// Flag of a stored chunk: the ends of its records follow.
const HAS_ENDS: u8 = 2;

/// Where a record is and what it has.
#[derive(Debug, Clone, Copy)]
pub(super) struct Entry {
    pub(super) offset: u32,
    pub(super) key: KeyId,
    /// The low half of the nanoseconds after the chunk's time.
    pub(super) time: u32,
    pub(super) weight: u32,
}

/// A run of sequences.
#[derive(Debug, Clone)]
pub(super) struct Chunk {
    first: u64,
    /// Sequences that it covers.
    len: usize,
    /// Sequences that have an entry.
    present: Bits,
    /// Those of them whose records are there.
    live: Bits,
    entries: Vec<Entry>,
    /// Time of the first entry, nanoseconds since 1970.
    time: i64,
    /// No entry is later.
    latest: i64,
    /// The high halves of the times; empty if all of them are zero.
    times_high: Vec<u32>,
    /// Where each record ends; empty if the next entry's offset tells.
    ends: Vec<u32>,
    /// Where the last record ends.
    end: u32,
    /// Weights of the records that are there.
    weight: u64,
}

/// A record that goes into a chunk.
#[derive(Debug, Clone, Copy)]
pub(super) struct New {
    pub(super) sequence: u64,
    pub(super) key: KeyId,
    pub(super) time: i64,
    pub(super) offset: u32,
    pub(super) length: u32,
    pub(super) weight: u32,
}

impl Chunk {
    /// A chunk of one record, with room for `capacity`.
    pub(super) fn new(record: &New, capacity: usize) -> Self {
        let mut chunk = Self {
            first: record.sequence,
            len: 0,
            present: Bits::default(),
            live: Bits::default(),
            entries: Vec::with_capacity(capacity),
            time: record.time,
            latest: record.time,
            times_high: Vec::new(),
            ends: Vec::new(),
            end: record.offset,
            weight: 0,
        };
        chunk.append(record);
        chunk
    }

    /// Lets everything go that isn't stored: entries of records that are gone, and sequences before
    /// the first record.
    pub(super) fn normalize(&mut self) {
        if self.live != self.present {
            self.pack();
        }
        let shift = self.present.next(0).unwrap_or(0);
        if shift > 0 {
            let mut present = Bits::default();
            self.present.iter().for_each(|bit| present.insert(bit - shift));
            (self.present, self.live) = (present, present);
            self.first += shift as u64;
            self.len -= shift;
        }
    }

    /// Appends what [`Chunk::decode`] reads. `number` is the footer's own number of a key.
    pub(super) fn encode(&self, number: &mut impl FnMut(KeyId) -> u32, out: &mut Vec<u8>) {
        if self.live != self.present || !self.present.contains(0) {
            let mut normal = self.clone();
            normal.normalize();
            normal.encode_whole(number, out);
        } else {
            self.encode_whole(number, out);
        }
    }

    /// Does the same with every entry that it has, of records that have gone too. The first of its
    /// sequences must have one.
    pub(super) fn encode_whole(&self, number: &mut impl FnMut(KeyId) -> u32, out: &mut Vec<u8>) {
        put_u64(out, self.first);
        put_i64(out, self.time);
        put_u32(out, self.end);
        let high = if self.times_high.is_empty() { 0 } else { HAS_TIMES_HIGH };
        let ends = if self.ends.is_empty() { 0 } else { HAS_ENDS };
        out.push(high | ends);
        self.present.encode(out);
        for entry in &self.entries {
            put_u32(out, entry.offset);
            put_u32(out, number(entry.key));
            put_u32(out, entry.time);
            put_u32(out, entry.weight);
        }
        self.times_high.iter().chain(&self.ends).for_each(|value| put_u32(out, *value));
    }

    /// Reads a chunk whose entries have the footer's own numbers of keys.
    pub(super) fn decode(reader: &mut Reader<'_>) -> Result<Self, BadState> {
        let (first, time, end) = (reader.u64()?, reader.i64()?, reader.u32()?);
        let flags = reader.u8()?;
        let present = Bits::decode(reader)?;
        let count = present.count();
        let len = present.prev(BITS - 1).ok_or(BadState)? + 1;
        if !present.contains(0) || flags & !(HAS_TIMES_HIGH | HAS_ENDS) != 0 {
            return Err(BadState);
        }
        let mut numbers = Reader(reader.take(count * ENTRY_BYTES)?);
        let mut entries = Vec::with_capacity(count);
        for _ in 0..count {
            let (offset, key) = (numbers.u32()?, KeyId(numbers.u32()?));
            entries.push(Entry { offset, key, time: numbers.u32()?, weight: numbers.u32()? });
        }
        let mut column = |flag: u8| -> Result<Vec<u32>, BadState> {
            let count = if flags & flag == 0 { 0 } else { count };
            (0..count).map(|_| reader.u32()).collect()
        };
        let (times_high, ends) = (column(HAS_TIMES_HIGH)?, column(HAS_ENDS)?);
        let weight = entries.iter().map(|entry| u64::from(entry.weight)).sum();
        let (live, latest) = (present, time);
        let mut chunk = Self {
            first,
            len,
            present,
            live,
            entries,
            time,
            latest,
            times_high,
            ends,
            end,
            weight,
        };
        chunk.latest = (0..count).map(|rank| chunk.time_at(rank)).max().unwrap_or(time);
        Ok(chunk)
    }

    pub(super) fn first(&self) -> u64 {
        self.first
    }

    /// One above the last sequence that it covers.
    pub(super) fn end(&self) -> u64 {
        self.first + self.len as u64
    }

    pub(super) fn live(&self) -> &Bits {
        &self.live
    }

    pub(super) fn weight(&self) -> u64 {
        self.weight
    }

    /// No entry is later, nanoseconds since 1970.
    pub(super) fn latest(&self) -> i64 {
        self.latest
    }

    /// Whether a record with this sequence can be added.
    pub(super) fn has_room(&self, sequence: u64) -> bool {
        sequence - self.first < CHUNK_SEQUENCES
    }

    /// Adds a record behind all others.
    pub(super) fn append(&mut self, record: &New) {
        let New { sequence, key, time, offset, length, weight } = *record;
        let Some(bit) = self.bit(sequence) else { return };
        let (low, high) = halves(time.wrapping_sub(self.time));
        if high != 0 && self.times_high.is_empty() {
            self.times_high.resize(self.entries.len(), 0);
        }
        if high != 0 || !self.times_high.is_empty() {
            self.times_high.push(high);
        }
        if !self.ends.is_empty() {
            self.ends.push(offset.saturating_add(length));
        }
        self.entries.push(Entry { offset, key, time: low, weight });
        self.present.insert(bit);
        self.live.insert(bit);
        self.len = bit + 1;
        self.latest = self.latest.max(time);
        self.end = offset.saturating_add(length);
        self.weight += u64::from(weight);
    }

    /// Removes a record.
    pub(super) fn remove(&mut self, sequence: u64) -> Option<(KeyId, u32)> {
        let (bit, rank) = self.find(sequence)?;
        let Entry { key, weight, .. } = self.entries[rank];
        self.live.remove(bit);
        self.weight -= u64::from(weight);
        Some((key, weight))
    }

    /// Removes every record before `end`.
    pub(super) fn remove_before(&mut self, end: u64) {
        let Some(bit) = self.bit_from(end) else { return self.retain(&Bits::default()) };
        if bit > 0 {
            self.retain(&Bits::from(bit));
        }
    }

    /// Removes every record that is not in `live`.
    pub(super) fn retain(&mut self, live: &Bits) {
        self.live = self.live.and(live);
        let entries = &self.entries;
        let ranks = self.live.iter().map(|bit| self.present.rank(bit));
        self.weight = ranks.map(|rank| u64::from(entries[rank].weight)).sum();
    }

    /// Keeps only the entries of records that are there, if few of them are.
    pub(super) fn pack_if_sparse(&mut self) {
        if self.entries.len() >= PACKED_MIN && self.live.count() * 4 <= self.entries.len() {
            self.pack();
        }
    }

    pub(super) fn entry(&self, sequence: u64) -> Option<&Entry> {
        self.find(sequence).map(|(_, rank)| &self.entries[rank])
    }

    /// Offset and length of a record.
    pub(super) fn place(&self, sequence: u64) -> Option<(u32, u32)> {
        let (_, rank) = self.find(sequence)?;
        let offset = self.entries[rank].offset;
        let end = match self.ends.get(rank) {
            Some(end) => *end,
            None => self.entries.get(rank + 1).map_or(self.end, |next| next.offset),
        };
        // A damaged footer may say anything; a length of nothing finds no record.
        Some((offset, end.saturating_sub(offset)))
    }

    pub(super) fn weight_of(&self, sequence: u64) -> Option<u32> {
        self.find(sequence).map(|(_, rank)| self.entries[rank].weight)
    }

    /// Nanoseconds since 1970.
    pub(super) fn time(&self, sequence: u64) -> Option<i64> {
        self.find(sequence).map(|(_, rank)| self.time_at(rank))
    }

    /// The first record at or behind `sequence`.
    pub(super) fn next(&self, sequence: u64) -> Option<u64> {
        let bit = self.bit_from(sequence)?;
        self.live.next(bit).map(|bit| self.first + bit as u64)
    }

    /// The last record at or before `sequence`.
    pub(super) fn prev(&self, sequence: u64) -> Option<u64> {
        let bit = sequence.checked_sub(self.first)?.min(CHUNK_SEQUENCES - 1);
        let bit = usize::try_from(bit).ok()?;
        self.live.prev(bit).map(|bit| self.first + bit as u64)
    }

    /// The first sequence at or behind `sequence`, one above the last at most, without a record.
    pub(super) fn next_gone(&self, sequence: u64) -> u64 {
        let Some(bit) = self.bit_from(sequence) else { return sequence };
        let gone = self.live.next_absent(bit).unwrap_or(BITS);
        self.first + gone as u64
    }

    /// Records at or behind `sequence`.
    pub(super) fn count_from(&self, sequence: u64) -> u64 {
        let Some(bit) = self.bit_from(sequence) else { return 0 };
        (self.live.count() - self.live.rank(bit)) as u64
    }

    /// Sequences and entries at or behind `sequence`, in order.
    pub(super) fn iter_from(&self, sequence: u64) -> impl Iterator<Item = (u64, &Entry)> {
        let bit = self.bit_from(sequence).unwrap_or(BITS);
        let mut rank = self.present.rank(bit);
        let mut next = bit;
        std::iter::from_fn(move || {
            loop {
                let found = self.present.next(next)?;
                let entry = &self.entries[rank];
                (next, rank) = (found + 1, rank + 1);
                if self.live.contains(found) {
                    return Some((self.first + found as u64, entry));
                }
            }
        })
    }

    /// Entries, in order, so that a restored chunk can be given the keys of its log.
    pub(super) fn live_entries_mut(&mut self) -> impl Iterator<Item = (u64, &mut Entry)> {
        let (present, live, first) = (self.present, self.live, self.first);
        let entries = present.iter().zip(&mut self.entries);
        entries
            .filter(move |(bit, _)| live.contains(*bit))
            .map(move |(bit, entry)| (first + bit as u64, entry))
    }

    /// Lets the entries of what is gone go.
    fn pack(&mut self) {
        let kept: Vec<usize> = self.live.iter().map(|bit| self.present.rank(bit)).collect();
        let ends = kept.iter().map(|rank| match self.ends.get(*rank) {
            Some(end) => *end,
            None => self.entries.get(rank + 1).map_or(self.end, |next| next.offset),
        });
        self.ends = ends.collect();
        if !self.times_high.is_empty() {
            self.times_high = kept.iter().map(|rank| self.times_high[*rank]).collect();
        }
        self.entries = kept.iter().map(|rank| self.entries[*rank]).collect();
        self.present = self.live;
    }

    fn time_at(&self, rank: usize) -> i64 {
        let low = u64::from(self.entries[rank].time);
        let high = self.times_high.get(rank).map_or(0, |high| u64::from(*high));
        self.time.wrapping_add((high << 32 | low).cast_signed())
    }

    /// Bit and rank of a record that is there.
    fn find(&self, sequence: u64) -> Option<(usize, usize)> {
        let bit = self.bit(sequence)?;
        self.live.contains(bit).then(|| (bit, self.present.rank(bit)))
    }

    fn bit(&self, sequence: u64) -> Option<usize> {
        let bit = sequence.checked_sub(self.first).filter(|bit| *bit < CHUNK_SEQUENCES)?;
        usize::try_from(bit).ok()
    }

    /// The bit to begin at, for what is at or behind `sequence`. `None` if that is behind all.
    fn bit_from(&self, sequence: u64) -> Option<usize> {
        self.bit(sequence.max(self.first))
    }
}

/// The low and the high 32 bits.
fn halves(value: i64) -> (u32, u32) {
    let value = value.cast_unsigned();
    let half = |value: u64| u32::try_from(value & 0xffff_ffff).expect("32 bits");
    (half(value), half(value >> 32))
}
