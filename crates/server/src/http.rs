//! Monitoring over HTTP: `/healthz`, `/varz`, `/jsz`, with nats-server's names for what they say.
//!
//! It runs on a thread of its own, knows nothing but what the loop tells it, and changes nothing.

use std::net::SocketAddr;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use axum::Router;
use axum::extract::{Query, State};
use axum::http::{StatusCode, header};
use axum::response::{Html, IntoResponse, Response};
use axum::routing::get;
use serde::Deserialize;
use serde_json::{Value as Json, json};
use tokio::net::TcpListener;
use tokio::sync::{oneshot, watch};
use watershed_engine::{Detail, Snapshot};

use crate::clock::Clock;
use crate::http_connections;
use crate::monitor::{Facts, trouble};
use crate::shard::{Command, Remote};
use crate::thread::spawn;

/// Longest wait for the loop, which answers within a turn unless something is very wrong.
const PATIENCE: Duration = Duration::from_secs(5);

/// The monitoring that runs beside a server. Ends when dropped.
#[derive(Debug)]
pub(crate) struct Http {
    address: SocketAddr,
    stop: Option<watch::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

/// What every page needs.
struct Pages {
    facts: Facts,
    clock: Clock,
    remote: Remote,
}

type Shared = State<Arc<Pages>>;

impl Http {
    /// Answers on `listener` from now on. A request must be whole within `patience`.
    pub(crate) fn start(
        listener: std::net::TcpListener,
        facts: Facts,
        patience: Duration,
        remote: Remote,
    ) -> std::io::Result<Self> {
        let address = listener.local_addr()?;
        listener.set_nonblocking(true)?;
        let pages = Arc::new(Pages { facts, clock: Clock::new(), remote });
        let router = Router::new()
            .route("/", get(index))
            .route("/healthz", get(healthz))
            .route("/varz", get(varz))
            .route("/jsz", get(jsz))
            .with_state(pages);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let (stop, mut stopped) = watch::channel(());
        let serve = move || {
            runtime.block_on(async move {
                let Ok(listener) = TcpListener::from_std(listener) else { return };
                tokio::select! {
                    () = http_connections::serve(&listener, &router, patience) => {}
                    // The sender is gone when the server is.
                    _ = stopped.changed() => {}
                }
            });
        };
        let thread = spawn("http", serve)?;
        Ok(Self { address, stop: Some(stop), thread: Some(thread) })
    }

    /// Where it answers.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for Http {
    fn drop(&mut self) {
        self.stop.take();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

async fn snapshot(pages: &Pages, detail: Detail) -> Option<Snapshot> {
    let (answer, answered) = oneshot::channel();
    // Who asked may have gone.
    let answer = Box::new(|snapshot| drop(answer.send(snapshot)));
    pages.remote.send(Command::Snapshot(detail, answer));
    tokio::time::timeout(PATIENCE, answered).await.ok()?.ok()
}

fn page(status: StatusCode, json: &Json) -> Response {
    let text = serde_json::to_string_pretty(json).unwrap_or_default();
    (status, [(header::CONTENT_TYPE, "application/json")], text).into_response()
}

fn no_answer() -> Response {
    let json = json!({"status": "unavailable", "error": "the server does not answer"});
    page(StatusCode::SERVICE_UNAVAILABLE, &json)
}

async fn index() -> Html<&'static str> {
    Html(
        "<!doctype html><title>Watershed</title><h1>Watershed</h1><ul>\
         <li><a href=/healthz>healthz</a>: is it well\
         <li><a href=/varz>varz</a>: what the server is and does\
         <li><a href=\"/jsz?streams=true&amp;consumers=true&amp;config=true\">jsz</a>: streams and \
         consumers</ul>",
    )
}

async fn healthz(State(pages): Shared) -> Response {
    let Some(snapshot) = snapshot(&pages, Detail::default()).await else { return no_answer() };
    match trouble(&snapshot) {
        None => page(StatusCode::OK, &json!({"status": "ok"})),
        Some(error) => {
            let json = json!({"status": "unavailable", "error": error});
            page(StatusCode::SERVICE_UNAVAILABLE, &json)
        }
    }
}

async fn varz(State(pages): Shared) -> Response {
    let Some(snapshot) = snapshot(&pages, Detail::default()).await else { return no_answer() };
    page(StatusCode::OK, &pages.facts.variables(&snapshot, pages.clock.now().wall))
}

/// What `/jsz` may be asked for; each level implies the ones above it.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Wanted {
    accounts: Option<String>,
    streams: Option<String>,
    consumers: Option<String>,
    config: Option<String>,
    acc: Option<String>,
}

async fn jsz(State(pages): Shared, Query(wanted): Query<Wanted>) -> Response {
    let set = |value: &Option<String>| {
        value.as_deref().is_some_and(|text| matches!(text, "" | "1" | "true"))
    };
    let consumers = set(&wanted.consumers);
    let streams = consumers || set(&wanted.streams);
    let detail = Detail {
        accounts: streams || wanted.acc.is_some() || set(&wanted.accounts),
        streams,
        consumers,
        config: set(&wanted.config),
        account: wanted.acc,
    };
    let Some(snapshot) = snapshot(&pages, detail).await else { return no_answer() };
    page(StatusCode::OK, &pages.facts.streams(snapshot, pages.clock.now().wall))
}
