//! More than the account or the server allows.

use watershed_wire::jetstream::check::{Violation, consumer_within, stream_within};
use watershed_wire::jetstream::stream::Storage;

use crate::diagnostic::{ServerSays, Severity};
use crate::lint::{Report, Rule};
use crate::model::{Places, Topology};

pub(super) static RULE: Rule = Rule {
    code: "L003",
    name: "over-limits",
    severity: Severity::Error,
    server: ServerSays::Nothing,
    about: "An account has bounds of its own, and so has the server for every account: of the number \
            of streams and of consumers, of `max_bytes`, `max_ack_pending`, `max_batch` and the \
            duplicate window. What is beyond them is refused. What is absent gets the bound for a \
            default, but for `max_bytes`, which may be required.",
    bad: "streams: { A: { subjects: [a], max_age: 1d }, B: { subjects: [b], max_age: 1d } }\nserver: { jetstream: { max_streams: 1 } }\n",
    good: "streams: { A: { subjects: [a], max_age: 1d }, B: { subjects: [b], max_age: 1d } }\nserver: { jetstream: { max_streams: 2 } }\n",
    check,
};

fn check(topology: &Topology, report: &mut Report<'_>) {
    let bounds = topology.server.bounds();
    let declared = || topology.streams.iter().filter(|stream| !stream.is_placeholder());
    if let Some(limit) = bounds.max_streams
        && let Some(first) = declared().nth(usize::try_from(limit).unwrap_or(usize::MAX))
    {
        let message = format!("{} streams, and the account may have {limit}", declared().count());
        say(topology, report, ("max_streams", 10027), &first.places, "", message);
    }
    for stream in declared() {
        let name = &stream.name.value;
        let what = format!("stream `{name}`");
        for violation in stream_within(&stream.config, &bounds) {
            let bound = match (violation.error.err_code, stream.config.storage) {
                (10113, _) => "max_bytes_required",
                (10122, Storage::File) => "disk_max_stream_bytes",
                (10122, Storage::Memory) => "memory_max_stream_bytes",
                _ => violation.field.as_ref(),
            };
            refused(topology, report, (&what, bound), &stream.places, &violation);
        }
        if let Some(limit) = bounds.max_consumers
            && let Some(first) = stream.consumers.get(usize::try_from(limit).unwrap_or(usize::MAX))
        {
            let count = stream.consumers.len();
            let message = format!("`{name}` has {count} consumers, and a stream may have {limit}");
            say(topology, report, ("max_consumers", 10026), &first.places, "", message);
        }
    }
    for (_, consumer) in topology.consumers() {
        let what = format!("consumer `{}`", consumer.name.value);
        for violation in consumer_within(&consumer.config, &bounds) {
            let bound = match violation.error.err_code {
                10125 => "max_request_batch",
                _ => violation.field.as_ref(),
            };
            refused(topology, report, (&what, bound), &consumer.places, &violation);
        }
    }
}

fn refused(
    topology: &Topology,
    report: &mut Report<'_>,
    (what, bound): (&str, &str),
    places: &Places,
    violation: &Violation,
) {
    let Violation { field, error } = violation;
    let message = format!("{what}: {}", error.description);
    say(topology, report, (bound, error.err_code), places, field, message);
}

fn say(
    topology: &Topology,
    report: &mut Report<'_>,
    (bound, code): (&str, u16),
    places: &Places,
    field: &str,
    message: String,
) {
    let finding = report.at(places.at(field), message).server(ServerSays::Refuses(code));
    if let Some(place) = topology.server.bound_at(bound) {
        finding.other(place, "the bound");
    }
}
