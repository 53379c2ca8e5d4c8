//! A filter that takes nothing.

use watershed_wire::subject::{is_valid, overlaps};

use crate::diagnostic::{ServerSays, Severity};
use crate::flow::stored;
use crate::lint::{Report, Rule};
use crate::model::{Consumer, Topology};
use crate::source::Span;

pub(super) static RULE: Rule = Rule {
    code: "X002",
    name: "filter-outside-stream",
    severity: Severity::Error,
    server: ServerSays::Accepts,
    about: "A consumer whose filter matches nothing that its stream stores never receives a \
            message. Servers up to 2.9 refused it (10093); newer ones take it without a word. What \
            counts is what the stream stores: its own subjects, and what its sources bring.",
    bad: "streams: { RESPONSES: { subjects: [orchestrator_response], max_age: 1d, consumers: { c: { filter_subject: root_cause_result } } } }\n",
    good: "streams: { RESPONSES: { subjects: [orchestrator_response, root_cause_result], max_age: 1d, consumers: { c: { filter_subject: root_cause_result } } } }\n",
    check,
};

fn check(topology: &Topology, report: &mut Report<'_>) {
    for stream in &topology.streams {
        if stream.consumers.is_empty() {
            continue;
        }
        let stored = stored(topology, stream);
        if stored.open {
            continue;
        }
        for consumer in &stream.consumers {
            for (filter, place) in filters(consumer) {
                let meets = |own: &String| overlaps(own.as_bytes(), filter.as_bytes());
                if stored.filters.iter().any(meets) {
                    continue;
                }
                let name = &stream.name.value;
                let mut finding = report
                    .at(place, format!("`{filter}` matches nothing that `{name}` stores"))
                    .note(format!("`{name}` stores {}", stored.filters.join(", ")));
                let owner = topology.streams.iter().find(|other| {
                    let stored = crate::flow::stored(topology, other);
                    stored.filters.iter().any(meets)
                });
                if let Some(owner) = owner {
                    let text = format!("`{}` stores it", owner.name.value);
                    finding = finding.other(owner.name.span, text);
                }
                let _ = finding;
            }
        }
    }
}

/// The valid filters of a consumer, and where they stand.
pub(super) fn filters(consumer: &Consumer) -> Vec<(&str, Span)> {
    let single = !consumer.config.filter_subject.is_empty();
    let place = |index| {
        if single {
            consumer.places.at("filter_subject")
        } else {
            consumer.places.item("filter_subjects", index)
        }
    };
    let filters = consumer.config.filters().iter().enumerate();
    let valid = filters.filter(|(_, filter)| is_valid(filter.as_bytes()));
    valid.map(|(index, filter)| (filter.as_str(), place(index))).collect()
}
