//! Storing dead letters, each once.

use thiserror::Error;
use watershed_client::{Client, HeaderMap};
use watershed_topology::call::{CallError, answer};
use watershed_wire::jetstream::error::table;

use crate::letter::Letter;

/// What a server answers to a message that it stores.
#[derive(Debug, serde::Deserialize)]
struct Stored {
    seq: u64,
}

/// What the protocol puts around headers and payload: names of commands, lengths, line ends.
const FRAME: usize = 1024;

/// Why a dead letter was not stored.
#[derive(Debug, Error)]
pub enum KeepError {
    /// The server did not take it.
    #[error(transparent)]
    Call(#[from] CallError),
    /// Its stream takes no message that is as long.
    #[error(transparent)]
    NotTaken(CallError),
    /// It is longer than a message may be.
    #[error("with its headers it is {size} bytes, and the server takes {most}")]
    TooLarge {
        /// Bytes that it has.
        size: usize,
        /// Bytes that a message may have.
        most: usize,
    },
}

/// Stores a dead letter in `stream`, unless it is there: its subject is that message's alone, and the
/// server stores a first message of it and no second one. Returns when it is on disk, with its
/// sequence if it is new.
pub async fn keep(
    client: &Client,
    stream: &str,
    letter: &Letter,
) -> Result<Option<u64>, KeepError> {
    let mut headers = letter.kept_headers();
    let subject = letter.kept_under();
    headers.insert("Nats-Expected-Stream", stream);
    headers.insert("Nats-Expected-Last-Subject-Sequence", "0");
    let payload = letter.body.clone().unwrap_or_default();
    let size = length(&headers) + payload.len() + FRAME;
    if size > client.max_payload() {
        return Err(KeepError::TooLarge { size, most: client.max_payload() });
    }
    let reply = client.publish_stored(&subject, headers, payload).await?;
    match answer::<Stored>(&reply) {
        Ok(stored) => Ok(Some(stored.seq)),
        Err(CallError::Refused(error)) if is_there(error.err_code) => Ok(None),
        Err(error) if is_too_large(&error) => Err(KeepError::NotTaken(error)),
        Err(error) => Err(error.into()),
    }
}

/// Whether a refusal says that there is a message of that subject.
fn is_there(code: u16) -> bool {
    [table::STREAM_WRONG_LAST_SEQUENCE.code, table::STREAM_WRONG_LAST_SEQUENCE_CONSTANT.code]
        .contains(&code)
}

fn is_too_large(error: &CallError) -> bool {
    let code = table::STREAM_MESSAGE_EXCEEDS_MAXIMUM.code;
    matches!(error, CallError::Refused(error) if error.err_code == code)
}

fn length(headers: &HeaderMap) -> usize {
    let lines = headers.iter().flat_map(|(name, values)| {
        let name = name.to_string().len();
        values.iter().map(move |value| name + value.as_str().len() + 4)
    });
    lines.sum()
}
