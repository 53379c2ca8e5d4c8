//! One server under full load for a long time: whether it stays as it is.

mod verdict;
mod workers;

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use serde::{Deserialize, Serialize};

use self::workers::Workers;
use crate::arguments::Arguments;
use crate::latency::Latency;
use crate::measure::{Measure, short};
use crate::plan::Place;
use crate::process::{Program, Running};
use crate::scale::Scale;
use crate::{Outcome, Output};

/// How long a run takes, and how often it is looked at.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Length {
    time: Duration,
    every: Duration,
    /// Whether it is long enough to say anything.
    judged: bool,
}

impl Length {
    /// Looks every ten seconds.
    pub(crate) fn minutes(minutes: f64) -> Self {
        let time = Duration::from_secs_f64(minutes * 60.0);
        Self { time, every: Duration::from_secs(10), judged: true }
    }

    /// Only whether everything works.
    pub(crate) fn smoke() -> Self {
        let time = Duration::from_millis(60);
        Self { time, every: Duration::from_millis(20), judged: false }
    }
}

/// What a look saw.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Look {
    /// Since the load began.
    seconds: f64,
    resident_bytes: f64,
    disk_bytes: f64,
    /// Acknowledgements of publishes to file streams since the last look: the 99th percentile.
    p99_us: f64,
    /// Messages published a second since the last look.
    rate: f64,
    /// Messages acknowledged by consumers a second since the last look.
    consumed: f64,
}

/// Loads the program, looks again and again, and says whether it stays as it is. Looks are kept in the
/// file of `--resume`, which begins anew: a soak that was stopped proves nothing.
pub(crate) fn run(
    program: &Program,
    scale: &Scale,
    length: &Length,
    arguments: &Arguments,
    output: &mut Output<'_>,
) -> anyhow::Result<Outcome> {
    let server = Place::new(program, scale, arguments.folder.as_deref()).start()?;
    let mut file = match arguments.resume.as_deref() {
        Some(path) if length.judged => Some(create(path)?),
        _ => None,
    };
    let workers = Workers::start(server.address, scale, length.every / 10)?;
    let looks = watch(&server, &workers, length, |look| {
        let line = serde_json::to_string(look)?;
        if let Some(file) = &mut file {
            writeln!(file, "{line}").context("cannot write what was seen")?;
        }
        show(look, output.progress)
    });
    let stopped = workers.stop();
    let looks = looks?;
    stopped?;
    if !length.judged {
        return Ok(Outcome::Complete);
    }
    verdict::print(&looks, output.tables)
}

fn create(path: &Path) -> anyhow::Result<File> {
    let opened = OpenOptions::new().write(true).create(true).truncate(true).open(path);
    opened.with_context(|| format!("cannot write {}", path.display()))
}

fn watch(
    server: &Running,
    workers: &Workers,
    length: &Length,
    mut keep: impl FnMut(&Look) -> anyhow::Result<()>,
) -> anyhow::Result<Vec<Look>> {
    let start = Instant::now();
    let mut looks = Vec::new();
    let mut last = start;
    while start.elapsed() < length.time && workers.all_run() {
        thread::sleep(length.every);
        let seen = workers.seen.take();
        let now = Instant::now();
        let seconds = (now - last).as_secs_f64();
        last = now;
        let look = Look {
            seconds: (now - start).as_secs_f64(),
            resident_bytes: server.resident_bytes()?,
            disk_bytes: server.disk_bytes()?,
            // Nothing acknowledged for the whole time is as bad as it gets.
            p99_us: seen.latency.quantile_us(0.99).unwrap_or(seconds * 1e6),
            rate: seen.published as f64 / seconds,
            consumed: seen.consumed as f64 / seconds,
        };
        keep(&look)?;
        looks.push(look);
    }
    Ok(looks)
}

fn show(look: &Look, progress: &mut dyn Write) -> anyhow::Result<()> {
    writeln!(
        progress,
        "{:.0} s: {} published, {} consumed a second; memory {}, on disk {}, p99 {}",
        look.seconds,
        short(look.rate),
        short(look.consumed),
        Measure::ResidentBytes.show(look.resident_bytes),
        Measure::DiskBytes.show(look.disk_bytes),
        Measure::P99Us.show(look.p99_us),
    )?;
    Ok(())
}

/// What workers did since it was looked at last.
#[derive(Debug)]
struct Seen {
    latency: Latency,
    published: u64,
    consumed: u64,
}

impl Seen {
    fn new() -> Self {
        Self { latency: Latency::new(), published: 0, consumed: 0 }
    }
}
