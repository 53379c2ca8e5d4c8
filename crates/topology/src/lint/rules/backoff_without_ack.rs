//! Waits before deliveries that never come.

use crate::diagnostic::{ServerSays, Severity};
use crate::lint::{Report, Rule};
use crate::model::Topology;
use watershed_wire::jetstream::consumer::AckPolicy;

pub(super) static RULE: Rule = Rule {
    code: "C004",
    name: "backoff-without-ack",
    severity: Severity::Warning,
    server: ServerSays::Accepts,
    about: "Without acknowledgements nothing is delivered again, and `backoff` is ignored.",
    bad: "streams: { A: { subjects: [a], max_age: 1d, consumers: { c: { ack_policy: none, backoff: [1s, 5s], max_deliver: 3 } } } }\n",
    good: "streams: { A: { subjects: [a], max_age: 1d, consumers: { c: { backoff: [1s, 5s], max_deliver: 3 } } } }\n",
    check,
};

fn check(topology: &Topology, report: &mut Report<'_>) {
    for (_, consumer) in topology.consumers() {
        if consumer.config.ack_policy == AckPolicy::None && !consumer.config.backoff.is_empty() {
            report
                .at(
                    consumer.places.at("backoff"),
                    "nothing is delivered again without acknowledgements",
                )
                .other(consumer.places.at("ack_policy"), "no acknowledgements");
        }
    }
}
