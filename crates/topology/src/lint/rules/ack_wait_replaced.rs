//! An ack wait beside a backoff.

use crate::diagnostic::{ServerSays, Severity};
use crate::lint::{Report, Rule};
use crate::model::Topology;
use crate::quantity::show_duration;

pub(super) static RULE: Rule = Rule {
    code: "C003",
    name: "ack-wait-replaced",
    severity: Severity::Warning,
    server: ServerSays::Accepts,
    about: "With a `backoff`, the server waits its first value for the first acknowledgement, \
            whatever `ack_wait` says. Say one of the two.",
    bad: "streams: { A: { subjects: [a], max_age: 1d, consumers: { c: { ack_wait: 5m, backoff: [1s, 5s], max_deliver: 3 } } } }\n",
    good: "streams: { A: { subjects: [a], max_age: 1d, consumers: { c: { ack_wait: 5m, backoff: [5m, 10m], max_deliver: 3 } } } }\n",
    check,
};

fn check(topology: &Topology, report: &mut Report<'_>) {
    for (_, consumer) in topology.consumers() {
        let Some(written) = consumer.places.get("ack_wait") else { continue };
        let Some(first) = consumer.config.backoff.first() else { continue };
        if consumer.ack_wait == Some(*first) {
            continue;
        }
        let first = show_duration(*first);
        report
            .at(written, format!("this `ack_wait` is replaced by the first `backoff`, {first}"))
            .other(consumer.places.item("backoff", 0), "this is the ack wait")
            .fix("remove `ack_wait`, or make it the first value of `backoff`");
    }
}
