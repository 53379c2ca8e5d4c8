//! A consumer that waits for what nobody sends.

use watershed_wire::subject::overlaps;

use crate::diagnostic::{ServerSays, Severity};
use crate::flow::{arriving, consumed};
use crate::lint::{Report, Rule};
use crate::model::{Consumer, Topology};
use crate::schema::nearest;

pub(super) static RULE: Rule = Rule {
    code: "X015",
    name: "read-not-published",
    severity: Severity::Warning,
    server: ServerSays::Accepts,
    about: "Services publish to this stream, and none of them publishes what this consumer takes: a \
            misspelling, or a publisher that the file forgot. Publishers outside of the system are \
            declared as a service too.",
    bad: "streams: { A: { subjects: [context.>], max_age: 1d, consumers: { c: { filter_subject: context.updated } } } }\nservices: { s: { publishes: [context.events.updated] } }\n",
    good: "streams: { A: { subjects: [context.>], max_age: 1d, consumers: { c: { filter_subject: context.updated } } } }\nservices: { s: { publishes: [context.updated] } }\n",
    check,
};

fn check(topology: &Topology, report: &mut Report<'_>) {
    let arrives = topology.arrives();
    let published = arrives.iter().map(String::as_str).collect();
    for (stream, _) in consumed(topology) {
        let here = arriving(topology, stream, &published).filters;
        if here.is_empty() {
            continue;
        }
        for (filter, place) in stream.consumers.iter().flat_map(Consumer::filters) {
            let sent = |subject: &String| overlaps(subject.as_bytes(), filter.as_bytes());
            if here.iter().any(sent) {
                continue;
            }
            let finding = report
                .at(place, format!("no service publishes `{filter}`"))
                .note(format!("published to `{}`: {}", stream.name.value, here.join(", ")));
            if let Some(near) = nearest(filter, here.iter().map(String::as_str)) {
                finding.fix(format!("did you mean `{near}`?"));
            }
        }
    }
}
