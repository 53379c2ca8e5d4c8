//! More consumers than the stream admits.

use crate::diagnostic::{ServerSays, Severity};
use crate::lint::{Report, Rule};
use crate::model::Topology;

pub(super) static RULE: Rule = Rule {
    code: "X008",
    name: "consumers-too-many",
    severity: Severity::Error,
    server: ServerSays::Refuses(10026),
    about: "`max_consumers` counts every consumer of a stream, those of this file too.",
    bad: "streams: { A: { subjects: [a], max_age: 1d, max_consumers: 1, consumers: { c: {}, d: {} } } }\n",
    good: "streams: { A: { subjects: [a], max_age: 1d, max_consumers: 2, consumers: { c: {}, d: {} } } }\n",
    check,
};

fn check(topology: &Topology, report: &mut Report<'_>) {
    // Of a stream that is defined elsewhere, nothing is known.
    for stream in topology.streams.iter().filter(|stream| !stream.is_placeholder()) {
        let Ok(most) = usize::try_from(stream.config.max_consumers) else { continue };
        if let Some(first) = stream.consumers.get(most) {
            let count = stream.consumers.len();
            report
                .at(
                    first.name.span,
                    format!("`{}` admits {most} consumers, and has {count}", stream.name.value),
                )
                .other(stream.places.at("max_consumers"), "the limit");
        }
    }
}
