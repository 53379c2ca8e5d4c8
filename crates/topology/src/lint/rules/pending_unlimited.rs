//! As many messages under way as there are.

use crate::diagnostic::{ServerSays, Severity};
use crate::lint::{Report, Rule};
use crate::model::Topology;

pub(super) static RULE: Rule = Rule {
    code: "C020",
    name: "pending-unlimited",
    severity: Severity::Warning,
    server: ServerSays::Accepts,
    about: "Without a limit of what is delivered and not acknowledged, one worker that hangs \
            takes the whole stream with it, and all of it is delivered again.",
    bad: "streams: { A: { subjects: [a], max_age: 1d, consumers: { c: { max_ack_pending: unlimited } } } }\n",
    good: "streams: { A: { subjects: [a], max_age: 1d, consumers: { c: { max_ack_pending: 10_000 } } } }\n",
    check,
};

fn check(topology: &Topology, report: &mut Report<'_>) {
    for (_, consumer) in topology.consumers() {
        if consumer.config.max_ack_pending < 0 {
            report
                .at(
                    consumer.places.at("max_ack_pending"),
                    "one worker can hold every message there is",
                )
                .fix("write a number, such as workers times what each takes at once");
        }
    }
}
