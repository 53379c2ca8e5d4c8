//! A service that reads a consumer that is not declared.

use crate::diagnostic::{ServerSays, Severity};
use crate::lint::{Report, Rule};
use crate::model::Topology;
use crate::schema::nearest;

pub(super) static RULE: Rule = Rule {
    code: "X001",
    name: "consumer-unknown",
    severity: Severity::Error,
    server: ServerSays::Refuses(10014),
    about: "A service reads a consumer of a stream, and this one does not exist: its client would \
            wait forever, or create something else under that name.",
    bad: "streams: { A: { subjects: [a], max_age: 1d, consumers: { worker: {} } } }\nservices: { s: { consumes: [A/wroker], publishes: [a] } }\n",
    good: "streams: { A: { subjects: [a], max_age: 1d, consumers: { worker: {} } } }\nservices: { s: { consumes: [A/worker], publishes: [a] } }\n",
    check,
};

fn check(topology: &Topology, report: &mut Report<'_>) {
    for wanted in topology.services.iter().flat_map(|service| &service.consumes) {
        if topology.consumer(&wanted.value).is_some() {
            continue;
        }
        let message = match topology.stream(&wanted.value.stream) {
            None => format!("unknown stream `{}`", wanted.value.stream),
            Some(_) => format!("unknown consumer `{}`", wanted.value),
        };
        let known: Vec<String> = topology
            .consumers()
            .map(|(stream, consumer)| format!("{}/{}", stream.name.value, consumer.name.value))
            .collect();
        let finding = report.at(wanted.span, message);
        let text = wanted.value.to_string();
        if let Some(meant) = nearest(&text, known.iter().map(String::as_str)) {
            finding.fix(format!("did you mean `{meant}`?"));
        }
    }
}
