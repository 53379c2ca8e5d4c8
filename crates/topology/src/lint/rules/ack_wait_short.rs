//! A wait too short for any work.

use crate::diagnostic::{ServerSays, Severity};
use crate::lint::{Report, Rule};
use crate::model::Topology;
use crate::quantity::show_duration;
use watershed_wire::jetstream::consumer::AckPolicy;

pub(super) static RULE: Rule = Rule {
    code: "C005",
    name: "ack-wait-short",
    severity: Severity::Warning,
    server: ServerSays::Accepts,
    about: "A message that is not acknowledged within `ack_wait` is delivered again, while the \
            first worker is still at it. Less than a second is gone with one slow write; less \
            than the time that a handler may take is a promise of double work.",
    bad: "streams: { A: { subjects: [a], max_age: 1d, consumers: { c: { ack_wait: 200ms } } } }\n",
    good: "streams: { A: { subjects: [a], max_age: 1d, consumers: { c: { ack_wait: 30s } } } }\n",
    check,
};

/// A second, in nanoseconds.
const SHORT: i64 = 1_000_000_000;

fn check(topology: &Topology, report: &mut Report<'_>) {
    for (stream, consumer) in topology.consumers() {
        let wait = consumer.config.ack_wait;
        if consumer.config.ack_policy == AckPolicy::None || wait <= 0 {
            continue;
        }
        let field = if consumer.config.backoff.is_empty() { "ack_wait" } else { "backoff" };
        let place = consumer.places.at(field);
        if wait < SHORT {
            let message = format!("{} are gone with one slow write", show_duration(wait));
            report.at(place, message).fix("write what the slowest handler takes, and more");
        }
        let name = (stream.name.value.as_str(), consumer.name.value.as_str());
        for service in &topology.services {
            let Some(limit) = &service.handler_timeout else { continue };
            let mut own = service.consumes.iter().map(|own| &own.value);
            let reads = own.any(|own| (own.stream.as_str(), own.consumer.as_str()) == name);
            if reads && limit.value >= wait {
                let (service, limit_text) = (&service.name.value, show_duration(limit.value));
                report
                    .at(
                        place,
                        format!(
                            "a message is delivered again after {}, and `{service}` may work on it \
                             for {limit_text}",
                            show_duration(wait)
                        ),
                    )
                    .other(limit.span, "time that a handler may take")
                    .fix("raise the wait above it, or acknowledge progress while working");
            }
        }
    }
}
