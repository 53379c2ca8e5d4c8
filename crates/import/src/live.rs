//! What a live server has.

use std::collections::BTreeMap;

use serde_json::Value as Json;

use super::findings::Findings;
use super::{Imported, kind, runs};
use watershed_topology::model::{Consumer, Stream, Topology};
use watershed_topology::observe::{Observed, PROTECT};
use watershed_topology::source::{Span, Spanned};

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
    let mut findings = Findings::default();
    for (stream, there) in &observed.streams {
        left_out(&format!("stream {stream}"), &there.not_understood, &mut findings);
        for (consumer, live) in &there.consumers {
            let what = format!("consumer {stream}/{consumer}");
            left_out(&what, &live.not_understood, &mut findings);
        }
    }
    let mut topology = Topology { streams: streams.collect(), ..Topology::default() };
    runs(&mut topology);
    Imported { topology, findings: findings.0, recognized: true, ..Imported::default() }
}

/// Says what a file cannot say, because this program does not know it.
fn left_out(what: &str, fields: &BTreeMap<String, Json>, findings: &mut Findings) {
    for (field, value) in fields {
        let message = format!(
            "{what}: `{field}: {value}` is left out, because this version of watershed does not know it"
        );
        findings.skipped(Span::default(), message);
    }
}
