//! A copy of what others consume.

use crate::diagnostic::{ServerSays, Severity};
use crate::lint::{Report, Rule};
use crate::model::Topology;
use watershed_wire::jetstream::stream::Retention;

pub(super) static RULE: Rule = Rule {
    code: "M010",
    name: "origin-gives-away",
    severity: Severity::Warning,
    server: ServerSays::Accepts,
    about: "A work queue or an interest stream drops what was consumed: its copy has what was \
            there when it looked, or, on some versions of the server, takes it away from the \
            consumers. Source it the other way round: keep the messages in a stream with limits, \
            and let the work queue source that.",
    bad: "streams: { JOBS: { subjects: [jobs], retention: workqueue, max_age: 1d, consumers: { c: {} } }, LOG: { max_age: 1d, sources: [{ name: JOBS }] } }\n",
    good: "streams: { LOG: { subjects: [jobs], max_age: 7d }, JOBS: { retention: workqueue, max_age: 1d, sources: [{ name: LOG }], consumers: { c: {} } } }\n",
    check,
};

fn check(topology: &Topology, report: &mut Report<'_>) {
    for stream in &topology.streams {
        for (source, place) in stream.origins() {
            let origin = topology.stream(&source.name).filter(|_| source.external.is_none());
            let Some(origin) = origin else { continue };
            if origin.config.retention != Retention::Limits {
                let (name, copy) = (&origin.name.value, &stream.name.value);
                report
                    .at(place, format!("`{copy}` copies from `{name}` what others take away there"))
                    .other(origin.places.at("retention"), "messages go when they are consumed");
            }
        }
    }
}
