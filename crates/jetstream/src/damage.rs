//! Messages that cannot be read from disk. They are told of once, and count against the node's
//! health for as long as they are there: who deletes one has taken note of it.

use std::collections::BTreeSet;

use watershed_store::LogId;

/// Messages that are remembered. Where there are more, these say enough.
const REMEMBERED_MAX: usize = 1024;

/// A message that cannot be read from disk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Damaged {
    /// Account of its stream.
    pub account: String,
    /// Its stream.
    pub stream: String,
    /// Its sequence.
    pub sequence: u64,
}

/// All of them that were met: log and sequence.
#[derive(Debug, Default)]
pub(crate) struct Damage(BTreeSet<(LogId, u64)>);

impl Damage {
    /// Remembers a message. Says whether it is the first time.
    pub(crate) fn note(&mut self, log: LogId, sequence: u64) -> bool {
        self.0.len() < REMEMBERED_MAX && self.0.insert((log, sequence))
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (LogId, u64)> {
        self.0.iter().copied()
    }
}
