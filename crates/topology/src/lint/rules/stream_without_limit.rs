//! A stream that grows forever.

use watershed_wire::jetstream::stream::Retention;

use crate::diagnostic::{ServerSays, Severity};
use crate::lint::{Report, Rule};
use crate::model::{StreamKind, Topology};

pub(super) static RULE: Rule = Rule {
    code: "S030",
    name: "stream-without-limit",
    severity: Severity::Warning,
    server: ServerSays::Accepts,
    about: "Without any limit a stream grows until the disk is full, and then nothing is stored any \
            more, in any stream. `max_age: unlimited` says that it is meant.",
    bad: "streams: { A: { subjects: [a] } }\n",
    good: "streams: { A: { subjects: [a], max_age: 30d } }\n",
    check,
};

fn check(topology: &Topology, report: &mut Report<'_>) {
    const LIMITS: &[&str] = &["max_age", "max_bytes", "max_msgs", "max_msgs_per_subject"];
    // A bucket is bounded by its keys, and an age would take settings away.
    for stream in topology.streams.iter().filter(|stream| stream.kind == StreamKind::Stream) {
        let said = LIMITS.iter().any(|field| stream.places.get(field).is_some());
        if stream.config.retention == Retention::Limits && !said {
            let message = format!("`{}` is unlimited and grows forever", stream.name.value);
            report
                .at(stream.name.span, message)
                .fix("give it a `max_age` or `max_bytes`, or write `max_age: unlimited`");
        }
    }
}
