//! Streams that set aside more than there is.

use watershed_wire::jetstream::stream::Storage;

use crate::diagnostic::{ServerSays, Severity};
use crate::lint::{Report, Rule};
use crate::model::Topology;
use crate::quantity::show_size;
use crate::source::Spanned;

pub(super) static RULE: Rule = Rule {
    code: "L001",
    name: "store-too-small",
    severity: Severity::Error,
    server: ServerSays::Nothing,
    about: "`max_bytes` sets space aside: the server adds it up and refuses the stream that goes \
            over its limit, whatever is stored. Units matter: nats.conf's `10G` is 10·1000³, the \
            nats command line's is 10·1024³.",
    bad: "streams: { A: { subjects: [a], max_bytes: 1GiB } }\nserver: { jetstream: { max_file_store: 1GB } }\n",
    good: "streams: { A: { subjects: [a], max_bytes: 1GiB } }\nserver: { jetstream: { max_file_store: 2GiB } }\n",
    check,
};

fn check(topology: &Topology, report: &mut Report<'_>) {
    let server = &topology.server;
    judge(topology, report, Storage::File, server.max_file_store.as_ref());
    judge(topology, report, Storage::Memory, server.max_memory_store.as_ref());
}

fn judge(
    topology: &Topology,
    report: &mut Report<'_>,
    storage: Storage,
    limit: Option<&Spanned<u64>>,
) {
    let Some(limit) = limit else { return };
    let (key, code) = match storage {
        Storage::File => ("max_file_store", 10047),
        Storage::Memory => ("max_memory_store", 10028),
    };
    let show = |bytes: u64| show_size(i64::try_from(bytes).unwrap_or(i64::MAX));
    let of_kind = topology.streams.iter().filter(|stream| stream.config.storage == storage);
    let mut sum = 0_u64;
    let mut refused = Vec::new();
    let mut sized = 0;
    for stream in of_kind {
        let Ok(bytes) = u64::try_from(stream.config.max_bytes) else { continue };
        sized += 1;
        // As the server goes about it: what does not fit is refused, what fits afterwards is not.
        if sum.saturating_add(bytes) > limit.value {
            refused.push((stream, bytes));
        } else {
            sum += bytes;
        }
    }
    let Some((first, _)) = refused.first() else { return };
    let missing: u64 = refused.iter().map(|(_, bytes)| bytes).sum();
    let names: Vec<&str> = refused.iter().map(|(stream, _)| stream.name.value.as_str()).collect();
    report
        .at(
            first.places.at("max_bytes"),
            format!(
                "{sized} streams with `max_bytes` set {} aside, and `{key}` is {}",
                show(sum.saturating_add(missing)),
                show(limit.value)
            ),
        )
        .other(limit.span, "the limit")
        .note(format!("refused, in this order: {}", names.join(", ")))
        .fix(format!(
            "raise `{key}` to {}, or lower `max_bytes`",
            show(sum.saturating_add(missing))
        ))
        .server(ServerSays::Refuses(code));
}
