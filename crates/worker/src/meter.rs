//! Counts of what a worker did with the messages of a consumer.

use std::fmt::Write as _;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::time::Duration;

use watershed_topology::model::ConsumerName;

use crate::limits::{AHEAD, AHEAD_MAX};

/// What a worker did with the messages of a consumer, so far.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Deliveries that came.
    pub delivered: u64,
    /// Deliveries of a message that was delivered before.
    pub redelivered: u64,
    /// Messages that are done and confirmed to be.
    pub done: u64,
    /// Messages that were handed back.
    pub retried: u64,
    /// Messages that were rejected.
    pub rejected: u64,
    /// Messages that were kept as dead letters.
    pub dead: u64,
    /// Messages whose acknowledgement nobody confirmed: they may come again.
    pub unconfirmed: u64,
}

/// Counts while they change.
#[derive(Debug, Default)]
pub(crate) struct Meter(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    counts: Counts,
    handled: u64,
    spent: Duration,
    /// What handlers took lately, on average; `None` before the first.
    lately: Option<Duration>,
}

impl Meter {
    fn with<T>(&self, use_it: impl FnOnce(&mut State) -> T) -> T {
        use_it(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    pub(crate) fn count(&self, change: impl FnOnce(&mut Counts)) {
        self.with(|state| change(&mut state.counts));
    }

    pub(crate) fn counts(&self) -> Counts {
        self.with(|state| state.counts)
    }

    pub(crate) fn took(&self, time: Duration) {
        self.with(|state| {
            state.handled += 1;
            state.spent += time;
            state.lately = Some(state.lately.map_or(time, |lately| lately * 7 / 8 + time / 8));
        });
    }

    /// How many messages to fetch ahead for handlers, this many of which run at once.
    pub(crate) fn ahead(&self, at_once: u64) -> u64 {
        let Some(lately) = self.with(|state| state.lately) else { return 0 };
        let each = AHEAD.as_nanos() / lately.as_nanos().max(1);
        let each = u64::try_from(each).unwrap_or(u64::MAX);
        each.saturating_mul(at_once).min(AHEAD_MAX)
    }

    /// The counts in the text format of Prometheus, without the lines that say what they are.
    fn lines(&self, consumer: &ConsumerName, held: u64, out: &mut String) {
        let (counts, handled, spent) =
            self.with(|state| (state.counts, state.handled, state.spent));
        let of = format!("stream=\"{}\",consumer=\"{}\"", consumer.stream, consumer.consumer);
        for (outcome, number) in [
            ("done", counts.done),
            ("retried", counts.retried),
            ("rejected", counts.rejected),
            ("dead", counts.dead),
            ("unconfirmed", counts.unconfirmed),
        ] {
            let name = format!("{MESSAGES}{{{of},outcome=\"{outcome}\"}}");
            let _ = writeln!(out, "{name} {number}");
        }
        for (name, number) in [
            ("watershed_worker_deliveries_total", counts.delivered),
            ("watershed_worker_redeliveries_total", counts.redelivered),
            ("watershed_worker_held", held),
            ("watershed_worker_handler_seconds_count", handled),
        ] {
            let _ = writeln!(out, "{name}{{{of}}} {number}");
        }
        let seconds = spent.as_secs_f64();
        let _ = writeln!(out, "watershed_worker_handler_seconds_sum{{{of}}} {seconds}");
    }
}

const MESSAGES: &str = "watershed_worker_messages_total";

/// The metrics of all consumers, in the text format of Prometheus.
pub(crate) fn metrics<'a>(
    all: impl Iterator<Item = (&'a ConsumerName, &'a Meter, u64)>,
    connected: bool,
) -> String {
    let mut out = String::new();
    for (name, kind) in [
        (MESSAGES, "counter"),
        ("watershed_worker_deliveries_total", "counter"),
        ("watershed_worker_redeliveries_total", "counter"),
        ("watershed_worker_held", "gauge"),
        ("watershed_worker_handler_seconds", "summary"),
        ("watershed_worker_connected", "gauge"),
    ] {
        let _ = writeln!(out, "# TYPE {name} {kind}");
    }
    all.for_each(|(name, meter, held)| meter.lines(name, held, &mut out));
    let _ = writeln!(out, "watershed_worker_connected {}", u8::from(connected));
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_counted_is_shown() {
        let meter = Meter::default();
        assert_eq!(meter.ahead(4), 0);
        meter.count(|counts| counts.done += 2);
        meter.took(Duration::from_millis(50));
        assert_eq!((meter.ahead(1), meter.ahead(4), meter.ahead(u64::MAX)), (4, 16, AHEAD_MAX));
        meter.took(Duration::from_secs(100));
        assert_eq!(meter.ahead(4), 0);
        let name = ConsumerName { stream: "JOBS".into(), consumer: "resize".into() };
        let text = metrics([(&name, &meter, 3)].into_iter(), true);
        for line in [
            r#"watershed_worker_messages_total{stream="JOBS",consumer="resize",outcome="done"} 2"#,
            r#"watershed_worker_held{stream="JOBS",consumer="resize"} 3"#,
            r#"watershed_worker_handler_seconds_sum{stream="JOBS",consumer="resize"} 100.05"#,
            "watershed_worker_connected 1",
        ] {
            assert!(text.lines().any(|one| one == line), "{line}\n{text}");
        }
    }
}
