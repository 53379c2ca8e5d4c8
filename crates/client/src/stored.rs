//! Single messages of streams, without a consumer.

use std::str::FromStr as _;

use async_nats::header::{HeaderMap, HeaderName, HeaderValue};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use bytes::Bytes;
use serde_json::{Value as Json, json};
use watershed_topology::call::{CallError, Request, answer};
use watershed_wire::header::HeaderBlock;
use watershed_wire::jetstream::call::Call;
use watershed_wire::jetstream::message::StoredMessage;
use watershed_wire::jetstream::stream::StreamState;
use watershed_wire::time::UnixNanos;

use crate::client::Client;
use crate::newest::Newest;

/// A message as a stream holds it.
#[derive(Debug, Clone)]
pub struct Stored {
    /// Its subject.
    pub subject: String,
    /// Its sequence in the stream.
    pub sequence: u64,
    /// When it was stored.
    pub time: UnixNanos,
    /// What it carries.
    pub payload: Bytes,
    block: Vec<u8>,
}

#[derive(serde::Deserialize)]
struct Found {
    message: StoredMessage,
}

impl Stored {
    /// Its headers in their order, as text, whatever they hold.
    pub fn headers(&self) -> Vec<(String, String)> {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim().to_owned();
        HeaderBlock(&self.block).fields().map(|(name, value)| (text(name), text(value))).collect()
    }

    /// The headers that can be sent again as they are.
    pub fn header_map(&self) -> HeaderMap {
        let mut map = HeaderMap::new();
        for (name, value) in self.headers() {
            if let (Ok(name), Ok(value)) =
                (HeaderName::from_str(&name), HeaderValue::from_str(&value))
            {
                map.append(name, value);
            }
        }
        map
    }
}

/// The first message from a sequence on that a filter takes.
pub async fn next(
    client: &Client,
    stream: &str,
    from: u64,
    filter: &str,
) -> Result<Option<Stored>, CallError> {
    get(client, stream, &json!({"seq": from, "next_by_subj": filter})).await
}

/// The message with a sequence.
pub async fn at(client: &Client, stream: &str, sequence: u64) -> Result<Option<Stored>, CallError> {
    get(client, stream, &json!({"seq": sequence})).await
}

/// The last message of a subject.
pub async fn last(
    client: &Client,
    stream: &str,
    subject: &str,
) -> Result<Option<Stored>, CallError> {
    get(client, stream, &json!({"last_by_subj": subject})).await
}

/// The sequence of the first one of the newest `count` messages that `filter` takes.
pub async fn newest(
    client: &Client,
    stream: &str,
    state: &StreamState,
    count: u64,
    filter: &str,
) -> Result<Option<u64>, CallError> {
    let mut newest = Newest::new(state.first_seq, state.last_seq, count);
    while let Some(sequence) = newest.next() {
        let found = next(client, stream, sequence, filter).await?;
        newest.found(sequence, found.map(|message| message.sequence));
    }
    Ok(newest.start())
}

async fn get(client: &Client, stream: &str, body: &Json) -> Result<Option<Stored>, CallError> {
    let reply = client.call(&Request::new(Call::MessageGet(stream), body)).await?;
    let found: Found = match answer(&reply) {
        Ok(found) => found,
        Err(error) if error.is_no_message() => return Ok(None),
        Err(error) => return Err(error),
    };
    let message = found.message;
    let decode =
        |text: &str| BASE64.decode(text).map_err(|error| CallError::Unreadable(error.to_string()));
    Ok(Some(Stored {
        block: decode(&message.hdrs)?,
        payload: decode(&message.data)?.into(),
        subject: message.subject,
        sequence: message.seq,
        time: message.time,
    }))
}

/// Deletes a message. `false` if it was not there any more.
pub async fn delete(client: &Client, stream: &str, sequence: u64) -> Result<bool, CallError> {
    let body = json!({"seq": sequence, "no_erase": true});
    let reply = client.call(&Request::new(Call::MessageDelete(stream), &body)).await?;
    match answer::<Json>(&reply) {
        Ok(_) => Ok(true),
        // Servers say with the code of any failure that it is not there.
        Err(_) if at(client, stream, sequence).await?.is_none() => Ok(false),
        Err(error) => Err(error),
    }
}
