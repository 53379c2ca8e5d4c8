//! A message that is stored to see whether a stream stores, and taken out again: only where the file
//! names a subject for it.

use watershed_wire::jetstream::call::Call;
use watershed_wire::jetstream::message::{DeleteRequest, GetRequest, StoredMessage};
use watershed_wire::jetstream::publish::PubAck;

use crate::call::{CallError, Request, answer, check};
use crate::model::{Stream, Topology};

/// Header that says whose probe a message is.
pub const HEADER: &str = "Watershed-Probe";

/// Header by which a server refuses what another stream would store.
pub const EXPECTED_STREAM: &str = "Nats-Expected-Stream";

/// Error of the server for a message that is not there.
const MESSAGE_GONE: u16 = 10037;

/// A stream that may be tried out, and how.
#[derive(Debug, Clone, Copy)]
pub struct Probe<'t> {
    stream: &'t Stream,
    subject: &'t str,
    topology: &'t str,
}

/// What a probe came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// It was stored and is out again.
    TakenBack,
    /// It was stored and is gone: who reads the stream has taken it, or nobody wanted it.
    Gone,
    /// It was stored and stays: the stream denies deletion.
    Stays,
}

/// Every stream of a topology that may be tried out.
pub fn probes(topology: &Topology) -> impl Iterator<Item = Probe<'_>> {
    topology.streams.iter().filter_map(|stream| {
        let subject = stream.probe.as_ref()?.value.as_str();
        Some(Probe { stream, subject, topology: &topology.name.value })
    })
}

impl Probe<'_> {
    /// Stream that is tried out.
    pub fn stream(&self) -> &str {
        &self.stream.name.value
    }

    /// Subject to publish on.
    pub fn subject(&self) -> &str {
        self.subject
    }

    /// Headers of the message, which has no payload.
    pub fn headers(&self) -> [(&'static str, &str); 2] {
        [(EXPECTED_STREAM, self.stream()), (HEADER, self.topology)]
    }

    /// Where it was stored, by the acknowledgement.
    pub fn stored(&self, reply: &[u8]) -> Result<u64, CallError> {
        let ack: PubAck = answer(reply)?;
        if ack.stream == self.stream() {
            return Ok(ack.seq);
        }
        let text = format!("`{}` was stored in `{}`", self.subject, ack.stream);
        Err(CallError::Unreadable(text))
    }

    /// Asks for the message that was stored as `sequence`.
    pub fn look(&self, sequence: u64) -> Request {
        let wanted = GetRequest { seq: sequence, ..GetRequest::default() };
        Request::new(Call::MessageGet(self.stream()), &wanted)
    }

    /// What the answer to [`look`](Self::look) says: `None` if the message is there.
    pub fn seen(&self, reply: &[u8]) -> Result<Option<Outcome>, CallError> {
        #[derive(serde::Deserialize)]
        struct Answer {
            message: StoredMessage,
        }
        match answer::<Answer>(reply) {
            Ok(Answer { message })
                if message.subject == self.subject
                    || self.stream.config.subject_transform.is_some() =>
            {
                Ok(None)
            }
            Ok(Answer { message }) => {
                let text = format!("`{}` lies where the probe was stored", message.subject);
                Err(CallError::Unreadable(text))
            }
            Err(CallError::Refused(error)) if error.err_code == MESSAGE_GONE => {
                Ok(Some(Outcome::Gone))
            }
            Err(error) => Err(error),
        }
    }

    /// Takes the message out again; `None` where the stream does not let anybody.
    pub fn take_back(&self, sequence: u64) -> Option<Request> {
        let config = &self.stream.config;
        let wanted = DeleteRequest { seq: sequence, no_erase: true };
        let may = !config.deny_delete && !config.sealed;
        may.then(|| Request::new(Call::MessageDelete(self.stream()), &wanted))
    }

    /// What the answer to [`take_back`](Self::take_back) says.
    pub fn taken_back(&self, reply: &[u8]) -> Result<Outcome, CallError> {
        check(reply).map(|()| Outcome::TakenBack)
    }
}
