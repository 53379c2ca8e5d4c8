//! Work that expires before it was tried often enough.

use crate::diagnostic::{ServerSays, Severity};
use crate::lint::{Report, Rule};
use crate::model::{Consumer, Topology};
use crate::quantity::show_duration;
use watershed_wire::jetstream::stream::Retention;

pub(super) static RULE: Rule = Rule {
    code: "S051",
    name: "expires-while-retried",
    severity: Severity::Warning,
    server: ServerSays::Accepts,
    about: "`max_age` takes a message away whatever its consumer still means to do with it. In a \
            work queue or an interest stream it should outlast all attempts.",
    bad: "streams: { A: { subjects: [a], retention: workqueue, max_age: 1m, consumers: { c: { ack_wait: 1m, max_deliver: 5 } } } }\n",
    good: "streams: { A: { subjects: [a], retention: workqueue, max_age: 1d, consumers: { c: { ack_wait: 1m } } } }\n",
    check,
};

fn check(topology: &Topology, report: &mut Report<'_>) {
    for (stream, consumer) in topology.consumers() {
        let config = &stream.config;
        let needed = all_attempts(consumer);
        if config.retention == Retention::Limits || config.max_age == 0 || needed <= config.max_age
        {
            continue;
        }
        let (age, needed) = (show_duration(config.max_age), show_duration(needed));
        report
            .at(
                stream.places.at("max_age"),
                format!(
                    "messages go after {age}, and `{}` may try for {needed}",
                    consumer.name.value
                ),
            )
            .other(consumer.places.at("max_deliver"), "the attempts");
    }
}

/// How long all attempts take at most, in nanoseconds; 0 where there is no end to them.
fn all_attempts(consumer: &Consumer) -> i64 {
    let config = &consumer.config;
    let Ok(attempts) = usize::try_from(config.max_deliver) else { return 0 };
    let last = config.backoff.last().copied().unwrap_or(config.ack_wait);
    let waits = config.backoff.iter().copied().chain(std::iter::repeat(last));
    // More attempts than this take longer than anything is kept.
    waits.take(attempts.min(10_000)).fold(0, i64::saturating_add)
}
