//! Two subjects of one stream that share messages.

use watershed_wire::subject::{is_valid, witness};

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
        let subjects = &stream.config.subjects;
        let valid = |(_, subject): &(usize, &String)| is_valid(subject.as_bytes());
        for (index, subject) in subjects.iter().enumerate().filter(valid) {
            for (first, other) in subjects.iter().enumerate().filter(valid).take(index) {
                if first >= index {
                    break;
                }
                let Some(both) = witness(subject, other) else { continue };
                let message = if subject == other {
                    format!("`{subject}` is given twice")
                } else {
                    format!("`{subject}` overlaps with `{other}`: `{both}` matches both")
                };
                report
                    .at(stream.places.item("subjects", index), message)
                    .other(stream.places.item("subjects", first), "the other subject");
            }
        }
    }
}
