//! Who is read next. Whoever has little to do comes first: a turn is bounded in time, and connections
//! that used up their last one share what is left between looks at the others.

use std::collections::VecDeque;
use std::time::Duration;

use watershed_engine::Tick;

/// Longest turn while everybody has much to do: the longer, the more share a system call.
const TURN: Duration = Duration::from_millis(1);

/// Longest turn while somebody has little to do, who waits for its end. It is also how long those
/// with much to do are served together before the others are looked at again.
const SHORT_TURN: Duration = Duration::from_micros(150);

/// Somebody with little to do is expected again for this long.
const MEMORY: Duration = Duration::from_millis(20);

/// A turn that took longer than this was one with much to do.
pub(crate) const MUCH: Duration = Duration::from_micros(100);

/// Slots of connections that may have something to be read.
#[derive(Debug, Default)]
pub(crate) struct Turns {
    light: VecDeque<u32>,
    heavy: VecDeque<u32>,
    /// Of each, how many still have their turn before sockets are looked at again.
    left: (usize, usize),
    /// Until when those with much to do have theirs.
    heavy_until: Option<Tick>,
    /// Until when somebody with little to do is expected.
    light_until: Tick,
}

impl Turns {
    /// Puts a connection behind the others of its kind; `heavy` if it had much to do last time.
    pub(crate) fn push(&mut self, slot: u32, heavy: bool) {
        if heavy { &mut self.heavy } else { &mut self.light }.push_back(slot);
    }

    /// Whether nobody waits for a turn.
    pub(crate) fn is_empty(&self) -> bool {
        self.light.is_empty() && self.heavy.is_empty()
    }

    /// Everybody who waits now may have a turn; who comes from now on waits for the next call.
    pub(crate) fn begin(&mut self, now: Tick) {
        self.left = (self.light.len(), self.heavy.len());
        self.heavy_until = None;
        if !self.light.is_empty() {
            self.light_until = now.after(MEMORY);
        }
    }

    /// Whose turn it is, and how long that may take.
    pub(crate) fn next(&mut self, now: impl FnOnce() -> Tick) -> Option<(u32, Duration)> {
        let (light, heavy) = &mut self.left;
        if *light > 0 {
            *light -= 1;
            return self.light.pop_front().map(|slot| (slot, TURN));
        }
        if *heavy == 0 {
            return None;
        }
        let now = now();
        let until = *self.heavy_until.get_or_insert(now.after(SHORT_TURN));
        if now >= until {
            return None;
        }
        *heavy -= 1;
        let turn = if now < self.light_until { SHORT_TURN } else { TURN };
        self.heavy.pop_front().map(|slot| (slot, turn))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Who is served until sockets are looked at again, where each takes `micros` of those with much
    /// to do.
    fn pass(turns: &mut Turns, start: u64, micros: u64) -> Vec<(u32, Duration)> {
        let mut now = Tick(start);
        turns.begin(now);
        let mut served = Vec::new();
        while let Some((slot, turn)) = turns.next(|| now) {
            served.push((slot, turn));
            if slot >= 10 {
                now.0 += micros * 1000;
            }
        }
        served
    }

    #[test]
    fn whoever_has_little_to_do_waits_for_one_short_turn() {
        let mut turns = Turns::default();
        for slot in 10..15 {
            turns.push(slot, true);
        }
        turns.push(1, false);
        turns.push(2, false);
        let expected = [(1, TURN), (2, TURN), (10, SHORT_TURN)];
        assert_eq!(pass(&mut turns, 0, 150), expected);
        turns.push(10, true);
        // All have their turn, one after the other.
        assert_eq!(pass(&mut turns, 1000, 150), [(11, SHORT_TURN)]);
        assert_eq!(pass(&mut turns, 2000, 80), [(12, SHORT_TURN), (13, SHORT_TURN)]);
        // When nobody else is expected any more, turns are long.
        assert_eq!(pass(&mut turns, 30_000_000, 1000), [(14, TURN)]);
        assert_eq!(pass(&mut turns, 31_000_000, 1000), [(10, TURN)]);
        assert!(turns.is_empty());
    }

    #[test]
    fn who_comes_meanwhile_waits_for_the_next_look() {
        let mut turns = Turns::default();
        turns.push(1, false);
        turns.begin(Tick(0));
        assert!(turns.next(|| Tick(0)).is_some());
        turns.push(1, false);
        assert!(turns.next(|| Tick(0)).is_none());
    }
}
