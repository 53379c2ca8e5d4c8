//! A filter that reaches beyond its stream.

use watershed_wire::subject::{overlaps, uncovered};

use crate::diagnostic::{ServerSays, Severity};
use crate::flow::consumed;
use crate::lint::{Report, Rule};
use crate::model::{Consumer, Topology};

pub(super) static RULE: Rule = Rule {
    code: "X003",
    name: "filter-partly-outside",
    severity: Severity::Warning,
    server: ServerSays::Accepts,
    about: "A filter that takes more than its stream stores receives only a part of what it asks \
            for; who reads it believes that it is all.",
    bad: "streams: { A: { subjects: [orders.eu.>], max_age: 1d, consumers: { c: { filter_subject: orders.> } } } }\n",
    good: "streams: { A: { subjects: [orders.eu.>], max_age: 1d, consumers: { c: { filter_subject: orders.eu.* } } } }\n",
    check,
};

fn check(topology: &Topology, report: &mut Report<'_>) {
    for (stream, own) in consumed(topology) {
        let own: Vec<&str> = own.iter().map(String::as_str).collect();
        for (filter, place) in stream.consumers.iter().flat_map(Consumer::filters) {
            let meets = own.iter().any(|own| overlaps(own.as_bytes(), filter.as_bytes()));
            let Some(beyond) = uncovered(filter, &own).filter(|_| meets) else { continue };
            let name = &stream.name.value;
            report
                .at(place, format!("`{name}` does not store all of `{filter}`: not `{beyond}`"))
                .note(format!("`{name}` stores {}", own.join(", ")));
        }
    }
}
