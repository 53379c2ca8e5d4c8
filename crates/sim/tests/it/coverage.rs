//! Random histories over seeds: what they tried, on what, and before which end of a life.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Debug;
use std::ops::Range;

/// How often each operation was tried on each retention before each end.
pub(crate) type Coverage<E> = BTreeMap<(&'static str, &'static str, E), u64>;

/// The seeds to try: `usual` of them, or as `WATERSHED_SEED` and `WATERSHED_SEEDS` say.
pub(crate) fn seeds(usual: u64) -> Range<u64> {
    let first = std::env::var("WATERSHED_SEED").ok().and_then(|s| s.parse().ok()).unwrap_or(0);
    first..first + crate::seeds(usual)
}

/// Checks a history for each seed. Every operation must have been tried, before each of `ends` and on
/// each of the retentions that `retentions` tells for it, once in `one_in` histories.
#[expect(clippy::print_stdout, reason = "somebody asked for the table")]
pub(crate) fn check_all<E: Copy + Ord + Debug>(
    usual: u64,
    one_in: u64,
    ends: &[E],
    retentions: impl Fn(&str) -> &'static [&'static str],
    check: impl Fn(u64, &mut Coverage<E>) -> Result<(), String>,
) {
    let (seeds, mut coverage) = (seeds(usual), Coverage::new());
    for seed in seeds.clone() {
        check(seed, &mut coverage).unwrap_or_else(|found| panic!("seed {seed}: {found}"));
    }
    if std::env::var_os("WATERSHED_SEEDS").is_some() {
        for ((operation, retention, end), count) in &coverage {
            println!("{operation:26} {retention:10} {end:8?} {count:7}");
        }
    }
    let at_least = (seeds.end - seeds.start) / one_in;
    let operations: BTreeSet<&str> = coverage.keys().map(|(operation, ..)| *operation).collect();
    let mut missing = Vec::new();
    for operation in operations {
        for retention in retentions(operation) {
            for end in ends {
                let count = coverage.get(&(operation, *retention, *end)).copied().unwrap_or(0);
                if count < at_least {
                    missing.push(format!("{operation}, {retention}, {end:?}: {count}"));
                }
            }
        }
    }
    assert!(missing.is_empty(), "tried too seldom: {missing:#?}");
}
