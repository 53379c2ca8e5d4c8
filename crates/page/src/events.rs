//! What changes, as it changes: server-sent events.

use std::convert::Infallible;
use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse as _, Response};
use bytes::Bytes;
use futures_util::stream::unfold;
use tokio::sync::{OwnedSemaphorePermit, mpsc};
use tokio::time::{Instant, timeout, timeout_at};

use crate::limits::{RETRY, TAKE_WAIT, WATCH_MAX};
use crate::page::Shared;
use crate::reply::Refused;
use crate::session::Session;

pub(crate) async fn events(State(page): Shared, headers: HeaderMap) -> Result<Response, Refused> {
    let place = Arc::clone(&page.viewers).try_acquire_owned().map_err(|_| Refused::Busy)?;
    let session = page.sessions.of(&headers).await?;
    let seen = headers.get("last-event-id").and_then(|value| value.to_str().ok());
    let seen = seen.and_then(|text| text.strip_prefix(session.watching.epoch())?.strip_prefix('-'));
    let seen = seen.and_then(|number| number.parse().ok()).unwrap_or(0);
    let hello = format!(
        "retry: {}\nevent: hello\ndata: {}\n\n",
        RETRY.as_millis(),
        serde_json::json!({
            "publish": page.publish.then_some(&page.token),
            "epoch": session.watching.epoch(),
        })
    );
    // One is on its way, one waits: a page that is slow misses some.
    let (send, taken) = mpsc::channel(1);
    tokio::spawn(tell(session, seen, hello, send, place));
    let body = unfold(taken, |mut taken| async {
        let event: Option<String> = taken.recv().await;
        event.map(|event| (Ok::<_, Infallible>(Bytes::from(event)), taken))
    });
    // A browser has few connections to a server: this one is given back whole.
    let headers = [(header::CONTENT_TYPE, "text/event-stream"), (header::CONNECTION, "close")];
    Ok((headers, Body::from_stream(body)).into_response())
}

/// Sends what is new, until it is not taken any more, or for as long as a connection lasts.
async fn tell(
    session: Arc<Session>,
    mut seen: u64,
    hello: String,
    send: mpsc::Sender<String>,
    place: OwnedSemaphorePermit,
) {
    let end = Instant::now() + WATCH_MAX;
    let mut samples = session.watching.watch();
    // Whoever comes first is told nothing of what was before the first look.
    samples.mark_changed();
    let mut event = hello;
    loop {
        if !matches!(timeout(TAKE_WAIT, send.send(event)).await, Ok(Ok(()))) {
            break;
        }
        let sample = loop {
            let changed = tokio::select! {
                changed = timeout_at(end, samples.changed()) => changed,
                () = send.closed() => return,
            };
            if !matches!(changed, Ok(Ok(()))) {
                return;
            }
            let sample = Arc::clone(&samples.borrow_and_update());
            if sample.number > 0 {
                break sample;
            }
        };
        event = format!(
            "id: {}-{}\ndata: {}\n\n",
            session.watching.epoch(),
            sample.number,
            sample.since(seen)
        );
        seen = sample.number;
    }
    drop(place);
}
