//! The sequences of one key, in order.
//!
//! Most keys of most logs have one record or two: those sequences stand in the key itself. A few
//! more stand in one leaf, as 32 bits after the leaf's first sequence; many in a row of leaves. So
//! a record costs 4.4 bytes here when its key has thousands, and nothing when its key has two.
//! Links from entry to entry would be as small, but a consumer begins anywhere, and a link only
//! helps whoever stands on it.

use std::collections::VecDeque;

/// Sequences in one leaf at most. What is removed from the middle moves what is behind it: half a
/// kilobyte.
const LEAF: usize = 128;

/// The sequences of a key; never empty while the key is in use.
#[derive(Debug, Clone)]
pub(super) enum Sequences {
    /// One, which is both, or two.
    Few { first: u64, last: u64 },
    /// A few.
    Leaf(Box<Leaf>),
    /// Many.
    Row(Box<Row>),
}

/// Some sequences that lie closely enough together.
#[derive(Debug, Clone)]
pub(super) struct Leaf {
    /// What the offsets count from.
    base: u64,
    /// In order.
    offsets: Vec<u32>,
}

/// Leaves, none of them empty.
#[derive(Debug, Clone)]
pub(super) struct Row {
    count: u64,
    leaves: VecDeque<Leaf>,
}

impl Sequences {
    pub(super) fn new(sequence: u64) -> Self {
        Self::Few { first: sequence, last: sequence }
    }

    pub(super) fn count(&self) -> u64 {
        match self {
            Self::Few { first, last } => 1 + u64::from(first != last),
            Self::Leaf(leaf) => leaf.offsets.len() as u64,
            Self::Row(row) => row.count,
        }
    }

    pub(super) fn first(&self) -> u64 {
        match self {
            Self::Few { first, .. } => *first,
            Self::Leaf(leaf) => leaf.first(),
            Self::Row(row) => row.leaves.front().map_or(0, Leaf::first),
        }
    }

    pub(super) fn last(&self) -> u64 {
        match self {
            Self::Few { last, .. } => *last,
            Self::Leaf(leaf) => leaf.last(),
            Self::Row(row) => row.leaves.back().map_or(0, Leaf::last),
        }
    }

    /// The first at or behind `from`.
    pub(super) fn next(&self, from: u64) -> Option<u64> {
        match self {
            Self::Few { first, .. } if *first >= from => Some(*first),
            Self::Few { last, .. } => (*last >= from).then_some(*last),
            Self::Leaf(leaf) => leaf.next(from),
            Self::Row(row) => row.leaves.get(row.leaf_from(from))?.next(from),
        }
    }

    /// The last at or before `upto`.
    pub(super) fn prev(&self, upto: u64) -> Option<u64> {
        match self {
            Self::Few { last, .. } if *last <= upto => Some(*last),
            Self::Few { first, .. } => (*first <= upto).then_some(*first),
            Self::Leaf(leaf) => leaf.prev(upto),
            Self::Row(row) => {
                let behind = row.leaves.partition_point(|leaf| leaf.first() <= upto);
                row.leaves.get(behind.checked_sub(1)?)?.prev(upto)
            }
        }
    }

    /// How many are at or behind `from`.
    pub(super) fn count_from(&self, from: u64) -> u64 {
        match self {
            Self::Few { first, last } => {
                u64::from(*last >= from) + u64::from(first != last && *first >= from)
            }
            Self::Leaf(leaf) => leaf.count_from(from),
            Self::Row(row) => {
                let start = row.leaf_from(from);
                let Some(leaf) = row.leaves.get(start) else { return 0 };
                let behind = row.leaves.range(start + 1..).map(|leaf| leaf.offsets.len() as u64);
                leaf.count_from(from) + behind.sum::<u64>()
            }
        }
    }

    /// The first of the last `count`; the first of all if there are fewer.
    pub(super) fn nth_last(&self, count: u64) -> u64 {
        let Some(mut before) = self.count().checked_sub(count) else { return self.first() };
        match self {
            Self::Few { first, last } => {
                if before == 0 {
                    *first
                } else {
                    *last
                }
            }
            Self::Leaf(leaf) => leaf.nth(before),
            Self::Row(row) => {
                for leaf in &row.leaves {
                    let len = leaf.offsets.len() as u64;
                    if before < len {
                        return leaf.nth(before);
                    }
                    before -= len;
                }
                self.last()
            }
        }
    }

    /// Adds one behind all others.
    pub(super) fn push(&mut self, sequence: u64) {
        match self {
            Self::Few { first, last } if first == last => *last = sequence,
            Self::Few { first, last } => {
                let (first, last) = (*first, *last);
                let mut leaf = Leaf { base: first, offsets: vec![0] };
                *self = if leaf.push(last) && leaf.push(sequence) {
                    Self::Leaf(Box::new(leaf))
                } else {
                    let mut row = Row { count: 0, leaves: VecDeque::new() };
                    for sequence in [first, last, sequence] {
                        row.push(sequence);
                    }
                    Self::Row(Box::new(row))
                };
            }
            Self::Leaf(leaf) => {
                if leaf.push(sequence) {
                    return;
                }
                let leaf = std::mem::replace(&mut **leaf, Leaf { base: 0, offsets: Vec::new() });
                let count = leaf.offsets.len() as u64;
                let mut row = Row { count, leaves: VecDeque::from([leaf]) };
                row.push(sequence);
                *self = Self::Row(Box::new(row));
            }
            Self::Row(row) => row.push(sequence),
        }
    }

    /// Removes one. Says whether it was the last one; if so, what is left has no meaning.
    pub(super) fn remove(&mut self, sequence: u64) -> bool {
        match self {
            Self::Few { first, last } => {
                if first == last {
                    return true;
                }
                if sequence == *first {
                    *first = *last;
                } else {
                    *last = *first;
                }
            }
            Self::Leaf(leaf) => leaf.remove(sequence),
            Self::Row(row) => row.remove(sequence),
        }
        self.settle();
        false
    }

    /// Removes those before `end`. Says how many are left; if none, what is left has no meaning.
    pub(super) fn remove_before(&mut self, end: u64) -> u64 {
        if self.first() >= end {
            return self.count();
        }
        if self.last() < end {
            return 0;
        }
        match self {
            Self::Few { first, last } => *first = *last,
            Self::Leaf(leaf) => leaf.remove_before(end),
            Self::Row(row) => row.remove_before(end),
        }
        self.settle();
        self.count()
    }

    /// Takes the smaller form if few are left. Not at once: a key that goes to and fro between two
    /// sizes would allocate each time.
    fn settle(&mut self) {
        match self {
            Self::Few { .. } => {}
            Self::Leaf(leaf) if leaf.offsets.len() == 1 => *self = Self::new(leaf.first()),
            Self::Leaf(_) => {}
            Self::Row(row) if row.leaves.len() == 1 && row.count <= LEAF as u64 / 2 => {
                if let Some(leaf) = row.leaves.pop_front() {
                    *self = Self::Leaf(Box::new(leaf));
                    self.settle();
                }
            }
            Self::Row(_) => {}
        }
    }
}

impl Row {
    /// The leaf that the first sequence at or behind `from` is in.
    fn leaf_from(&self, from: u64) -> usize {
        if self.leaves.front().is_some_and(|leaf| leaf.last() >= from) {
            return 0;
        }
        self.leaves.partition_point(|leaf| leaf.last() < from)
    }

    fn push(&mut self, sequence: u64) {
        self.count += 1;
        if self.leaves.back_mut().is_some_and(|leaf| leaf.push(sequence)) {
            return;
        }
        if let Some(full) = self.leaves.back_mut() {
            full.offsets.shrink_to_fit();
        }
        self.leaves.push_back(Leaf { base: sequence, offsets: vec![0] });
    }

    fn remove(&mut self, sequence: u64) {
        let index = self.leaf_from(sequence);
        let Some(leaf) = self.leaves.get_mut(index) else { return };
        leaf.remove(sequence);
        self.count -= 1;
        if leaf.offsets.is_empty() {
            self.leaves.remove(index);
        } else if leaf.offsets.len() < LEAF / 4 {
            self.merge(index);
            index.checked_sub(1).into_iter().for_each(|before| self.merge(before));
        }
        self.give_back();
    }

    /// Lets a small leaf and the next one be one, if that one is small too.
    fn merge(&mut self, index: usize) {
        let (Some(leaf), Some(next)) = (self.leaves.get(index), self.leaves.get(index + 1)) else {
            return;
        };
        if leaf.offsets.len() + next.offsets.len() > LEAF / 2 {
            return;
        }
        let Ok(shift) = u32::try_from(next.base - leaf.base) else { return };
        if next.offsets.last().is_none_or(|last| last.checked_add(shift).is_none()) {
            return;
        }
        if let Some(next) = self.leaves.remove(index + 1) {
            self.leaves[index].offsets.extend(next.offsets.iter().map(|offset| offset + shift));
        }
    }

    fn remove_before(&mut self, end: u64) {
        while self.leaves.front().is_some_and(|leaf| leaf.last() < end) {
            if let Some(leaf) = self.leaves.pop_front() {
                self.count -= leaf.offsets.len() as u64;
            }
        }
        if let Some(leaf) = self.leaves.front_mut() {
            let before = leaf.offsets.len();
            leaf.remove_before(end);
            self.count -= (before - leaf.offsets.len()) as u64;
        }
        self.give_back();
    }

    fn give_back(&mut self) {
        if self.leaves.capacity() > 4 * self.leaves.len().max(4) {
            self.leaves.shrink_to(2 * self.leaves.len());
        }
    }
}

impl Leaf {
    fn first(&self) -> u64 {
        self.base + self.offsets.first().map_or(0, |offset| u64::from(*offset))
    }

    fn last(&self) -> u64 {
        self.base + self.offsets.last().map_or(0, |offset| u64::from(*offset))
    }

    /// Place of the first sequence at or behind `from`.
    fn place(&self, from: u64) -> usize {
        let Some(from) = from.checked_sub(self.base) else { return 0 };
        self.offsets.partition_point(|offset| u64::from(*offset) < from)
    }

    fn next(&self, from: u64) -> Option<u64> {
        self.offsets.get(self.place(from)).map(|offset| self.base + u64::from(*offset))
    }

    fn prev(&self, upto: u64) -> Option<u64> {
        let upto = upto.checked_sub(self.base)?;
        let behind = self.offsets.partition_point(|offset| u64::from(*offset) <= upto);
        Some(self.base + u64::from(self.offsets[behind.checked_sub(1)?]))
    }

    fn count_from(&self, from: u64) -> u64 {
        (self.offsets.len() - self.place(from)) as u64
    }

    fn nth(&self, index: u64) -> u64 {
        let index = usize::try_from(index).unwrap_or(usize::MAX);
        self.base + self.offsets.get(index).map_or(0, |offset| u64::from(*offset))
    }

    /// Adds one behind all others, if there is room and it isn't too far away. A damaged state may say
    /// one that is before them.
    fn push(&mut self, sequence: u64) -> bool {
        let offset = sequence.checked_sub(self.base).map(u32::try_from);
        let Some(Ok(offset)) = offset else { return false };
        let fits = self.offsets.len() < LEAF;
        if fits {
            self.offsets.push(offset);
        }
        fits
    }

    fn remove(&mut self, sequence: u64) {
        let place = self.place(sequence);
        debug_assert_eq!(self.next(sequence), Some(sequence), "the sequence is the key's");
        self.offsets.remove(place);
        self.give_back();
    }

    fn remove_before(&mut self, end: u64) {
        self.offsets.drain(..self.place(end));
        self.give_back();
    }

    fn give_back(&mut self) {
        let len = self.offsets.len();
        if self.offsets.capacity() > 4 * len.max(4) {
            self.offsets.shrink_to(2 * len);
        }
    }
}
