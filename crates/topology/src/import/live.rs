//! What a live server has.

use super::{Imported, kind};
use crate::diagnostic::Severity;
use crate::lint;
use crate::model::{Consumer, Stream, Topology};
use crate::observe::{Observed, PROTECT};
use crate::source::{Span, Spanned};

/// An account as a topology. Places are those of no file.
pub fn live(observed: &Observed) -> Imported {
    let name = |name: &str| Spanned::new(name.to_owned(), Span::default());
    let streams = observed.streams.values().map(|stream| {
        let consumers = stream.consumers.values().map(|consumer| Consumer {
            name: name(&consumer.info.name),
            protect: consumer.info.config.metadata.contains_key(PROTECT),
            config: consumer.info.config.clone(),
            ..Consumer::default()
        });
        Stream {
            name: name(&stream.info.config.name),
            kind: kind(&stream.info.config),
            protect: stream.info.config.metadata.contains_key(PROTECT),
            config: stream.info.config.clone(),
            consumers: consumers.filter(|consumer| consumer.config.is_durable()).collect(),
            ..Stream::default()
        }
    });
    let mut topology = Topology { streams: streams.collect(), ..Topology::default() };
    // What runs is no error, whatever there is to say about it.
    for found in lint::run(&topology, None).iter().filter(|one| one.severity == Severity::Error) {
        topology.lint.levels.insert(found.code.to_owned(), Some(Severity::Warning));
    }
    Imported { topology, findings: Vec::new(), recognized: true }
}
