//! What is measured.

mod consume;
mod core;
mod jetstream;

pub(crate) use self::jetstream::request;
use self::jetstream::{Kept, Load};

use std::net::SocketAddr;

/// A load: runs for so many seconds, says how many messages it moved in how many seconds.
pub(crate) type Run = fn(SocketAddr, f64) -> anyhow::Result<(f64, f64)>;

/// A named load.
pub(crate) struct Case {
    pub(crate) name: &'static str,
    pub(crate) run: Run,
}

/// One measurement.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sample {
    /// Messages per second.
    pub(crate) rate: f64,
    /// Processor time of the server per message, in microseconds.
    pub(crate) cpu_micros: f64,
}

/// Every load, in the order in which they are shown.
pub(crate) const CASES: &[Case] = &[
    Case { name: "core publish 16 B", run: |address, seconds| core::publish(address, seconds, 16) },
    Case {
        name: "core publish 128 B",
        run: |address, seconds| core::publish(address, seconds, 128),
    },
    Case {
        name: "core publish 1024 B",
        run: |address, seconds| core::publish(address, seconds, 1024),
    },
    Case {
        name: "publish to 1 subscriber 16 B",
        run: |address, seconds| core::fan_out(address, seconds, 16, 1),
    },
    Case {
        name: "publish to 1 subscriber 128 B",
        run: |address, seconds| core::fan_out(address, seconds, 128, 1),
    },
    Case {
        name: "publish to 1 subscriber 1024 B",
        run: |address, seconds| core::fan_out(address, seconds, 1024, 1),
    },
    Case {
        name: "publish to 8 subscribers 128 B",
        run: |address, seconds| core::fan_out(address, seconds, 128, 8),
    },
    Case { name: "request and reply, one at a time", run: core::request },
    Case {
        name: "memory stream, 256 in flight",
        run: |a, s| jetstream::publish(a, s, load(Kept::Memory, 1, 256)),
    },
    Case {
        name: "file stream, one at a time",
        run: |a, s| jetstream::publish(a, s, load(Kept::File, 1, 1)),
    },
    Case {
        name: "file stream, 8 x one at a time",
        run: |a, s| jetstream::publish(a, s, load(Kept::File, 8, 1)),
    },
    Case {
        name: "file stream, 256 in flight",
        run: |a, s| jetstream::publish(a, s, load(Kept::File, 1, 256)),
    },
    Case {
        name: "file stream, 8 x 256 in flight",
        run: |a, s| jetstream::publish(a, s, load(Kept::File, 8, 256)),
    },
    Case {
        name: "file stream, 64 x 256 in flight",
        run: |a, s| jetstream::publish(a, s, load(Kept::File, 64, 256)),
    },
    Case { name: "fetch 500, acknowledged", run: |a, _| consume::fetch(a, "limits") },
    Case {
        name: "work queue: fetch 500, acknowledged, removed",
        run: |a, _| consume::fetch(a, "workqueue"),
    },
];

/// Messages that are held through a restart.
pub(crate) const MILLION: u64 = 1_000_000;

/// Publishes so many messages of 64 bytes to a new file stream, each acknowledged.
pub(crate) fn publish_count(address: SocketAddr, count: u64) -> anyhow::Result<()> {
    let load = Load { kept: Kept::File, connections: 1, window: 256, bytes: 64 };
    jetstream::create(address, load.kept)?;
    jetstream::publish_count(address, count, load)
}

/// Messages of 128 bytes.
const fn load(kept: Kept, connections: usize, window: usize) -> Load {
    Load { kept, connections, window, bytes: 128 }
}
