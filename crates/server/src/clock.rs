//! The only reader of clocks and entropy.

use std::time::{Instant, SystemTime, UNIX_EPOCH};

use watershed_engine::{Now, Tick};
use watershed_wire::time::UnixNanos;

/// The machine's clocks.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Clock {
    start: Instant,
}

impl Clock {
    pub(crate) fn new() -> Self {
        Self { start: Instant::now() }
    }

    pub(crate) fn now(self) -> Now {
        let wall = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Now {
            tick: self.tick(),
            wall: UnixNanos(i64::try_from(wall.as_nanos()).unwrap_or(i64::MAX)),
        }
    }

    /// The clock of deadlines alone.
    pub(crate) fn tick(self) -> Tick {
        Tick(u64::try_from(self.start.elapsed().as_nanos()).unwrap_or(u64::MAX))
    }
}

/// Random numbers from the operating system.
pub(crate) fn entropy() -> Result<u64, getrandom::Error> {
    getrandom::u64()
}
