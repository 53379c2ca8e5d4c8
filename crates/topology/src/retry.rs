//! When a message comes again that a worker hands back.

use std::time::Duration;

use watershed_wire::jetstream::ConsumerConfig;

/// Shortest time until a message that is handed back comes again.
pub const RETRY_MIN: Duration = Duration::from_millis(100);

/// Time until the second attempt where the consumer has no `backoff`; doubled for each further one.
pub const RETRY_FIRST: Duration = Duration::from_secs(1);

/// Longest time until a message comes again where the consumer has no `backoff`.
pub const RETRY_MAX: Duration = Duration::from_mins(5);

/// How long a worker of ours asks the server to wait with a message that was delivered `deliveries` times: `after`
/// if its handler said so, else the consumer's `backoff`. The server's `backoff` is for deliveries that
/// nobody answers: a message that is handed back without a time comes again at once, and is given up
/// within milliseconds.
pub fn retry_delay(config: &ConsumerConfig, deliveries: u64, after: Option<Duration>) -> Duration {
    let own = || {
        if let Some(wait) = step(&config.backoff, deliveries) {
            return wait;
        }
        let times = u32::try_from(deliveries.saturating_sub(1).min(16)).unwrap_or_default();
        RETRY_MAX.min(RETRY_FIRST * 2_u32.pow(times))
    };
    let wanted = after.unwrap_or_else(own);
    wanted.max(RETRY_MIN)
}

/// What a `backoff` says for a delivery: its last entry stands for all further ones.
pub fn step(backoff: &[i64], deliveries: u64) -> Option<Duration> {
    let index = usize::try_from(deliveries.saturating_sub(1)).unwrap_or(usize::MAX);
    let nanos = backoff.get(index).or(backoff.last()).copied()?;
    Some(Duration::from_nanos(u64::try_from(nanos).unwrap_or_default()))
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
}
