//! A push consumer that feeds a stream.

use crate::diagnostic::{ServerSays, Severity};
use crate::lint::{Report, Rule};
use crate::model::Topology;
use watershed_wire::subject::is_valid;

pub(super) static RULE: Rule = Rule {
    code: "C008",
    name: "delivered-into-stream",
    severity: Severity::Warning,
    server: ServerSays::Accepts,
    about: "What the consumer delivers is stored by a stream, with the reply subject of the \
            delivery lost: nobody acknowledges it, and it is delivered again and again.",
    bad: "streams: { A: { subjects: [a], max_age: 1d, consumers: { c: { deliver_subject: b.c, deliver_group: g } } }, B: { subjects: [b.>], max_age: 1d } }\n",
    good: "streams: { A: { subjects: [a], max_age: 1d, consumers: { c: { deliver_subject: deliver.c, deliver_group: g } } }, B: { subjects: [b.>], max_age: 1d } }\n",
    check,
};

fn check(topology: &Topology, report: &mut Report<'_>) {
    for (stream, consumer) in topology.consumers() {
        let target = &consumer.config.deliver_subject;
        if !consumer.config.is_push() || !is_valid(target.as_bytes()) {
            continue;
        }
        // Its own stream's subjects are refused by the server.
        for other in topology.streams.iter().filter(|other| other.name.value != stream.name.value) {
            if other.stores(target) {
                let (name, by) = (&consumer.name.value, &other.name.value);
                report
                    .at(
                        consumer.places.at("deliver_subject"),
                        format!("what `{name}` delivers is stored by `{by}`"),
                    )
                    .other(other.places.at("subjects"), "stored here");
            }
        }
    }
}
