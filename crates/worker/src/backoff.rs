//! How long to wait before something is tried again.

use std::time::Duration;

use watershed_wire::jetstream::ConsumerConfig;

use crate::limits::{PROGRESS_MIN, PROGRESS_PER_WAIT, RETRY_FIRST, RETRY_MAX, RETRY_MIN};

/// When a message comes again that its handler hands back. The server's `backoff` is for deliveries that
/// nobody answers: a message that is handed back without a time comes again at once, and is given up
/// within milliseconds.
pub(crate) fn retry_delay(
    config: &ConsumerConfig,
    deliveries: u64,
    after: Option<Duration>,
) -> Duration {
    let own = || {
        if let Some(nanos) = step(&config.backoff, deliveries) {
            return duration(nanos);
        }
        let times = u32::try_from(deliveries.saturating_sub(1).min(16)).unwrap_or_default();
        RETRY_MAX.min(RETRY_FIRST * 2_u32.pow(times))
    };
    let wanted = after.unwrap_or_else(own);
    wanted.max(RETRY_MIN)
}

/// How often progress is to be acknowledged, so that the server does not deliver again meanwhile.
pub(crate) fn progress_interval(config: &ConsumerConfig, deliveries: u64) -> Duration {
    let wait = step(&config.backoff, deliveries).unwrap_or(config.ack_wait);
    (duration(wait) / PROGRESS_PER_WAIT).max(PROGRESS_MIN)
}

/// What a list says for a delivery: its last entry stands for all further ones.
fn step(backoff: &[i64], deliveries: u64) -> Option<i64> {
    let index = usize::try_from(deliveries.saturating_sub(1)).unwrap_or(usize::MAX);
    backoff.get(index).or(backoff.last()).copied()
}

fn duration(nanos: i64) -> Duration {
    Duration::from_nanos(u64::try_from(nanos).unwrap_or_default())
}

/// Pauses between attempts: twice as long each time, and a random part of that.
#[derive(Debug)]
pub(crate) struct Pauses {
    next: Duration,
}

impl Pauses {
    const FIRST: Duration = Duration::from_millis(100);
    const LONGEST: Duration = Duration::from_secs(10);

    pub(crate) fn new() -> Self {
        Self { next: Self::FIRST }
    }

    /// Begins anew: something succeeded.
    pub(crate) fn reset(&mut self) {
        self.next = Self::FIRST;
    }

    /// The next pause.
    pub(crate) fn next(&mut self) -> Duration {
        let pause = self.next.mul_f64(0.5 + 0.5 * fastrand::f64());
        self.next = Self::LONGEST.min(self.next * 2);
        pause
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: i64 = 1_000_000_000;

    fn consumer(backoff: &[i64]) -> ConsumerConfig {
        let backoff = backoff.iter().map(|seconds| seconds * SECOND).collect();
        ConsumerConfig { backoff, ack_wait: 30 * SECOND, ..ConsumerConfig::default() }
    }

    #[test]
    fn a_message_comes_again_after_the_backoff_of_its_delivery() {
        let check = |backoff: &[i64], deliveries: u64, expected: u64| {
            let delay = retry_delay(&consumer(backoff), deliveries, None);
            assert_eq!(delay, Duration::from_secs(expected), "{backoff:?} {deliveries}");
        };
        check(&[30, 60, 300], 1, 30);
        check(&[30, 60, 300], 3, 300);
        check(&[30, 60, 300], 9, 300);
        check(&[], 1, 1);
        check(&[], 3, 4);
        check(&[], u64::MAX, 300);
    }

    #[test]
    fn nothing_comes_again_at_once() {
        let at_once = retry_delay(&consumer(&[]), 1, Some(Duration::ZERO));
        assert_eq!(at_once, RETRY_MIN);
        let never = consumer(&[0]);
        assert_eq!(retry_delay(&never, 1, None), RETRY_MIN);
    }

    #[test]
    fn progress_is_said_within_the_wait_of_the_delivery() {
        let every = |backoff: &[i64], deliveries: u64| {
            progress_interval(&consumer(backoff), deliveries).as_secs()
        };
        assert_eq!((every(&[], 1), every(&[3, 60], 1), every(&[3, 60], 2)), (10, 1, 20));
    }
}
