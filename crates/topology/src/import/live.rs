//! What a live server has.

use super::Imported;
use crate::model::{Consumer, Places, Stream, Topology};
use crate::observe::Observed;
use crate::source::{Span, Spanned};

/// An account as a topology. Places are those of no file.
pub fn live(observed: &Observed) -> Imported {
    let name = |name: &str| Spanned::new(name.to_owned(), Span::default());
    let streams = observed.streams.values().map(|stream| {
        let consumers = stream.consumers.values().map(|consumer| Consumer {
            name: name(&consumer.info.name),
            ack_wait: None,
            config: consumer.info.config.clone(),
            places: Places::default(),
        });
        Stream {
            name: name(&stream.info.config.name),
            config: stream.info.config.clone(),
            consumers: consumers.filter(|consumer| consumer.config.is_durable()).collect(),
            ..Stream::default()
        }
    });
    let topology = Topology { streams: streams.collect(), ..Topology::default() };
    Imported { topology, findings: Vec::new(), recognized: true }
}
