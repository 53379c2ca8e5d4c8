//! A switch that cannot be turned back.

use crate::diagnostic::{ServerSays, Severity};
use crate::lint::{Report, Rule};
use crate::model::{StreamKind, Topology};

pub(super) static RULE: Rule = Rule {
    code: "S038",
    name: "one-way",
    severity: Severity::Info,
    server: ServerSays::Accepts,
    about: "`sealed`, `deny_delete` and `deny_purge` can be turned on and never off again; only a \
            new stream is without them.",
    bad: "streams: { A: { subjects: [a], max_age: 1d, deny_delete: true } }\n",
    good: "streams: { A: { subjects: [a], max_age: 1d, deny_delete: false } }\n",
    check,
};

fn check(topology: &Topology, report: &mut Report<'_>) {
    for stream in topology.streams.iter().filter(|stream| stream.kind == StreamKind::Stream) {
        let config = &stream.config;
        // What seals a stream denies the rest as well.
        let denies = !config.sealed;
        let switches = [
            ("sealed", config.sealed),
            ("deny_delete", config.deny_delete && denies),
            ("deny_purge", config.deny_purge && denies),
        ];
        for (field, _) in switches.into_iter().filter(|(_, on)| *on) {
            report.at(stream.places.at(field), format!("`{field}` can never be turned off again"));
        }
    }
}
