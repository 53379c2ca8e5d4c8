//! More assets with copies than a server should hold.

use crate::diagnostic::{ServerSays, Severity};
use crate::lint::{Report, Rule};
use crate::model::Topology;

pub(super) static RULE: Rule = Rule {
    code: "L004",
    name: "copies-too-many",
    severity: Severity::Warning,
    server: ServerSays::Nothing,
    about: "Each stream and each consumer with copies is a group of servers that elect a leader and \
            send heartbeats. Beyond about a thousand on one server, elections after a restart take \
            minutes and time out. `max_ha_assets` bounds them; a cluster then cannot place \
            more (10005). Consumers may have fewer copies than their stream.",
    bad: "streams: { A: { subjects: [a], max_age: 1d, num_replicas: 3, consumers: { c: {}, d: {} } } }\nserver: { jetstream: { limits: { max_ha_assets: 2 } } }\nlint: { levels: { S021: off } }\n",
    good: "streams: { A: { subjects: [a], max_age: 1d, num_replicas: 3, consumers: { c: {}, d: {} } } }\nserver: { jetstream: { limits: { max_ha_assets: 10 } } }\nlint: { levels: { S021: off } }\n",
    check,
};

/// Beyond this many, nats-server's own guidance is to spread them.
const MANY: u64 = 1000;

fn check(topology: &Topology, report: &mut Report<'_>) {
    let own = topology.server.max_ha_assets;
    let limit = own.unwrap_or(MANY);
    let mut assets = 0_u64;
    let mut first = None;
    for stream in topology.streams.iter().filter(|stream| stream.config.num_replicas > 1) {
        let copied = |copies: i64| copies == 0 || copies > 1;
        let consumers = stream.consumers.iter();
        let consumers = consumers.filter(|one| copied(one.config.num_replicas)).count();
        assets += 1 + consumers as u64;
        if assets > limit && first.is_none() {
            first = Some(stream);
        }
    }
    let Some(stream) = first else { return };
    let finding = report.at(
        stream.places.at("num_replicas"),
        format!("{assets} streams and consumers with copies, more than {limit} from here on"),
    );
    match topology.server.bound_at("max_ha_assets") {
        Some(place) => finding.other(place, "the bound"),
        None => finding.note("each is a group of servers with elections of its own"),
    };
}
