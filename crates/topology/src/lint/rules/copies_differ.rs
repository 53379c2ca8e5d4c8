//! A consumer with fewer copies than what it decides about.

use crate::diagnostic::{ServerSays, Severity};
use crate::lint::{Report, Rule};
use crate::model::Topology;
use watershed_wire::jetstream::stream::Retention;

pub(super) static RULE: Rule = Rule {
    code: "C016",
    name: "copies-differ",
    severity: Severity::Error,
    server: ServerSays::Refuses(10134),
    about: "On an interest stream or a work queue, consumers decide what may go: they need as \
            many copies as the stream.",
    bad: "streams: { A: { subjects: [a], retention: workqueue, num_replicas: 3, max_age: 1d, consumers: { c: { num_replicas: 1 } } } }\n",
    good: "streams: { A: { subjects: [a], retention: workqueue, num_replicas: 3, max_age: 1d, consumers: { c: {} } } }\n",
    check,
};

fn check(topology: &Topology, report: &mut Report<'_>) {
    for (stream, consumer) in topology.consumers() {
        let (own, theirs) = (consumer.config.num_replicas, stream.config.num_replicas);
        let decides = stream.config.retention != Retention::Limits;
        // More than the stream has are refused for another reason.
        if decides && own > 0 && own < theirs {
            let message = format!("`{}` needs {theirs} copies, as its stream", consumer.name.value);
            report.at(consumer.places.at("num_replicas"), message).fix("remove `num_replicas`");
        }
    }
}
