//! The rows.

use super::{Bound, Target};
use crate::measure::Measure::{self, CpuUs, DiskBytes, P99Us, Rate, ResidentBytes, Seconds};
use crate::process::Role;

use Bound::{Ceiling, CeilingOrFlushes, Floor};

/// Against a nats-server as it comes.
const DEFAULT: &[(&str, Measure, Bound)] = &[
    ("purge all of 200k", Seconds, Ceiling(1.0)),
    ("purge half of 200k by sequence", Seconds, Ceiling(1.0)),
    ("purge all of 200k, each its own subject", Seconds, Ceiling(1.0)),
    ("purge half of 200k by sequence, each its own subject", Seconds, Ceiling(1.0)),
    ("KV put, 10k keys, memory, 256 in flight", Rate, Floor(1.5)),
    ("KV put, 10k keys, file, 256 in flight", Rate, Floor(1.5)),
    ("KV put, 200k keys, memory, 256 in flight", Rate, Floor(1.5)),
    ("KV put, 200k keys, file, 256 in flight", Rate, Floor(1.5)),
    ("KV watch of one key in 200k", Seconds, Ceiling(1.0)),
    ("publish with 1,000 consumers", Rate, Floor(1.0)),
    ("publish with 1,000 consumers, one of which matches", Rate, Floor(1.5)),
    ("file stream, 1024 B, 256 in flight", Rate, Floor(1.2)),
    ("file stream, 256 in flight", P99Us, CeilingOrFlushes(3.0)),
    ("file stream, 1024 B, 256 in flight", P99Us, CeilingOrFlushes(3.0)),
    ("file stream, 8 x 256 in flight", P99Us, CeilingOrFlushes(3.0)),
    ("file stream, 64 x 256 in flight", P99Us, CeilingOrFlushes(3.0)),
    ("10M messages of 64 B", DiskBytes, Ceiling(1.2)),
    ("after the delete of a memory stream of 300 MB", ResidentBytes, Ceiling(1.5)),
];

/// Against a nats-server that syncs every message: one who waits pays one sync, whoever serves.
const ALWAYS: &[(&str, Measure, Bound)] = &[("file stream, one at a time", Rate, Floor(1.5))];

/// What docs/benchmarks.md says is ahead of a nats-server (the two loads of one at a time: of one that
/// means the same by an acknowledgement). It stays so from build to build.
const AHEAD: &[&str] = &[
    "core publish 16 B",
    "core publish 128 B",
    "core publish 1024 B",
    "publish to 1 subscriber 16 B",
    "publish to 1 subscriber 128 B",
    "publish to 1 subscriber 1024 B",
    "publish to 8 subscribers 128 B",
    "request and reply, one at a time",
    "memory stream, 256 in flight",
    "file stream, one at a time",
    "file stream, 8 x one at a time",
    "file stream, 256 in flight",
    "file stream, 8 x 256 in flight",
    "file stream, 64 x 256 in flight",
    "fetch 500, acknowledged",
    "work queue: fetch 500, acknowledged, removed",
];

/// A build may be this much slower than the one before, and use this much more of the processor, before
/// it counts.
const SLOWER: Bound = Floor(0.90);
const DEARER: Bound = Ceiling(1.03);

/// Every row, in the order in which they are shown. Rows about another build are called "before: …".
pub(crate) fn rows() -> Vec<Target> {
    let mut rows = Vec::new();
    for (table, against) in [(DEFAULT, Role::Default), (ALWAYS, Role::Always)] {
        for &(case, measure, bound) in table {
            let name = format!("{case}: {}", measure.label());
            rows.push(Target { name, case, measure, against, bound });
        }
    }
    for &case in AHEAD {
        for (measure, bound) in [(Rate, SLOWER), (CpuUs, DEARER)] {
            let name = format!("before: {case}: {}", measure.label());
            rows.push(Target { name, case, measure, against: Role::Before, bound });
        }
    }
    rows
}
