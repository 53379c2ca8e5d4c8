//! The keys of a log, each kept once, and what is known of each.

use std::collections::BTreeSet;
use std::hash::BuildHasher as _;

use foldhash::fast::FixedState;

use super::bits::{BITS, Bits};
use super::ordered::Ordered;
use super::sequences::Sequences;
use super::table::Table;

/// A key's place in the table. Used again when a key has no record left.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct KeyId(pub(super) u32);

impl KeyId {
    /// The first place: none is before it.
    pub const FIRST: Self = Self(0);
}

/// What is known of a key.
#[derive(Debug, Clone)]
pub struct KeyState {
    name: Box<[u8]>,
    sequences: Sequences,
}

impl KeyState {
    /// The key.
    pub fn name(&self) -> &[u8] {
        &self.name
    }

    /// Records that have it.
    pub fn count(&self) -> u64 {
        self.sequences.count()
    }

    /// Sequence of its first record.
    pub fn first(&self) -> u64 {
        self.sequences.first()
    }

    /// Sequence of its last record.
    pub fn last(&self) -> u64 {
        self.sequences.last()
    }

    /// Its first record at or behind `from`.
    pub fn next(&self, from: u64) -> Option<u64> {
        self.sequences.next(from)
    }

    /// Its last record at or before `upto`.
    pub fn prev(&self, upto: u64) -> Option<u64> {
        self.sequences.prev(upto)
    }

    /// Its records at or behind `from`.
    pub fn count_from(&self, from: u64) -> u64 {
        self.sequences.count_from(from)
    }

    /// The first of its last `count` records; its first one if it has fewer. `count` is at least 1.
    pub fn nth_last(&self, count: u64) -> u64 {
        self.sequences.nth_last(count.max(1))
    }
}

/// States in a page.
const PAGE: u32 = 256;

const _: () = assert!(PAGE as usize == BITS);

/// Some of the states. They stay where they are: entries know them by their place.
#[derive(Debug, Clone, Default)]
struct Page {
    /// Those that are in use.
    used: Bits,
    /// As many as were ever in use at once; none if none is.
    states: Vec<KeyState>,
}

/// The keys of a log.
#[derive(Debug, Clone, Default)]
pub(super) struct Keys {
    table: Table,
    ordered: Ordered,
    pages: Vec<Page>,
    /// Pages that have room for more.
    room: BTreeSet<u32>,
    hasher: FixedState,
}

impl Keys {
    pub(super) fn len(&self) -> usize {
        self.table.len()
    }

    pub(super) fn find(&self, key: &[u8]) -> Option<KeyId> {
        self.find_hashed(self.hasher.hash_one(key), key)
    }

    pub(super) fn state(&self, id: KeyId) -> &KeyState {
        let (page, slot) = place(id);
        &self.pages[page].states[slot]
    }

    /// The state of a key that may have gone.
    pub(super) fn checked(&self, id: KeyId) -> Option<&KeyState> {
        let (page, slot) = place(id);
        let page = self.pages.get(page)?;
        if page.used.contains(slot) { page.states.get(slot) } else { None }
    }

    /// Keys from the place `from` on, in order of their places.
    pub(super) fn iter_from(&self, from: KeyId) -> impl Iterator<Item = (KeyId, &KeyState)> {
        let first = page_of(from);
        let pages = self.pages.get(first as usize..).unwrap_or_default();
        let keys = (first..).zip(pages).flat_map(|(index, page)| {
            page.used.iter().map(move |slot| (id(index, slot), &page.states[slot]))
        });
        keys.skip_while(move |(id, _)| *id < from)
    }

    /// Keys that are not before `from`, in order of their bytes.
    pub(super) fn in_order_from(&self, from: &[u8]) -> impl Iterator<Item = KeyId> {
        self.ordered.iter_from(from, |id| self.state(id).name())
    }

    /// Keys that begin with `prefix`, in order of their bytes.
    pub(super) fn with_prefix(&self, prefix: &[u8]) -> impl Iterator<Item = KeyId> {
        let ids = self.in_order_from(prefix);
        ids.take_while(move |id| self.state(*id).name().starts_with(prefix))
    }

    /// Counts a record of `key` at `sequence`, the highest so far.
    pub(super) fn add(&mut self, key: &[u8], sequence: u64) -> KeyId {
        let (id, is_new) = self.add_unordered(key, sequence);
        if is_new {
            let Self { ordered, pages, .. } = self;
            ordered.insert(id, |id| name_in(pages, id));
        }
        id
    }

    /// Does the same as [`Keys::add`] until [`Keys::put_in_order`] is called, but for the order of
    /// keys: a million of them are sorted faster than put into their places one by one. Says whether
    /// the key is new.
    pub(super) fn add_unordered(&mut self, key: &[u8], sequence: u64) -> (KeyId, bool) {
        let hash = self.hasher.hash_one(key);
        if let Some(id) = self.find_hashed(hash, key) {
            self.push(id, sequence);
            return (id, false);
        }
        let id = self.place(KeyState { name: key.into(), sequences: Sequences::new(sequence) });
        let Self { table, pages, hasher, .. } = self;
        table.insert(hash, id, |id| hasher.hash_one(name_in(pages, *id)));
        (id, true)
    }

    /// Puts all keys in order.
    pub(super) fn put_in_order(&mut self) {
        let pages = (0_u32..).zip(&self.pages);
        let ids =
            pages.flat_map(|(page, content)| content.used.iter().map(move |slot| id(page, slot)));
        self.ordered = Ordered::new(ids.collect(), |id| name_in(&self.pages, id));
    }

    /// Counts a record of a key that has some, at the highest sequence so far.
    pub(super) fn push(&mut self, id: KeyId, sequence: u64) {
        self.sequences_mut(id).push(sequence);
    }

    /// A record of a key is gone.
    pub(super) fn remove(&mut self, id: KeyId, sequence: u64) {
        if self.sequences_mut(id).remove(sequence) {
            self.forget(id);
        }
    }

    /// The records of every key before `end` are gone. Looks at each key once, whatever goes.
    pub(super) fn remove_before(&mut self, end: u64) {
        let mut gone = false;
        for (index, page) in (0_u32..).zip(&mut self.pages) {
            for slot in page.used.iter() {
                if page.states[slot].sequences.remove_before(end) == 0 {
                    gone = true;
                    page.free(slot);
                    self.room.insert(index);
                }
            }
        }
        if !gone {
            return;
        }
        let Self { table, ordered, pages, hasher, .. } = self;
        let pages = &*pages;
        let used = |key: KeyId| {
            let (page, slot) = place(key);
            pages[page].used.contains(slot)
        };
        ordered.retain(used, |id| name_in(pages, id));
        table.retain(used, |id| hasher.hash_one(name_in(pages, *id)));
        self.give_back();
    }

    fn sequences_mut(&mut self, id: KeyId) -> &mut Sequences {
        let (page, slot) = place(id);
        &mut self.pages[page].states[slot].sequences
    }

    fn find_hashed(&self, hash: u64, key: &[u8]) -> Option<KeyId> {
        self.table.find(hash, |id| *self.state(*id).name == *key)
    }

    /// Gives a state a place, a low one if there is any.
    fn place(&mut self, state: KeyState) -> KeyId {
        let index = self.room.first().copied().unwrap_or_else(|| {
            let index = u32::try_from(self.pages.len()).expect("keys fit 32 bits");
            self.pages.push(Page::default());
            self.room.insert(index);
            index
        });
        let page = &mut self.pages[index as usize];
        let slot = page.used.next_absent(0).expect("the page has room");
        page.used.insert(slot);
        match page.states.get_mut(slot) {
            Some(free) => *free = state,
            None => page.states.push(state),
        }
        if page.used.next_absent(0).is_none() {
            self.room.remove(&index);
        }
        id(index, slot)
    }

    /// Lets a key go that has no record any more.
    fn forget(&mut self, key: KeyId) {
        let Self { table, ordered, pages, hasher, .. } = self;
        let shared = &*pages;
        let name = |id| name_in(shared, id);
        ordered.remove(key, name);
        table.remove(hasher.hash_one(name(key)), key, |id| hasher.hash_one(name(*id)));
        let (page, slot) = place(key);
        pages[page].free(slot);
        self.room.insert(page_of(key));
        self.give_back();
    }

    /// Lets the memory of some ways to keys go, for good. Says whether there was any.
    pub(super) fn free_ways(&mut self) -> bool {
        self.table.free_shard() || self.ordered.free_run()
    }

    /// Lets the memory of some keys go, for good: the rest is of no use. Says of how many.
    pub(super) fn free_page(&mut self) -> Option<usize> {
        self.pages.pop().map(|page| page.states.len())
    }

    /// Lets the pages behind the last key go.
    fn give_back(&mut self) {
        while self.pages.last().is_some_and(|page| page.states.is_empty()) {
            self.pages.pop();
            let end = u32::try_from(self.pages.len()).expect("keys fit 32 bits");
            while self.room.last().is_some_and(|page| *page >= end) {
                self.room.pop_last();
            }
        }
        if self.pages.capacity() > 4 * self.pages.len().max(4) {
            self.pages.shrink_to(2 * self.pages.len());
        }
    }
}

impl Page {
    fn free(&mut self, slot: usize) {
        self.used.remove(slot);
        self.states[slot] = KeyState { name: Box::default(), sequences: Sequences::new(0) };
        if self.used.next(0).is_none() {
            self.states = Vec::new();
        }
    }
}

fn name_in(pages: &[Page], id: KeyId) -> &[u8] {
    let (page, slot) = place(id);
    &pages[page].states[slot].name
}

/// Page of a key, and place in it.
fn place(id: KeyId) -> (usize, usize) {
    (page_of(id) as usize, (id.0 % PAGE) as usize)
}

fn page_of(id: KeyId) -> u32 {
    id.0 / PAGE
}

fn id(page: u32, slot: usize) -> KeyId {
    let slot = u32::try_from(slot).expect("a page is small");
    KeyId(page * PAGE + slot)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    /// Keys, and the same as a map from names to the sequence that each has.
    #[derive(Default)]
    struct Both {
        keys: Keys,
        model: BTreeMap<Vec<u8>, (KeyId, u64)>,
        last: u64,
    }

    impl Both {
        /// Adds keys whose numbers are `numbers`, in an order of their own.
        fn add(&mut self, numbers: impl Iterator<Item = u64>) {
            for number in numbers {
                // Names of several lengths, with many and with few bytes in common.
                let name = match number % 3 {
                    0 => format!("orders.region.{number:06}"),
                    1 => format!("{number}"),
                    _ => format!("orders.{number}.\0"),
                };
                self.last += 1;
                let id = self.keys.add(name.as_bytes(), self.last);
                self.model.insert(name.into_bytes(), (id, self.last));
            }
        }

        fn remove_where(&mut self, mut gone: impl FnMut(u64) -> bool) {
            for (id, sequence) in self.model.extract_if(.., |_, key| gone(key.1)).map(|key| key.1) {
                self.keys.remove(id, sequence);
            }
        }

        fn remove_before(&mut self, end: u64) {
            self.keys.remove_before(end);
            self.model.retain(|_, (_, sequence)| *sequence >= end);
        }

        fn check(&self) {
            assert_eq!(self.keys.len(), self.model.len());
            assert_eq!(self.keys.iter_from(KeyId::FIRST).count(), self.model.len());
            let places: Vec<KeyId> = self.keys.iter_from(KeyId::FIRST).map(|(id, _)| id).collect();
            assert!(places.is_sorted());
            for from in [0, places.len() / 2, places.len()] {
                let id = places.get(from).map_or(KeyId(u32::MAX), |id| *id);
                let found = self.keys.iter_from(id).map(|(id, _)| id);
                assert!(found.eq(places[from..].iter().copied()), "from {id:?}");
            }
            for (name, (id, sequence)) in &self.model {
                assert_eq!(self.keys.find(name), Some(*id));
                assert_eq!(self.keys.state(*id).first(), *sequence);
            }
            for prefix in ["", "orders.", "orders.region.0", "orders.region.0012", "9", "x"] {
                let found = self.keys.with_prefix(prefix.as_bytes());
                let expected = self.model.iter();
                let expected = expected.filter(|(name, _)| name.starts_with(prefix.as_bytes()));
                assert!(found.eq(expected.map(|(_, (id, _))| *id)), "{prefix}");
            }
            assert_eq!(self.keys.find(b"orders.region."), None);
        }
    }

    #[test]
    fn many_keys_are_found_while_they_come_and_go() {
        let mut both = Both::default();
        for round in 0..3 {
            both.add((0..6000).map(|number| number * 4201 % 6000 + round));
            both.check();
            both.remove_where(|sequence| sequence % 7 != 0);
            both.check();
            both.add((10_000..11_000).rev());
            both.check();
            both.remove_before(both.last - 500);
            both.check();
            both.remove_where(|_| true);
            both.check();
        }
    }

    #[test]
    fn keys_are_sorted_as_if_they_had_come_one_by_one() {
        for count in [0, 1, 2, 447, 448, 449, 5000] {
            let mut both = Both::default();
            both.add((0..count).map(|number| number * 4201 % 5003));
            both.keys.ordered = Ordered::default();
            both.keys.put_in_order();
            both.check();
            both.add(10_000..10_500);
            both.remove_where(|sequence| sequence % 3 != 0);
            both.check();
        }
    }

    #[test]
    fn what_keys_took_is_given_back() {
        let mut both = Both::default();
        both.add(0..20_000);
        let pages = both.keys.pages.len();
        both.remove_where(|sequence| sequence % 1000 != 0);
        let used = both.keys.pages.iter().filter(|page| !page.states.is_empty()).count();
        assert!(used <= 20 && pages > 70, "{used} of {pages} pages are left");
        both.remove_where(|sequence| sequence > 5000);
        assert!(both.keys.pages.len() <= 20, "{} pages", both.keys.pages.len());
        both.check();
        both.add(50_000..51_000);
        assert!(both.keys.pages.len() <= 20, "low places are used again");
        both.check();
    }
}
