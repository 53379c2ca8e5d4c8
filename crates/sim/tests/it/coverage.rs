//! Random histories over seeds: what they tried, on what, and before which end of a life.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Debug;
use std::num::NonZero;
use std::ops::Range;
use std::panic::resume_unwind;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::thread::{available_parallelism, scope};

/// How often each operation was tried on each retention before each end.
pub(crate) type Coverage<E> = BTreeMap<(&'static str, &'static str, E), u64>;

/// The seeds to try: `usual` of them, or as `WATERSHED_SEED` and `WATERSHED_SEEDS` say.
pub(crate) fn seeds(usual: u64) -> Range<u64> {
    let first = std::env::var("WATERSHED_SEED").ok().and_then(|s| s.parse().ok()).unwrap_or(0);
    first..first + crate::seeds(usual)
}

/// Checks a history for each seed, on every core. What was tried; the first seed at which something is found ends it.
fn live<E: Ord + Send>(
    seeds: &Range<u64>,
    check: impl Fn(u64, &mut Coverage<E>) -> Result<(), String> + Sync,
) -> Coverage<E> {
    let (next, found) = (AtomicU64::new(seeds.start), Mutex::new(None::<(u64, String)>));
    let lives = || {
        let mut coverage = Coverage::new();
        loop {
            let seed = next.fetch_add(1, Relaxed);
            if seed >= seeds.end || found.lock().unwrap().is_some() {
                return coverage;
            }
            let Err(what) = check(seed, &mut coverage) else { continue };
            // One before it may still be under way.
            let mut found = found.lock().unwrap();
            if found.as_ref().is_none_or(|(first, _)| seed < *first) {
                *found = Some((seed, what));
            }
        }
    };
    let cores = available_parallelism().map_or(1, NonZero::get);
    let all: Vec<Coverage<E>> = scope(|scope| {
        let threads: Vec<_> = (0..cores).map(|_| scope.spawn(lives)).collect();
        threads
            .into_iter()
            .map(|thread| thread.join().unwrap_or_else(|e| resume_unwind(e)))
            .collect()
    });
    if let Some((seed, what)) = found.into_inner().unwrap() {
        panic!("seed {seed}: {what}");
    }
    let mut coverage = Coverage::new();
    for (key, count) in all.into_iter().flatten() {
        *coverage.entry(key).or_default() += count;
    }
    coverage
}

/// Checks a history for each seed. Every operation must have been tried, before each of `ends` and on
/// each of the retentions that `retentions` tells for it, once in `one_in` histories.
#[expect(clippy::print_stdout, reason = "somebody asked for the table")]
pub(crate) fn check_all<E: Copy + Ord + Debug + Send>(
    usual: u64,
    one_in: u64,
    ends: &[E],
    retentions: impl Fn(&str) -> &'static [&'static str],
    check: impl Fn(u64, &mut Coverage<E>) -> Result<(), String> + Sync,
) {
    let seeds = seeds(usual);
    let coverage = live(&seeds, check);
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
