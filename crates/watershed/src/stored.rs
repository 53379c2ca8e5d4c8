//! Reads single messages of a stream, without a consumer.

use anyhow::Context as _;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde_json::json;
use watershed_client::{Client, Newest};
use watershed_topology::call::{CallError, Request, answer};
use watershed_wire::jetstream::call::Call;
use watershed_wire::jetstream::message::StoredMessage;
use watershed_wire::jetstream::stream::StreamState;

#[derive(serde::Deserialize)]
struct Found {
    message: StoredMessage,
}

/// The first message from `sequence` on that `filter` takes.
pub(crate) async fn first_from(
    client: &Client,
    stream: &str,
    sequence: u64,
    filter: &str,
) -> anyhow::Result<Option<StoredMessage>> {
    let body = json!({"seq": sequence, "next_by_subj": filter});
    let reply = client.call(&Request::new(Call::MessageGet(stream), &body)).await?;
    match answer::<Found>(&reply) {
        Ok(found) => Ok(Some(found.message)),
        Err(CallError::Refused(error)) if error.code == 404 => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// The sequence of the first one of the newest `count` messages that `filter` takes.
pub(crate) async fn newest(
    client: &Client,
    stream: &str,
    state: &StreamState,
    count: u64,
    filter: &str,
) -> anyhow::Result<Option<u64>> {
    let mut newest = Newest::new(state.first_seq, state.last_seq, count);
    while let Some(sequence) = newest.next() {
        let found = first_from(client, stream, sequence, filter).await?;
        newest.found(sequence, found.map(|message| message.seq));
    }
    Ok(newest.start())
}

/// Header block and payload come in base64.
pub(crate) fn decode(text: &str) -> anyhow::Result<Vec<u8>> {
    BASE64.decode(text).context("the server sent a message that cannot be read")
}

/// The lines of a header block.
pub(crate) fn headers(block: &[u8]) -> Vec<(String, String)> {
    let text = String::from_utf8_lossy(block);
    let pairs = text.lines().skip(1).filter_map(|line| line.split_once(':'));
    pairs.map(|(name, value)| (name.to_owned(), value.trim().to_owned())).collect()
}
