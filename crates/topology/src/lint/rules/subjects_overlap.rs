//! Two subjects of one stream that share messages.

use watershed_wire::subject::{FilterSet, is_valid, witness};

use crate::diagnostic::{ServerSays, Severity};
use crate::lint::{Report, Rule};
use crate::model::Topology;

pub(super) static RULE: Rule = Rule {
    code: "S003",
    name: "subjects-overlap",
    severity: Severity::Error,
    server: ServerSays::Refuses(10052),
    about: "A stream's subjects must not share messages: the server refuses a stream that would \
            take the same message by two of its subjects.",
    bad: "streams: { A: { subjects: [a.>, a.b], max_age: 1d } }\n",
    good: "streams: { A: { subjects: [a.>], max_age: 1d } }\n",
    check,
};

fn check(topology: &Topology, report: &mut Report<'_>) {
    for stream in &topology.streams {
        let mut before = FilterSet::default();
        let subjects = stream.config.subjects.iter().enumerate();
        for (index, subject) in subjects.filter(|(_, own)| is_valid(own.as_bytes())) {
            let mut overlapping = before.overlapping(subject);
            overlapping.sort_unstable();
            for (first, other) in overlapping {
                let both = witness(subject, other).unwrap_or_default();
                let message = if subject == other {
                    format!("`{subject}` is given twice")
                } else {
                    format!("`{subject}` overlaps with `{other}`: `{both}` matches both")
                };
                report
                    .at(stream.places.item("subjects", index), message)
                    .other(stream.places.item("subjects", first), "the other subject");
            }
            before.insert(subject, index);
        }
    }
}
