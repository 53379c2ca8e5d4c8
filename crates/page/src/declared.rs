//! What is declared: services, what they publish and read, and where dead letters go.

use std::sync::Arc;

use serde_json::{Value as Json, json};
use watershed_topology::Topology;
use watershed_topology::model::{Service, Stream};
use watershed_wire::subject::{is_valid, overlaps};

/// What is declared, as the files say it now. Asked again and again while somebody watches; it may read files.
pub type Source = Arc<dyn Fn() -> Declared + Send + Sync>;

/// What somebody has declared.
#[derive(Debug, Clone, Default)]
pub struct Declared {
    /// The topologies, as the embedded server runs them.
    pub topologies: Vec<Topology>,
    /// Why the files say nothing that holds, if that is so.
    pub error: Option<String>,
    /// What the linter says, in a line.
    pub findings: Option<String>,
    /// Commands to try, as they are pasted into a terminal.
    pub commands: Vec<String>,
}

impl Declared {
    pub(crate) fn failed(error: String) -> Self {
        Self { error: Some(error), ..Self::default() }
    }
}

/// The topologies of an account, of those that are declared.
pub(crate) fn of_account<'t>(
    declared: &'t Declared,
    account: Option<&str>,
) -> impl Iterator<Item = &'t Topology> {
    let alone = declared.topologies.len() == 1;
    declared
        .topologies
        .iter()
        .filter(move |one| account.map_or(alone, |account| one.account_name() == account))
}

/// What is declared for an account, as the page takes it.
pub(crate) fn shown(declared: &Declared, account: Option<&str>) -> Json {
    let topologies: Vec<Json> = of_account(declared, account).map(topology).collect();
    json!({
        "topologies": topologies,
        "error": declared.error,
        "findings": declared.findings,
        "commands": declared.commands,
    })
}

fn topology(topology: &Topology) -> Json {
    let dead = topology.consumers().filter_map(|(stream, consumer)| {
        let name = format!("{}/{}", stream.name.value, consumer.name.value);
        Some(json!({"consumer": name, "stream": consumer.dead_letter.as_ref()?.value}))
    });
    json!({
        "name": topology.name.value,
        "streams": topology.streams.iter().map(|own| &own.name.value).collect::<Vec<_>>(),
        "services": topology.services.iter().map(|own| service(topology, own)).collect::<Vec<_>>(),
        "dead": dead.collect::<Vec<_>>(),
    })
}

fn service(topology: &Topology, service: &Service) -> Json {
    let publishes = service.publishes.iter().filter(|subject| is_valid(subject.value.as_bytes()));
    let publishes = publishes.map(|subject| {
        let streams = topology.streams.iter().filter(|stream| takes(stream, &subject.value));
        let streams: Vec<&String> = streams.map(|stream| &stream.name.value).collect();
        json!({"subject": subject.value, "streams": streams})
    });
    let buckets = |names: &[watershed_topology::source::Spanned<String>]| -> Vec<String> {
        let all = names.iter().flat_map(|name| topology.buckets(&name.value));
        all.map(|stream| stream.name.value.clone()).collect()
    };
    let subjects = |all: &[watershed_topology::source::Spanned<String>]| -> Vec<String> {
        all.iter().map(|subject| subject.value.clone()).collect()
    };
    json!({
        "name": service.name.value,
        "replicas": service.replicas.value,
        "publishes": publishes.collect::<Vec<_>>(),
        "consumes": service.consumes.iter().map(|one| one.value.to_string()).collect::<Vec<_>>(),
        "reads": buckets(&service.reads),
        "writes": buckets(&service.writes),
        "requests": subjects(&service.requests),
        "replies": subjects(&service.replies),
    })
}

fn takes(stream: &Stream, subject: &str) -> bool {
    let mut own = stream.config.subjects.iter();
    own.any(|own| overlaps(own.as_bytes(), subject.as_bytes()))
}
