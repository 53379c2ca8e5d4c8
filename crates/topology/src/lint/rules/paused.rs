//! A consumer that is declared paused.

use crate::diagnostic::{ServerSays, Severity};
use crate::lint::{Report, Rule};
use crate::model::Topology;

pub(super) static RULE: Rule = Rule {
    code: "C022",
    name: "paused",
    severity: Severity::Info,
    server: ServerSays::Accepts,
    about: "Nothing is delivered before `pause_until`. It counts when the consumer is made; later \
            it is changed by a call of its own.",
    bad: "streams: { A: { subjects: [a], max_age: 1d, consumers: { c: { pause_until: 2026-12-24T18:00:00Z } } } }\n",
    good: "streams: { A: { subjects: [a], max_age: 1d, consumers: { c: { ack_wait: 30s } } } }\n",
    check,
};

fn check(topology: &Topology, report: &mut Report<'_>) {
    for (_, consumer) in topology.consumers() {
        if let Some(place) = consumer.places.get("pause_until") {
            report.at(place, format!("`{}` delivers nothing until then", consumer.name.value));
        }
    }
}
