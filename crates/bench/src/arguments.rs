//! What can be asked of the load generator.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use clap::Parser;

use crate::scale::Scale;

/// Compares servers under the same load.
#[derive(Debug, Parser)]
#[command(
    name = "watershed-bench",
    after_help = "Examples:
  watershed-bench --peer /tmp/nats-server
  watershed-bench --held-up --peer /tmp/nats-server
  watershed-bench --targets --peer /tmp/nats-server --resume run.jsonl --json run.json
  watershed-bench --targets --ours NEW --ours OLD --only before
  watershed-bench --judge 1.json 2.json 3.json 4.json 5.json
  watershed-bench --soak 30 --resume soak.jsonl

Exit codes: 0 done, 1 error, 2 usage, 3 a target is missed, 75 the time is over (use --resume)."
)]
pub struct Arguments {
    /// This server's program. A second one is the build to compare with.
    #[arg(long, default_value = "target/release/watershed", value_name = "PROGRAM")]
    pub(crate) ours: Vec<PathBuf>,
    /// A nats-server to compare with. Without one, only this server is measured.
    #[arg(long, value_name = "PROGRAM")]
    pub(crate) peer: Vec<PathBuf>,
    /// Only loads (with --targets: rows) whose name contains this.
    #[arg(long, value_name = "TEXT")]
    pub(crate) only: Vec<String>,
    /// Repetitions; 3 by default, 5 with --held-up, 9 with --targets.
    #[arg(long, value_name = "COUNT")]
    pub(crate) repeat: Option<usize>,
    /// Seconds per measurement.
    #[arg(long, default_value_t = 1.0)]
    pub(crate) seconds: f64,
    /// Messages that are there while something is held up.
    #[arg(long, default_value_t = 1_000_000, value_name = "COUNT")]
    pub(crate) messages: u64,
    /// Messages whose size on disk and in memory is measured.
    #[arg(long, default_value_t = 10_000_000, value_name = "COUNT")]
    pub(crate) many: u64,
    /// Folder for the stores; the system's folder for temporary files by default.
    #[arg(long)]
    pub(crate) folder: Option<PathBuf>,
    /// Keep what was measured in this file, and go on where it ends.
    #[arg(long, value_name = "FILE")]
    pub(crate) resume: Option<PathBuf>,
    /// Stop after N minutes; --resume measures the rest.
    #[arg(long)]
    pub(crate) minutes: Option<f64>,
    /// Every load once, far too small to measure anything: whether all of them work.
    #[arg(long, conflicts_with_all = ["targets", "held_up", "soak"])]
    pub(crate) quick: bool,
    /// Measure what the targets need, and say whether each holds.
    #[arg(long, conflicts_with_all = ["held_up", "soak"])]
    pub(crate) targets: bool,
    /// Measure how long an idle client waits while the server is busy with something large.
    #[arg(long, conflicts_with = "soak")]
    pub(crate) held_up: bool,
    /// Load this server fully for N minutes, and say whether it stays as it is.
    #[arg(long, value_name = "MINUTES")]
    pub(crate) soak: Option<f64>,
    /// Write the rows of --targets to this file.
    #[arg(long, value_name = "FILE")]
    pub(crate) json: Option<PathBuf>,
    /// Read files of --json: a row holds when it does in four of five.
    #[arg(long, num_args = 1.., value_name = "FILE", conflicts_with_all = ["targets", "held_up", "soak", "quick"])]
    pub(crate) judge: Vec<PathBuf>,
}

impl Arguments {
    pub(crate) fn scale(&self) -> Scale {
        if self.quick {
            Scale::smoke()
        } else {
            Scale::full(self.seconds, self.messages, self.many)
        }
    }

    pub(crate) fn repetitions(&self) -> usize {
        let default = match self {
            Self { quick: true, .. } => 1,
            Self { targets: true, .. } => 9,
            Self { held_up: true, .. } => 5,
            _ => 3,
        };
        self.repeat.unwrap_or(default)
    }

    pub(crate) fn wants(&self, name: &str) -> bool {
        self.only.is_empty() || self.only.iter().any(|part| name.contains(part))
    }

    pub(crate) fn deadline(&self) -> Option<Instant> {
        self.minutes.map(|minutes| Instant::now() + Duration::from_secs_f64(minutes * 60.0))
    }
}
