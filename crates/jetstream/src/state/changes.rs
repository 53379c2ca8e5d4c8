//! What became of a stream's messages, as one record changed them.

use watershed_store::LogId;
use watershed_store::log::Position;

use crate::garbage::Garbage;

/// What one record changed in a stream.
#[derive(Debug, Default)]
pub(crate) struct Changes {
    /// Where a message goes on disk.
    pub(crate) placement: Option<Position>,
    /// Whether it is the first message of the stream in its round.
    pub(crate) first_of_round: bool,
    /// Whether a block became full, whose footer is to be made.
    pub(crate) sealed: bool,
    /// Blocks that hold nothing any more.
    pub(crate) dropped: Vec<(LogId, u32)>,
    /// Messages that went.
    pub(crate) removed: u64,
    /// Consumers of the stream that have lost a message, and which.
    pub(crate) lost: Vec<(usize, u64)>,
    /// Whether no message is left: all consumers have lost all of theirs.
    pub(crate) emptied: bool,
    /// Memory of what went, to be freed in slices.
    pub(crate) garbage: Vec<Garbage>,
}

impl Changes {
    /// Forgets everything, and keeps the room for it.
    pub(super) fn clear(&mut self) {
        self.placement = None;
        self.first_of_round = false;
        self.sealed = false;
        self.dropped.clear();
        self.removed = 0;
        self.lost.clear();
        self.emptied = false;
        self.garbage.clear();
    }
}
