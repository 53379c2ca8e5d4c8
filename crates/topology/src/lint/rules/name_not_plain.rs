//! A name that tools stumble over.

use crate::diagnostic::{ServerSays, Severity};
use crate::lint::{Report, Rule};
use crate::model::Topology;
use watershed_wire::ident::name_problem;

pub(super) static RULE: Rule = Rule {
    code: "N011",
    name: "name-not-plain",
    severity: Severity::Warning,
    server: ServerSays::Accepts,
    about: "The names of streams and consumers become parts of subjects, of file names and of \
            URLs. Letters, digits, `-` and `_` pass everywhere; other characters do not.",
    bad: "streams: { \"café\": { subjects: [a], max_age: 1d } }\n",
    good: "streams: { cafe: { subjects: [a], max_age: 1d } }\n",
    check,
};

fn check(topology: &Topology, report: &mut Report<'_>) {
    let streams = topology.streams.iter().map(|stream| &stream.name);
    let consumers = topology.consumers().map(|(_, consumer)| &consumer.name);
    for name in streams.chain(consumers) {
        let odd = |c: &char| !c.is_ascii_alphanumeric() && !matches!(c, '-' | '_');
        // What is no name at all has a rule of its own.
        let found = name.value.chars().find(odd).filter(|_| name_problem(&name.value).is_none());
        if let Some(odd) = found {
            report.at(name.span, format!("`{odd}` in a name is trouble for other tools"));
        }
    }
}
