//! Reading many messages of a stream with one request: `DIRECT.GET` in batches (ADR-31, nats-server 2.11
//! and later).

use std::time::Duration;

use async_nats::HeaderMap;
use bytes::Bytes;
use serde_json::json;
use watershed_topology::call::{CallError, Request};
use watershed_wire::jetstream::call::Call;

use crate::backup::EXPECTATION;
use crate::client::{Client, Subscription};

/// Most messages of a batch.
const MESSAGES_MAX: usize = 1024;

/// Most bytes of a batch.
const BYTES_MAX: usize = 4 << 20;

/// Headers that the answer has beyond those of the message.
const OF_THE_ANSWER: [&str; 5] = [
    "Nats-Stream",
    "Nats-Num-Pending",
    "Nats-Last-Sequence",
    "Nats-UpTo-Sequence",
    "Nats-UpTo-Time",
];

/// A message as a batch has it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Got {
    pub(crate) sequence: u64,
    /// Subject and time are among these, as the server gives them, but not what the publisher expected.
    headers: HeaderMap,
    payload: Bytes,
}

impl Got {
    /// Its subject; empty if the server did not say.
    pub(crate) fn subject(&self) -> &[u8] {
        let subject = self.headers.get("Nats-Subject");
        subject.map(|subject| subject.as_str().as_bytes()).unwrap_or_default()
    }
}

/// A stream that is read in batches.
#[derive(Debug)]
pub(crate) struct Stretches<'a> {
    stream: &'a str,
    answers: Subscription,
    timeout: Duration,
}

/// What an answer is.
enum Answer {
    Message(Got),
    End,
    /// The server does not answer so.
    Unsupported,
}

impl<'a> Stretches<'a> {
    /// Of this stream.
    pub(crate) async fn of(client: &Client, stream: &'a str) -> Result<Self, CallError> {
        let answers = client.subscribe(&client.inbox(), None).await?;
        Ok(Self { stream, answers, timeout: client.timeout() })
    }

    /// The next messages from a sequence on; none at the end of the stream. `None` where the server does
    /// not know batches, or the stream may not be read so.
    pub(crate) async fn from(&mut self, first: u64) -> Result<Option<Vec<Got>>, CallError> {
        let body = json!({"seq": first, "batch": MESSAGES_MAX, "max_bytes": BYTES_MAX});
        let request = Request::new(Call::DirectGet(self.stream), &body);
        self.answers.ask(&request).await?;
        let mut all = Vec::new();
        loop {
            let answer = self.answers.next_within(self.timeout).await?;
            let Some(message) = answer else {
                return Err(CallError::Timeout(request.subject));
            };
            match read(message)? {
                Answer::Message(got) => all.push(got),
                Answer::End => return Ok(Some(all)),
                Answer::Unsupported => return Ok(None),
            }
        }
    }
}

fn read(message: async_nats::Message) -> Result<Answer, CallError> {
    match message.status.map(|status| status.as_u16()) {
        None | Some(200) => {}
        Some(204 | 404) => return Ok(Answer::End),
        Some(_) => return Ok(Answer::Unsupported),
    }
    let unreadable = || CallError::Unreadable("a message without its sequence".into());
    let headers = message.headers.ok_or_else(unreadable)?;
    let sequence = headers.get("Nats-Sequence").and_then(|text| text.as_str().parse().ok());
    let sequence = sequence.ok_or_else(unreadable)?;
    let mut own = HeaderMap::new();
    for (name, values) in headers.iter() {
        let name_text = name.to_string();
        if !OF_THE_ANSWER.contains(&name_text.as_str()) && !name_text.starts_with(EXPECTATION) {
            for value in values {
                own.append(name.clone(), value.clone());
            }
        }
    }
    Ok(Answer::Message(Got { sequence, headers: own, payload: message.payload }))
}
