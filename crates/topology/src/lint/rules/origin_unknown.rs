//! A mirror or a source of a stream that the file does not have.

use crate::diagnostic::{ServerSays, Severity};
use crate::lint::{Report, Rule};
use crate::model::Topology;
use crate::schema::nearest;

pub(super) static RULE: Rule = Rule {
    code: "M009",
    name: "origin-unknown",
    severity: Severity::Warning,
    server: ServerSays::Accepts,
    about: "The server accepts a mirror or a source whose origin does not exist, and waits for it \
            without a word.",
    bad: "streams: { A: { subjects: [a], max_age: 1d }, COPY: { max_age: 1d, sources: [{ name: AA }] } }\n",
    good: "streams: { A: { subjects: [a], max_age: 1d }, COPY: { max_age: 1d, sources: [{ name: A }] } }\n",
    check,
};

fn check(topology: &Topology, report: &mut Report<'_>) {
    for stream in &topology.streams {
        for (source, place) in stream.origins() {
            if source.external.is_some() || topology.stream(&source.name).is_some() {
                continue;
            }
            let message = format!("unknown stream `{}`", source.name);
            let finding = report.at(place, message);
            let known = topology.streams.iter().map(|stream| stream.name.value.as_str());
            if let Some(meant) = nearest(&source.name, known) {
                finding.fix(format!("did you mean `{meant}`?"));
            }
        }
    }
}
