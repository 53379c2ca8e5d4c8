//! Time, as it is given to what decides.

use std::time::Duration;

use watershed_wire::time::UnixNanos;

/// A moment on a clock that never goes back, in nanoseconds since some start. Deadlines are ticks.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Tick(pub u64);

impl Tick {
    /// The moment `duration` later.
    pub fn after(self, duration: Duration) -> Self {
        let nanos = u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX);
        Self(self.0.saturating_add(nanos))
    }
}

/// The present on both clocks: the monotonic one for deadlines, the wall's for what people read.
#[derive(Debug, Clone, Copy, Default)]
pub struct Now {
    /// For deadlines.
    pub tick: Tick,
    /// For timestamps.
    pub wall: UnixNanos,
}
