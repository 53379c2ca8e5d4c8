//! Dead letters that nobody hears of.

use std::collections::BTreeSet;

use crate::diagnostic::{ServerSays, Severity};
use crate::lint::{Report, Rule};
use crate::model::Topology;
use crate::monitor::key;

pub(super) static RULE: Rule = Rule {
    code: "R003",
    name: "dead-letter-unread",
    severity: Severity::Warning,
    server: ServerSays::Accepts,
    about: "A stream keeps dead letters, no consumer reads it and no threshold watches it: it fills \
            without anybody knowing. A `monitor` with `subjects_warn` and `subjects_critical` lets \
            `nats server check stream` raise the alarm.",
    bad: "streams: { JOBS: { subjects: [jobs], max_age: 1d, consumers: { worker: { max_deliver: 3, dead_letter: DEAD } } }, DEAD: { max_age: 30d } }\n",
    good: "streams: { JOBS: { subjects: [jobs], max_age: 1d, consumers: { worker: { max_deliver: 3, dead_letter: DEAD } } }, DEAD: { max_age: 30d, monitor: { subjects_warn: 1, subjects_critical: 10 } } }\n",
    check,
};

fn check(topology: &Topology, report: &mut Report<'_>) {
    let mut seen = BTreeSet::new();
    let wanted = topology.dead_letters().map(|(_, _, target)| target);
    for target in wanted.filter(|target| seen.insert(target.value.as_str())) {
        let Some(stream) = topology.stream(&target.value) else { continue };
        let watched = stream.config.metadata.contains_key(&key("subjects_critical"));
        let copied = topology
            .streams
            .iter()
            .any(|other| other.origins().any(|(origin, _)| origin.name == stream.name.value));
        if stream.consumers.is_empty() && !watched && !copied {
            report
                .at(
                    stream.name.span,
                    format!("nobody reads the dead letters in `{}`", target.value),
                )
                .other(target.span, "kept there")
                .fix("add a consumer, or `monitor: { subjects_warn: 1, subjects_critical: 10 }`");
        }
    }
}
