//! A message that somebody types into the page.

use std::str::FromStr as _;
use std::time::Duration;

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::Response;
use bytes::Bytes;
use serde::Deserialize;
use serde_json::{Value as Json, json};
use tokio::time::timeout;
use watershed_client::{HeaderName, HeaderValue};
use watershed_topology::call::{CallError, answer};
use watershed_wire::subject::is_literal;

use crate::page::Shared;
use crate::reply::{Refused, page as reply};

/// Longest wait for the acknowledgement.
const PATIENCE: Duration = Duration::from_secs(5);

/// What is typed.
#[derive(Deserialize)]
struct Typed {
    subject: String,
    #[serde(default)]
    headers: Vec<(String, String)>,
    payload: String,
}

pub(crate) async fn publish(
    State(page): Shared,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, Refused> {
    let wrong = |status, text: String| Refused::Wrong(status, text);
    if !page.publish {
        let text = "this page changes nothing: `watershed up --page-publish` lets it publish";
        return Err(wrong(StatusCode::FORBIDDEN, text.into()));
    }
    let said = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    if said("x-watershed-token") != Some(page.token.as_str()) {
        return Err(wrong(StatusCode::FORBIDDEN, "reload the page and try again".into()));
    }
    if said(header::CONTENT_TYPE.as_str()) != Some("application/json") {
        return Err(wrong(StatusCode::UNSUPPORTED_MEDIA_TYPE, "send application/json".into()));
    }
    let unclear = |text: String| wrong(StatusCode::BAD_REQUEST, text);
    let typed: Typed = serde_json::from_slice(&body).map_err(|error| unclear(error.to_string()))?;
    if !is_literal(typed.subject.as_bytes()) {
        return Err(unclear(format!("`{}` is not a subject to publish to", typed.subject)));
    }
    // A message to the server's API can delete streams.
    if typed.subject.starts_with('$') {
        return Err(unclear("subjects that begin with `$` are the server's".into()));
    }
    let mut map = watershed_client::HeaderMap::new();
    for (name, value) in &typed.headers {
        match (HeaderName::from_str(name), HeaderValue::from_str(value)) {
            (Ok(name), Ok(value)) => map.append(name, value),
            _ => return Err(unclear(format!("invalid header `{name}`"))),
        }
    }
    let session = page.sessions.of(&headers).await?;
    let sent = session.client.publish_stored(&typed.subject, map, typed.payload.into());
    let said = match timeout(PATIENCE, sent).await {
        Ok(Ok(said)) => said,
        Ok(Err(CallError::NoJetStream)) => {
            return Err(unclear(format!(
                "no stream stores `{}`, and nobody listens",
                typed.subject
            )));
        }
        Ok(Err(CallError::Timeout(_))) | Err(_) => {
            return Err(wrong(StatusCode::GATEWAY_TIMEOUT, "no stream has acknowledged it".into()));
        }
        Ok(Err(error)) => return Err(error.into()),
    };
    let acknowledged: Json = answer(&said)?;
    Ok(reply(
        StatusCode::OK,
        &json!({
            "stream": acknowledged.get("stream"),
            "sequence": acknowledged.get("seq"),
            "duplicate": acknowledged.get("duplicate"),
        }),
    ))
}
