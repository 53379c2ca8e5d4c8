//! Workers that acknowledge for each other.

use crate::diagnostic::{ServerSays, Severity};
use crate::lint::{Report, Rule};
use crate::model::Topology;
use watershed_wire::jetstream::consumer::AckPolicy;

pub(super) static RULE: Rule = Rule {
    code: "C019",
    name: "acks-shared",
    severity: Severity::Warning,
    server: ServerSays::Accepts,
    about: "With `ack_policy: all` one acknowledgement covers every message before it, those of \
            other workers too; with `none` what a worker held when it died is gone. Several \
            workers need `explicit`.",
    bad: "streams: { A: { subjects: [a], max_age: 1d, consumers: { c: { ack_policy: all } } } }\nservices: { s: { replicas: 2, consumes: [A/c], publishes: [a] } }\n",
    good: "streams: { A: { subjects: [a], max_age: 1d, consumers: { c: {} } } }\nservices: { s: { replicas: 2, consumes: [A/c], publishes: [a] } }\n",
    check,
};

fn check(topology: &Topology, report: &mut Report<'_>) {
    for service in &topology.services {
        let workers = service.workers();
        if workers < 2 {
            continue;
        }
        for name in &service.consumes {
            let Some((_, consumer)) = topology.consumer(&name.value) else { continue };
            let what = match consumer.config.ack_policy {
                AckPolicy::All => "one acknowledges for all",
                AckPolicy::None => "what one held when it died is gone",
                _ => continue,
            };
            report
                .at(
                    consumer.places.at("ack_policy"),
                    format!("{workers} workers of `{}` share this: {what}", service.name.value),
                )
                .other(name.span, "read here")
                .fix("write `ack_policy: explicit`");
        }
    }
}
