//! A subject whose first token may be anything.

use crate::diagnostic::{ServerSays, Severity};
use crate::lint::{Report, Rule};
use crate::model::Topology;
use watershed_wire::subject::is_valid;

pub(super) static RULE: Rule = Rule {
    code: "S009",
    name: "subject-open-at-front",
    severity: Severity::Warning,
    server: ServerSays::Accepts,
    about: "A subject that begins with a wildcard takes replies, buckets and whatever else has as \
            many tokens, and leaves no room for another stream.",
    bad: "streams: { A: { subjects: [\"*.created\"], no_ack: true, max_age: 1d } }\n",
    good: "streams: { A: { subjects: [orders.created], max_age: 1d } }\n",
    check,
};

fn check(topology: &Topology, report: &mut Report<'_>) {
    // From 2.11 on the server refuses it where publishes are answered: that is said elsewhere.
    let refused = report.target().is_at_least(2, 11, 0);
    for stream in topology.streams.iter().filter(|stream| stream.config.no_ack || !refused) {
        for (index, subject) in stream.config.subjects.iter().enumerate() {
            // `>` alone has an answer of the server.
            if is_valid(subject.as_bytes()) && subject.starts_with('*') {
                let message = format!("`{subject}` takes every first token there is, `_INBOX` too");
                report
                    .at(stream.places.item("subjects", index), message)
                    .fix("name the first token");
            }
        }
    }
}
