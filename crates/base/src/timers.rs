//! Deadlines, in order.

use std::collections::BTreeSet;
use std::hash::Hash;

use hashbrown::HashMap;

use crate::time::Tick;

/// Deadlines by key, each of which has at most one. Keys are few (one a connection or a consumer,
/// not one a message), so an ordered set does; what needs a deadline per message keeps its own order
/// and asks for the first.
#[derive(Debug)]
pub struct Timers<K> {
    order: BTreeSet<(Tick, K)>,
    ticks: HashMap<K, Tick, foldhash::fast::FixedState>,
}

impl<K> Default for Timers<K> {
    fn default() -> Self {
        Self { order: BTreeSet::new(), ticks: HashMap::default() }
    }
}

impl<K: Copy + Ord + Hash> Timers<K> {
    /// Sets the deadline of `key`, replacing the one it had.
    pub fn set(&mut self, key: K, tick: Tick) {
        match self.ticks.insert(key, tick) {
            Some(old) if old == tick => return,
            Some(old) => {
                self.order.remove(&(old, key));
            }
            None => {}
        }
        self.order.insert((tick, key));
    }

    /// Forgets the deadline of `key`.
    pub fn cancel(&mut self, key: K) {
        if let Some(tick) = self.ticks.remove(&key) {
            self.order.remove(&(tick, key));
        }
    }

    /// The deadline of `key`.
    pub fn get(&self, key: K) -> Option<Tick> {
        self.ticks.get(&key).copied()
    }

    /// The next deadline.
    pub fn next(&self) -> Option<Tick> {
        self.order.first().map(|(tick, _)| *tick)
    }

    /// Takes a key whose deadline is not after `now`.
    pub fn expired(&mut self, now: Tick) -> Option<K> {
        let (tick, key) = *self.order.first().filter(|(tick, _)| *tick <= now)?;
        self.order.remove(&(tick, key));
        self.ticks.remove(&key);
        Some(key)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn deadlines_come_in_order_and_can_be_moved() {
        let mut timers = Timers::default();
        timers.set(1, Tick(30));
        timers.set(2, Tick(20));
        timers.set(3, Tick(10));
        timers.set(3, Tick(25));
        timers.cancel(2);
        assert_eq!((timers.get(2), timers.get(3)), (None, Some(Tick(25))));
        assert_eq!(timers.next(), Some(Tick(25)));
        assert_eq!(timers.expired(Tick(24)), None);
        assert_eq!(timers.expired(Tick(30)), Some(3));
        assert_eq!(timers.expired(Tick(30)), Some(1));
        assert_eq!((timers.next(), timers.expired(Tick(99))), (None, None));
    }
}
