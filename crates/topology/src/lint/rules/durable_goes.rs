//! A durable consumer that does not last.

use crate::diagnostic::{ServerSays, Severity};
use crate::lint::{Report, Rule};
use crate::model::Topology;
use crate::quantity::show_duration;

pub(super) static RULE: Rule = Rule {
    code: "C018",
    name: "durable-goes",
    severity: Severity::Warning,
    server: ServerSays::Accepts,
    about: "After `inactive_threshold` without clients a consumer is deleted, with its position. \
            A threshold shorter than a bad deployment loses it.",
    bad: "streams: { A: { subjects: [a], max_age: 1d, consumers: { c: { inactive_threshold: 1m } } } }\n",
    good: "streams: { A: { subjects: [a], max_age: 1d, consumers: { c: { inactive_threshold: 1d } } } }\n",
    check,
};

/// An hour, in nanoseconds.
const SHORT: i64 = 3_600_000_000_000;

fn check(topology: &Topology, report: &mut Report<'_>) {
    for (_, consumer) in topology.consumers() {
        let threshold = consumer.config.inactive_threshold;
        if threshold > 0 && threshold < SHORT {
            let message = format!(
                "`{}` is deleted, with its position, after {} without clients",
                consumer.name.value,
                show_duration(threshold)
            );
            report.at(consumer.places.at("inactive_threshold"), message);
        }
    }
}
