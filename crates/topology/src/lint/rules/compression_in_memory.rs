//! Compression where nothing is compressed.

use crate::diagnostic::{ServerSays, Severity};
use crate::lint::{Report, Rule};
use crate::model::Topology;
use watershed_wire::jetstream::stream::{Compression, Storage};

pub(super) static RULE: Rule = Rule {
    code: "S050",
    name: "compression-in-memory",
    severity: Severity::Warning,
    server: ServerSays::Accepts,
    about: "Only files are compressed. A memory stream takes the field and does nothing with it.",
    bad: "streams: { A: { subjects: [a], max_age: 1d, storage: memory, compression: s2 } }\n",
    good: "streams: { A: { subjects: [a], max_age: 1d, storage: file, compression: s2 } }\n",
    check,
};

fn check(topology: &Topology, report: &mut Report<'_>) {
    for stream in &topology.streams {
        let config = &stream.config;
        if config.storage == Storage::Memory && config.compression != Compression::None {
            report
                .at(stream.places.at("compression"), "nothing is compressed in memory")
                .other(stream.places.at("storage"), "kept in memory");
        }
    }
}
