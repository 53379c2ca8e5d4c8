//! Who sends what to whom, as a graph: services, streams, consumers.

use std::collections::BTreeMap;

use watershed_topology::Topology;
use watershed_topology::model::{Stream, StreamKind};
use watershed_wire::subject::{is_valid, overlaps};

/// A graph of topologies.
#[derive(Debug, Default)]
pub(crate) struct Graph {
    /// What there is, by topology.
    pub(crate) groups: Vec<Group>,
    /// Who sends to whom.
    pub(crate) edges: Vec<Edge>,
}

/// What one topology has.
#[derive(Debug)]
pub(crate) struct Group {
    pub(crate) name: String,
    pub(crate) nodes: Vec<Node>,
}

#[derive(Debug)]
pub(crate) struct Node {
    pub(crate) id: usize,
    pub(crate) kind: Kind,
    pub(crate) name: String,
    /// What is worth a line below the name.
    pub(crate) detail: Vec<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Service,
    Stream,
    Bucket,
    Consumer,
}

#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Edge {
    pub(crate) from: usize,
    pub(crate) to: usize,
    /// Subjects, if that says something.
    pub(crate) label: String,
    /// Whether it is a copy or a dead letter and no message of a service.
    pub(crate) aside: bool,
}

impl Graph {
    pub(crate) fn new(topologies: &[&Topology]) -> Self {
        let mut graph = Self::default();
        let mut ids = 0;
        for topology in topologies {
            let group =
                Builder { topology, ids: &mut ids, known: BTreeMap::new(), nodes: Vec::new() };
            group.build(&mut graph);
        }
        graph
    }
}

struct Builder<'a> {
    topology: &'a Topology,
    ids: &'a mut usize,
    /// Nodes by what they are called: `service x`, `S`, `S/c`.
    known: BTreeMap<String, usize>,
    nodes: Vec<Node>,
}

impl Builder<'_> {
    fn node(&mut self, key: String, kind: Kind, name: &str, detail: Vec<String>) {
        let id = *self.ids;
        *self.ids += 1;
        self.known.insert(key, id);
        self.nodes.push(Node { id, kind, name: name.to_owned(), detail });
    }

    fn build(mut self, graph: &mut Graph) {
        for service in &self.topology.services {
            let detail = match service.replicas.value {
                1 => Vec::new(),
                count => vec![format!("{count} replicas")],
            };
            let name = &service.name.value;
            self.node(format!("service {name}"), Kind::Service, name, detail);
        }
        for stream in &self.topology.streams {
            let name = &stream.name.value;
            let kind = if stream.kind == StreamKind::Stream { Kind::Stream } else { Kind::Bucket };
            let shown = stream.bucket().unwrap_or(name);
            let subjects: &[String] =
                if kind == Kind::Stream { &stream.config.subjects } else { &[] };
            let detail = if subjects.is_empty() { Vec::new() } else { vec![some(subjects)] };
            self.node(name.clone(), kind, shown, detail);
            for consumer in &stream.consumers {
                let filters = consumer.config.filters();
                let detail = if filters.is_empty() { Vec::new() } else { vec![some(filters)] };
                let consumer = &consumer.name.value;
                self.node(format!("{name}/{consumer}"), Kind::Consumer, consumer, detail);
            }
        }
        self.edges(graph);
        graph.groups.push(Group { name: self.topology.name.value.clone(), nodes: self.nodes });
    }

    fn edges(&self, graph: &mut Graph) {
        let mut push = |from: &str, to: &str, label: String, aside: bool| {
            if let (Some(from), Some(to)) = (self.known.get(from), self.known.get(to)) {
                let edge = Edge { from: *from, to: *to, label, aside };
                if !graph.edges.contains(&edge) {
                    graph.edges.push(edge);
                }
            }
        };
        let takes = |stream: &Stream, subject: &str| {
            let mut own = stream.config.subjects.iter();
            own.any(|own| overlaps(own.as_bytes(), subject.as_bytes()))
        };
        for service in &self.topology.services {
            let from = format!("service {}", service.name.value);
            for stream in &self.topology.streams {
                let subjects = service.publishes.iter().map(|subject| subject.value.as_str());
                let subjects: Vec<&str> = subjects
                    .filter(|subject| is_valid(subject.as_bytes()) && takes(stream, subject))
                    .collect();
                if !subjects.is_empty() {
                    push(&from, &stream.name.value, subjects.join(", "), false);
                }
            }
            for name in &service.consumes {
                push(&name.value.to_string(), &from, String::new(), false);
            }
            for name in &service.writes {
                for stream in self.topology.buckets(&name.value) {
                    push(&from, &stream.name.value, "writes".into(), false);
                }
            }
            for name in &service.reads {
                for stream in self.topology.buckets(&name.value) {
                    push(&stream.name.value, &from, "reads".into(), false);
                }
            }
            for asked in &service.requests {
                for other in &self.topology.services {
                    let answers = other
                        .replies
                        .iter()
                        .any(|own| overlaps(own.value.as_bytes(), asked.value.as_bytes()));
                    if answers {
                        let to = format!("service {}", other.name.value);
                        push(&from, &to, format!("asks {}", asked.value), false);
                    }
                }
            }
        }
        for stream in &self.topology.streams {
            let name = &stream.name.value;
            for (origin, what) in stream
                .config
                .mirror
                .iter()
                .map(|origin| (origin, "mirror"))
                .chain(stream.config.sources.iter().map(|origin| (origin, "source")))
            {
                push(&origin.name, name, what.into(), true);
            }
            for consumer in &stream.consumers {
                let own = format!("{name}/{}", consumer.name.value);
                push(name, &own, String::new(), false);
                if let Some(dead) = &consumer.dead_letter {
                    push(&own, &dead.value, "dead letters".into(), true);
                }
            }
        }
    }
}

/// Most subjects that are named in one place.
const SUBJECTS_MAX: usize = 3;

/// Subjects in a line, the first of many.
pub(crate) fn some(subjects: &[String]) -> String {
    let shown: Vec<&str> = subjects.iter().take(SUBJECTS_MAX).map(String::as_str).collect();
    let more = subjects.len().saturating_sub(SUBJECTS_MAX);
    match more {
        0 => shown.join(", "),
        _ => format!("{} and {more} more", shown.join(", ")),
    }
}
