//! More hands than messages.

use std::collections::BTreeMap;

use crate::diagnostic::{ServerSays, Severity};
use crate::lint::{Report, Rule};
use crate::model::{ConsumerName, Service, Topology};

pub(super) static RULE: Rule = Rule {
    code: "R005",
    name: "workers-idle",
    severity: Severity::Warning,
    server: ServerSays::Accepts,
    about: "No more than `max_ack_pending` messages of a consumer are under way at once, for all who \
            read it together. Where its services could work on more, some of them wait while \
            messages do too.",
    bad: "streams: { A: { subjects: [a], max_age: 1d, consumers: { c: { max_ack_pending: 10 } } } }\nservices: { s: { replicas: 4, concurrency: 8, consumes: [A/c], publishes: [a] } }\n",
    good: "streams: { A: { subjects: [a], max_age: 1d, consumers: { c: { max_ack_pending: 100 } } } }\nservices: { s: { replicas: 4, concurrency: 8, consumes: [A/c], publishes: [a] } }\n",
    check,
};

fn check(topology: &Topology, report: &mut Report<'_>) {
    let mut readers: BTreeMap<&ConsumerName, Vec<&Service>> = BTreeMap::new();
    for service in topology.services.iter().filter(|service| service.concurrency.is_some()) {
        for name in &service.consumes {
            readers.entry(&name.value).or_default().push(service);
        }
    }
    for (name, services) in readers {
        let Some((_, consumer)) = topology.consumer(name) else { continue };
        let limit = u64::try_from(consumer.config.max_ack_pending).unwrap_or(0);
        let hands = services.iter().map(|service| service.workers()).fold(0, u64::saturating_add);
        if limit == 0 || hands <= limit {
            continue;
        }
        let mut finding = report.at(
            consumer.places.at("max_ack_pending"),
            format!("{hands} messages could be worked on at once, and {limit} are handed out"),
        );
        for each in services.iter().take(4).filter_map(|service| service.concurrency.as_ref()) {
            finding = finding.other(each.span, "handled at once, in each replica");
        }
        finding.fix(format!("raise `max_ack_pending` to {hands} or more"));
    }
}
