//! How long to wait before something is tried again.

use std::time::Duration;

use watershed_topology::retry::step;
use watershed_wire::jetstream::ConsumerConfig;

use crate::limits::{PROGRESS_MIN, PROGRESS_PER_WAIT};

/// How often progress is to be acknowledged, so that the server does not deliver again meanwhile.
pub(crate) fn progress_interval(config: &ConsumerConfig, deliveries: u64) -> Duration {
    let ack_wait = || Duration::from_nanos(u64::try_from(config.ack_wait).unwrap_or_default());
    let wait = step(&config.backoff, deliveries).unwrap_or_else(ack_wait);
    (wait / PROGRESS_PER_WAIT).max(PROGRESS_MIN)
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
    fn progress_is_said_within_the_wait_of_the_delivery() {
        let every = |backoff: &[i64], deliveries: u64| {
            progress_interval(&consumer(backoff), deliveries).as_secs()
        };
        assert_eq!((every(&[], 1), every(&[3, 60], 1), every(&[3, 60], 2)), (10, 1, 20));
    }
}
