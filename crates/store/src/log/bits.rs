//! A set of small numbers, one bit each.

use std::cmp::Ordering;

use crate::bytes::{BadState, Reader, put_u64};

/// Numbers that a set can hold: 0 to this, exclusive.
pub(super) const BITS: usize = 256;

const WORDS: usize = BITS / 64;

/// A set of numbers below [`BITS`].
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Bits([u64; WORDS]);

impl Bits {
    pub(super) fn contains(&self, bit: usize) -> bool {
        self.0[bit / 64] >> (bit % 64) & 1 == 1
    }

    pub(super) fn insert(&mut self, bit: usize) {
        self.0[bit / 64] |= 1 << (bit % 64);
    }

    pub(super) fn remove(&mut self, bit: usize) {
        self.0[bit / 64] &= !(1 << (bit % 64));
    }

    pub(super) fn count(&self) -> usize {
        self.0.iter().map(|word| word.count_ones() as usize).sum()
    }

    /// How many are below `bit`.
    pub(super) fn rank(&self, bit: usize) -> usize {
        let (whole, rest) = (bit / 64, bit % 64);
        let before: usize = self.0[..whole].iter().map(|word| word.count_ones() as usize).sum();
        let part = self.0.get(whole).map_or(0, |word| word & ((1 << rest) - 1));
        before + part.count_ones() as usize
    }

    /// The lowest that is not below `bit`.
    pub(super) fn next(&self, bit: usize) -> Option<usize> {
        Self::lowest(bit, |word| self.0.get(word).copied())
    }

    /// The lowest number, not below `bit`, that is not in the set.
    pub(super) fn next_absent(&self, bit: usize) -> Option<usize> {
        Self::lowest(bit, |word| self.0.get(word).map(|word| !word))
    }

    /// The highest that is not above `bit`.
    pub(super) fn prev(&self, bit: usize) -> Option<usize> {
        let mut word = bit / 64;
        let mut found = self.0[word] & (u64::MAX >> (63 - bit % 64));
        while found == 0 {
            word = word.checked_sub(1)?;
            found = self.0[word];
        }
        Some(word * 64 + 63 - found.leading_zeros() as usize)
    }

    /// All of them, in order.
    pub(super) fn iter(self) -> impl Iterator<Item = usize> {
        let mut next = 0;
        std::iter::from_fn(move || {
            let found = self.next(next)?;
            next = found + 1;
            Some(found)
        })
    }

    /// Every number that is not below `bit`.
    pub(super) fn from(bit: usize) -> Self {
        Self(std::array::from_fn(|word| match (bit / 64).cmp(&word) {
            Ordering::Less => u64::MAX,
            Ordering::Equal => u64::MAX << (bit % 64),
            Ordering::Greater => 0,
        }))
    }

    /// Those that are in `other` too.
    pub(super) fn and(&self, other: &Self) -> Self {
        Self(std::array::from_fn(|word| self.0[word] & other.0[word]))
    }

    pub(super) fn encode(&self, out: &mut Vec<u8>) {
        self.0.iter().for_each(|word| put_u64(out, *word));
    }

    pub(super) fn decode(reader: &mut Reader<'_>) -> Result<Self, BadState> {
        let mut words = [0; WORDS];
        for word in &mut words {
            *word = reader.u64()?;
        }
        Ok(Self(words))
    }

    fn lowest(bit: usize, word: impl Fn(usize) -> Option<u64>) -> Option<usize> {
        let mut at = bit / 64;
        let mut found = word(at)? & (u64::MAX << (bit % 64));
        while found == 0 {
            at += 1;
            found = word(at)?;
        }
        Some(at * 64 + found.trailing_zeros() as usize)
    }
}
