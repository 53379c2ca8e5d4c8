//! What a live server has.

use super::{Imported, kind, runs};
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
    runs(&mut topology);
    Imported { topology, findings: Vec::new(), recognized: true }
}
