//! What a power cut takes of messages that were acknowledged.

use crate::diagnostic::{ServerSays, Severity};
use crate::lint::{Report, Rule};
use crate::model::Topology;
use watershed_wire::jetstream::stream::PersistMode;

pub(super) static RULE: Rule = Rule {
    code: "S056",
    name: "acknowledged-before-synced",
    severity: Severity::Info,
    server: ServerSays::Accepts,
    about: "With `persist_mode: async` a publish is acknowledged before it is written. A power cut, or a \
            server that is killed, takes messages whose publishers were told that they are stored. \
            With `watershed up` these are at most those of the last 100 ms; on nats-server, after a power \
            cut, those since it last synced, which is up to two minutes unless `sync_interval` says \
            otherwise. What was acknowledged last goes first: there are never gaps.",
    bad: "streams: { A: { subjects: [a], max_age: 1d, persist_mode: async } }\n",
    good: "streams: { A: { subjects: [a], max_age: 1d, persist_mode: default } }\n",
    check,
};

fn check(topology: &Topology, report: &mut Report<'_>) {
    for stream in &topology.streams {
        if stream.config.persist_mode == PersistMode::Async {
            report.at(
                stream.places.at("persist_mode"),
                "a power cut takes the messages that were acknowledged last",
            );
        }
    }
}
