//! Publishers that wait for an answer that never comes.

use crate::diagnostic::{ServerSays, Severity};
use crate::lint::{Report, Rule};
use crate::model::Topology;
pub(super) static RULE: Rule = Rule {
    code: "S049",
    name: "publishers-unanswered",
    severity: Severity::Warning,
    server: ServerSays::Accepts,
    about: "A stream with `no_ack` answers no publish. A client that publishes to a stream waits \
            for the answer, times out and tries again, and the message is stored again.",
    bad: "streams: { A: { subjects: [a], max_age: 1d, no_ack: true } }\nservices: { s: { publishes: [a] } }\n",
    good: "streams: { A: { subjects: [a], max_age: 1d } }\nservices: { s: { publishes: [a] } }\n",
    check,
};

fn check(topology: &Topology, report: &mut Report<'_>) {
    for stream in topology.streams.iter().filter(|stream| stream.config.no_ack) {
        let publishes = topology.published().find(|(_, subject)| stream.stores(&subject.value));
        let Some((service, subject)) = publishes else { continue };
        report
            .at(stream.places.at("no_ack"), format!("`{}` answers no publish", stream.name.value))
            .other(subject.span, format!("`{}` publishes to it", service.name.value))
            .fix("remove `no_ack`, or publish plainly and accept that some is lost");
    }
}
