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
use watershed_wire::jetstream::publish::encode_ack;
use watershed_wire::jetstream::stream::PersistMode;
use watershed_wire::limits::ACKED_AHEAD_MAX;

use crate::jetstream::JetStream;
use crate::network::Network;
use crate::output::DiskOutput;
use crate::rounds::Owed;
use crate::state::{Stream, StreamKey};

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
    /// The journal takes so many bytes more without asking for space.
    pub(crate) fn has_room(&mut self, bytes: u64) {
        self.room = bytes;
    }

    /// The open round goes to the disk.
    pub(crate) fn goes(&mut self) {
        self.committing = self.open.take();
    }

    /// The round that went to the disk is durable, and the journal takes so many bytes more.
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
    fn may_go(&self, now: Tick, bytes: usize) -> bool {
        let oldest = self.committing.or(self.open);
        let young = |since: Tick| now < since.after(ACKED_AHEAD_MAX);
        // As much as there is may be divided among the round on its way and the next one.
        oldest.is_none_or(young) && (bytes + 2 * ROUND_OVERHEAD) as u64 <= self.room
    }
}

/// Whether messages of a stream may be acknowledged before they are durable. What a stream copies is
/// copied again after a failure, and must have the sequence that it had.
fn is_async(stream: &Stream) -> bool {
    stream.config.persist_mode == PersistMode::Async && stream.origins.is_empty()
}

impl JetStream {
    /// Acknowledges a message that is in the open round, if its stream wants that and it may be done.
    /// Says whether it was.
    pub(crate) fn acknowledge_ahead(
        &mut self,
        net: &mut impl Network,
        key: StreamKey,
        sequence: u64,
        owed: Owed<'_>,
    ) -> bool {
        let stream = &self.state.streams[key.index()];
        if owed.subject.is_empty() || !is_async(stream) {
            return false;
        }
        let now = self.now.tick;
        if !self.ahead.may_go(now, self.rounds.bytes_waiting()) {
            return false;
        }
        self.ahead.open.get_or_insert(now);
        self.scratch.clear();
        encode_ack(&mut self.scratch, &stream.config.name, sequence, false);
        self.live(key).acknowledged = sequence;
        Self::reply(net, owed.account, owed.subject, b"", &self.scratch);
        true
    }

    /// The disk has refused what was acknowledged ahead of it: people are told.
    pub(crate) fn forget_acknowledged(&mut self) {
        self.ahead.refused();
        for (key, stream) in &self.state.streams {
            let last = self.live.get(StreamKey::at(key)).map_or(0, |live| live.acknowledged);
            let durable = stream.log.last();
            if last > durable {
                let account = self.state.accounts.name(stream.account).to_owned();
                let stream = stream.config.name.clone();
                let forgotten = Forgotten { account, stream, first: durable + 1, last };
                self.outputs.push(DiskOutput::Forgotten(forgotten));
            }
        }
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
        ahead.has_room(10_000);
        assert!(ahead.may_go(at(0), 100));
        assert!(!ahead.may_go(at(0), 9_900));
        ahead.open = Some(at(0));
        ahead.goes();
        ahead.open = Some(at(60));
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
