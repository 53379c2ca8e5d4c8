//! A stream on subjects that belong to clients.

use crate::diagnostic::{ServerSays, Severity};
use crate::lint::{Report, Rule};
use crate::model::{StreamKind, Topology};
use watershed_wire::subject::{is_valid, overlaps};

pub(super) static RULE: Rule = Rule {
    code: "S008",
    name: "subject-of-clients",
    severity: Severity::Warning,
    server: ServerSays::Accepts,
    about: "`$KV.>` and `$O.>` hold the messages of buckets, `_INBOX.>` the replies to requests. \
            A stream that takes them stores what nobody meant to keep, answers replies with \
            acknowledgements, and stands in the way of buckets.",
    bad: "streams: { A: { subjects: [_INBOX.>], max_age: 1d } }\n",
    good: "streams: { A: { subjects: [a], max_age: 1d } }\n",
    check,
};

const RESERVED: &[(&str, &str)] = &[
    ("$KV.>", "messages of key-value buckets"),
    ("$O.>", "messages of object stores"),
    ("_INBOX.>", "replies to requests"),
];

fn check(topology: &Topology, report: &mut Report<'_>) {
    for stream in topology.streams.iter().filter(|stream| stream.kind == StreamKind::Stream) {
        for (index, subject) in stream.config.subjects.iter().enumerate() {
            let subject = subject.as_bytes();
            // What begins with a wildcard takes everything, and has a rule of its own.
            if !is_valid(subject) || subject.starts_with(b"*") || subject.starts_with(b">") {
                continue;
            }
            for (reserved, what) in RESERVED {
                if overlaps(subject, reserved.as_bytes()) {
                    let message = format!("`{}` stores {what}", stream.name.value);
                    report.at(stream.places.item("subjects", index), message);
                }
            }
        }
    }
}
