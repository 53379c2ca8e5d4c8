//! A probe that a worker gets.

use watershed_wire::subject::{is_valid, matches};

use crate::diagnostic::{ServerSays, Severity};
use crate::lint::{Report, Rule};
use crate::model::Topology;

pub(super) static RULE: Rule = Rule {
    code: "S055",
    name: "probe-delivered",
    severity: Severity::Warning,
    server: ServerSays::Accepts,
    about: "A consumer takes the subject of the stream's probe: at each `verify` a worker may get a \
            message that is none. Copies in mirrors and in streams that take this one in stay, too.",
    bad: "streams: { A: { subjects: [a.>], max_age: 1d, probe: a.probe, consumers: { c: {} } } }\n",
    good: "streams: { A: { subjects: [a.>], max_age: 1d, probe: a.probe, consumers: { c: { filter_subject: a.orders.> } } } }\n",
    check,
};

fn check(topology: &Topology, report: &mut Report<'_>) {
    for stream in &topology.streams {
        let Some(probe) = &stream.probe else { continue };
        let subject = probe.value.as_bytes();
        if !is_valid(subject) {
            continue;
        }
        for consumer in &stream.consumers {
            let mut filters = consumer.filters();
            let taken = filters.find(|(filter, _)| matches(filter.as_bytes(), subject));
            let place = match taken {
                Some((_, place)) => place,
                None if consumer.config.filters().is_empty() => consumer.name.span,
                None => continue,
            };
            report
                .at(
                    probe.span,
                    format!("`{}` takes it: a worker may get the probe", consumer.name.value),
                )
                .other(place, "taken here")
                .fix("choose a subject that no filter takes");
        }
        for copy in &topology.streams {
            let from = copy.origins().find(|(origin, _)| origin.name == stream.name.value);
            let Some((origin, place)) = from else { continue };
            let filter = origin.filter_subject.as_bytes();
            if filter.is_empty() || is_valid(filter) && matches(filter, subject) {
                report
                    .at(probe.span, format!("`{}` keeps a copy of each probe", copy.name.value))
                    .other(place, "taken in here")
                    .fix("filter what is taken in, or probe that stream's origin elsewhere");
            }
        }
    }
}
