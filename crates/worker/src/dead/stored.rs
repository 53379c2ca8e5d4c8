//! Messages of streams, one after the other, without a consumer.

use std::str::FromStr as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use bytes::Bytes;
use serde_json::{Value as Json, json};
use watershed_client::{Client, HeaderMap, HeaderName, HeaderValue};
use watershed_topology::call::{CallError, Request, answer};
use watershed_wire::header::HeaderBlock;
use watershed_wire::jetstream::call::Call;
use watershed_wire::jetstream::message::StoredMessage;
use watershed_wire::time::UnixNanos;

/// A message as a stream holds it.
#[derive(Debug)]
pub(super) struct Held {
    pub(super) subject: String,
    pub(super) sequence: u64,
    pub(super) time: UnixNanos,
    pub(super) headers: HeaderMap,
    pub(super) payload: Bytes,
}

#[derive(serde::Deserialize)]
struct Found {
    message: StoredMessage,
}

/// The first message from a sequence on that a filter takes.
pub(super) async fn next(
    client: &Client,
    stream: &str,
    from: u64,
    filter: &str,
) -> Result<Option<Held>, CallError> {
    get(client, stream, &json!({"seq": from, "next_by_subj": filter})).await
}

/// The message with a sequence.
pub(super) async fn at(
    client: &Client,
    stream: &str,
    sequence: u64,
) -> Result<Option<Held>, CallError> {
    get(client, stream, &json!({"seq": sequence})).await
}

/// The last message of a subject.
pub(super) async fn last(
    client: &Client,
    stream: &str,
    subject: &str,
) -> Result<Option<Held>, CallError> {
    get(client, stream, &json!({"last_by_subj": subject})).await
}

async fn get(client: &Client, stream: &str, body: &Json) -> Result<Option<Held>, CallError> {
    let reply = client.call(&Request::new(Call::MessageGet(stream), body)).await?;
    let found: Found = match answer(&reply) {
        Ok(found) => found,
        Err(error) if error.is_no_message() => return Ok(None),
        Err(error) => return Err(error),
    };
    let message = found.message;
    let decode =
        |text: &str| BASE64.decode(text).map_err(|error| CallError::Unreadable(error.to_string()));
    Ok(Some(Held {
        headers: headers(&decode(&message.hdrs)?),
        payload: decode(&message.data)?.into(),
        subject: message.subject,
        sequence: message.seq,
        time: message.time,
    }))
}

/// Deletes a message. `false` if it was not there any more.
pub(super) async fn delete(
    client: &Client,
    stream: &str,
    sequence: u64,
) -> Result<bool, CallError> {
    let body = json!({"seq": sequence, "no_erase": true});
    let reply = client.call(&Request::new(Call::MessageDelete(stream), &body)).await?;
    match answer::<Json>(&reply) {
        Ok(_) => Ok(true),
        // Servers say with the code of any failure that it is not there.
        Err(_) if at(client, stream, sequence).await?.is_none() => Ok(false),
        Err(error) => Err(error),
    }
}

/// The fields of a header block that can be sent again as they are.
fn headers(block: &[u8]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (name, value) in HeaderBlock(block).fields() {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim().to_owned();
        let parsed = (HeaderName::from_str(&text(name)), HeaderValue::from_str(&text(value)));
        if let (Ok(name), Ok(value)) = parsed {
            headers.append(name, value);
        }
    }
    headers
}
