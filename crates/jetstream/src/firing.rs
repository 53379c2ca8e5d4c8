//! A schedule whose time has come.

use watershed_store::LogId;

/// A schedule whose time has come, and what was read for it.
#[derive(Debug)]
pub(crate) struct Firing {
    pub(crate) log: LogId,
    pub(crate) sequence: u64,
    /// Its record, when it is read.
    pub(crate) schedule: Option<Box<[u8]>>,
    /// The last message of its source, when that is read.
    pub(crate) source: Option<(u64, Box<[u8]>)>,
}
