//! A consumer that begins after what is there.

use watershed_wire::jetstream::consumer::DeliverPolicy;

use crate::diagnostic::{ServerSays, Severity};
use crate::lint::{Report, Rule};
use crate::model::Topology;

pub(super) static RULE: Rule = Rule {
    code: "X011",
    name: "backlog-skipped",
    severity: Severity::Info,
    server: ServerSays::Accepts,
    about: "`deliver_policy: new` begins with what comes after the consumer was made. What its \
            services' publishers have stored before the first deployment is never delivered; nor is \
            what comes between deleting the consumer and making it again.",
    bad: "streams: { A: { subjects: [a], max_age: 1d, consumers: { c: { deliver_policy: new } } } }\n",
    good: "streams: { A: { subjects: [a], max_age: 1d, consumers: { c: {} } } }\n",
    check,
};

fn check(topology: &Topology, report: &mut Report<'_>) {
    for (_, consumer) in topology.consumers() {
        if consumer.config.deliver_policy == DeliverPolicy::New && consumer.config.is_durable() {
            report.at(
                consumer.places.at("deliver_policy"),
                format!("`{}` never gets what was stored before it", consumer.name.value),
            );
        }
    }
}
