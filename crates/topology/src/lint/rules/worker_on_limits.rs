//! A worker on a stream that keeps everything.

use crate::diagnostic::{ServerSays, Severity};
use crate::lint::{Report, Rule};
use crate::model::Topology;
use watershed_wire::jetstream::stream::Retention;

pub(super) static RULE: Rule = Rule {
    code: "X009",
    name: "worker-on-limits",
    severity: Severity::Info,
    server: ServerSays::Accepts,
    about: "The one consumer of the stream is named like a worker. If each message is a piece of \
            work for one, `retention: workqueue` removes what is done; with limits it stays, and \
            a consumer that is made anew does all of it again.",
    bad: "streams: { JOBS: { subjects: [jobs], max_age: 1d, consumers: { worker: {} } } }\n",
    good: "streams: { JOBS: { subjects: [jobs], max_age: 1d, retention: workqueue, consumers: { worker: {} } } }\n",
    check,
};

const WORK: &[&str] = &["worker", "queue", "executor", "job"];

fn check(topology: &Topology, report: &mut Report<'_>) {
    for stream in &topology.streams {
        let [only] = stream.consumers.as_slice() else { continue };
        let name = only.name.value.to_lowercase();
        if stream.config.retention == Retention::Limits
            && WORK.iter().any(|word| name.contains(word))
        {
            let message = format!(
                "`{}` looks like a work-queue consumer, but its stream keeps processed messages",
                only.name.value
            );
            report
                .at(only.name.span, message)
                .other(stream.name.span, "keeps everything within its limits")
                .fix("write `retention: workqueue`, if each message is for one worker");
        }
    }
}
