//! Monitoring over HTTP: `/healthz`, `/varz`, `/jsz`, `/connz` and the like, with nats-server's names for what they say.
//!
//! It runs on a thread of its own, knows nothing but what the loop tells it, and changes nothing.

use std::collections::BTreeMap;
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
use watershed_engine::{Detail, Engine};
use watershed_wire::time::UnixNanos;

use crate::clock::Clock;
use crate::http_connections;
use crate::monitor::connz::{Options, SubsOptions};
use crate::monitor::health::{Named, Trouble, health};
use crate::monitor::{self, Facts};
use crate::shard::{Command, Remote};
use crate::thread::spawn;

/// Longest wait for the loop, which answers within a turn unless something is very wrong.
const PATIENCE: Duration = Duration::from_secs(5);

/// More pages at the address of monitoring, given where clients connect.
#[derive(Clone)]
pub(crate) struct Site(Arc<dyn Fn(SocketAddr) -> Router + Send + Sync>);

impl Site {
    pub(crate) fn new(make: impl Fn(SocketAddr) -> Router + Send + Sync + 'static) -> Self {
        Self(Arc::new(make))
    }

    pub(crate) fn make(&self, clients: SocketAddr) -> Router {
        (self.0)(clients)
    }
}

impl std::fmt::Debug for Site {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Site")
    }
}

/// The monitoring that runs beside a server. Ends when dropped.
#[derive(Debug)]
pub(crate) struct Http {
    address: SocketAddr,
    stop: Option<watch::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

/// What every page needs.
struct Pages {
    clock: Clock,
    remote: Remote,
}

type Shared = State<Arc<Pages>>;

impl Http {
    /// Answers on `listener` from now on. A request must be whole within `patience`.
    /// Beside its own pages it has those of `site`, which may be in front.
    pub(crate) fn start(
        listener: std::net::TcpListener,
        patience: Duration,
        remote: Remote,
        site: Option<Router>,
    ) -> std::io::Result<Self> {
        let address = listener.local_addr()?;
        listener.set_nonblocking(true)?;
        let pages = Arc::new(Pages { clock: Clock::new(), remote });
        let router = Router::new()
            .route("/healthz", get(healthz))
            .route("/varz", get(varz))
            .route("/jsz", get(jsz))
            .route("/connz", get(connz))
            .route("/subsz", get(subsz))
            .route("/subscriptionsz", get(subsz))
            .route("/accountz", get(accountz))
            .route("/accstatz", get(accstatz))
            .route("/routez", get(routez))
            .route("/gatewayz", get(gatewayz))
            .route("/leafz", get(leafz))
            .with_state(pages);
        let router = match site {
            Some(site) => router.merge(site),
            None => router.route("/", get(index)),
        };
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

/// What the loop says. Who asked may have gone when it does.
async fn ask<T: Send + 'static>(
    pages: &Pages,
    question: impl FnOnce(&mut Engine, &Facts) -> T + Send + 'static,
) -> Option<T> {
    let (answer, answered) = oneshot::channel();
    let look = Box::new(move |engine: &mut Engine, facts: &Facts| {
        drop(answer.send(question(engine, facts)));
    });
    pages.remote.send(Command::Look(look));
    tokio::time::timeout(PATIENCE, answered).await.ok()?.ok()
}

/// A page of what the loop says: what was asked for, or what is wrong with the question.
async fn told(
    pages: &Pages,
    question: impl FnOnce(&mut Engine, &Facts, UnixNanos) -> Result<Json, String> + Send + 'static,
) -> Response {
    let now = pages.clock.now().wall;
    match ask(pages, move |engine, facts| question(engine, facts, now)).await {
        None => no_answer(),
        Some(Ok(json)) => page(StatusCode::OK, &json),
        Some(Err(why)) => (StatusCode::BAD_REQUEST, why).into_response(),
    }
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
         <li><a href=./healthz>healthz</a>: is it well\
         <li><a href=./varz>varz</a>: what the server is and does\
         <li><a href=\"./jsz?streams=true&amp;consumers=true&amp;config=true\">jsz</a>: streams and \
         consumers\
         <li><a href=./connz>connz</a>: connections\
         <li><a href=./subsz>subsz</a>: subscriptions\
         <li><a href=./accountz>accountz</a>, <a href=./accstatz>accstatz</a>: accounts\
         <li><a href=./routez>routez</a>, <a href=./gatewayz>gatewayz</a>, \
         <a href=./leafz>leafz</a>: other servers, of which there are none</ul>",
    )
}

type Wishes = Query<BTreeMap<String, String>>;

async fn healthz(State(pages): Shared, Query(wishes): Wishes) -> Response {
    let wish = |name: &str| wishes.get(name).filter(|text| !text.is_empty()).cloned();
    let named = Named {
        account: wish("account"),
        stream: wish("stream"),
        consumer: wish("consumer"),
        details: false,
    };
    let said = ask(&pages, move |engine, _| health(engine, &named)).await;
    match said {
        None => no_answer(),
        Some(Ok(())) => page(StatusCode::OK, &json!({"status": "ok"})),
        Some(Err(Trouble { code, error, .. })) => {
            let status = if code == 400 { "error" } else { "unavailable" };
            let code = StatusCode::from_u16(code).unwrap_or(StatusCode::SERVICE_UNAVAILABLE);
            page(code, &json!({"status": status, "error": error}))
        }
    }
}

async fn varz(State(pages): Shared) -> Response {
    told(
        &pages,
        |engine, facts, now| Ok(facts.variables(&engine.snapshot(&Detail::default()), now)),
    )
    .await
}

async fn connz(State(pages): Shared, Query(wishes): Wishes) -> Response {
    told(&pages, move |engine, facts, now| {
        let options = Options::of_page(&wishes)?;
        let found = engine.connections(&options.which()?, options.is_detailed());
        Ok(monitor::connz::connz(&options, &facts.info.server_id, now, found))
    })
    .await
}

async fn subsz(State(pages): Shared, Query(wishes): Wishes) -> Response {
    told(&pages, move |engine, facts, now| {
        let options = SubsOptions::of_page(&wishes)?;
        Ok(monitor::subscriptions(&options, &facts.info.server_id, now, engine))
    })
    .await
}

async fn accountz(State(pages): Shared, Query(wishes): Wishes) -> Response {
    told(&pages, move |engine, facts, now| {
        let accounts = engine.account_statistics();
        match wishes.get("acc").filter(|name| !name.is_empty()) {
            None => Ok(facts.accounts(&accounts, now)),
            Some(name) => Ok(json!({
                "server_id": facts.info.server_id,
                "now": now,
                "system_account": facts.system_account(),
                "account_detail": facts.account(name, &accounts)?,
            })),
        }
    })
    .await
}

async fn accstatz(State(pages): Shared, Query(wishes): Wishes) -> Response {
    told(&pages, move |engine, facts, now| {
        let unused = wishes.get("unused").is_some_and(|text| matches!(text.as_str(), "1" | "true"));
        let all = engine.account_statistics();
        Ok(monitor::connz::accstatz(&facts.info.server_id, now, &all, unused))
    })
    .await
}

async fn routez(State(pages): Shared) -> Response {
    told(&pages, |_, facts, now| Ok(facts.routes(now))).await
}

async fn gatewayz(State(pages): Shared) -> Response {
    told(&pages, |_, facts, now| Ok(facts.gateways(now))).await
}

async fn leafz(State(pages): Shared) -> Response {
    told(&pages, |_, facts, now| Ok(facts.leaf_nodes(now))).await
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
    // What it is put together from may be much: the loop does not do that.
    let look = move |engine: &mut Engine, facts: &Facts| (engine.snapshot(&detail), facts.clone());
    let Some((snapshot, facts)) = ask(&pages, look).await else { return no_answer() };
    page(StatusCode::OK, &facts.streams(snapshot, pages.clock.now().wall))
}
