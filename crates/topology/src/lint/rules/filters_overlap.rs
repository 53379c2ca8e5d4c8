//! Filters of one consumer that meet.

use crate::diagnostic::{ServerSays, Severity};
use crate::lint::{Report, Rule};
use crate::model::Topology;
use watershed_wire::subject::{contains, witness};

pub(super) static RULE: Rule = Rule {
    code: "C011",
    name: "filters-overlap",
    severity: Severity::Error,
    server: ServerSays::Refuses(10138),
    about: "Up to 2.11, the filters of a consumer must not have any subject in common; from 2.12 \
            on none may hold another whole.",
    bad: "streams: { A: { subjects: [a.>], max_age: 1d, consumers: { c: { filter_subjects: [a.>, a.b] } } } }\n",
    good: "streams: { A: { subjects: [a.>], max_age: 1d, consumers: { c: { filter_subjects: [a.b, a.c] } } } }\n",
    check,
};

fn check(topology: &Topology, report: &mut Report<'_>) {
    let strict = !report.target().is_at_least(2, 12, 0);
    for (_, consumer) in topology.consumers() {
        let filters: Vec<_> = consumer.filters().collect();
        for (index, (filter, place)) in filters.iter().enumerate() {
            for (other, other_place) in filters.iter().take(index) {
                let Some(both) = witness(filter, other) else { continue };
                let (left, right) = (filter.as_bytes(), other.as_bytes());
                if strict || contains(left, right) || contains(right, left) {
                    report
                        .at(*place, format!("`{filter}` and `{other}` both take `{both}`"))
                        .other(*other_place, "the other filter")
                        .fix("keep the wider one");
                }
            }
        }
    }
}
