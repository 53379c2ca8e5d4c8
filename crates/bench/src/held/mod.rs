//! How long an idle client waits while the server does something large for another one.
//!
//! The idle client sends a request every half millisecond to a responder of the load generator, over
//! core NATS: neither has anything to do with what goes on. First nothing happens, then the operation
//! runs. What it adds to the 99th percentile is what it holds everybody up by.

mod operations;
mod probe;

use std::net::SocketAddr;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};

use self::probe::Probe;
use crate::load::Case;
use crate::measure::{Measure, Sample};
use crate::plan::Place;
use crate::scale::Scale;

/// From when to when an operation ran.
#[derive(Debug, Clone, Copy)]
struct Span {
    start: Instant,
    end: Instant,
}

/// Does what holds up; everything it needs is there already.
type Operation = Box<dyn FnOnce() -> anyhow::Result<Span>>;

/// Puts everything there that an operation needs.
type Prepare = fn(SocketAddr, &Scale) -> anyhow::Result<Operation>;

/// Every operation.
pub(crate) const CASES: &[Case] = &[
    Case::held_up("held up: purge all", |place| measure(place, operations::purge_all)),
    Case::held_up("held up: purge half", |place| measure(place, operations::purge_half)),
    Case::held_up("held up: delete the stream", |place| measure(place, operations::delete)),
    Case::held_up("held up: everything expires", |place| measure(place, operations::expire)),
    Case::held_up("held up: create a consumer, last per subject", |place| {
        measure(place, operations::last_per_subject)
    }),
    Case::held_up("held up: create a consumer with a wildcard", |place| {
        measure(place, operations::wildcard)
    }),
    Case::held_up("held up: everything outstanding is delivered again", |place| {
        measure(place, operations::redeliver)
    }),
    Case::held_up("held up: subscriptions come and go", |place| {
        measure(place, operations::interest)
    }),
    Case::held_up("held up: publish 1024 B, 256 in flight", |place| {
        measure(place, operations::publish)
    }),
];

fn measure(place: &Place<'_>, prepare: Prepare) -> anyhow::Result<Sample> {
    let server = place.start()?;
    let operation = prepare(server.address, place.scale)?;
    let quiet = Duration::from_secs_f64(place.scale.quiet_seconds);
    thread::sleep(quiet); // what was put there is written down meanwhile
    let probe = Probe::start(server.address)?;
    thread::sleep(quiet); // idle: what is compared with
    let mut span = operation()?;
    // What is left to do behind an answer holds up as well, and it takes a hundred requests for a p99.
    let seconds = (span.end - span.start).as_secs_f64();
    span.end = span.end.max(span.start + Duration::from_secs_f64(place.scale.window_seconds));
    thread::sleep(span.end.saturating_duration_since(Instant::now()));
    let trips = probe.stop()?;
    let idle: Vec<Duration> =
        trips.iter().filter(|trip| trip.end < span.start).map(probe::Trip::time).collect();
    let mut after = trips.iter().filter(|trip| trip.end >= span.start);
    let first = after.next();
    let others = after.filter(|trip| trip.start <= span.end);
    let during: Vec<Duration> = first.into_iter().chain(others).map(probe::Trip::time).collect();
    if during.is_empty() {
        bail!("no request was sent meanwhile");
    }
    let idle = micros(percentile(idle, 99).context("no request was sent before")?);
    let longest = micros(during.iter().copied().max().unwrap_or_default());
    let held = micros(percentile(during, 99).unwrap_or_default());
    Ok(Sample::from([
        (Measure::Seconds, seconds),
        (Measure::IdleP99Us, idle),
        (Measure::HeldP99Us, held),
        (Measure::AddedP99Us, held - idle),
        (Measure::LongestUs, longest),
    ]))
}

/// The smallest time that this many in a hundred do not exceed.
fn percentile(mut times: Vec<Duration>, part: usize) -> Option<Duration> {
    times.sort_unstable();
    let rank = (times.len() * part).div_ceil(100);
    times.get(rank.checked_sub(1)?).copied()
}

fn micros(time: Duration) -> f64 {
    time.as_secs_f64() * 1e6
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_of_a_hundred_may_exceed_the_99th_percentile() {
        let times = |longest: usize| -> Vec<Duration> {
            let mut times = vec![Duration::from_micros(1); 100 - longest];
            times.resize(100, Duration::from_micros(9));
            times
        };
        assert_eq!(percentile(Vec::new(), 99), None);
        assert_eq!(percentile(times(100), 99), Some(Duration::from_micros(9)));
        assert_eq!(percentile(times(1), 99), Some(Duration::from_micros(1)));
        assert_eq!(percentile(times(2), 99), Some(Duration::from_micros(9)));
    }
}
