//! A server with the streams of a topology, and what tests ask of it.

use std::net::SocketAddr;
use std::time::Duration;

use serde_json::{Value, json};
use tempfile::TempDir;
use watershed_client::{Client, Options, wait};
use watershed_peers::{NatsServer, nats_server};
use watershed_topology::SourceMap;
use watershed_topology::Topology;
use watershed_topology::call::{Request, answer};
use watershed_topology::read::{Document, read};
use watershed_wire::jetstream::call::Call;
use watershed_wire::jetstream::consumer::CreateAction;
use watershed_worker::ConsumerName;

/// Longest wait for anything.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// A server that may be stopped and started again where it was.
pub(crate) enum Server {
    /// In this process.
    Embedded { running: Option<watershed_server::Server>, address: SocketAddr, store: TempDir },
    /// A nats-server.
    Real { running: Option<NatsServer>, address: SocketAddr, store: TempDir },
}

impl Server {
    pub(crate) fn embedded() -> Self {
        let store = tempfile::tempdir().unwrap();
        let running = watershed_server::Server::builder().store_dir(store.path()).start().unwrap();
        let address = running.client_url().trim_start_matches("nats://").parse().unwrap();
        Self::Embedded { running: Some(running), address, store }
    }

    pub(crate) fn real() -> Self {
        let store = tempfile::tempdir().unwrap();
        let running = NatsServer::start_with(&nats_server(), &["-sd".as_ref(), store.path()]);
        let address = running.address;
        Self::Real { running: Some(running), address, store }
    }

    /// Stops it and starts it again: for nats-server that is `kill -9`.
    pub(crate) fn restart(&mut self) {
        match self {
            Self::Embedded { running, address, store } => {
                drop(running.take());
                let builder = watershed_server::Server::builder().listen(*address);
                *running = Some(builder.store_dir(store.path()).start().unwrap());
            }
            Self::Real { running, address, store } => {
                drop(running.take());
                let port = address.port().to_string();
                let arguments = ["-p".as_ref(), port.as_ref(), "-sd".as_ref(), store.path()];
                *running = Some(NatsServer::start_with(&nats_server(), &arguments));
            }
        }
    }

    pub(crate) fn options(&self) -> Options {
        let (Self::Embedded { address, .. } | Self::Real { address, .. }) = self;
        Options { servers: format!("nats://{address}"), ..Options::default() }
    }

    pub(crate) async fn client(&self) -> Client {
        wait(&self.options(), PATIENCE, |_| ()).await.unwrap()
    }
}

/// A topology with these streams and services.
pub(crate) fn topology(body: &str) -> Topology {
    let mut sources = SourceMap::default();
    let file = sources.add("watershed.yaml", &format!("watershed: 1\nname: x\n{body}"));
    let read = read(&sources, vec![Document::new(&sources, file)], Vec::new(), None);
    let errors =
        read.diagnostics.iter().filter(|one| one.severity == watershed_topology::Severity::Error);
    assert_eq!(errors.map(|one| one.plain(&sources)).collect::<Vec<_>>(), Vec::<String>::new());
    read.topology
}

/// Makes what a topology declares.
pub(crate) async fn create(client: &Client, topology: &Topology) {
    for stream in &topology.streams {
        let name = &stream.name.value;
        let request = Request::new(Call::StreamCreate(name), &stream.config);
        answer::<Value>(&client.call(&request).await.unwrap()).unwrap();
        for consumer in &stream.consumers {
            let config = serde_json::to_value(&consumer.config).unwrap();
            let wanted =
                Request::put_consumer(name, &consumer.name.value, &config, CreateAction::Create);
            answer::<Value>(&client.call(&wanted).await.unwrap()).unwrap();
        }
    }
}

pub(crate) fn name(text: &str) -> ConsumerName {
    let (stream, consumer) = text.split_once('/').unwrap();
    ConsumerName { stream: stream.into(), consumer: consumer.into() }
}

/// Stores a message.
pub(crate) async fn publish(client: &Client, subject: &str, payload: &str) {
    let headers = watershed_worker::HeaderMap::new();
    let reply = client.publish_stored(subject, headers, payload.to_owned().into()).await.unwrap();
    answer::<Value>(&reply).unwrap();
}

/// What a call answers.
pub(crate) async fn ask(client: &Client, call: Call<'_>) -> Value {
    answer(&client.call(&Request::bare(call)).await.unwrap()).unwrap()
}

/// Messages in a stream: all, or those that a filter takes.
pub(crate) async fn stored(client: &Client, stream: &str, filter: &str) -> u64 {
    let request = Request::new(Call::StreamInfo(stream), &json!({"subjects_filter": filter}));
    let info: Value = answer(&client.call(&request).await.unwrap()).unwrap();
    let subjects = info.pointer("/state/subjects").and_then(Value::as_object);
    subjects.into_iter().flatten().filter_map(|(_, count)| count.as_u64()).sum()
}

/// How many messages a consumer has outstanding or before it.
pub(crate) async fn unfinished(client: &Client, name: &ConsumerName) -> u64 {
    let ConsumerName { stream, consumer } = name;
    let info = ask(client, Call::ConsumerInfo { stream, consumer }).await;
    info["num_pending"].as_u64().unwrap() + info["num_ack_pending"].as_u64().unwrap()
}

/// Waits until something is so.
pub(crate) async fn until<F: Future<Output = bool>>(what: &str, mut is_so: impl FnMut() -> F) {
    let begun = std::time::Instant::now();
    while !is_so().await {
        assert!(begun.elapsed() < PATIENCE, "never: {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}
