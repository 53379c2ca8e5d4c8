//! A hash table that never does much at once.
//!
//! A table of a million keys that doubles touches every one of them: tens of milliseconds in which
//! nobody is served. So the keys lie in small tables, and one more is split off whenever there are
//! too many keys for those that there are (linear hashing).

use hashbrown::HashTable;

use super::keys::KeyId;

/// Keys in one table on average, at most.
const SHARD: usize = 1024;

/// Tables, of which more than a quarter may stand empty before two become one.
#[derive(Debug, Clone)]
pub(super) struct Table {
    shards: Vec<HashTable<KeyId>>,
    len: usize,
}

impl Default for Table {
    fn default() -> Self {
        Self { shards: vec![HashTable::new()], len: 0 }
    }
}

impl Table {
    pub(super) fn len(&self) -> usize {
        self.len
    }

    pub(super) fn find(&self, hash: u64, same: impl FnMut(&KeyId) -> bool) -> Option<KeyId> {
        self.shards[shard(hash, self.shards.len())].find(hash, same).copied()
    }

    /// Adds a key that isn't there.
    pub(super) fn insert(&mut self, hash: u64, id: KeyId, hash_of: impl Fn(&KeyId) -> u64) {
        if self.len >= self.shards.len() * SHARD {
            self.split(&hash_of);
        }
        let index = shard(hash, self.shards.len());
        self.shards[index].insert_unique(hash, id, hash_of);
        self.len += 1;
    }

    pub(super) fn remove(&mut self, hash: u64, id: KeyId, hash_of: impl Fn(&KeyId) -> u64) {
        let index = shard(hash, self.shards.len());
        let shard = &mut self.shards[index];
        if let Ok(entry) = shard.find_entry(hash, |other| *other == id) {
            entry.remove();
            self.len -= 1;
        }
        if shard.capacity() > 4 * shard.len().max(16) {
            shard.shrink_to(2 * shard.len(), &hash_of);
        }
        if self.shards.len() > 1 && self.len < self.shards.len() * SHARD / 4 {
            self.join(&hash_of);
        }
    }

    /// Lets every key go that isn't kept.
    pub(super) fn retain(&mut self, kept: impl Fn(KeyId) -> bool, hash_of: impl Fn(&KeyId) -> u64) {
        self.len = 0;
        for shard in &mut self.shards {
            shard.retain(|id| kept(*id));
            shard.shrink_to(shard.len(), &hash_of);
            self.len += shard.len();
        }
        while self.shards.len() > 1 && self.len < self.shards.len() * SHARD / 4 {
            self.join(&hash_of);
        }
    }

    /// Lets the memory of one table go, for good. Says whether there was one.
    pub(super) fn free_shard(&mut self) -> bool {
        self.shards.pop().is_some()
    }

    fn split(&mut self, hash_of: &impl Fn(&KeyId) -> u64) {
        let new = self.shards.len();
        let from = buddy(new);
        let old = std::mem::take(&mut self.shards[from]);
        // Most of the work is to look at names for their hashes: once is enough.
        let mut halves = [(); 2].map(|()| HashTable::with_capacity(old.len() * 5 / 8));
        for id in old {
            let hash = hash_of(&id);
            let half = &mut halves[usize::from(shard(hash, new + 1) == new)];
            half.insert_unique(hash, id, hash_of);
        }
        let [kept, moved] = halves;
        self.shards[from] = kept;
        self.shards.push(moved);
    }

    fn join(&mut self, hash_of: &impl Fn(&KeyId) -> u64) {
        let Some(last) = self.shards.pop() else { return };
        let into = buddy(self.shards.len());
        for id in last {
            self.shards[into].insert_unique(hash_of(&id), id, hash_of);
        }
        if self.shards.capacity() > 4 * self.shards.len() {
            self.shards.shrink_to(2 * self.shards.len());
        }
    }
}

/// Which of `count` tables a hash belongs to. The tables themselves use the lowest and the highest
/// bits of the hash, so these are others.
fn shard(hash: u64, count: usize) -> usize {
    let bits = usize::try_from(hash >> 24 & 0xffff_ffff).unwrap_or(0);
    let all = count.next_power_of_two();
    let index = bits & (all - 1);
    if index < count { index } else { index & (all / 2 - 1) }
}

/// The table that a further one, the one with this index, is split off from.
fn buddy(index: usize) -> usize {
    index - (index + 1).next_power_of_two() / 2
}
