//! A stream's name that is none.

use watershed_wire::ident::name_problem;

use crate::diagnostic::{ServerSays, Severity};
use crate::lint::{Report, Rule};
use crate::model::Topology;

pub(super) static RULE: Rule = Rule {
    code: "N001",
    name: "stream-name-invalid",
    severity: Severity::Error,
    server: ServerSays::Refuses(10052),
    about: "A stream's name is a token of API subjects: no dots, no wildcards, no white space, no \
            slashes, at most 255 bytes.",
    bad: "streams: { orders.eu: { subjects: [a], max_age: 1d } }\n",
    good: "streams: { ORDERS_EU: { subjects: [a], max_age: 1d } }\n",
    check,
};

fn check(topology: &Topology, report: &mut Report<'_>) {
    for stream in &topology.streams {
        if let Some(problem) = name_problem(&stream.name.value) {
            let message = format!("invalid stream name `{}`: {problem}", stream.name.value);
            report.at(stream.name.span, message);
        }
    }
}
