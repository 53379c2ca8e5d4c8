//! Who stores what: the subjects under which messages come to lie in a stream.

use watershed_wire::subject::{intersection, is_valid};

use crate::model::{Stream, Topology};

/// What a server says of a message that nobody took: that it was given up after the last allowed
/// delivery, or terminated by a worker.
pub(crate) const GIVEN_UP: [&str; 2] = ["MAX_DELIVERIES", "MSG_TERMINATED"];

/// The subject on which a server says `what` of a message of a consumer.
pub(crate) fn given_up(what: &str, stream: &str, consumer: &str) -> String {
    format!("$JS.EVENT.ADVISORY.CONSUMER.{what}.{stream}.{consumer}")
}

/// The subjects under which messages lie in a stream.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Stored {
    /// Filters that describe them.
    pub filters: Vec<String>,
    /// Whether there may be others, because they come from where this file does not see.
    pub open: bool,
}

/// What `stream` stores: its own subjects and what its mirror or its sources bring.
///
/// What is transformed on the way, or comes from another account, is not known here.
pub fn stored(topology: &Topology, stream: &Stream) -> Stored {
    let mut stored = Stored::default();
    collect(topology, stream, &mut Vec::new(), &mut stored);
    stored.filters.sort_unstable();
    stored.filters.dedup();
    stored
}

/// Streams that have consumers and of which everything that they store is known.
pub fn consumed(topology: &Topology) -> impl Iterator<Item = (&Stream, Vec<String>)> {
    let read = topology.streams.iter().filter(|stream| !stream.consumers.is_empty());
    let known = read.map(|stream| (stream, stored(topology, stream)));
    known.filter(|(_, stored)| !stored.open).map(|(stream, stored)| (stream, stored.filters))
}

fn collect<'t>(
    topology: &'t Topology,
    stream: &'t Stream,
    path: &mut Vec<&'t str>,
    stored: &mut Stored,
) {
    let config = &stream.config;
    // A circle of sources brings nothing that was not there.
    if path.contains(&config.name.as_str()) {
        return;
    }
    if config.subject_transform.is_some() || stream.is_placeholder() {
        stored.open = true;
    }
    let own = config.subjects.iter().filter(|subject| is_valid(subject.as_bytes()));
    stored.filters.extend(own.cloned());
    path.push(&config.name);
    for source in config.mirror.iter().chain(&config.sources) {
        let origin = topology.stream(&source.name);
        let Some(origin) = origin.filter(|_| source.external.is_none()) else {
            stored.open = true;
            continue;
        };
        if !source.subject_transforms.is_empty() {
            stored.open = true;
            continue;
        }
        let mut inner = Stored::default();
        collect(topology, origin, path, &mut inner);
        stored.open |= inner.open;
        let filter = source.filter_subject.as_str();
        match filter {
            "" => stored.filters.append(&mut inner.filters),
            _ if !is_valid(filter.as_bytes()) => {}
            _ => {
                let brought = inner.filters.iter().filter_map(|own| intersection(own, filter));
                stored.filters.extend(brought);
            }
        }
    }
    path.pop();
}
