//! A sequence to begin at.

use crate::diagnostic::{ServerSays, Severity};
use crate::lint::{Report, Rule};
use crate::model::Topology;

pub(super) static RULE: Rule = Rule {
    code: "S052",
    name: "first-sequence",
    severity: Severity::Info,
    server: ServerSays::Accepts,
    about: "`first_seq` counts when the stream is made. Raised later, it is accepted, and \
            nats-server empties the stream at its next start.",
    bad: "streams: { A: { subjects: [a], max_age: 1d, first_seq: 1000 } }\n",
    good: "streams: { A: { subjects: [a], max_age: 1d, max_msgs: 1000 } }\n",
    check,
};

fn check(topology: &Topology, report: &mut Report<'_>) {
    for stream in topology.streams.iter().filter(|stream| stream.config.first_seq > 1) {
        report
            .at(stream.places.at("first_seq"), "never change this once the stream is there")
            .note("raised by an update, it makes nats-server purge the stream at its next start");
    }
}
