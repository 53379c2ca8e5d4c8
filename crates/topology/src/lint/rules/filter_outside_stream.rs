//! A filter that takes nothing.

use watershed_wire::subject::overlaps;

use crate::diagnostic::{ServerSays, Severity};
use crate::flow::{consumed, stored};
use crate::lint::{Report, Rule};
use crate::model::{Consumer, Topology};

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
    for (stream, own) in consumed(topology) {
        for (filter, place) in stream.consumers.iter().flat_map(Consumer::filters) {
            let meets = |own: &String| overlaps(own.as_bytes(), filter.as_bytes());
            if own.iter().any(meets) {
                continue;
            }
            let name = &stream.name.value;
            let finding = report
                .at(place, format!("`{filter}` matches nothing that `{name}` stores"))
                .note(format!("`{name}` stores {}", own.join(", ")));
            let mut others = topology.streams.iter();
            if let Some(owner) = others.find(|o| stored(topology, o).filters.iter().any(meets)) {
                finding.other(owner.name.span, format!("`{}` stores it", owner.name.value));
            }
        }
    }
}
