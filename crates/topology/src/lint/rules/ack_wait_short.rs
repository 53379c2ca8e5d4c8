//! A wait too short for any work.

use crate::diagnostic::{ServerSays, Severity};
use crate::lint::{Report, Rule};
use crate::model::{Consumer, Topology};
use crate::quantity::show_duration;
use crate::source::Span;
use watershed_wire::jetstream::consumer::AckPolicy;

pub(super) static RULE: Rule = Rule {
    code: "C005",
    name: "ack-wait-short",
    severity: Severity::Warning,
    server: ServerSays::Accepts,
    about: "A message that is not acknowledged within `ack_wait` is delivered again, while the \
            first worker is still at it. One slow write takes longer than a fraction of a second; less \
            than the time that a handler may take is a promise of double work.",
    bad: "streams: { A: { subjects: [a], max_age: 1d, consumers: { c: { ack_wait: 200ms } } } }\n",
    good: "streams: { A: { subjects: [a], max_age: 1d, consumers: { c: { ack_wait: 30s } } } }\n",
    check,
};

/// A second, in nanoseconds.
const SHORT: i64 = 1_000_000_000;

fn check(topology: &Topology, report: &mut Report<'_>) {
    for (_, consumer) in topology.consumers() {
        let Some((wait, place)) = wait(consumer) else { continue };
        if wait < SHORT {
            let message = format!("one slow write takes longer than {}", show_duration(wait));
            report.at(place, message).fix("write what the slowest handler takes, and more");
        }
    }
    for service in &topology.services {
        let Some(limit) = &service.handler_timeout else { continue };
        for name in &service.consumes {
            let Some((_, consumer)) = topology.consumer(&name.value) else { continue };
            // `watershed work` acknowledges progress.
            if service.handler(&name.value).is_some() {
                continue;
            }
            let Some((wait, place)) = wait(consumer).filter(|(wait, _)| limit.value >= *wait)
            else {
                continue;
            };
            let message = format!(
                "a message is delivered again after {}, and `{}` may work on it for {}",
                show_duration(wait),
                service.name.value,
                show_duration(limit.value)
            );
            report
                .at(place, message)
                .other(limit.span, "time that a handler may take")
                .fix("raise the wait above it, or acknowledge progress while working");
        }
    }
}

/// How long a message may go unacknowledged, in nanoseconds, and where that is said.
fn wait(consumer: &Consumer) -> Option<(i64, Span)> {
    let config = &consumer.config;
    let field = if config.backoff.is_empty() { "ack_wait" } else { "backoff" };
    let waits = config.ack_policy != AckPolicy::None && config.ack_wait > 0;
    waits.then(|| (config.ack_wait, consumer.places.at(field)))
}
