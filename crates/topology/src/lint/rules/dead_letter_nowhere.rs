//! Dead letters that no stream keeps.

use crate::diagnostic::{ServerSays, Severity};
use crate::lint::{Report, Rule};
use crate::model::{StreamKind, Topology};
use crate::schema::nearest;

pub(super) static RULE: Rule = Rule {
    code: "R000",
    name: "dead-letter-nowhere",
    severity: Severity::Error,
    server: ServerSays::Nothing,
    about: "`dead_letter` names a stream of this file, which then stores each message that is given up or \
            terminated: the message itself where a worker of Watershed does so, else what the server says \
            of it, which is its stream, consumer and sequence. A mirror \
            stores nothing of its own, and a bucket only its keys.",
    bad: "streams: { JOBS: { subjects: [jobs], max_age: 1d, consumers: { worker: { max_deliver: 3, dead_letter: DEAD } } } }\n",
    good: "streams: { JOBS: { subjects: [jobs], max_age: 1d, consumers: { worker: { max_deliver: 3, dead_letter: DEAD } } }, DEAD: { max_age: 30d, consumers: { operator: {} } } }\n",
    check,
};

fn check(topology: &Topology, report: &mut Report<'_>) {
    let streams = topology.by_name();
    for (_, _, target) in topology.dead_letters() {
        let name = &target.value;
        let Some(stream) = streams.get(name.as_str()) else {
            let finding = report.at(target.span, format!("unknown stream `{name}`"));
            match nearest(name, streams.keys().copied()) {
                Some(meant) => finding.fix(format!("did you mean `{meant}`?")),
                None => finding.fix(format!("declare it: `{name}: {{ max_age: 30d }}`")),
            };
            continue;
        };
        let why = match stream.kind {
            _ if stream.config.mirror.is_some() => "is a mirror, and stores nothing of its own",
            _ if stream.config.no_ack => "acknowledges nothing: nobody would know what is kept",
            StreamKind::KeyValue | StreamKind::ObjectStore => {
                "is a bucket, and stores its keys only"
            }
            StreamKind::Stream | StreamKind::Elsewhere => continue,
        };
        report
            .at(target.span, format!("`{name}` {why}"))
            .other(stream.name.span, "declared here")
            .fix("name a stream");
    }
}
