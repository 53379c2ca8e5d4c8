//! A page about a topology, for people.

use std::fmt::Write as _;

use watershed_topology::Topology;
use watershed_topology::model::{Access, Consumer, Stream, StreamKind};
use watershed_topology::quantity::{show_duration, show_size};
use watershed_topology::source::Spanned;

use crate::graph::Graph;
use crate::mermaid;

pub(crate) fn render(topologies: &[&Topology]) -> String {
    let mut out = String::new();
    for topology in topologies {
        page(&mut out, topology);
    }
    out
}

fn page(out: &mut String, topology: &Topology) {
    if !out.is_empty() {
        out.push('\n');
    }
    let _ = writeln!(out, "# {}\n", cell(&topology.name.value));
    let _ = writeln!(out, "```mermaid\n{}```", mermaid::render(&Graph::new(&[topology])));
    streams(out, topology);
    consumers(out, topology);
    people(out, topology);
}

fn streams(out: &mut String, topology: &Topology) {
    let streams = topology.streams.iter().filter(|stream| stream.kind == StreamKind::Stream);
    let streams = streams.map(|stream| {
        let config = &stream.config;
        vec![
            code(&stream.name.value),
            list(&config.subjects),
            format!("{}, {}", word(&config.retention), word(&config.storage)),
            limits(stream),
            cell(&config.description),
        ]
    });
    table(out, "Streams", &["stream", "subjects", "keeps", "until", ""], streams);
    let buckets = topology.streams.iter().filter_map(|stream| Some((stream, stream.bucket()?)));
    let buckets = buckets.map(|(stream, name)| {
        let is_store = stream.kind == StreamKind::ObjectStore;
        let kind = if is_store { "object store" } else { "key-value" };
        vec![code(name), kind.to_owned(), limits(stream), cell(&stream.config.description)]
    });
    table(out, "Buckets and object stores", &["name", "kind", "until", ""], buckets);
}

fn consumers(out: &mut String, topology: &Topology) {
    let of = |stream| move |consumer| (stream, consumer);
    let consumers = topology.streams.iter().flat_map(|one| one.consumers.iter().map(of(one)));
    let consumers = consumers.map(|(stream, consumer): (&Stream, &Consumer)| {
        let name = format!("{}/{}", stream.name.value, consumer.name.value);
        let filters = consumer.config.filters();
        let takes = if filters.is_empty() { "everything".to_owned() } else { list(filters) };
        let readers = topology
            .services
            .iter()
            .filter(|service| service.consumes.iter().any(|one| one.value.to_string() == name));
        let readers: Vec<String> = readers.map(|service| code(&service.name.value)).collect();
        vec![code(&name), takes, delivery(consumer), gives_up(consumer), readers.join(", ")]
    });
    let head = ["consumer", "takes", "delivery", "gives up", "read by"];
    table(out, "Consumers", &head, consumers);
}

fn people(out: &mut String, topology: &Topology) {
    let texts = |all: &[Spanned<String>]| {
        all.iter().map(|one| code(&one.value)).collect::<Vec<_>>().join(", ")
    };
    let services = topology.services.iter().map(|service| {
        let consumes: Vec<String> =
            service.consumes.iter().map(|one| code(&one.value.to_string())).collect();
        vec![
            code(&service.name.value),
            texts(&service.publishes),
            consumes.join(", "),
            texts(&service.requests),
            texts(&service.replies),
        ]
    });
    table(out, "Services", &["service", "publishes", "consumes", "asks", "answers"], services);
    let users = topology.users.iter().map(|user| {
        let may = match &user.access {
            Access::Admin => "everything in the account".to_owned(),
            Access::Service(service) => format!("what {} does", code(&service.value)),
            Access::System => "ask about the server, as a user of the system account".to_owned(),
            Access::Listed => "what its permissions say".to_owned(),
        };
        vec![code(&user.name.value), may]
    });
    table(out, "Users", &["user", "may do"], users);
}

fn table(out: &mut String, title: &str, head: &[&str], rows: impl Iterator<Item = Vec<String>>) {
    let rows: Vec<Vec<String>> = rows.collect();
    if rows.is_empty() {
        return;
    }
    let _ = writeln!(out, "\n## {title}\n\n| {} |", head.join(" | "));
    let _ = writeln!(out, "|{}", "---|".repeat(head.len()));
    for row in rows {
        let _ = writeln!(out, "| {} |", row.join(" | "));
    }
}

fn limits(stream: &Stream) -> String {
    let config = &stream.config;
    let mut limits = Vec::new();
    if config.max_age > 0 {
        limits.push(show_duration(config.max_age));
    }
    if config.max_msgs > 0 {
        limits.push(format!("{} messages", config.max_msgs));
    }
    if config.max_bytes > 0 {
        limits.push(show_size(config.max_bytes));
    }
    if config.max_msgs_per_subject > 0 {
        limits.push(format!("{} of each subject", config.max_msgs_per_subject));
    }
    if limits.is_empty() { "unlimited".to_owned() } else { limits.join(", ") }
}

fn delivery(consumer: &Consumer) -> String {
    let config = &consumer.config;
    let way = if config.is_push() {
        format!("push to {}", code(&config.deliver_subject))
    } else {
        "pull".to_owned()
    };
    format!("{way}, ack within {}", show_duration(config.ack_wait))
}

fn gives_up(consumer: &Consumer) -> String {
    let tries = match consumer.config.max_deliver {
        0 | 1 => "after 1 delivery".to_owned(),
        tries if tries > 0 => format!("after {tries} deliveries"),
        _ => return "never".to_owned(),
    };
    match &consumer.dead_letter {
        Some(stream) => format!("{tries}, to {}", code(&stream.value)),
        None => tries,
    }
}

/// The word that the API has for a value.
fn word(value: &impl std::fmt::Debug) -> String {
    format!("{value:?}").to_lowercase()
}

/// Most subjects that are named in one cell.
const SUBJECTS_MAX: usize = 8;

fn list(all: &[String]) -> String {
    let shown: Vec<String> = all.iter().take(SUBJECTS_MAX).map(|one| code(one)).collect();
    match all.len().saturating_sub(SUBJECTS_MAX) {
        0 => shown.join(", "),
        more => format!("{} and {more} more", shown.join(", ")),
    }
}

fn code(text: &str) -> String {
    format!("`{}`", text.replace('`', "'").replace('|', "\\|").replace(['\n', '\r'], " "))
}

/// A text in a cell of a table.
fn cell(text: &str) -> String {
    text.replace('|', "\\|").replace(['\n', '\r'], " ").replace('<', "&lt;")
}
