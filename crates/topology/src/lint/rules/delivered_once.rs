//! Work that is tried once.

use crate::diagnostic::{ServerSays, Severity};
use crate::lint::{Report, Rule};
use crate::model::Topology;
use watershed_wire::jetstream::stream::Retention;

pub(super) static RULE: Rule = Rule {
    code: "C024",
    name: "delivered-once",
    severity: Severity::Warning,
    server: ServerSays::Accepts,
    about: "With `max_deliver: 1` a message whose worker dies is never tried again, and stays in \
            the work queue. That is at most once, not exactly once: for exactly once, publish \
            with a message id, try more than once, and confirm the acknowledgement.",
    bad: "streams: { A: { subjects: [a], retention: workqueue, max_age: 1d, consumers: { c: { max_deliver: 1 } } } }\n",
    good: "streams: { A: { subjects: [a], retention: workqueue, max_age: 1d, consumers: { c: { max_deliver: unlimited } } } }\n",
    check,
};

fn check(topology: &Topology, report: &mut Report<'_>) {
    for (stream, consumer) in topology.consumers() {
        if consumer.config.max_deliver == 1 && stream.config.retention != Retention::Limits {
            report
                .at(
                    consumer.places.at("max_deliver"),
                    format!("`{}` tries every message once at most", consumer.name.value),
                )
                .fix("try more than once, and make the handler idempotent");
        }
    }
}
