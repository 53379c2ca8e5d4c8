//! How long answers take.

use std::time::Duration;

use hdrhistogram::Histogram;

use crate::measure::{Measure, Sample};

/// The longest time that is told from a longer one.
const LONGEST: Duration = Duration::from_mins(5);

/// Times with three significant digits, in nanoseconds.
#[derive(Debug, Clone)]
pub(crate) struct Latency(Histogram<u64>);

impl Latency {
    pub(crate) fn new() -> Self {
        let histogram = Histogram::new_with_bounds(1, nanos(LONGEST), 3);
        Self(histogram.expect("the bounds are in order and three digits are allowed"))
    }

    pub(crate) fn record(&mut self, time: Duration) {
        self.record_many(time, 1);
    }

    pub(crate) fn record_many(&mut self, time: Duration, count: u64) {
        self.0.saturating_record_n(nanos(time), count);
    }

    pub(crate) fn add(&mut self, other: &Self) {
        self.0.add(&other.0).expect("all have the same bounds");
    }

    /// Microseconds that so large a part of all did not exceed; `None` if there was none.
    pub(crate) fn quantile_us(&self, part: f64) -> Option<f64> {
        (!self.0.is_empty()).then(|| self.0.value_at_quantile(part) as f64 / 1e3)
    }

    /// Puts the quantiles that are shown into a sample.
    pub(crate) fn put(&self, sample: &mut Sample) {
        for (measure, part) in
            [(Measure::P50Us, 0.5), (Measure::P99Us, 0.99), (Measure::P999Us, 0.999)]
        {
            if let Some(value) = self.quantile_us(part) {
                sample.insert(measure, value);
            }
        }
    }
}

fn nanos(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_those_of_what_was_recorded() {
        let mut latency = Latency::new();
        assert_eq!(latency.quantile_us(0.5), None);
        latency.record_many(Duration::from_micros(100), 98);
        latency.record_many(Duration::from_millis(20), 2);
        let near = |part, expected: f64| {
            let value = latency.quantile_us(part).unwrap();
            assert!((value / expected - 1.0).abs() < 0.002, "{value} is not about {expected}");
        };
        near(0.5, 100.0);
        near(0.99, 20_000.0);
    }

    #[test]
    fn what_is_too_long_counts_as_the_longest() {
        let mut latency = Latency::new();
        latency.record(Duration::MAX);
        assert!(latency.quantile_us(0.5).unwrap() >= 0.99 * LONGEST.as_secs_f64() * 1e6);
    }
}
