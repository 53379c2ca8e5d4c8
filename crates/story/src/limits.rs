//! Bounds of a story.

use std::time::Duration;

/// Messages that one `publish` may send.
pub(crate) const TIMES_MAX: u64 = 100_000;

/// Deliveries of one story. A message that comes again without end fails the story instead of running on.
pub(crate) const DELIVERIES_MAX: u64 = 1_000_000;

/// Events of the timeline that are kept; the first ones go.
pub(crate) const EVENTS_MAX: usize = 10_000;

/// Lines of the timeline that are shown with a failure.
pub(crate) const EVENTS_SHOWN: usize = 20;

/// Bytes that a topology may keep in a story, on disk and in memory each.
pub(crate) const STORE_BYTES: u64 = 1 << 40;

/// Longest time that a server which runs by itself may need for what takes none in a story.
pub(crate) const MOMENT: Duration = Duration::from_secs(1);
