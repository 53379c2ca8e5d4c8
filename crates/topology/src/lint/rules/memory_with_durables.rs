//! Durable consumers of what does not last.

use watershed_wire::jetstream::stream::Storage;

use crate::diagnostic::{ServerSays, Severity};
use crate::lint::{Report, Rule};
use crate::model::Topology;

pub(super) static RULE: Rule = Rule {
    code: "S025",
    name: "memory-with-durables",
    severity: Severity::Warning,
    server: ServerSays::Accepts,
    about: "A memory stream loses its messages with the server's process, and on nats-server its \
            durable consumers too. Who declares a durable consumer rarely means that.",
    bad: "streams: { A: { subjects: [a], storage: memory, max_age: 1d, consumers: { c: {} } } }\n",
    good: "streams: { A: { subjects: [a], storage: file, max_age: 1d, consumers: { c: {} } } }\n",
    check,
};

fn check(topology: &Topology, report: &mut Report<'_>) {
    for stream in &topology.streams {
        let Some(consumer) = stream.consumers.first() else { continue };
        if stream.config.storage == Storage::Memory {
            let name = &stream.name.value;
            report
                .at(
                    stream.places.at("storage"),
                    format!(
                        "`{name}` forgets its messages at a restart, and has durable consumers"
                    ),
                )
                .other(consumer.name.span, "durable")
                .fix("write `storage: file`");
        }
    }
}
