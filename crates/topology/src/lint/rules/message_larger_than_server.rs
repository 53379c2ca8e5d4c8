//! Messages that the server takes from nobody.

use crate::diagnostic::{ServerSays, Severity};
use crate::lint::{Report, Rule};
use crate::model::Topology;
use crate::quantity::show_size;

pub(super) static RULE: Rule = Rule {
    code: "S034",
    name: "message-larger-than-server",
    severity: Severity::Warning,
    server: ServerSays::Accepts,
    about: "A message longer than the server's `max_payload` closes its publisher's connection. A \
            stream's `max_msg_size` above it is never reached.",
    bad: "streams: { A: { subjects: [a], max_age: 1d, max_msg_size: 4MiB } }\nserver: { max_payload: 1MiB }\n",
    good: "streams: { A: { subjects: [a], max_age: 1d, max_msg_size: 4MiB } }\nserver: { max_payload: 4MiB }\n",
    check,
};

fn check(topology: &Topology, report: &mut Report<'_>) {
    let Some(limit) = &topology.server.max_payload else { return };
    for stream in &topology.streams {
        let size = stream.config.max_msg_size;
        if u64::try_from(size).is_ok_and(|size| size > limit.value) {
            let limit_text = show_size(i64::try_from(limit.value).unwrap_or(i64::MAX));
            let message = format!(
                "no message of {} comes past the server's {limit_text}",
                show_size(size.into())
            );
            report
                .at(stream.places.at("max_msg_size"), message)
                .other(limit.span, "longest message of the server")
                .fix("raise `max_payload`, or lower `max_msg_size`");
        }
    }
}
