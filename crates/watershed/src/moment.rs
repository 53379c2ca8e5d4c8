//! The present.

use std::time::SystemTime;

use watershed_wire::time::UnixNanos;

/// The present, to the nanosecond.
pub(crate) fn exact() -> UnixNanos {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    UnixNanos(i64::try_from(now.as_nanos()).unwrap_or(i64::MAX))
}

/// The present as people read it: in whole seconds.
pub(crate) fn now() -> UnixNanos {
    let UnixNanos(nanos) = exact();
    UnixNanos(nanos - nanos % 1_000_000_000)
}
