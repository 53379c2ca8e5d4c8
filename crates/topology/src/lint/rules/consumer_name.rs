//! A consumer's name that is none.

use watershed_wire::ident::name_problem;

use crate::diagnostic::{ServerSays, Severity};
use crate::lint::{Report, Rule};
use crate::model::Topology;

pub(super) static RULE: Rule = Rule {
    code: "N002",
    name: "consumer-name-invalid",
    severity: Severity::Error,
    server: ServerSays::Refuses(10103),
    about: "A consumer's name is a token of API subjects: no dots, no wildcards, no white space, no \
            slashes, at most 255 bytes.",
    bad: "streams: { A: { subjects: [a], max_age: 1d, consumers: { a.b: {} } } }\n",
    good: "streams: { A: { subjects: [a], max_age: 1d, consumers: { a-b: {} } } }\n",
    check,
};

fn check(topology: &Topology, report: &mut Report<'_>) {
    for (_, consumer) in topology.consumers() {
        if let Some(problem) = name_problem(&consumer.name.value) {
            let message = format!("invalid consumer name `{}`: {problem}", consumer.name.value);
            report.at(consumer.name.span, message);
        }
    }
}
