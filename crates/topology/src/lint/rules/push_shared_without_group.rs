//! A push consumer that replicas of a service would fight over.

use crate::diagnostic::{ServerSays, Severity};
use crate::lint::{Report, Rule};
use crate::model::Topology;

pub(super) static RULE: Rule = Rule {
    code: "C009",
    name: "push-shared-without-group",
    severity: Severity::Error,
    server: ServerSays::Accepts,
    about: "A push consumer without a `deliver_group` sends every message to each subscriber of its \
            subject; clients refuse a second one. Replicas share a push consumer through a \
            `deliver_group`, or, simpler, a pull consumer.",
    bad: "streams: { A: { subjects: [a], max_age: 1d, consumers: { c: { deliver_subject: d } } } }\nservices: { s: { replicas: 2, consumes: [A/c] } }\n",
    good: "streams: { A: { subjects: [a], max_age: 1d, consumers: { c: { deliver_subject: d, deliver_group: s } } } }\nservices: { s: { replicas: 2, consumes: [A/c], publishes: [a] } }\n",
    check,
};

fn check(topology: &Topology, report: &mut Report<'_>) {
    for (stream, consumer) in topology.consumers() {
        if !consumer.config.is_push() || !consumer.config.deliver_group.is_empty() {
            continue;
        }
        let reads = |name: &crate::model::ConsumerName| {
            name.stream == stream.name.value && name.consumer == consumer.name.value
        };
        let readers = topology.services.iter().flat_map(|service| {
            let places = service.consumes.iter().filter(|name| reads(&name.value));
            places.map(move |place| (service, place.span))
        });
        let readers: Vec<_> = readers.collect();
        let replicas: u64 = readers.iter().map(|(service, _)| service.replicas.value).sum();
        if replicas < 2 {
            continue;
        }
        let name = &consumer.name.value;
        let mut finding = report
            .at(
                consumer.places.at("deliver_subject"),
                format!("push consumer `{name}` is read by {replicas} without `deliver_group`"),
            )
            .note("the second one that subscribes is refused by its client library")
            .fix("remove `deliver_subject` (a pull consumer is shared as it is), or give it a `deliver_group`");
        for (service, span) in readers {
            let text = format!("{} of `{}` read it", service.replicas.value, service.name.value);
            finding = finding.other(span, text);
        }
    }
}
