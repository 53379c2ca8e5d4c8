//! A stream without subjects.

use crate::diagnostic::{ServerSays, Severity};
use crate::lint::{Report, Rule};
use crate::model::{StreamKind, Topology};

pub(super) static RULE: Rule = Rule {
    code: "S010",
    name: "subject-is-the-name",
    severity: Severity::Info,
    server: ServerSays::Accepts,
    about: "A stream without subjects, mirror or sources stores what is published under its own \
            name. That is rarely what was meant.",
    bad: "streams: { ORDERS: { max_age: 1d } }\n",
    good: "streams: { ORDERS: { subjects: [orders.>], max_age: 1d } }\n",
    check,
};

fn check(topology: &Topology, report: &mut Report<'_>) {
    for stream in topology.streams.iter().filter(|stream| stream.kind == StreamKind::Stream) {
        let name = &stream.name.value;
        let said = stream.places.get("subjects").is_some();
        if !said && stream.config.subjects == [name.as_str()] {
            report
                .at(stream.name.span, format!("`{name}` stores the subject `{name}`, its own name"))
                .fix("write its `subjects`");
        }
    }
}
