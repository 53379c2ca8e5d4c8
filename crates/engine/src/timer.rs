//! Deadlines, in order.

use std::collections::BTreeSet;

use hashbrown::HashMap;

use crate::consumer::ConsumerKey;
use crate::now::Tick;
use crate::output::ConnId;
use crate::stream::StreamKey;

/// What a deadline is for. Each key has at most one deadline.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum TimerKey {
    /// A connection must have authenticated.
    Authentication(ConnId),
    /// A connection is pinged, or has not answered.
    Ping(ConnId),
    /// A consumer has something to do.
    Consumer(ConsumerKey),
    /// Events of consumers have waited long enough for a round.
    Events,
    /// A round has waited long enough for company.
    Round,
    /// Streams that had no room for copies try again.
    Follow,
    /// The oldest message of a stream is too old.
    Expire(StreamKey),
}

/// Deadlines by key. Keys are few (one a connection or a consumer, not one a message), so an
/// ordered set does; what needs a deadline per message keeps its own order and asks for the first.
#[derive(Debug, Default)]
pub(crate) struct Timers {
    order: BTreeSet<(Tick, TimerKey)>,
    ticks: HashMap<TimerKey, Tick, foldhash::fast::FixedState>,
}

impl Timers {
    /// Sets the deadline of `key`, replacing the one it had.
    pub(crate) fn set(&mut self, key: TimerKey, tick: Tick) {
        if let Some(old) = self.ticks.insert(key, tick) {
            self.order.remove(&(old, key));
        }
        self.order.insert((tick, key));
    }

    /// Forgets the deadline of `key`.
    pub(crate) fn cancel(&mut self, key: TimerKey) {
        if let Some(tick) = self.ticks.remove(&key) {
            self.order.remove(&(tick, key));
        }
    }

    /// Whether `key` has a deadline.
    pub(crate) fn is_set(&self, key: TimerKey) -> bool {
        self.ticks.contains_key(&key)
    }

    /// The next deadline.
    pub(crate) fn next(&self) -> Option<Tick> {
        self.order.first().map(|(tick, _)| *tick)
    }

    /// Takes a key whose deadline is not after `now`.
    pub(crate) fn expired(&mut self, now: Tick) -> Option<TimerKey> {
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
        let key = |number| TimerKey::Ping(ConnId { slot: 0, number });
        let mut timers = Timers::default();
        timers.set(key(1), Tick(30));
        timers.set(key(2), Tick(20));
        timers.set(key(3), Tick(10));
        timers.set(key(3), Tick(25));
        timers.cancel(key(2));
        assert_eq!(timers.next(), Some(Tick(25)));
        assert_eq!(timers.expired(Tick(24)), None);
        assert_eq!(timers.expired(Tick(30)), Some(key(3)));
        assert_eq!(timers.expired(Tick(30)), Some(key(1)));
        assert_eq!((timers.next(), timers.expired(Tick(99))), (None, None));
    }
}
