//! What `watershed up` does not carry out as it is declared. The tests ask the embedded server about
//! each field.

use watershed_wire::jetstream::consumer::ConsumerConfig;
use watershed_wire::jetstream::stream::StreamSource;

use crate::diagnostic::{Diagnostic, Severity};
use crate::model::Topology;
use crate::source::Span;

/// Findings about what the embedded server does not have.
pub fn embedded(topology: &Topology) -> Vec<Diagnostic> {
    let mut found = Vec::new();
    let mut missing = |span: Span, whose: &str, field: &str| {
        let message = format!("`watershed up` does not support `{field}` yet, in `{whose}`");
        let finding = Diagnostic::new("U001", Severity::Error, span, message);
        found.push(finding.fix("run it on nats-server: `watershed apply -s URL`"));
    };
    for stream in &topology.streams {
        let name = stream.name.value.as_str();
        if let Some(source) = &stream.config.mirror {
            for field in of_source(source) {
                missing(stream.places.at(&format!("mirror.{field}")), name, field);
            }
        }
        for (index, source) in stream.config.sources.iter().enumerate() {
            for field in of_source(source) {
                missing(stream.places.at(&format!("sources.{index}.{field}")), name, field);
            }
        }
        for consumer in &stream.consumers {
            for field in of_consumer(&consumer.config) {
                missing(consumer.places.at(field), &consumer.name.value, field);
            }
        }
    }
    let server = &topology.server;
    let spans = [
        ("token", server.token.as_ref().map(|said| said.span)),
        ("tls", server.tls.as_ref().map(|said| said.span)),
    ];
    for (field, span) in spans {
        if let Some(span) = span {
            missing(span, "server", field);
        }
    }
    found
}

fn of_source(source: &StreamSource) -> Vec<&'static str> {
    wanted(&[("external", source.external.is_some()), ("consumer", source.consumer.is_some())])
}

fn of_consumer(config: &ConsumerConfig) -> Vec<&'static str> {
    wanted(&[("direct", config.direct)])
}

fn wanted(fields: &[(&'static str, bool)]) -> Vec<&'static str> {
    fields.iter().filter(|(_, wanted)| *wanted).map(|(field, _)| *field).collect()
}
