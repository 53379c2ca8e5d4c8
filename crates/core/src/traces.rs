//! Traces of messages, as they are kept until all of them is known.

use std::collections::BTreeMap;

use serde_json::Value;
use watershed_base::AccountId;

use crate::limits::{TRACES_BYTES_MAX, TRACES_MAX};

/// Begins the subjects on which streams answer what is traced.
pub(crate) const STORED: &[u8] = b"_TRACE_.";

/// What becomes of one message.
#[derive(Debug)]
pub(crate) struct Trace {
    pub(crate) account: AccountId,
    pub(crate) destination: Box<[u8]>,
    /// Whether it goes nowhere.
    pub(crate) only: bool,
    pub(crate) request: Value,
    pub(crate) events: Vec<Value>,
    /// Bytes of the message's headers, which `request` repeats.
    pub(crate) bytes: usize,
}

/// A trace whose message a stream is to store.
#[derive(Debug)]
pub(crate) struct Waiting {
    pub(crate) trace: Trace,
    /// Who waits for the stream's answer.
    pub(crate) reply: Option<Box<[u8]>>,
}

/// Traces.
#[derive(Debug, Default)]
pub(crate) struct Traces {
    /// That of the message of this turn.
    pub(crate) current: Option<Box<Trace>>,
    /// Those that wait for a stream, by the subject of its answer.
    waiting: BTreeMap<Box<[u8]>, Waiting>,
    /// Bytes of all of these.
    bytes: usize,
}

impl Traces {
    /// Whether the message of this turn is traced.
    #[inline]
    pub(crate) fn is_on(&self) -> bool {
        self.current.is_some()
    }

    /// The trace of this turn is put aside, so that what happens in other accounts is not in it.
    pub(crate) fn take(&mut self) -> Option<Box<Trace>> {
        self.current.take()
    }

    /// It goes on.
    pub(crate) fn put_back(&mut self, trace: Option<Box<Trace>>) {
        self.current = trace;
    }

    /// Whether another one may wait for a stream. None that waits is forgotten: its answer is on its way to a publisher.
    pub(crate) fn has_room(&self) -> bool {
        self.waiting.len() < TRACES_MAX && self.bytes < TRACES_BYTES_MAX
    }

    /// A stream answers later, to the subject `answer`.
    pub(crate) fn wait(&mut self, answer: &[u8], waiting: Waiting) {
        self.bytes += waiting.trace.bytes;
        self.waiting.insert(answer.into(), waiting);
    }

    /// Whether a stream is to answer to this subject.
    pub(crate) fn awaits(&self, answer: &[u8]) -> bool {
        answer.starts_with(STORED) && self.waiting.contains_key(answer)
    }

    /// A stream has answered.
    pub(crate) fn answered(&mut self, answer: &[u8]) -> Option<Waiting> {
        let waiting = self.waiting.remove(answer)?;
        self.bytes -= waiting.trace.bytes;
        Some(waiting)
    }
}
