//! A copy that cannot take what its origin holds.

use crate::diagnostic::{ServerSays, Severity};
use crate::lint::{Report, Rule};
use crate::model::Topology;
use watershed_wire::jetstream::error::table;

pub(super) static RULE: Rule = Rule {
    code: "M006",
    name: "origin-messages-larger",
    severity: Severity::Error,
    server: ServerSays::Nothing,
    about: "A mirror or a stream with sources must take messages as long as its origin does.",
    bad: "streams: { A: { subjects: [a], max_age: 1d, max_msg_size: 2KiB }, COPY: { max_age: 1d, max_msg_size: 1KiB, sources: [{ name: A }] } }\n",
    good: "streams: { A: { subjects: [a], max_age: 1d, max_msg_size: 1KiB }, COPY: { max_age: 1d, max_msg_size: 1KiB, sources: [{ name: A }] } }\n",
    check,
};

fn check(topology: &Topology, report: &mut Report<'_>) {
    for stream in &topology.streams {
        let config = &stream.config;
        let mirror =
            config.mirror.iter().map(|source| (source, table::MIRROR_MAX_MESSAGE_SIZE_TOO_BIG));
        let sources =
            config.sources.iter().map(|source| (source, table::SOURCE_MAX_MESSAGE_SIZE_TOO_BIG));
        for (source, error) in mirror.chain(sources) {
            let origin = topology.stream(&source.name).filter(|_| source.external.is_none());
            let Some(origin) = origin else { continue };
            let theirs = origin.config.max_msg_size;
            // An origin without a limit is not looked at.
            let fits = config.max_msg_size < 0 || theirs <= config.max_msg_size;
            if fits {
                continue;
            }
            report
                .at(
                    stream.places.at("max_msg_size"),
                    format!("`{}` holds longer messages than this", origin.name.value),
                )
                .other(origin.places.at("max_msg_size"), "the origin")
                .server(ServerSays::Refuses(error.code));
        }
    }
}
