//! The present, as people read it.

use std::time::SystemTime;

use watershed_wire::time::UnixNanos;

/// The present, in whole seconds: nobody reads fractions.
pub(crate) fn now() -> UnixNanos {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    UnixNanos(i64::try_from(now.as_secs()).unwrap_or_default().saturating_mul(1_000_000_000))
}
