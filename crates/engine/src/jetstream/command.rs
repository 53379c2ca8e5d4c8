//! The records of the journal: everything that changes what a client was told.
//!
//! State follows from records in their order, and from nothing else: the same code applies a record
//! when its round has become durable and when the journal is replayed.

use serde::{Deserialize, Serialize};
use watershed_store::{LogId, Record};
use watershed_wire::jetstream::stream::PurgeRequest;
use watershed_wire::jetstream::{ConsumerConfig, StreamConfig};
use watershed_wire::time::UnixNanos;

/// Kinds of records. A number is never used for something else.
pub(crate) mod kind {
    /// A message: key is the subject, head the header block, body the payload.
    pub(crate) const MESSAGE: u8 = 1;
    /// A [`Command`](super::Command), as JSON in the body.
    pub(crate) const COMMAND: u8 = 2;
    /// A message that was copied from another stream, with the same parts.
    pub(crate) const COPY: u8 = 4;
    /// Events of a consumer: key is its name, body the events.
    pub(crate) const EVENTS: u8 = 3;
}

/// A change that is no message.
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
    /// Messages are purged.
    Purge {
        /// Which.
        request: PurgeRequest,
    },
    /// A consumer is created, or its configuration replaced.
    PutConsumer {
        /// Its configuration, filled.
        config: Box<ConsumerConfig>,
    },
    /// A consumer is deleted.
    DeleteConsumer {
        /// Its name.
        name: String,
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

/// The record of a command on the stream with the log `log`.
pub(crate) fn command_record(log: LogId, time: UnixNanos, body: &[u8]) -> Record<'_> {
    Record { log, kind: kind::COMMAND, sequence: 0, time: time.0, key: b"", head: b"", body }
}
