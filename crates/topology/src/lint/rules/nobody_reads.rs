//! Messages that are stored and that no consumer takes.

use watershed_wire::jetstream::stream::Retention;
use watershed_wire::subject::{FilterSet, is_valid, overlaps};

use crate::diagnostic::{ServerSays, Severity};
use crate::flow::transformed;
use crate::lint::{Report, Rule};
use crate::model::{Stream, Topology};

pub(super) static RULE: Rule = Rule {
    code: "X013",
    name: "published-not-read",
    severity: Severity::Info,
    server: ServerSays::Accepts,
    about: "A service publishes what a stream keeps and no declared consumer of that stream takes. \
            It may be kept for the record; it may be a misspelling, on one side or the other.",
    bad: "streams: { A: { subjects: [context.>], max_age: 1d, consumers: { c: { filter_subject: context.updated } } } }\nservices: { s: { publishes: [context.events.updated, context.updated], consumes: [A/c] } }\n",
    good: "streams: { A: { subjects: [context.>], max_age: 1d, consumers: { c: { filter_subject: context.updated } } } }\nservices: { s: { publishes: [context.updated], consumes: [A/c] } }\n",
    check,
};

fn check(topology: &Topology, report: &mut Report<'_>) {
    let mut stored = FilterSet::default();
    for (index, stream) in topology.streams.iter().enumerate() {
        let own = stream.config.subjects.iter().filter(|own| is_valid(own.as_bytes()));
        own.for_each(|own| stored.insert(own, index));
    }
    for (service, subject) in topology.published() {
        let near = stored.overlapping(&subject.value);
        let first = near.into_iter().map(|(index, _)| index).min();
        let Some(stream) = first.and_then(|index| topology.streams.get(index)) else { continue };
        // A stream without consumers is a record. One that keeps only what is wanted has a rule of
        // its own.
        let limits = stream.config.retention == Retention::Limits;
        if stream.consumers.is_empty() || !limits || reads(stream, &subject.value) {
            continue;
        }
        let sourced = topology.streams.iter().any(|other| {
            other.config.sources.iter().any(|source| source.name == stream.name.value)
        });
        if sourced {
            continue;
        }
        report.at(
            subject.span,
            format!(
                "no consumer of `{}` takes `{}`, which `{}` publishes",
                stream.name.value, subject.value, service.name.value
            ),
        );
    }
}

fn reads(stream: &Stream, subject: &str) -> bool {
    // Without it, nothing is known.
    let Some(stored) = transformed(stream, subject) else { return true };
    let takes = |filter: &str| stored.iter().any(|own| overlaps(filter.as_bytes(), own.as_bytes()));
    stream.consumers.iter().any(|consumer| {
        consumer.config.filters().is_empty() || consumer.filters().any(|(filter, _)| takes(filter))
    })
}
