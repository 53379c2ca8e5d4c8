//! A map whose entries come in order, most of them, and go soon: what was delivered and is not
//! acknowledged. Adding one behind all others, finding and removing one take a moment each, where a
//! tree would search, split and join; and none of them ever moves more than a leaf.

use std::collections::VecDeque;

use watershed_base::Tick;

/// Entries in a leaf.
const LEAF: usize = 256;

/// A leaf with fewer entries is not made denser: there is little to gain.
const SPARSE_MIN: usize = 16;

/// What entries are found by.
pub(crate) trait Key: Copy + Ord {
    /// How far it is behind `first`, where there is one for every number: a guess of its place.
    fn distance(self, first: Self) -> usize;
}

impl Key for u64 {
    fn distance(self, first: Self) -> usize {
        self.checked_sub(first).and_then(|own| usize::try_from(own).ok()).unwrap_or(usize::MAX)
    }
}

impl Key for (Tick, u64) {
    fn distance(self, first: Self) -> usize {
        self.1.distance(first.1)
    }
}

/// Entries by key.
#[derive(Debug, Clone)]
pub(crate) struct Window<K, T> {
    /// In order. Each has an entry.
    leaves: VecDeque<Leaf<K, T>>,
    len: usize,
}

/// Entries that are next to each other.
#[derive(Debug, Clone)]
struct Leaf<K, T> {
    /// In order. `None` stands for what has gone.
    entries: Vec<(K, Option<T>)>,
    /// Where the first is that is there.
    start: usize,
    /// Those that are there.
    live: usize,
}

impl<K, T> Default for Window<K, T> {
    fn default() -> Self {
        Self { leaves: VecDeque::new(), len: 0 }
    }
}

impl<K: Key, T> Window<K, T> {
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// Frees the memory of some of it, from the end: that of about `budget` entries. Says whether none is left.
    pub(crate) fn free(&mut self, mut budget: usize) -> bool {
        while budget > 0
            && let Some(leaf) = self.leaves.pop_back()
        {
            self.len -= leaf.live;
            budget = budget.saturating_sub(leaf.entries.len());
        }
        self.leaves.is_empty()
    }

    pub(crate) fn get(&self, key: K) -> Option<&T> {
        let leaf = self.leaves.get(self.leaf_from(key))?;
        leaf.entries[leaf.place(key).ok()?].1.as_ref()
    }

    pub(crate) fn get_mut(&mut self, key: K) -> Option<&mut T> {
        let index = self.leaf_from(key);
        let leaf = self.leaves.get_mut(index)?;
        let place = leaf.place(key).ok()?;
        leaf.entries[place].1.as_mut()
    }

    pub(crate) fn contains(&self, key: K) -> bool {
        self.get(key).is_some()
    }

    /// Puts an entry there. Gives the one that was there.
    pub(crate) fn insert(&mut self, key: K, value: T) -> Option<T> {
        if self.leaves.back().is_none_or(|leaf| leaf.last() < key) {
            self.push(key, value);
            return None;
        }
        let index = self.leaf_from(key);
        if self.leaves[index].is_full()
            && let Some(behind) = self.leaves[index].split(key)
        {
            self.leaves.insert(index + 1, behind);
            return self.insert(key, value);
        }
        let old = self.leaves[index].insert(key, value);
        self.len += usize::from(old.is_none());
        old
    }

    /// Adds an entry behind all others.
    fn push(&mut self, key: K, value: T) {
        self.len += 1;
        match self.leaves.back_mut() {
            Some(leaf) if leaf.entries.len() < LEAF => {
                leaf.entries.push((key, Some(value)));
                leaf.live += 1;
            }
            full => {
                // Behind a leaf that is full, another one is likely to become full.
                let capacity = if full.is_some() { LEAF } else { 1 };
                let mut entries = Vec::with_capacity(capacity);
                entries.push((key, Some(value)));
                self.leaves.push_back(Leaf { entries, start: 0, live: 1 });
            }
        }
    }

    pub(crate) fn remove(&mut self, key: K) -> Option<T> {
        let index = self.leaf_from(key);
        let leaf = self.leaves.get_mut(index)?;
        let removed = leaf.remove(key)?;
        let (is_empty, is_full) = (leaf.live == 0, leaf.is_full());
        self.len -= 1;
        // Where what comes next finds room, it stays.
        if is_empty && (is_full || self.leaves.len() > 1) {
            self.leaves.remove(index);
        }
        Some(removed)
    }

    /// The first entry.
    pub(crate) fn first(&self) -> Option<(K, &T)> {
        let leaf = self.leaves.front()?;
        let (key, value) = leaf.entries.get(leaf.start)?;
        Some((*key, value.as_ref()?))
    }

    /// All entries, in order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (K, &T)> {
        self.leaves.iter().flat_map(|leaf| leaf.iter_from(leaf.start))
    }

    /// Entries from `from` on, in order.
    pub(crate) fn iter_from(&self, from: K) -> impl Iterator<Item = (K, &T)> {
        let index = self.leaf_from(from).min(self.leaves.len());
        let place = self.leaves.get(index).map_or(0, |leaf| {
            let (Ok(place) | Err(place)) = leaf.place(from);
            place
        });
        let leaves = (0..).zip(self.leaves.range(index..));
        leaves.flat_map(move |(behind, leaf)| {
            leaf.iter_from(if behind == 0 { place } else { leaf.start })
        })
    }

    /// The leaf that an entry is in, or would be.
    fn leaf_from(&self, key: K) -> usize {
        match (self.leaves.front(), self.leaves.back()) {
            // Most of what is asked for is at one of the ends.
            (Some(leaf), _) if key <= leaf.last() => 0,
            (_, Some(leaf)) if key >= leaf.entries[0].0 => self.leaves.len() - 1,
            _ => self.leaves.partition_point(|leaf| leaf.last() < key),
        }
    }
}

impl<K: Key, T> Leaf<K, T> {
    /// No entry is behind this key.
    fn last(&self) -> K {
        self.entries[self.entries.len() - 1].0
    }

    fn is_full(&self) -> bool {
        self.entries.len() >= LEAF
    }

    /// Where an entry stands, or would.
    fn place(&self, key: K) -> Result<usize, usize> {
        let entries = &self.entries[self.start..];
        let Some((first, _)) = entries.first() else { return Err(self.start) };
        // Where nothing was left out, it is as far from the first as its key.
        let guess = key.distance(*first);
        if entries.get(guess).is_some_and(|(found, _)| *found == key) {
            return Ok(self.start + guess);
        }
        let found = entries.binary_search_by_key(&key, |(found, _)| *found);
        found.map(|place| self.start + place).map_err(|place| self.start + place)
    }

    fn insert(&mut self, key: K, value: T) -> Option<T> {
        let old = match self.place(key) {
            Ok(place) => self.entries[place].1.replace(value),
            // There may be room before the first.
            Err(place) if place == self.start && place > 0 => {
                self.start -= 1;
                self.entries[self.start] = (key, Some(value));
                None
            }
            Err(place) => {
                self.entries.insert(place, (key, Some(value)));
                None
            }
        };
        self.live += usize::from(old.is_none());
        old
    }

    fn remove(&mut self, key: K) -> Option<T> {
        let place = self.place(key).ok()?;
        let removed = self.entries[place].1.take()?;
        self.live -= 1;
        while self.entries.get(self.start).is_some_and(|(_, value)| value.is_none()) {
            self.start += 1;
        }
        if self.live > 0 && self.entries.len() - self.start > SPARSE_MIN + 4 * self.live {
            self.tidy();
        }
        Some(removed)
    }

    /// Forgets what has gone.
    fn tidy(&mut self) {
        self.entries.retain(|(_, value)| value.is_some());
        self.entries.shrink_to(2 * self.entries.len());
        self.start = 0;
    }

    /// Makes room for an entry. Gives the half behind, if nothing less does.
    fn split(&mut self, key: K) -> Option<Self> {
        if self.place(key).is_ok() {
            return None; // It takes no room.
        }
        self.tidy();
        if self.entries.len() < LEAF {
            return None;
        }
        let entries = self.entries.split_off(LEAF / 2);
        self.live -= entries.len();
        Some(Self { live: entries.len(), entries, start: 0 })
    }

    fn iter_from(&self, place: usize) -> impl Iterator<Item = (K, &T)> {
        self.entries[place..].iter().filter_map(|(key, value)| Some((*key, value.as_ref()?)))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_window_agrees_with_a_map(steps in proptest::collection::vec((0..5_u8, 0..900_u64), 1..2000)) {
            let (mut window, mut map, mut last) = (Window::default(), BTreeMap::new(), 0);
            for (kind, number) in steps {
                match kind {
                    0 => {
                        window.insert(number, number);
                        map.insert(number, number);
                        last = last.max(number);
                    }
                    1 => {
                        last += 1 + number / 200;
                        window.insert(last, number);
                        map.insert(last, number);
                    }
                    2 => {
                        let first = map.first_key_value().map_or(0, |(first, _)| *first);
                        prop_assert_eq!(window.remove(first), map.remove(&first));
                    }
                    _ => {
                        let sequence = last.saturating_sub(number);
                        prop_assert_eq!(window.remove(sequence), map.remove(&sequence));
                    }
                }
                prop_assert_eq!(window.len(), map.len());
                prop_assert_eq!(window.get(number), map.get(&number));
                prop_assert!(window.iter_from(number).eq(map.range(number..).map(|(key, own)| (*key, own))));
                prop_assert_eq!(window.first(), map.first_key_value().map(|(key, own)| (*key, own)));
            }
            while !window.free(100) {
                prop_assert!(window.len() < map.len());
            }
            prop_assert_eq!(window.len(), 0);
        }
    }
}
