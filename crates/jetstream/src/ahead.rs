//! Acknowledgements that go ahead of the disk, for streams with `persist_mode: async`.
//!
//! A message of such a stream is acknowledged when it is admitted and has its place in a round, and not
//! when that round is durable. All else waits for the round, as in any stream: it is shown, delivered,
//! copied and published again when it is applied. So a power cut, or the end of the process, takes the last
//! of these messages, and nothing that anybody but their publishers has seen.
//!
//! How much that can be is bounded: while an acknowledgement that went ahead is [`ACKED_AHEAD_MAX`] old and
//! its message not durable, no other goes ahead. And none goes ahead where the journal would have to ask the file
//! system for space, or the disk has refused anything: what is known not to be writable is not
//! acknowledged.

use watershed_base::Tick;
use watershed_store::journal::FRAME_BYTES;
use watershed_store::round::ROUND_HEADER_BYTES;
use watershed_wire::limits::ACKED_AHEAD_MAX;

/// What a round takes in the journal beside its records, with what fills it up to 8 bytes.
const ROUND_OVERHEAD: usize = FRAME_BYTES + ROUND_HEADER_BYTES + 8;

/// Messages that were acknowledged and are not durable: the disk has refused them since.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Forgotten {
    /// Account of their stream.
    pub account: String,
    /// Their stream.
    pub stream: String,
    /// Sequence of the first one.
    pub first: u64,
    /// Sequence of the last one.
    pub last: u64,
}

/// What is acknowledged and not durable.
#[derive(Debug, Default)]
pub(crate) struct Ahead {
    /// Bytes that the journal takes without asking for space, behind the last round that is durable.
    room: u64,
    /// When the first message of the open round was acknowledged.
    open: Option<Tick>,
    /// When the first message of the round that is being committed was.
    committing: Option<Tick>,
}

impl Ahead {
    /// Sets how many bytes the journal can take before it has to ask for space.
    pub(crate) fn set_room(&mut self, bytes: u64) {
        self.room = bytes;
    }

    /// A message of the open round was acknowledged.
    pub(crate) fn went(&mut self, now: Tick) {
        self.open.get_or_insert(now);
    }

    /// The open round goes to the disk.
    pub(crate) fn goes(&mut self) {
        self.committing = self.open.take();
    }

    /// The round that went to the disk is durable; `room` is what the journal can take now.
    pub(crate) fn durable(&mut self, room: u64) {
        self.room = room;
        self.committing = None;
    }

    /// The disk has refused: nothing is on its way any more, and nothing is known of its space.
    pub(crate) fn refused(&mut self) {
        *self = Self::default();
    }

    /// Whether an acknowledgement may go ahead now, where `bytes` are on their way to the disk with
    /// its message.
    pub(crate) fn may_go(&self, now: Tick, bytes: usize) -> bool {
        let oldest = self.committing.or(self.open);
        let young = |since: Tick| now < since.after(ACKED_AHEAD_MAX);
        // As much as there is may be divided among the round on its way and the next one.
        oldest.is_none_or(young) && (bytes + 2 * ROUND_OVERHEAD) as u64 <= self.room
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn acknowledgements_stop_when_one_is_too_old() {
        let at = |millis: u64| Tick(0).after(Duration::from_millis(millis));
        let mut ahead = Ahead::default();
        assert!(!ahead.may_go(at(0), 100));
        ahead.set_room(10_000);
        assert!(ahead.may_go(at(0), 100));
        assert!(!ahead.may_go(at(0), 9_900));
        ahead.went(at(0));
        ahead.goes();
        ahead.went(at(60));
        assert!(ahead.may_go(at(99), 100));
        assert!(!ahead.may_go(at(100), 100));
        // The next one is not yet that old.
        ahead.durable(10_000);
        assert!(ahead.may_go(at(100), 100));
        assert!(!ahead.may_go(at(160), 100));
        ahead.refused();
        assert!(!ahead.may_go(at(0), 100));
    }
}
