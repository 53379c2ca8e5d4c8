//! A bucket that does not exist.

use crate::diagnostic::{ServerSays, Severity};
use crate::lint::{Report, Rule};
use crate::model::{Stream, Topology};
use crate::schema::nearest;

pub(super) static RULE: Rule = Rule {
    code: "X019",
    name: "bucket-unknown",
    severity: Severity::Error,
    server: ServerSays::Nothing,
    about: "A service reads or writes a bucket that this file does not declare, under `key_values` or \
            `object_stores`. Its users would have rights to nothing. A stream is not a bucket.",
    bad: "key_values: { settings: {} }\nservices: { s: { reads: [setings] } }\n",
    good: "key_values: { settings: {} }\nservices: { s: { reads: [settings] } }\n",
    check,
};

fn check(topology: &Topology, report: &mut Report<'_>) {
    for service in &topology.services {
        for name in service.reads.iter().chain(&service.writes) {
            if topology.buckets(&name.value).next().is_some() {
                continue;
            }
            let message = format!("unknown bucket or object store `{}`", name.value);
            let finding = report.at(name.span, message);
            let known = topology.streams.iter().filter_map(Stream::bucket);
            if let Some(meant) = nearest(&name.value, known) {
                finding.fix(format!("did you mean `{meant}`?"));
            }
        }
    }
}
