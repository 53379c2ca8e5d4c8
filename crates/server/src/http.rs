//! Monitoring over HTTP: `/healthz`, `/varz`, `/jsz`, with nats-server's names for what they say.
//!
//! It runs on a thread of its own, knows nothing but what the loop tells it, and changes nothing.

use std::fmt::Write as _;
use std::net::SocketAddr;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use axum::Router;
use axum::extract::{Query, State};
use axum::http::{StatusCode, header};
use axum::response::{Html, IntoResponse, Response};
use axum::routing::get;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use serde::Deserialize;
use serde_json::{Value as Json, json};
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, oneshot, watch};
use watershed_engine::{Detail, Snapshot};
use watershed_wire::handshake::Info;
use watershed_wire::time::UnixNanos;

use crate::clock::Clock;
use crate::config::{Config, JetStreamConfig};
use crate::descriptors::monitoring_max;
use crate::shard::{Command, Remote};
use crate::thread::spawn;

/// Longest wait for the loop, which answers within a turn unless something is very wrong.
const PATIENCE: Duration = Duration::from_secs(5);

/// Longest time of a connection, whatever it does.
const CONNECTION_TIMEOUT: Duration = Duration::from_mins(1);

/// Time without a new connection after one could not be accepted.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// The monitoring that runs beside a server. Ends when dropped.
#[derive(Debug)]
pub(crate) struct Http {
    address: SocketAddr,
    stop: Option<watch::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

/// What every page needs.
struct Facts {
    info: Info,
    jetstream: Option<JetStreamConfig>,
    max_payload: usize,
    ping_interval: Duration,
    ping_max: u32,
    http: SocketAddr,
    clock: Clock,
    start: UnixNanos,
    remote: Remote,
}

type Shared = State<Arc<Facts>>;

impl Http {
    /// Answers on `listener` from now on.
    pub(crate) fn start(
        listener: std::net::TcpListener,
        config: &Config,
        info: Info,
        remote: Remote,
    ) -> std::io::Result<Self> {
        let address = listener.local_addr()?;
        listener.set_nonblocking(true)?;
        let clock = Clock::new();
        let facts = Arc::new(Facts {
            info,
            jetstream: config.jetstream.clone(),
            max_payload: config.max_payload,
            ping_interval: config.ping_interval,
            ping_max: config.ping_max,
            http: address,
            start: clock.now().wall,
            clock,
            remote,
        });
        let router = Router::new()
            .route("/", get(index))
            .route("/healthz", get(healthz))
            .route("/varz", get(varz))
            .route("/jsz", get(jsz))
            .with_state(facts);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let patience = config.http_timeout;
        let (stop, mut stopped) = watch::channel(());
        let serve = move || {
            runtime.block_on(async move {
                let Ok(listener) = TcpListener::from_std(listener) else { return };
                tokio::select! {
                    () = accept(&listener, &router, patience) => {}
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

/// Answers connections, so many at once that they cannot use up what others need. One more waits
/// in the queue of the system.
async fn accept(listener: &TcpListener, router: &Router, patience: Duration) {
    let slots = Arc::new(Semaphore::new(monitoring_max()));
    loop {
        let Ok(slot) = Arc::clone(&slots).acquire_owned().await else { return };
        let Ok((stream, _)) = listener.accept().await else {
            // The peer left, or the system is out of descriptors.
            tokio::time::sleep(ACCEPT_PAUSE).await;
            continue;
        };
        let service = TowerToHyperService::new(router.clone());
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            // From the moment that a request may begin: what is half sent and what is idle goes.
            .header_read_timeout(patience)
            .serve_connection(TokioIo::new(stream), service);
        tokio::spawn(async move {
            // How it ended is nobody's business here.
            let _ = tokio::time::timeout(CONNECTION_TIMEOUT, connection).await;
            drop(slot);
        });
    }
}

async fn snapshot(facts: &Facts, detail: Detail) -> Option<Snapshot> {
    let (answer, answered) = oneshot::channel();
    // Who asked may have gone.
    let answer = Box::new(|snapshot| drop(answer.send(snapshot)));
    facts.remote.send(Command::Snapshot(detail, answer));
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

async fn healthz(State(facts): Shared) -> Response {
    let Some(snapshot) = snapshot(&facts, Detail::default()).await else { return no_answer() };
    let Some(trouble) = snapshot.trouble else {
        return page(StatusCode::OK, &json!({"status": "ok"}));
    };
    let error = format!("JetStream is not available: {trouble}");
    page(StatusCode::SERVICE_UNAVAILABLE, &json!({"status": "unavailable", "error": error}))
}

async fn varz(State(facts): Shared) -> Response {
    let Some(snapshot) = snapshot(&facts, Detail::default()).await else { return no_answer() };
    let now = facts.clock.now().wall;
    let info = &facts.info;
    let traffic = snapshot.traffic;
    let seconds = now.0.saturating_sub(facts.start.0) / 1_000_000_000;
    let mut json = json!({
        "server_id": info.server_id,
        "server_name": info.server_name,
        "version": info.version,
        "proto": info.proto,
        "go": info.go,
        "host": info.host,
        "port": info.port,
        "auth_required": info.auth_required,
        "ping_interval": u64::try_from(facts.ping_interval.as_nanos()).unwrap_or(u64::MAX),
        "ping_max": facts.ping_max,
        "http_host": facts.http.ip().to_string(),
        "http_port": facts.http.port(),
        "max_payload": facts.max_payload,
        "start": facts.start,
        "now": now,
        "uptime": uptime(seconds),
        "mem": resident_bytes(),
        "cores": std::thread::available_parallelism().map_or(1, usize::from),
        "connections": snapshot.connections,
        "total_connections": snapshot.total_connections,
        "subscriptions": snapshot.subscriptions,
        "in_msgs": traffic.in_msgs,
        "out_msgs": traffic.out_msgs,
        "in_bytes": traffic.in_bytes,
        "out_bytes": traffic.out_bytes,
        "slow_consumers": traffic.slow_consumers,
    });
    if let Some(jetstream) = &snapshot.jetstream {
        json["jetstream"] = json!({
            "config": jetstream_config(&facts),
            "stats": {
                "memory": jetstream.memory,
                "storage": jetstream.storage,
                "reserved_memory": jetstream.reserved_memory,
                "reserved_storage": jetstream.reserved_storage,
                "accounts": jetstream.accounts,
                "ha_assets": jetstream.ha_assets,
                "api": jetstream.api,
            },
        });
    }
    page(StatusCode::OK, &json)
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

async fn jsz(State(facts): Shared, Query(wanted): Query<Wanted>) -> Response {
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
    let Some(snapshot) = snapshot(&facts, detail).await else { return no_answer() };
    let mut json = json!({"server_id": facts.info.server_id, "now": facts.clock.now().wall});
    let Some(object) = json.as_object_mut() else { return no_answer() };
    match snapshot.jetstream {
        None => {
            object.insert("disabled".into(), true.into());
        }
        Some(jetstream) => {
            object.insert("config".into(), jetstream_config(&facts));
            if let Ok(Json::Object(fields)) = serde_json::to_value(jetstream) {
                object.extend(fields);
            }
        }
    }
    page(StatusCode::OK, &json)
}

fn jetstream_config(facts: &Facts) -> Json {
    let Some(jetstream) = &facts.jetstream else { return Json::Null };
    json!({
        "max_memory": jetstream.max_memory_store,
        "max_storage": jetstream.max_file_store,
        "store_dir": jetstream.store_dir.display().to_string(),
    })
}

/// Seconds as nats-server writes them: `1d2h3m4s`.
fn uptime(seconds: i64) -> String {
    let parts = [(86_400, 'd'), (3_600, 'h'), (60, 'm')];
    let mut rest = seconds;
    let mut text = String::new();
    for (length, unit) in parts {
        if rest >= length || !text.is_empty() {
            let _ = write!(text, "{}{unit}", rest / length);
            rest %= length;
        }
    }
    format!("{text}{rest}s")
}

/// Memory that the process holds, where the system says so.
fn resident_bytes() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let number = line.and_then(|line| line.trim().trim_end_matches(" kB").parse::<u64>().ok());
    number.map_or(0, |kib| kib * 1024)
}

#[cfg(test)]
mod tests {
    use super::uptime;

    #[test]
    fn uptimes_are_short() {
        assert_eq!((uptime(5), uptime(65)), ("5s".into(), "1m5s".into()));
        assert_eq!(uptime(90_061), "1d1h1m1s");
    }
}
