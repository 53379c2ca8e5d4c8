//! The keys of a log, each kept once, and what is known of each.

use std::hash::BuildHasher as _;

use foldhash::fast::FixedState;
use hashbrown::HashTable;

/// A key's place in the table. Used again when a key has no record left.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct KeyId(pub(super) u32);

/// What is known of a key.
#[derive(Debug, Clone)]
pub struct KeyState {
    name: Box<[u8]>,
    count: u64,
    /// No record of the key is before this.
    first: u64,
    last: u64,
}

impl KeyState {
    /// The key.
    pub fn name(&self) -> &[u8] {
        &self.name
    }

    /// Records that have it.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// A bound: none of its records is before this sequence.
    pub fn first(&self) -> u64 {
        self.first
    }

    /// A bound: none of its records is behind this sequence; its last one, unless that was removed.
    pub fn last(&self) -> u64 {
        self.last
    }
}

/// The keys of a log.
#[derive(Debug, Clone, Default)]
pub(super) struct Keys {
    table: HashTable<KeyId>,
    states: Vec<KeyState>,
    free: Vec<KeyId>,
    hasher: FixedState,
}

impl Keys {
    pub(super) fn len(&self) -> usize {
        self.table.len()
    }

    pub(super) fn find(&self, key: &[u8]) -> Option<KeyId> {
        let hash = self.hasher.hash_one(key);
        self.table.find(hash, |id| *self.states[id.0 as usize].name == *key).copied()
    }

    pub(super) fn state(&self, id: KeyId) -> &KeyState {
        &self.states[id.0 as usize]
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &KeyState> {
        self.states.iter().filter(|state| state.count > 0)
    }

    /// Counts a record of `key` at `sequence`, the highest so far.
    pub(super) fn add(&mut self, key: &[u8], sequence: u64) -> KeyId {
        if let Some(id) = self.find(key) {
            let state = &mut self.states[id.0 as usize];
            state.count += 1;
            state.last = sequence;
            return id;
        }
        let state = KeyState { name: key.into(), count: 1, first: sequence, last: sequence };
        let id = if let Some(id) = self.free.pop() {
            self.states[id.0 as usize] = state;
            id
        } else {
            self.states.push(state);
            KeyId(u32::try_from(self.states.len() - 1).expect("keys fit 32 bits"))
        };
        let Self { table, states, hasher, .. } = self;
        let hash = hasher.hash_one(key);
        table.insert_unique(hash, id, |id| hasher.hash_one(&*states[id.0 as usize].name));
        id
    }

    /// A record of a key is gone.
    pub(super) fn remove(&mut self, id: KeyId, sequence: u64) {
        let state = &mut self.states[id.0 as usize];
        state.count -= 1;
        if state.first == sequence {
            state.first = sequence + 1;
        }
        if state.count == 0 {
            let hash = self.hasher.hash_one(&*state.name);
            if let Ok(entry) = self.table.find_entry(hash, |other| *other == id) {
                entry.remove();
            }
            self.states[id.0 as usize].name = Box::default();
            self.free.push(id);
        }
    }

    pub(super) fn raise_first(&mut self, id: KeyId, first: u64) {
        self.states[id.0 as usize].first = first;
    }
}
