//! The client that a consumer is pinned to (ADR-42). It is told by an id that messages to it carry,
//! and which its requests carry then. Nothing of it is on disk: after a start another one is chosen.

use watershed_base::Tick;
use watershed_wire::time::UnixNanos;

/// A pinned client.
#[derive(Debug, Clone)]
pub(crate) struct Pin {
    pub(crate) id: Box<str>,
    /// Since when it is.
    pub(crate) since: UnixNanos,
    /// When it has been silent for too long.
    pub(crate) until: Tick,
}
