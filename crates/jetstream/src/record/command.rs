//! Changes that are no message and no event.

use serde::{Deserialize, Serialize};
use watershed_archive::Position;
use watershed_wire::jetstream::{ConsumerConfig, StreamConfig};
use watershed_wire::time::UnixNanos;

/// A change. What may touch more messages than the loop has time for is done in slices: each record
/// says how much it does at most, and the next one follows when it was applied.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Command {
    /// A stream is created.
    CreateStream {
        /// Account that it belongs to.
        account: String,
        /// Its configuration, filled.
        config: Box<StreamConfig>,
    },
    /// A stream's configuration is replaced.
    UpdateStream {
        /// The new configuration, filled.
        config: Box<StreamConfig>,
    },
    /// A stream is deleted with everything in it.
    DeleteStream,
    /// Messages that a filter takes are purged, those before the sequence `until` by this record.
    Purge {
        /// Filter; `>` for all.
        filter: String,
        /// Where earlier records of the same purge ended.
        from: u64,
        /// Sequence before which this record removes.
        until: u64,
        /// Sequence before which they go in the end.
        end: u64,
        /// Messages that earlier records of the same purge removed.
        before: u64,
    },
    /// Messages go that are too old, by `max_age` or by their own word.
    Expire {
        /// The time.
        now: UnixNanos,
        /// Sequence before which `max_age` has passed for all that go by it.
        until: u64,
        /// Messages that go by their own word, by this record, at most.
        limit: u64,
    },
    /// Messages go that the configuration keeps no longer, or that no consumer needs any more.
    Sweep {
        /// Messages that this record looks at, at most.
        limit: u64,
    },
    /// A consumer is created, or its configuration replaced.
    PutConsumer {
        /// Its configuration, filled.
        config: Box<ConsumerConfig>,
        /// Where a consumer that is there goes on: messages before this, if they were never
        /// delivered, did not match the old filters. Where a new one begins that delivers from the
        /// last message on, if that was far behind.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        cursor: Option<u64>,
    },
    /// A consumer is paused, or goes on.
    PauseConsumer {
        /// Its name.
        name: String,
        /// Until when.
        until: Option<UnixNanos>,
        /// The API level that it needs then.
        level: u32,
    },
    /// A consumer goes on from another place, as if it had delivered nothing.
    ResetConsumer {
        /// Its name.
        name: String,
        /// Sequence from which it does.
        sequence: u64,
    },
    /// A consumer is deleted.
    DeleteConsumer {
        /// Its name.
        name: String,
    },
    /// A consumer comes out of an archive.
    RestoreConsumer {
        /// Its configuration, filled.
        config: Box<ConsumerConfig>,
        /// When it was created.
        created: UnixNanos,
        /// Where it is.
        position: Position,
    },
    /// A hidden stream has everything that was in an archive, and takes its place.
    FinishRestore {
        /// The configuration, filled, with the name that it has from now on.
        config: Box<StreamConfig>,
        /// When it was created.
        created: UnixNanos,
        /// The last sequence that is used up, and when that was.
        last: u64,
        last_time: UnixNanos,
    },
    /// One message is deleted.
    DeleteMessage {
        /// Its sequence.
        sequence: u64,
    },
}

impl Command {
    /// The command's body in a record.
    pub(crate) fn encode(&self) -> Vec<u8> {
        serde_json::to_vec(self).expect("commands are JSON")
    }

    /// Reads a record's body.
    pub(crate) fn decode(body: &[u8]) -> Option<Self> {
        serde_json::from_slice(body).ok()
    }
}
