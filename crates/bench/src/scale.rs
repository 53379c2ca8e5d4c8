//! How large the loads are.

use serde::{Deserialize, Serialize};

/// Sizes and times of all loads. Loads are named by the full scale.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Scale {
    /// Seconds of a load that runs for a time.
    pub(crate) seconds: f64,
    /// A million: messages that are there while something is held up, or at a restart.
    pub(crate) million: u64,
    /// 200,000: messages to purge or to fetch, keys of the larger bucket.
    pub(crate) stored: u64,
    /// 10,000: keys of the smaller bucket.
    pub(crate) keys: u64,
    /// 1,000: consumers of one stream.
    pub(crate) consumers: u64,
    /// 10,000,000: messages whose size is measured.
    pub(crate) many: u64,
    /// 300 MB: what a memory stream holds when it is deleted.
    pub(crate) memory_bytes: u64,
    /// 100,000: deliveries that wait for their acknowledgement.
    pub(crate) outstanding: u64,
    /// 20,000: subscriptions that come and go.
    pub(crate) interests: u64,
    /// 10 s: from a delete until memory is looked at.
    pub(crate) after_delete_seconds: f64,
    /// 1 s: what a server gets to become quiet, and how long it is watched idle.
    pub(crate) quiet_seconds: f64,
    /// 50 ms: how long requests are looked at from the beginning of an operation, at least.
    pub(crate) window_seconds: f64,
    /// 2 s: until a delivery that was not acknowledged is made again.
    pub(crate) ack_wait_seconds: f64,
    /// 1 s: age at which messages expire.
    pub(crate) max_age_seconds: f64,
    /// 500: syncs of the disk that are timed.
    pub(crate) flushes: u32,
}

impl Scale {
    pub(crate) fn full(seconds: f64, million: u64, many: u64) -> Self {
        Self {
            seconds,
            million,
            stored: 200_000,
            keys: 10_000,
            consumers: 1_000,
            many,
            memory_bytes: 300_000_000,
            outstanding: 100_000.min(million / 2),
            interests: 20_000,
            after_delete_seconds: 10.0,
            quiet_seconds: 1.0,
            window_seconds: 0.05,
            ack_wait_seconds: 2.0,
            max_age_seconds: 1.0,
            flushes: 500,
        }
    }

    /// Large enough to run every line of every load, and no larger.
    pub(crate) fn smoke() -> Self {
        Self {
            seconds: 0.005,
            million: 500,
            stored: 500,
            keys: 50,
            consumers: 4,
            many: 500,
            memory_bytes: 200_000,
            outstanding: 100,
            interests: 100,
            after_delete_seconds: 0.01,
            quiet_seconds: 0.02,
            window_seconds: 0.02,
            ack_wait_seconds: 0.1,
            max_age_seconds: 0.1,
            flushes: 2,
        }
    }
}
