//! A publisher whose messages no stream keeps.

use watershed_wire::subject::{FilterSet, is_valid, uncovered};

use crate::diagnostic::{ServerSays, Severity};
use crate::lint::{Report, Rule};
use crate::model::Topology;
use crate::schema::nearest;

pub(super) static RULE: Rule = Rule {
    code: "X012",
    name: "published-not-stored",
    severity: Severity::Error,
    server: ServerSays::Nothing,
    about: "A service publishes a subject that no stream takes. Published to a stream, it fails \
            with \"no responders\"; published plainly, it is gone without a word.",
    bad: "streams: { A: { subjects: [metrics.*], max_age: 1d } }\nservices: { s: { publishes: [metrics.cpu.load] } }\n",
    good: "streams: { A: { subjects: [metrics.>], max_age: 1d, consumers: { c: {} } } }\nservices: { s: { publishes: [metrics.cpu.load], consumes: [A/c] } }\n",
    check,
};

fn check(topology: &Topology, report: &mut Report<'_>) {
    let all = topology.streams.iter().flat_map(|stream| &stream.config.subjects);
    let valid = all.map(String::as_str).filter(|subject| is_valid(subject.as_bytes()));
    let subjects: Vec<&str> = valid.collect();
    let stored: FilterSet<'_, ()> = subjects.iter().copied().collect();
    for (service, subject) in topology.published() {
        let near = stored.overlapping(&subject.value);
        let near: Vec<&str> = near.into_iter().map(|((), near)| near).collect();
        let Some(lost) = uncovered(&subject.value, &near) else { continue };
        let name = &service.name.value;
        let message = format!("`{name}` publishes `{lost}`, which no stream stores");
        let finding = report.at(subject.span, message);
        if let Some(near) = nearest(&subject.value, subjects.iter().copied()) {
            finding.note(format!("the nearest subject of a stream is `{near}`"));
        }
    }
}
