//! Metadata under a name that belongs to the server.

use crate::diagnostic::{ServerSays, Severity};
use crate::lint::{Report, Rule};
use crate::model::{Places, Topology};
use crate::observe::RESERVED;
use std::collections::BTreeMap;

pub(super) static RULE: Rule = Rule {
    code: "N006",
    name: "metadata-reserved",
    severity: Severity::Warning,
    server: ServerSays::Accepts,
    about: "Keys that begin with `_nats.` are the server's: it writes them itself and drops what \
            others write there.",
    bad: "streams: { A: { subjects: [a], max_age: 1d, metadata: { _nats.note: x } } }\n",
    good: "streams: { A: { subjects: [a], max_age: 1d, metadata: { note: x } } }\n",
    check,
};

fn check(topology: &Topology, report: &mut Report<'_>) {
    let mut look = |metadata: &BTreeMap<String, String>, places: &Places| {
        for key in metadata.keys().filter(|key| key.starts_with(RESERVED)) {
            let message = format!("`{key}` is the server's: what is written here is dropped");
            report.at(places.at(&format!("metadata.{key}")), message);
        }
    };
    for stream in &topology.streams {
        look(&stream.config.metadata, &stream.places);
        for consumer in &stream.consumers {
            look(&consumer.config.metadata, &consumer.places);
        }
    }
}
