//! How long a round that could go waits for company.
//!
//! Publishers that wait for each acknowledgement publish again a moment after a round was answered.
//! Whoever is first would take the disk for himself, and all others would wait for the next round:
//! every one of them pays for two. So a round waits until as many replies are owed as there were
//! publishers waiting when the last one was answered, or until the disk could have done a round
//! meanwhile. Where that proves vain, nobody is asked to wait for a while.

use std::time::Duration;

use watershed_base::Tick;

/// Longest wait, whatever the disk needs.
const WAIT_MAX: Duration = Duration::from_millis(1);

/// After waits in vain, at most 2^N rounds go at once; this is the largest N.
const PATIENCE_LOST_MAX: u32 = 6;

/// Decides when the open round goes.
#[derive(Debug, Default)]
pub(crate) struct Gather {
    /// When the round that is being committed went.
    went: Tick,
    /// What the disk takes for a round, smoothed, in nanoseconds.
    disk_nanos: u64,
    /// Replies owed at which everybody who is likely to publish has.
    expected: usize,
    /// Until when to wait for them.
    until: Tick,
    /// Whether the open round was asked to wait.
    waited: bool,
    /// Waits in vain since the last one that was not.
    vain: u32,
    /// Rounds that still go at once.
    at_once: u32,
}

impl Gather {
    /// A round that owes `owed` replies goes to the disk.
    pub(crate) fn goes(&mut self, now: Tick, owed: usize) {
        self.went = now;
        self.at_once = self.at_once.saturating_sub(1);
        if self.waited && owed < self.expected {
            self.vain = (self.vain + 1).min(PATIENCE_LOST_MAX);
            self.at_once = 1 << self.vain;
        } else if self.waited {
            self.vain = 0;
        }
        self.expected = 0;
        self.waited = false;
    }

    /// A round that owed `answered` replies is durable; the open one owes `waiting`.
    pub(crate) fn durable(&mut self, now: Tick, answered: usize, waiting: usize) {
        let took = now.0.saturating_sub(self.went.0);
        self.disk_nanos =
            if self.disk_nanos == 0 { took } else { (self.disk_nanos * 7 + took) / 8 };
        self.expected = answered + waiting;
        let wait = Duration::from_nanos(self.disk_nanos).min(WAIT_MAX);
        self.until = now.after(wait);
    }

    /// Until when an open round that owes `owed` replies waits; `None` if it goes now.
    pub(crate) fn waits_until(&mut self, now: Tick, owed: usize) -> Option<Tick> {
        let waits = owed < self.expected && self.at_once == 0 && now < self.until;
        self.waited |= waits;
        waits.then_some(self.until)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DISK: u64 = 100;

    /// Publishers that wait for each acknowledgement; each publishes again a pause after one.
    /// How many share each round, and how long the disk had nothing to do before it.
    fn rounds(pauses: &[u64], rounds: usize) -> Vec<(usize, u64)> {
        let mut gather = Gather::default();
        let mut ready: Vec<u64> = pauses.to_vec();
        let (mut now, mut sizes) = (0, Vec::new());
        for _ in 0..rounds {
            let free = now;
            // The round goes when it may; until then publishers come.
            let owed = loop {
                let owed = ready.iter().filter(|at| **at <= now).count();
                match gather.waits_until(Tick(now), owed) {
                    None if owed > 0 => break owed,
                    _ => now += 1,
                }
            };
            let free_until = now;
            gather.goes(Tick(now), owed);
            let taken: Vec<usize> = (0..ready.len()).filter(|who| ready[*who] <= now).collect();
            now += DISK;
            for who in taken {
                ready[who] = now + pauses[who];
            }
            let waiting = ready.iter().filter(|at| **at <= now).count();
            gather.durable(Tick(now), owed, waiting);
            sizes.push((owed, free_until - free));
        }
        sizes
    }

    #[test]
    fn publishers_that_come_back_share_a_round() {
        assert_eq!(rounds(&[1, 5, 9, 13], 4), [(1, 1), (4, 1), (4, 13), (4, 13)]);
    }

    #[test]
    fn one_publisher_never_waits() {
        assert_eq!(rounds(&[7], 3), [(1, 7), (1, 7), (1, 7)]);
    }

    #[test]
    fn waiting_in_vain_becomes_rare() {
        // Nobody who was answered comes back: others come, one while the disk works.
        let (mut gather, mut now, mut vain) = (Gather::default(), 0, 0);
        for _ in 0..200 {
            if let Some(until) = gather.waits_until(Tick(now), 1) {
                vain += 1;
                now = until.0;
            }
            gather.goes(Tick(now), 1);
            now += DISK;
            gather.durable(Tick(now), 1, 1);
        }
        assert_eq!(vain, 8);
    }

    #[test]
    fn a_wait_ends_with_the_time_of_the_disk() {
        let mut gather = Gather::default();
        gather.goes(Tick(0), 4);
        gather.durable(Tick(DISK), 4, 0);
        assert_eq!(gather.waits_until(Tick(DISK), 1), Some(Tick(2 * DISK)));
        assert_eq!(gather.waits_until(Tick(DISK), 4), None);
        assert_eq!(gather.waits_until(Tick(2 * DISK), 1), None);
        // In vain: the next two go at once.
        gather.goes(Tick(2 * DISK), 1);
        gather.durable(Tick(3 * DISK), 1, 3);
        assert_eq!(gather.waits_until(Tick(3 * DISK), 3), None);
    }
}
