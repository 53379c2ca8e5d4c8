//! Copies, which a single server cannot keep.

use crate::diagnostic::{ServerSays, Severity};
use crate::lint::{Report, Rule};
use crate::model::Topology;

pub(super) static RULE: Rule = Rule {
    code: "S021",
    name: "copies-need-cluster",
    severity: Severity::Info,
    server: ServerSays::Nothing,
    about: "More than one copy needs a cluster of as many servers. A standalone nats-server \
            refuses such a stream with error 10074; an update to it was accepted up to 2.14.5, \
            and the stream did not come back at the next start. `up` keeps one copy and says so.",
    bad: "streams: { A: { subjects: [a], max_age: 1d, num_replicas: 3 } }\n",
    good: "streams: { A: { subjects: [a], max_age: 1d, num_replicas: 1 } }\n",
    check,
};

fn check(topology: &Topology, report: &mut Report<'_>) {
    let target = report.target();
    for stream in topology.streams.iter().filter(|stream| stream.config.num_replicas > 1) {
        let copies = stream.config.num_replicas;
        let message = format!("{copies} copies need a cluster of {copies} servers");
        let finding = report.at(stream.places.at("num_replicas"), message);
        if target.is_at_least(2, 14, 6) {
            finding.note("a standalone server refuses it with error 10074");
        } else {
            finding.note(
                "a standalone server refuses to create it (10074), accepts it as an update, and \
                 does not bring the stream back at its next start",
            );
        }
    }
}
