//! Interest retention without anybody interested.

use watershed_wire::jetstream::stream::Retention;

use crate::diagnostic::{ServerSays, Severity};
use crate::lint::{Report, Rule};
use crate::model::Topology;

pub(super) static RULE: Rule = Rule {
    code: "X006",
    name: "interest-without-consumer",
    severity: Severity::Error,
    server: ServerSays::Accepts,
    about: "A stream with interest retention keeps a message until its consumers have it. Without a \
            consumer it keeps nothing: the publisher gets its acknowledgement and the message is \
            dropped.",
    bad: "streams: { NOTES: { subjects: [notes.>], retention: interest } }\n",
    good: "streams: { NOTES: { subjects: [notes.>], retention: interest, consumers: { dispatcher: {} } } }\n",
    check,
};

fn check(topology: &Topology, report: &mut Report<'_>) {
    for stream in &topology.streams {
        if stream.config.retention == Retention::Interest && stream.consumers.is_empty() {
            let name = &stream.name.value;
            report
                .at(
                    stream.places.at("retention"),
                    format!("everything that is published to `{name}` is dropped"),
                )
                .fix("declare the consumers that want the messages, or keep them with `retention: limits`");
        }
    }
}
