//! Work that must not be done twice, delivered twice.

use crate::diagnostic::{ServerSays, Severity};
use crate::lint::{Report, Rule};
use crate::model::Topology;

pub(super) static RULE: Rule = Rule {
    code: "R006",
    name: "handled-twice",
    severity: Severity::Warning,
    server: ServerSays::Accepts,
    about: "A consumer delivers a message again when its acknowledgement is late or lost, however the \
            work went. A service that says `idempotent: false` would do it twice. One delivery at \
            most means that a crash loses the message; to have neither, the handler must know what \
            it has done, by the message's stream sequence or its `Nats-Msg-Id`.",
    bad: "streams: { A: { subjects: [a], max_age: 1d, consumers: { c: { max_deliver: 5 } } } }\nservices: { s: { idempotent: false, consumes: [A/c], publishes: [a] } }\n",
    good: "streams: { A: { subjects: [a], max_age: 1d, consumers: { c: { max_deliver: 5 } } } }\nservices: { s: { idempotent: true, consumes: [A/c], publishes: [a] } }\n",
    check,
};

fn check(topology: &Topology, report: &mut Report<'_>) {
    for service in &topology.services {
        let Some(said) = service.idempotent.as_ref().filter(|said| !said.value) else { continue };
        for name in &service.consumes {
            let Some((_, consumer)) = topology.consumer(&name.value) else { continue };
            if consumer.config.max_deliver == 1 {
                continue;
            }
            let message = format!(
                "`{}` may get a message of `{}` twice, and must not work on it twice",
                service.name.value, name.value
            );
            report
                .at(name.span, message)
                .other(said.span, "said here")
                .other(consumer.places.at("max_deliver"), "more than one delivery")
                .fix("let the handler pass over what it has done, and write `idempotent: true`");
        }
    }
}
