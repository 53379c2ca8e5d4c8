//! A message that is given up and forgotten.

use watershed_wire::jetstream::stream::Retention;
use watershed_wire::subject::{matches, overlaps};

use crate::dead_letter::record;
use crate::diagnostic::{ServerSays, Severity};
use crate::flow::stored;
use crate::lint::{Report, Rule};
use crate::model::Topology;

pub(super) static RULE: Rule = Rule {
    code: "C017",
    name: "given-up-without-trace",
    severity: Severity::Warning,
    server: ServerSays::Accepts,
    about: "After `max_deliver` attempts a message is no longer delivered. In a work queue it stays, \
            with nobody to take it. The server says so once, as an advisory on \
            `$JS.EVENT.ADVISORY.CONSUMER.MAX_DELIVERIES.<stream>.<consumer>`; a stream on that \
            subject keeps the record; `dead_letter: STREAM` makes one do so.",
    bad: "streams: { JOBS: { subjects: [jobs], retention: workqueue, max_age: 1d, consumers: { worker: { max_deliver: 3 } } } }\n",
    good: "streams:\n  JOBS: { subjects: [jobs], retention: workqueue, max_age: 1d, consumers: { worker: { max_deliver: 3 } } }\n  GIVEN_UP: { subjects: [$JS.EVENT.ADVISORY.CONSUMER.MAX_DELIVERIES.JOBS.worker], max_age: 30d }\n",
    check,
};

fn check(topology: &Topology, report: &mut Report<'_>) {
    // What may keep such a record, found once and not for each consumer.
    let every = advisory("*", "*");
    let all = topology.streams.iter().flat_map(|stream| stored(topology, stream).filters);
    let kept: Vec<_> = all.filter(|own| overlaps(own.as_bytes(), every.as_bytes())).collect();
    for (stream, consumer) in topology.consumers() {
        let attempts = consumer.config.max_deliver;
        let stays = stream.config.retention != Retention::Limits;
        if !stays || attempts < 0 || consumer.dead_letter.is_some() {
            continue;
        }
        let advisory = advisory(&stream.name.value, &consumer.name.value);
        if kept.iter().any(|own| matches(own.as_bytes(), advisory.as_bytes())) {
            continue;
        }
        let name = &consumer.name.value;
        report
            .at(
                consumer.places.at("max_deliver"),
                format!("messages that `{name}` gives up on stay in the queue unnoticed"),
            )
            .fix(format!("write `dead_letter: STREAM`, or declare a stream on `{advisory}`"));
    }
}

/// Where the server says that it gave up a message.
fn advisory(stream: &str, consumer: &str) -> String {
    record("MAX_DELIVERIES", stream, consumer)
}
