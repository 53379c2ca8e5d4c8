//! Two subjects in one text.

use crate::diagnostic::{ServerSays, Severity};
use crate::lint::{Report, Rule};
use crate::model::Topology;

pub(super) static RULE: Rule = Rule {
    code: "S012",
    name: "comma-in-subject",
    severity: Severity::Warning,
    server: ServerSays::Accepts,
    about: "A comma separates nothing in a subject: `a,b` is one token that nobody publishes. \
            Lists are written as lists.",
    bad: "streams: { A: { subjects: [a.>], max_age: 1d, consumers: { c: { filter_subject: \"a.b,a.c\" } } } }\n",
    good: "streams: { A: { subjects: [a.>], max_age: 1d, consumers: { c: { filter_subjects: [a.b, a.c] } } } }\n",
    check,
};

fn check(topology: &Topology, report: &mut Report<'_>) {
    for stream in &topology.streams {
        for (index, subject) in stream.config.subjects.iter().enumerate() {
            if subject.contains(',') {
                let message = format!("`{subject}` is one subject, with a comma in it");
                report.at(stream.places.item("subjects", index), message).fix("write a list");
            }
        }
        for consumer in &stream.consumers {
            for (index, filter) in consumer.config.filters().iter().enumerate() {
                if filter.contains(',') {
                    let message = format!("`{filter}` is one subject, with a comma in it");
                    report
                        .at(consumer.filter_place(index), message)
                        .fix("write `filter_subjects: […]`");
                }
            }
        }
    }
}
