//! The records of the journal: everything that changes what a client was told.
//!
//! State follows from records in their order, and from nothing else.

mod command;
mod event;

use watershed_store::{LogId, Record};
use watershed_wire::time::UnixNanos;

pub(crate) use self::command::Command;
pub(crate) use self::event::{Event, decode_events};

/// Kinds of records. A number is never used for something else.
pub(crate) mod kind {
    /// A message: key is the subject, head the header block, body the payload.
    pub(crate) const MESSAGE: u8 = 1;
    /// A [`Command`](super::Command), as JSON in the body.
    pub(crate) const COMMAND: u8 = 2;
    /// Events of a consumer: key is its name, body the events.
    pub(crate) const EVENTS: u8 = 3;
    /// A message that was copied from another stream, with the same parts.
    pub(crate) const COPY: u8 = 4;
}

/// The record of a command on the stream with the log `log`.
pub(crate) fn command_record(log: LogId, time: UnixNanos, body: &[u8]) -> Record<'_> {
    Record { log, kind: kind::COMMAND, sequence: 0, time: time.0, key: b"", head: b"", body }
}

/// The record of events of the consumer `name`.
pub(crate) fn events_record<'a>(
    log: LogId,
    time: UnixNanos,
    name: &'a str,
    events: &'a [u8],
) -> Record<'a> {
    let (key, body) = (name.as_bytes(), events);
    Record { log, kind: kind::EVENTS, sequence: 0, time: time.0, key, head: b"", body }
}
