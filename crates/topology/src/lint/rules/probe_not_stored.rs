//! A probe that tries out nothing.

use watershed_wire::subject::{is_literal, is_valid};

use crate::diagnostic::{ServerSays, Severity};
use crate::lint::{Report, Rule};
use crate::model::Topology;

pub(super) static RULE: Rule = Rule {
    code: "S054",
    name: "probe-not-stored",
    severity: Severity::Error,
    server: ServerSays::Nothing,
    about: "`verify` publishes one message on the subject that `probe` names and takes it out again. \
            It must be one subject, without wildcards, that the stream stores and acknowledges.",
    bad: "streams: { A: { subjects: [a.>], max_age: 1d, probe: b.probe } }\n",
    good: "streams: { A: { subjects: [a.>], max_age: 1d, probe: a.probe } }\n",
    check,
};

fn check(topology: &Topology, report: &mut Report<'_>) {
    for stream in &topology.streams {
        let Some(probe) = &stream.probe else { continue };
        let subject = &probe.value;
        let name = &stream.name.value;
        let message = if !is_valid(subject.as_bytes()) || !is_literal(subject.as_bytes()) {
            format!("nothing can be published on `{subject}`")
        } else if !stream.stores(subject) {
            format!("`{name}` does not store `{subject}`")
        } else if stream.config.no_ack || stream.config.sealed {
            format!("`{name}` never says that it stored something")
        } else {
            continue;
        };
        let finding = report.at(probe.span, message);
        if let Some(own) = stream.config.subjects.first() {
            finding.fix(format!("write a subject that `{own}` takes"));
        }
    }
}
