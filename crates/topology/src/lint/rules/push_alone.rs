//! A push consumer that one client at a time can have.

use std::collections::BTreeSet;

use crate::diagnostic::{ServerSays, Severity};
use crate::lint::{Report, Rule};
use crate::model::{ConsumerName, Topology};

pub(super) static RULE: Rule = Rule {
    code: "C025",
    name: "push-alone",
    severity: Severity::Info,
    server: ServerSays::Accepts,
    about: "A push consumer without `deliver_group` is one client's. A second one is refused as long \
            as the first is there (10013 to clients that bind it), also while a new version is \
            rolled out and the old one still runs.",
    bad: "streams: { A: { subjects: [a], max_age: 1d, consumers: { c: { deliver_subject: out.c } } } }\n",
    good: "streams: { A: { subjects: [a], max_age: 1d, consumers: { c: { deliver_subject: out.c, deliver_group: c } } } }\n",
    check,
};

fn check(topology: &Topology, report: &mut Report<'_>) {
    // Of those with several readers, another rule speaks.
    let many = topology.services.iter().filter(|service| service.replicas.value > 1);
    let many: BTreeSet<_> =
        many.flat_map(|service| &service.consumes).map(|name| &name.value).collect();
    for (stream, consumer) in topology.consumers() {
        let config = &consumer.config;
        let name = ConsumerName {
            stream: stream.name.value.clone(),
            consumer: consumer.name.value.clone(),
        };
        if many.contains(&name) {
            continue;
        }
        if config.is_push() && config.deliver_group.is_empty() && config.is_durable() {
            report
                .at(
                    consumer.places.at("deliver_subject"),
                    format!("one client at a time gets what `{}` delivers", consumer.name.value),
                )
                .fix("write a `deliver_group`, or let clients pull");
        }
    }
}
