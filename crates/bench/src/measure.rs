//! What a cell measures.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// Values of one cell.
pub(crate) type Sample = BTreeMap<Measure, f64>;

/// A figure of a cell; its name says its unit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Measure {
    /// Messages per second.
    Rate,
    /// Processor time of the server per message, microseconds.
    CpuUs,
    /// From sending until the answer, microseconds: the median.
    P50Us,
    /// The 99th percentile.
    P99Us,
    /// The 99.9th percentile.
    P999Us,
    /// `fdatasync` on the same disk just before: the median, microseconds.
    FlushP50Us,
    /// The 99th percentile.
    FlushP99Us,
    /// How long an operation takes.
    Seconds,
    /// Memory with nothing in it.
    IdleBytes,
    /// Memory with what the load put in, or took out.
    ResidentBytes,
    /// What the store takes from the disk.
    DiskBytes,
    /// From the start of the process until everything is there, after a clean stop.
    CleanSeconds,
    /// The same after `kill -9`.
    KilledSeconds,
    /// A request of another client while nothing happens: the 99th percentile, microseconds.
    IdleP99Us,
    /// The same during an operation.
    HeldP99Us,
    /// What the operation adds.
    AddedP99Us,
    /// The longest request during an operation.
    LongestUs,
}

impl Measure {
    /// What a table calls it.
    pub(crate) fn label(self) -> &'static str {
        match self {
            Self::Rate => "rate",
            Self::CpuUs => "CPU a message",
            Self::P50Us => "p50",
            Self::P99Us => "p99",
            Self::P999Us => "p99.9",
            Self::FlushP50Us => "fdatasync p50",
            Self::FlushP99Us => "fdatasync p99",
            Self::Seconds => "time",
            Self::IdleBytes => "memory, idle",
            Self::ResidentBytes => "memory",
            Self::DiskBytes => "on disk",
            Self::CleanSeconds => "ready after a clean stop",
            Self::KilledSeconds => "ready after kill -9",
            Self::IdleP99Us => "request p99, idle",
            Self::HeldP99Us => "request p99, meanwhile",
            Self::AddedP99Us => "request p99, added",
            Self::LongestUs => "longest request",
        }
    }

    /// With its unit.
    pub(crate) fn show(self, value: f64) -> String {
        match self {
            Self::Rate => short(value),
            Self::CpuUs => format!("{value:.2} µs"),
            Self::P50Us | Self::P99Us | Self::P999Us | Self::FlushP50Us | Self::FlushP99Us => {
                micros(value)
            }
            Self::IdleP99Us | Self::HeldP99Us | Self::AddedP99Us | Self::LongestUs => micros(value),
            Self::Seconds | Self::CleanSeconds | Self::KilledSeconds => micros(value * 1e6),
            Self::IdleBytes | Self::ResidentBytes | Self::DiskBytes => {
                format!("{:.1} MB", value / 1e6)
            }
        }
    }
}

/// A count, in few digits.
pub(crate) fn short(count: f64) -> String {
    match count {
        1e6.. => format!("{:.2}M", count / 1e6),
        1e4.. => format!("{:.0}k", count / 1e3),
        1e3.. => format!("{:.1}k", count / 1e3),
        _ => format!("{count:.0}"),
    }
}

/// A time in microseconds, in few digits.
pub(crate) fn micros(value: f64) -> String {
    match value.abs() {
        1e6.. => format!("{:.2} s", value / 1e6),
        1e4.. => format!("{:.0} ms", value / 1e3),
        1e3.. => format!("{:.1} ms", value / 1e3),
        _ => format!("{value:.0} µs"),
    }
}
