//! What a server says of a message that was given up: which it was, and not what it said.

use serde::Deserialize;
use watershed_topology::dead_letter::{GIVEN_UP, record};

use crate::letter::{Reason, line};
use crate::station::KEPT;

/// A server's record of a message that was given up.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Record {
    /// Stream that held it.
    pub stream: String,
    /// Consumer that gave it up.
    pub consumer: String,
    /// Its sequence in the stream.
    #[serde(rename = "stream_seq")]
    pub sequence: u64,
    /// How often it was delivered.
    #[serde(default)]
    pub deliveries: u64,
    /// What the worker said that terminated it.
    #[serde(default, rename = "reason")]
    pub said: String,
    /// What the server calls it.
    #[serde(default, rename = "type")]
    kind: String,
}

/// What the `type` of a record of a termination ends with.
const TERMINATED: &str = ".terminated";

/// What nats-server says of a message that was deleted while a consumer had it outstanding.
const DELETED: &str = "Unacknowledged message was deleted";

impl Record {
    /// Reads a record. `None` for another message.
    pub(crate) fn read(subject: &str, payload: &[u8]) -> Option<Self> {
        let mut read: Self = serde_json::from_slice(payload).ok()?;
        read.said = line(&read.said);
        // It is about what its subject says.
        let own = GIVEN_UP.iter().any(|what| record(what, &read.stream, &read.consumer) == subject);
        own.then_some(read)
    }

    /// Why it was given up.
    pub fn reason(&self) -> Reason {
        match self.kind.ends_with(TERMINATED) {
            true if self.said == DELETED => Reason::Deleted,
            true => Reason::Terminated,
            false => Reason::MaxDeliver,
        }
    }

    /// Whether its worker has kept the message as a dead letter.
    pub fn is_kept(&self) -> bool {
        self.said.starts_with(KEPT)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_as_servers_write_them() {
        let text = r#"{"type":"io.nats.jetstream.advisory.v1.max_deliver","id":"x","timestamp":"2026-11-27T23:00:00Z","stream":"JOBS","consumer":"worker","stream_seq":7,"deliveries":3,"domain":"d"}"#;
        let subject = "$JS.EVENT.ADVISORY.CONSUMER.MAX_DELIVERIES.JOBS.worker";
        let read = Record::read(subject, text.as_bytes()).unwrap();
        assert_eq!((read.sequence, read.deliveries, read.reason()), (7, 3, Reason::MaxDeliver));
        assert!(!read.is_kept());
        let text = r#"{"type":"io.nats.jetstream.advisory.v1.terminated","stream":"JOBS","consumer":"worker","stream_seq":7,"reason":"kept as a dead letter in DEAD: bad"}"#;
        let subject = "$JS.EVENT.ADVISORY.CONSUMER.MSG_TERMINATED.JOBS.worker";
        let read = Record::read(subject, text.as_bytes()).unwrap();
        assert_eq!((read.reason(), read.is_kept()), (Reason::Terminated, true));
        let deleted = text.replace("kept as a dead letter in DEAD: bad", DELETED);
        let read = Record::read(subject, deleted.as_bytes()).unwrap();
        assert_eq!(read.reason(), Reason::Deleted);
        for (subject, text) in [(subject, "{}"), (subject, "nonsense"), ("jobs.a", text)] {
            assert_eq!(Record::read(subject, text.as_bytes()), None);
        }
    }
}
