//! A map by sequence whose entries come in order and go soon: what was delivered and is not
//! acknowledged. Adding one behind all others, finding and removing one take a moment each, where a
//! tree would search, split and join.

use std::collections::VecDeque;

/// Entries by sequence.
#[derive(Debug, Clone)]
pub(crate) struct Window<T> {
    /// In order. `None` stands for what has gone; the first is there.
    entries: VecDeque<(u64, Option<T>)>,
    len: usize,
}

impl<T> Default for Window<T> {
    fn default() -> Self {
        Self { entries: VecDeque::new(), len: 0 }
    }
}

impl<T> Window<T> {
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    pub(crate) fn clear(&mut self) {
        *self = Self::default();
    }

    pub(crate) fn get(&self, sequence: u64) -> Option<&T> {
        let place = self.place(sequence).ok()?;
        self.entries[place].1.as_ref()
    }

    pub(crate) fn get_mut(&mut self, sequence: u64) -> Option<&mut T> {
        let place = self.place(sequence).ok()?;
        self.entries[place].1.as_mut()
    }

    pub(crate) fn contains(&self, sequence: u64) -> bool {
        self.get(sequence).is_some()
    }

    /// Puts an entry there. Moves those behind it, if it has none yet.
    pub(crate) fn insert(&mut self, sequence: u64, value: T) {
        if self.entries.back().is_none_or(|(last, _)| *last < sequence) {
            self.entries.push_back((sequence, Some(value)));
            self.len += 1;
            return;
        }
        let old = match self.place(sequence) {
            Ok(place) => self.entries[place].1.replace(value),
            Err(place) => {
                self.entries.insert(place, (sequence, Some(value)));
                None
            }
        };
        self.len += usize::from(old.is_none());
    }

    pub(crate) fn remove(&mut self, sequence: u64) -> Option<T> {
        let place = self.place(sequence).ok()?;
        let removed = self.entries[place].1.take()?;
        self.len -= 1;
        while self.entries.front().is_some_and(|(_, value)| value.is_none()) {
            self.entries.pop_front();
        }
        if self.entries.len() > 64 + 2 * self.len {
            self.entries.retain(|(_, value)| value.is_some());
        }
        Some(removed)
    }

    /// The first entry.
    pub(crate) fn first(&self) -> Option<(u64, &T)> {
        self.iter().next()
    }

    /// All entries, in order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (u64, &T)> {
        self.iter_from(0)
    }

    /// Entries from the sequence `from` on, in order.
    pub(crate) fn iter_from(&self, from: u64) -> impl Iterator<Item = (u64, &T)> {
        let (Ok(place) | Err(place)) = self.place(from);
        let there = self.entries.range(place..);
        there.filter_map(|(sequence, value)| Some((*sequence, value.as_ref()?)))
    }

    /// All entries, in order.
    pub(crate) fn iter_mut(&mut self) -> impl Iterator<Item = (u64, &mut T)> {
        self.entries.iter_mut().filter_map(|(sequence, value)| Some((*sequence, value.as_mut()?)))
    }

    /// Where an entry stands, or would.
    fn place(&self, sequence: u64) -> Result<usize, usize> {
        let Some((first, _)) = self.entries.front() else { return Err(0) };
        let Some(distance) = sequence.checked_sub(*first) else { return Err(0) };
        // Where nothing was left out, it is as far from the first as its sequence.
        if let Ok(place) = usize::try_from(distance)
            && self.entries.get(place).is_some_and(|(found, _)| *found == sequence)
        {
            return Ok(place);
        }
        self.entries.binary_search_by_key(&sequence, |(found, _)| *found)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_window_agrees_with_a_map(steps in proptest::collection::vec((0..4_u8, 0..300_u64), 1..600)) {
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
        }
    }
}
