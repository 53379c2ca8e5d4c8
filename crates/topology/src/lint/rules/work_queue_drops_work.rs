//! A work queue that makes room by dropping work.

use crate::diagnostic::{ServerSays, Severity};
use crate::lint::{Report, Rule};
use crate::model::Topology;
use watershed_wire::jetstream::stream::{Discard, Retention};

pub(super) static RULE: Rule = Rule {
    code: "S033",
    name: "work-queue-drops-work",
    severity: Severity::Warning,
    server: ServerSays::Accepts,
    about: "With `discard: old` a full stream drops its oldest message. In a work queue that is a \
            piece of work that nobody has done. With `discard: new` the publisher is told that \
            the queue is full.",
    bad: "streams: { A: { subjects: [a], retention: workqueue, max_age: 1d, max_msgs: 1000, consumers: { c: {} } } }\n",
    good: "streams: { A: { subjects: [a], retention: workqueue, max_age: 1d, max_msgs: 1000, discard: new, consumers: { c: {} } } }\n",
    check,
};

fn check(topology: &Topology, report: &mut Report<'_>) {
    for stream in &topology.streams {
        let config = &stream.config;
        let limits = [
            ("max_msgs", config.max_msgs),
            ("max_bytes", config.max_bytes),
            ("max_msgs_per_subject", config.max_msgs_per_subject),
        ];
        if config.retention != Retention::WorkQueue {
            continue;
        }
        let each = config.max_msgs_per_subject > 0 && !config.discard_new_per_subject;
        let limit = match config.discard {
            Discard::Old => limits.iter().find(|(_, limit)| *limit > 0),
            // That alone does not hold for the limit of each subject.
            Discard::New => {
                limits.iter().find(|(field, _)| each && *field == "max_msgs_per_subject")
            }
        };
        let Some((field, _)) = limit else { continue };
        let fix = if each {
            "write `discard: new` and `discard_new_per_subject: true`: the publisher is told, and nothing is lost"
        } else {
            "write `discard: new`: the publisher is told, and nothing is lost"
        };
        report
            .at(
                stream.name.span,
                format!("`{}` drops undone work when it is full", stream.name.value),
            )
            .other(stream.places.at(field), "the limit")
            .fix(fix);
    }
}
