//! A subject that is long.

use crate::diagnostic::{ServerSays, Severity};
use crate::lint::{Report, Rule};
use crate::model::Topology;

pub(super) static RULE: Rule = Rule {
    code: "S011",
    name: "subject-long",
    severity: Severity::Info,
    server: ServerSays::Accepts,
    about: "Subjects of more than 16 tokens or 256 characters are slow to match, and some clients \
            and tools do not take them.",
    bad: "streams: { A: { subjects: [a.b.c.d.e.f.g.h.i.j.k.l.m.n.o.p.q], max_age: 1d } }\n",
    good: "streams: { A: { subjects: [a.b.c.d.e.f.g.h.>], max_age: 1d } }\n",
    check,
};

const TOKENS_MAX: usize = 16;
const BYTES_MAX: usize = 256;

fn check(topology: &Topology, report: &mut Report<'_>) {
    for stream in &topology.streams {
        for (index, subject) in stream.config.subjects.iter().enumerate() {
            let (tokens, bytes) = (subject.split('.').count(), subject.len());
            if tokens > TOKENS_MAX || bytes > BYTES_MAX {
                let message = format!("a subject of {tokens} tokens and {bytes} bytes is long");
                report.at(stream.places.item("subjects", index), message);
            }
        }
    }
}
