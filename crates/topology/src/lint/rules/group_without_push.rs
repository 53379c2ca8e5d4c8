//! A group at a pull consumer.

use crate::diagnostic::{ServerSays, Severity};
use crate::lint::{Report, Rule};
use crate::model::Topology;

pub(super) static RULE: Rule = Rule {
    code: "C010",
    name: "group-without-push",
    severity: Severity::Warning,
    server: ServerSays::Accepts,
    about: "`deliver_group` shares the subject of a push consumer. A pull consumer is shared as \
            it is, and the field is ignored.",
    bad: "streams: { A: { subjects: [a], max_age: 1d, consumers: { c: { deliver_group: workers } } } }\n",
    good: "streams: { A: { subjects: [a], max_age: 1d, consumers: { c: { ack_wait: 30s } } } }\n",
    check,
};

fn check(topology: &Topology, report: &mut Report<'_>) {
    for (_, consumer) in topology.consumers() {
        if !consumer.config.is_push() && !consumer.config.deliver_group.is_empty() {
            report
                .at(consumer.places.at("deliver_group"), "a pull consumer ignores `deliver_group`")
                .fix("remove `deliver_group`: whoever pulls shares the messages");
        }
    }
}
