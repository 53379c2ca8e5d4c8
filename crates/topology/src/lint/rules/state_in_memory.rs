//! A position that is lost where its messages are kept.

use crate::diagnostic::{ServerSays, Severity};
use crate::lint::{Report, Rule};
use crate::model::Topology;
use watershed_wire::jetstream::stream::Storage;

pub(super) static RULE: Rule = Rule {
    code: "C021",
    name: "state-in-memory",
    severity: Severity::Warning,
    server: ServerSays::Accepts,
    about: "With `mem_storage` a consumer's position is gone with the server, and everything is \
            delivered again, though the stream is on disk.",
    bad: "streams: { A: { subjects: [a], max_age: 1d, consumers: { c: { mem_storage: true } } } }\n",
    good: "streams: { A: { subjects: [a], max_age: 1d, consumers: { c: { mem_storage: false } } } }\n",
    check,
};

fn check(topology: &Topology, report: &mut Report<'_>) {
    for (stream, consumer) in topology.consumers() {
        if consumer.config.mem_storage && stream.config.storage == Storage::File {
            let message = format!("`{}` begins anew when the server does", consumer.name.value);
            report.at(consumer.places.at("mem_storage"), message);
        }
    }
}
