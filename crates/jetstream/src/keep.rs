//! What goes by itself: messages that are too old, and the chores that a change leaves behind.

use std::time::Duration;

use crate::jetstream::{JetStream, TimerKey};
use crate::limits::LOOK_AGAIN;
use crate::network::Network;
use crate::record::Command;
use crate::rounds::Owed;
use crate::state::StreamKey;

/// Time until a record that had no room is tried again.
const RETRY: Duration = Duration::from_millis(250);

impl JetStream {
    /// Arms the timer for a message that was just stored and expires at `expiry`.
    pub(crate) fn arm_expiry_by(&mut self, net: &mut impl Network, key: StreamKey, expiry: i64) {
        let left = u64::try_from(expiry.saturating_sub(self.now.wall.0)).unwrap_or(0);
        let due = self.now.tick.after(Duration::from_nanos(left));
        if self.timers.get(TimerKey::Expire(key)).is_none_or(|set| set > due) {
            self.arm_expiry(net, key);
        }
    }

    /// Removes what is too old, and sees to it that what follows goes in time.
    pub(crate) fn arm_expiry(&mut self, net: &mut impl Network, key: StreamKey) {
        if self.live(key).expiring {
            return;
        }
        let next = self.state.stream(key).next_expiry();
        let Some(next) = next else {
            self.timers.cancel(TimerKey::Expire(key));
            return;
        };
        let left = u64::try_from(next.saturating_sub(self.now.wall.0)).unwrap_or(0);
        if left > 0 {
            let wait = Duration::from_nanos(left).min(LOOK_AGAIN);
            self.timers.set(TimerKey::Expire(key), self.now.tick.after(wait));
            return;
        }
        self.live(key).expiring = true;
        let (stream, now) = (self.state.stream(key), self.now.wall);
        let (slice, until) = (stream.slice(), stream.end_of_aged(now, stream.slice()));
        let command = Command::Expire { now, until, limit: slice };
        let marked = self.mark_expired(net, key, until, slice);
        if !(marked && self.submit(net, key, &command, Owed::NOTHING)) {
            self.live(key).expiring = false;
            self.timers.set(TimerKey::Expire(key), self.now.tick.after(RETRY));
        }
    }

    /// The time has come to look for what is too old.
    pub(crate) fn expire(&mut self, net: &mut impl Network, key: StreamKey) {
        if self.state.streams.contains(key.index()) {
            self.arm_expiry(net, key);
        }
    }

    /// Messages that were too old have gone.
    pub(crate) fn expired(&mut self, net: &mut impl Network, key: StreamKey, more: bool) {
        self.live(key).expiring = false;
        if more && self.state.stream(key).is_memory() {
            // After the others had their turn.
            self.timers.set(TimerKey::Expire(key), self.now.tick);
        } else {
            self.arm_expiry(net, key);
        }
    }

    /// Goes on with what is still to be done to a stream.
    pub(crate) fn do_chores(&mut self, net: &mut impl Network, key: StreamKey) {
        let stream = self.state.stream(key);
        if !stream.has_chores() || self.live(key).sweeping {
            return;
        }
        self.live(key).sweeping = true;
        let command = Command::Sweep { limit: self.state.stream(key).slice() };
        if !self.submit(net, key, &command, Owed::NOTHING) {
            self.live(key).sweeping = false;
            self.timers.set(TimerKey::Chores(key), self.now.tick.after(RETRY));
        }
    }

    /// The time has come to try what had no room for a record.
    pub(crate) fn do_chores_again(&mut self, net: &mut impl Network, key: StreamKey) {
        if self.state.streams.contains(key.index()) {
            self.do_chores(net, key);
        }
    }

    /// What was to be done to a stream was in a round that the disk refused: it is tried again.
    pub(crate) fn keep_later(&mut self, key: StreamKey) {
        let retry = self.now.tick.after(RETRY);
        let stream = self.state.stream(key);
        if stream.next_expiry().is_some() {
            self.timers.set(TimerKey::Expire(key), retry);
        }
        if stream.has_chores() {
            self.timers.set(TimerKey::Chores(key), retry);
        }
        if stream.schedules.next().is_some() {
            self.timers.set(TimerKey::Schedules(key), retry);
        }
    }
}
