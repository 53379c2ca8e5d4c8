//! What is measured.

mod consume;
mod core;
mod jetstream;
pub(crate) mod kv;
pub(crate) mod publisher;
mod purge;
mod table;

use std::time::Instant;

pub(crate) use self::consume::Fetcher;
pub(crate) use self::jetstream::{fill, fill_with};
pub(crate) use self::table::CASES;
use crate::latency::Latency;
use crate::measure::{Measure, Sample};
use crate::plan::Place;
use crate::process::Running;
use crate::scale::Scale;

/// Puts a load on a program with an empty store, and says what it measured.
pub(crate) type Run = fn(&Place<'_>) -> anyhow::Result<Sample>;

/// Where a load is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Group {
    /// So many messages a second.
    Load,
    /// A time or a size.
    Figure,
    /// What another client waits meanwhile.
    HeldUp,
}

/// A named load.
pub(crate) struct Case {
    pub(crate) name: &'static str,
    pub(crate) group: Group,
    /// Whether it waits for the disk: then what a sync takes is shown beside.
    pub(crate) durable: bool,
    /// Whether it is also put on a server that was told to sync every message.
    pub(crate) always: bool,
    /// Seconds that it takes beside the time that it is measured, about.
    setup_seconds: f64,
    pub(crate) run: Run,
}

impl Case {
    const fn load(name: &'static str, run: Run) -> Self {
        Self { name, group: Group::Load, durable: false, always: false, setup_seconds: 0.3, run }
    }

    const fn figure(name: &'static str, run: Run) -> Self {
        Self { name, group: Group::Figure, durable: false, always: false, setup_seconds: 2.0, run }
    }

    pub(crate) const fn held_up(name: &'static str, run: Run) -> Self {
        Self { name, group: Group::HeldUp, durable: false, always: false, setup_seconds: 9.0, run }
    }

    const fn durable(self) -> Self {
        Self { durable: true, ..self }
    }

    const fn always(self) -> Self {
        Self { durable: true, always: true, ..self }
    }

    const fn takes(self, setup_seconds: f64) -> Self {
        Self { setup_seconds, ..self }
    }

    /// Seconds that it takes, about.
    pub(crate) fn estimate(&self, scale: &Scale) -> f64 {
        let flushes = if self.durable { 0.2 } else { 0.0 };
        let (size, measured) = match self.group {
            Group::Load => (scale.stored as f64 / 200_000.0, scale.seconds),
            Group::Figure => (scale.many as f64 / 10_000_000.0, 0.0),
            Group::HeldUp => (scale.million as f64 / 1_000_000.0, 0.0),
        };
        self.setup_seconds * size + measured + flushes
    }
}

/// Runs from when a load is set up until it is over.
pub(crate) struct Clock<'a> {
    server: &'a Running,
    start: Instant,
    cpu: f64,
}

impl<'a> Clock<'a> {
    pub(crate) fn start(server: &'a Running) -> anyhow::Result<Self> {
        Ok(Self { server, cpu: server.cpu_seconds()?, start: Instant::now() })
    }

    /// What a number of messages took.
    pub(crate) fn stop(self, messages: u64, latency: &Latency) -> anyhow::Result<Sample> {
        let elapsed = self.start.elapsed().as_secs_f64();
        let cpu = (self.server.cpu_seconds()? - self.cpu).max(0.0);
        let messages = messages as f64;
        let mut sample = Sample::from([
            (Measure::Rate, messages / elapsed),
            (Measure::CpuUs, cpu * 1e6 / messages),
        ]);
        latency.put(&mut sample);
        Ok(sample)
    }
}

/// Does something and says how many seconds it took.
pub(crate) fn seconds(action: impl FnOnce() -> anyhow::Result<()>) -> anyhow::Result<f64> {
    let start = Instant::now();
    action()?;
    Ok(start.elapsed().as_secs_f64())
}
