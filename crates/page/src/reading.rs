//! Messages, dead letters and connections, when somebody wants to see them.

use axum::extract::{Query, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use serde::Deserialize;
use serde_json::{Value as Json, json};
use tokio::time::timeout;
use watershed_client::Client;
use watershed_client::stored::{self, Stored};
use watershed_topology::call::{CallError, Request, answer};
use watershed_topology::dead_letter;
use watershed_wire::jetstream::call::Call;
use watershed_wire::jetstream::consumer::ConsumerInfo;
use watershed_wire::jetstream::stream::StreamState;
use watershed_wire::subject::is_valid;
use watershed_worker::dead::{Case, Cases, Selection};

use crate::hex::hex;
use crate::limits::{
    CONNECTIONS_MAX, DEAD_MAX, MESSAGES_MAX, READ_WAIT, SHOWN_BINARY_MAX, SHOWN_BYTES_MAX,
    SHOWN_HEADER_BYTES_MAX, SHOWN_HEADERS_MAX,
};
use crate::page::{Page, Shared};
use crate::reply::{Refused, page as reply};
use crate::sample::millis;

/// Runs what reads, if there is room for it, as whoever sends these headers.
async fn read(
    page: &Page,
    headers: &HeaderMap,
    task: impl AsyncFnOnce(&Client) -> Result<Json, Refused>,
) -> Result<Response, Refused> {
    let session = page.sessions.of(headers).await?;
    let _turn = page.reads.try_acquire().map_err(|_| Refused::Busy)?;
    let Ok(json) = timeout(READ_WAIT, task(&session.client)).await else {
        let text = "this takes too long: name a subject, or use `watershed view`";
        return Err(Refused::Wrong(StatusCode::GATEWAY_TIMEOUT, text.into()));
    };
    Ok(reply(StatusCode::OK, &json?))
}

fn plain(name: &str) -> Result<&str, Refused> {
    let is_plain = !name.is_empty() && !name.contains(['.', '*', '>', ' ', '\r', '\n', '\t', '/']);
    let text = format!("`{name}` is not the name of a stream or a consumer");
    is_plain.then_some(name).ok_or(Refused::Wrong(StatusCode::BAD_REQUEST, text))
}

/// Which messages are meant.
#[derive(Deserialize)]
pub(crate) struct Which {
    stream: String,
    #[serde(default)]
    subject: String,
    /// Only those in front of this sequence.
    before: Option<u64>,
}

#[derive(Deserialize)]
struct Held {
    state: StreamState,
}

/// The newest messages of a stream, the newest first.
pub(crate) async fn messages(
    State(page): Shared,
    headers: HeaderMap,
    Query(which): Query<Which>,
) -> Result<Response, Refused> {
    read(&page, &headers, async |client| {
        let stream = plain(&which.stream)?;
        let filter = if which.subject.is_empty() { ">" } else { which.subject.as_str() };
        if !is_valid(filter.as_bytes()) {
            let text = format!("`{filter}` is not a subject");
            return Err(Refused::Wrong(StatusCode::BAD_REQUEST, text));
        }
        let info = client.call(&Request::bare(Call::StreamInfo(stream))).await?;
        let mut state = answer::<Held>(&info)?.state;
        if let Some(before) = which.before {
            state.last_seq = state.last_seq.min(before.saturating_sub(1));
        }
        let mut next = stored::newest(client, stream, &state, MESSAGES_MAX, filter).await?;
        let mut found = Vec::new();
        while let Some(sequence) = next.filter(|next| *next <= state.last_seq)
            && (found.len() as u64) < MESSAGES_MAX
        {
            let Some(message) = stored::next(client, stream, sequence, filter).await? else {
                break;
            };
            next = message.sequence.checked_add(1);
            if message.sequence <= state.last_seq {
                found.push(shown(&message));
            }
        }
        found.reverse();
        Ok(json!({"messages": found, "first_seq": state.first_seq}))
    })
    .await
}

/// Which consumer is meant.
#[derive(Deserialize)]
pub(crate) struct Whose {
    stream: String,
    consumer: String,
}

/// The oldest messages that a consumer has not had acknowledged, the oldest first.
pub(crate) async fn outstanding(
    State(page): Shared,
    headers: HeaderMap,
    Query(whose): Query<Whose>,
) -> Result<Response, Refused> {
    read(&page, &headers, async |client| {
        let (stream, consumer) = (plain(&whose.stream)?, plain(&whose.consumer)?);
        let call = Call::ConsumerInfo { stream, consumer };
        let info: ConsumerInfo = answer(&client.call(&Request::bare(call)).await?)?;
        let filters = match info.config.filters() {
            [] => vec![">".to_owned()],
            some => some.to_vec(),
        };
        let mut next = info.ack_floor.stream_seq + 1;
        let mut found = Vec::new();
        while (found.len() as u64) < MESSAGES_MAX {
            let mut first: Option<Stored> = None;
            for filter in &filters {
                let message = stored::next(client, stream, next, filter).await?;
                first = first.into_iter().chain(message).min_by_key(|one| one.sequence);
            }
            let Some(message) = first else { break };
            next = message.sequence.saturating_add(1);
            found.push(shown(&message));
        }
        Ok(json!({"messages": found}))
    })
    .await
}

/// A message as the page takes it. Whatever it holds, it is text.
fn shown(message: &Stored) -> Json {
    let all = message.headers();
    let cut = |text: &String| within(text, SHOWN_HEADER_BYTES_MAX).to_owned();
    let headers: Vec<(String, String)> =
        all.iter().take(SHOWN_HEADERS_MAX).map(|(name, value)| (cut(name), cut(value))).collect();
    let mut json = payload(&message.payload);
    json["sequence"] = message.sequence.into();
    json["time"] = millis(message.time).into();
    json["subject"] = message.subject.as_str().into();
    json["headers"] = json!(headers);
    json["more_headers"] = all.len().saturating_sub(SHOWN_HEADERS_MAX).into();
    json
}

/// As much of a payload as is shown: as text, or the numbers of its bytes.
fn payload(bytes: &[u8]) -> Json {
    let size = bytes.len();
    let start = bytes.get(..SHOWN_BYTES_MAX).unwrap_or(bytes);
    let text = match std::str::from_utf8(start) {
        Ok(text) => Some(text),
        // The last sign was cut in two.
        Err(error) if start.len() < size && error.error_len().is_none() => {
            start.get(..error.valid_up_to()).and_then(|whole| std::str::from_utf8(whole).ok())
        }
        Err(_) => None,
    };
    let Some(text) = text else {
        let start = bytes.get(..SHOWN_BINARY_MAX).unwrap_or(bytes);
        return json!({"size": size, "hex": hex(start), "cut": start.len() < size});
    };
    json!({"size": size, "text": text, "cut": text.len() < size})
}

/// The beginning of a text.
fn within(text: &str, most: usize) -> &str {
    let end = (0..=most.min(text.len())).rev().find(|end| text.is_char_boundary(*end));
    text.get(..end.unwrap_or(0)).unwrap_or_default()
}

/// The messages that were given up.
pub(crate) async fn dead(State(page): Shared, headers: HeaderMap) -> Result<Response, Refused> {
    read(&page, &headers, async |client| {
        let all = dead_letter::record("*", "*", "*");
        let mut streams = client.streams_of(&all).await?;
        let letters = client.streams_of(&dead_letter::letters("*", "*")).await?;
        streams.extend(letters);
        streams.sort();
        streams.dedup();
        let (mut cases, mut more) = (Vec::new(), false);
        for stream in &streams {
            let read = Cases::read(client, stream, &Selection::default(), DEAD_MAX).await?;
            more |= read.more;
            cases.extend(read.all.iter().map(case));
        }
        cases.reverse();
        Ok(json!({"streams": streams, "cases": cases, "more": more}))
    })
    .await
}

fn case(case: &Case) -> Json {
    let letter = case.letter.as_ref();
    let body = letter.and_then(|letter| letter.body.as_ref());
    json!({
        "id": format!("{}/{}", case.kept_in, case.id),
        "time": millis(case.time),
        "stream": case.stream(),
        "consumer": case.consumer(),
        "sequence": case.sequence(),
        "subject": case.subject(),
        "reason": case.reason().to_string(),
        "error": case.error(),
        "deliveries": case.deliveries(),
        "payload": body.map(|body| payload(body)),
    })
}

/// The connections of the account.
pub(crate) async fn connections(
    State(page): Shared,
    headers: HeaderMap,
) -> Result<Response, Refused> {
    read(&page, &headers, async |client| {
        let asked = json!({"limit": CONNECTIONS_MAX, "sort": "msgs_to"});
        let subject = "$SYS.REQ.ACCOUNT.PING.CONNZ".to_owned();
        let request = Request { subject, body: asked.to_string().into_bytes() };
        let said = match client.call(&request).await {
            Err(CallError::NoJetStream) => {
                let text = "this server says nothing of its connections";
                return Err(Refused::Wrong(StatusCode::NOT_IMPLEMENTED, text.into()));
            }
            said => said?,
        };
        let said: Json = serde_json::from_slice(&said)
            .map_err(|error| CallError::Unreadable(error.to_string()))?;
        let data = said.get("data").unwrap_or(&Json::Null);
        let empty = Vec::new();
        let all = data.get("connections").and_then(Json::as_array).unwrap_or(&empty);
        let fields = [
            "cid",
            "name",
            "lang",
            "version",
            "ip",
            "port",
            "start",
            "uptime",
            "idle",
            "rtt",
            "subscriptions",
            "in_msgs",
            "out_msgs",
            "in_bytes",
            "out_bytes",
            "pending_bytes",
        ];
        let one = |own: &Json| -> Json {
            fields.iter().filter_map(|name| Some((*name, own.get(name)?.clone()))).collect()
        };
        let shown: Vec<Json> = all.iter().map(one).collect();
        Ok(json!({"connections": shown, "total": data.get("total")}))
    })
    .await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(bytes: &[u8], expected: &Json) {
        assert_eq!(payload(bytes), *expected);
    }

    #[test]
    fn payloads_are_text_or_numbers_and_never_too_long() {
        check(b"{}", &json!({"size": 2, "text": "{}", "cut": false}));
        check(b"", &json!({"size": 0, "text": "", "cut": false}));
        check(b"\xff\0", &json!({"size": 2, "hex": "ff00", "cut": false}));
        let mut long = vec![b'a'; SHOWN_BYTES_MAX - 1];
        long.extend("ü".as_bytes());
        let json = payload(&long);
        assert_eq!(json["text"].as_str().unwrap().len(), SHOWN_BYTES_MAX - 1);
        assert_eq!((&json["cut"], &json["size"]), (&true.into(), &(SHOWN_BYTES_MAX + 1).into()));
        let json = payload(&vec![0xff; 5000]);
        assert_eq!(json["hex"].as_str().unwrap().len(), SHOWN_BINARY_MAX * 2);
    }

    #[test]
    fn texts_are_cut_between_signs() {
        assert_eq!([within("aü", 2), within("aü", 3), within("aü", 9)], ["a", "aü", "aü"]);
    }
}
