//! Messages that do not fit where they are to be kept.

use crate::diagnostic::{ServerSays, Severity};
use crate::lint::{Report, Rule};
use crate::model::Topology;
use crate::quantity::show_size;

/// Bytes that a dead letter has beyond its message: the headers that say what became of it.
const HEADERS: i64 = 4 << 10;

pub(super) static RULE: Rule = Rule {
    code: "R004",
    name: "dead-letter-small",
    severity: Severity::Warning,
    server: ServerSays::Accepts,
    about: "A dead letter is the message with up to 4 KiB of headers that say what became of it. Where the \
            stream that keeps dead letters takes none of that size, a worker cannot keep the message: it \
            comes again until its deliveries are used up.",
    bad: "streams: { JOBS: { subjects: [jobs], max_age: 1d, consumers: { worker: { max_deliver: 3, dead_letter: DEAD } } }, DEAD: { max_age: 30d, max_msg_size: 1KiB, consumers: { operator: {} } } }\n",
    good: "streams: { JOBS: { subjects: [jobs], max_age: 1d, max_msg_size: 1MiB, consumers: { worker: { max_deliver: 3, dead_letter: DEAD } } }, DEAD: { max_age: 30d, max_msg_size: 2MiB, consumers: { operator: {} } } }\n",
    check,
};

fn check(topology: &Topology, report: &mut Report<'_>) {
    let streams = topology.by_name();
    for (stream, _, target) in topology.dead_letters() {
        let Some(kept) = streams.get(target.value.as_str()) else { continue };
        let most = i64::from(kept.config.max_msg_size);
        let own = i64::from(stream.config.max_msg_size);
        if most <= 0 || (own > 0 && own.saturating_add(HEADERS) <= most) {
            continue;
        }
        let theirs = match own {
            1.. => format!("are up to {}, and headers", show_size(own)),
            _ => "are of any size".to_owned(),
        };
        let message = format!(
            "`{}` takes up to {}, and messages of `{}` {theirs}",
            kept.name.value,
            show_size(most),
            stream.name.value
        );
        report
            .at(target.span, message)
            .other(kept.places.at("max_msg_size"), "too small")
            .fix(format!("leave `max_msg_size` of `{}` away, or raise it", kept.name.value));
    }
}
