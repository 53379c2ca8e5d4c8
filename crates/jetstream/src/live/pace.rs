//! How fast a consumer delivers, where it does not do so at once: as many bits a second as its
//! configuration allows, or with the pauses that messages were published with.

use watershed_base::Tick;
use watershed_wire::jetstream::ConsumerConfig;
use watershed_wire::jetstream::consumer::ReplayPolicy;

const SECOND: u128 = 1_000_000_000;

/// The shortest pause between messages that is kept, in nanoseconds.
const PAUSE_MIN: u64 = 1_000_000;

/// The pace of a consumer.
#[derive(Debug, Default)]
pub(crate) struct Pace {
    /// What may be sent at once.
    credit: Option<Credit>,
    /// Up to which sequence messages come as they were published: those that were there at the start.
    replayed_upto: u64,
    /// When the last one of them was published, and when it was sent.
    replayed: Option<(i64, Tick)>,
    /// When the next delivery may go, if that was asked and is later.
    pub(crate) rests_until: Option<Tick>,
}

/// Bits that may be sent, as of a time.
#[derive(Debug)]
struct Credit {
    bits: u64,
    at: Tick,
}

impl Pace {
    /// The pace of a consumer that begins when `last` is the last sequence of its stream.
    pub(crate) fn new(config: &ConsumerConfig, last: u64) -> Self {
        let replays = config.replay_policy == ReplayPolicy::Original;
        Self { replayed_upto: if replays { last } else { 0 }, ..Self::default() }
    }

    /// The configuration has changed.
    pub(crate) fn configure(&mut self) {
        (self.credit, self.rests_until) = (None, None);
    }

    /// Whether a delivery of this many bytes may go now. If not, it is remembered when. `burst` bytes may
    /// go at once. `published` is the sequence of a message that goes the first time, and its time.
    pub(crate) fn allows(
        &mut self,
        config: &ConsumerConfig,
        now: Tick,
        bytes: usize,
        burst: usize,
        published: Option<(u64, i64)>,
    ) -> bool {
        let rate = self.wait_for_credit(config.rate_limit_bps, now, bytes, burst);
        let replay = published.and_then(|(sequence, time)| self.wait_for_replay(sequence, time));
        self.rests_until = rate.max(replay).filter(|until| *until > now);
        self.rests_until.is_none()
    }

    /// A delivery has gone.
    pub(crate) fn sent(&mut self, now: Tick, bytes: usize, published: Option<(u64, i64)>) {
        if let Some(credit) = &mut self.credit {
            credit.bits = credit.bits.saturating_sub(bits(bytes));
        }
        if let Some((sequence, time)) = published
            && sequence <= self.replayed_upto
        {
            self.replayed = Some((time, now));
        }
    }

    fn wait_for_credit(
        &mut self,
        rate: u64,
        now: Tick,
        bytes: usize,
        burst: usize,
    ) -> Option<Tick> {
        if rate == 0 {
            self.credit = None;
            return None;
        }
        let burst = bits(burst);
        let credit = self.credit.get_or_insert(Credit { bits: burst, at: now });
        let passed = u128::from(now.0.saturating_sub(credit.at.0));
        let earned = passed * u128::from(rate) / SECOND;
        // What is not a whole bit yet is earned later.
        let used = (earned * SECOND).div_ceil(u128::from(rate)).min(passed);
        credit.at = Tick(credit.at.0 + u64::try_from(used).unwrap_or(u64::MAX));
        credit.bits =
            credit.bits.saturating_add(u64::try_from(earned).unwrap_or(u64::MAX)).min(burst);
        let missing = bits(bytes).min(burst).saturating_sub(credit.bits);
        let wait = (u128::from(missing) * SECOND).div_ceil(u128::from(rate));
        let wait = u64::try_from(wait).unwrap_or(u64::MAX);
        Some(Tick(credit.at.0.saturating_add(wait))).filter(|_| missing > 0)
    }

    fn wait_for_replay(&self, sequence: u64, time: i64) -> Option<Tick> {
        let (before, sent) = self.replayed.filter(|_| sequence <= self.replayed_upto)?;
        let pause = u64::try_from(time.saturating_sub(before)).unwrap_or(0);
        (pause > PAUSE_MIN).then(|| Tick(sent.0.saturating_add(pause)))
    }
}

fn bits(bytes: usize) -> u64 {
    (bytes as u64).saturating_mul(8)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// When deliveries of these bytes go, in milliseconds, each as soon as it may.
    fn times(config: &ConsumerConfig, burst: usize, messages: &[(usize, i64)]) -> Vec<u64> {
        let mut pace = Pace::new(config, 3);
        let mut now = Tick(0);
        let mut sequence = 0;
        messages
            .iter()
            .map(|(bytes, millis)| {
                sequence += 1;
                let published = Some((sequence, millis * 1_000_000));
                while !pace.allows(config, now, *bytes, burst, published) {
                    now = pace.rests_until.unwrap();
                }
                pace.sent(now, *bytes, published);
                now.0 / 1_000_000
            })
            .collect()
    }

    #[test]
    fn a_rate_allows_a_burst_and_then_so_many_bits_a_second() {
        let rate = |rate_limit_bps| ConsumerConfig { rate_limit_bps, ..Default::default() };
        let all = [(100, 0); 5];
        assert_eq!(times(&rate(0), 200, &all), [0, 0, 0, 0, 0]);
        assert_eq!(times(&rate(800), 200, &all), [0, 0, 1000, 2000, 3000]);
        assert_eq!(times(&rate(3), 200, &all[..3]), [0, 0, 266_666]);
        // What is longer than a burst goes when all of one may go.
        assert_eq!(times(&rate(800), 50, &all), [0, 500, 1000, 1500, 2000]);
        assert_eq!(times(&rate(u64::MAX), 50, &all), [0, 0, 0, 0, 0]);
    }

    #[test]
    fn what_was_there_at_the_start_comes_with_its_pauses() {
        let config = ConsumerConfig { replay_policy: ReplayPolicy::Original, ..Default::default() };
        let all = [(1, 7), (1, 17), (1, 12), (1, 500), (1, 900)];
        assert_eq!(times(&config, 1, &all), [0, 10, 10, 10, 10]);
        assert_eq!(times(&ConsumerConfig::default(), 1, &all), [0, 0, 0, 0, 0]);
    }
}
