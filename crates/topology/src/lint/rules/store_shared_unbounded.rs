//! Streams without a limit of bytes in a store that has one.

use watershed_wire::jetstream::stream::Storage;

use crate::diagnostic::{ServerSays, Severity};
use crate::lint::{Report, Rule};
use crate::model::Topology;
use crate::quantity::show_size;

pub(super) static RULE: Rule = Rule {
    code: "L009",
    name: "store-shared-unbounded",
    severity: Severity::Info,
    server: ServerSays::Accepts,
    about: "A stream without `max_bytes` may fill the store, whatever its age or its number of messages is \
            limited to; then every stream of the store refuses what is published (10023, 10047). With \
            `max_bytes` it discards its own oldest messages instead.",
    bad: "streams: { A: { subjects: [a], max_age: 1d } }\nserver: { jetstream: { max_file_store: 1GiB } }\n",
    good: "streams: { A: { subjects: [a], max_age: 1d, max_bytes: 500MiB } }\nserver: { jetstream: { max_file_store: 1GiB } }\n",
    check,
};

fn check(topology: &Topology, report: &mut Report<'_>) {
    let server = &topology.server;
    for (storage, key, limit) in [
        (Storage::File, "max_file_store", &server.max_file_store),
        (Storage::Memory, "max_memory_store", &server.max_memory_store),
    ] {
        let Some(limit) = limit else { continue };
        let of_kind = topology.streams.iter().filter(|stream| {
            stream.config.storage == storage
                && stream.config.max_bytes <= 0
                && !stream.is_placeholder()
        });
        let unbounded: Vec<_> = of_kind.collect();
        let [first, more @ ..] = unbounded.as_slice() else { continue };
        let names = match more.len() {
            0 => format!("`{}` is", first.name.value),
            1 => format!("`{}` and 1 other stream are", first.name.value),
            count => format!("`{}` and {count} other streams are", first.name.value),
        };
        let size = show_size(i64::try_from(limit.value).unwrap_or(i64::MAX));
        report
            .at(first.name.span, format!("{names} without `max_bytes`, in a store of {size}"))
            .other(limit.span, format!("`{key}`"))
            .fix("give each a `max_bytes`, which add up to less");
    }
}
