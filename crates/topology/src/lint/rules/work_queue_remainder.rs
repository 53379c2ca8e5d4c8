//! Messages that wait for a consumer that does not exist.

use watershed_wire::jetstream::stream::Retention;
use watershed_wire::subject::{FilterSet, intersection, is_valid, uncovered};

use crate::diagnostic::{ServerSays, Severity};
use crate::flow::stored;
use crate::lint::{Report, Rule};
use crate::model::{Consumer, Stream, Topology};

pub(super) static RULE: Rule = Rule {
    code: "X007",
    name: "uncovered-remainder",
    severity: Severity::Error,
    server: ServerSays::Accepts,
    about: "A work queue's message is taken away by the consumer that acknowledges it. What no \
            filter takes stays until a limit removes it, and nobody ever sees it; a stream with \
            interest retention drops it at once. `*` is one token: `workflows.*` does not take \
            `workflows.execution.start`.",
    bad: "streams: { WORKFLOWS: { subjects: [workflows.>], retention: workqueue, consumers: { processor: { filter_subject: workflows.* } } } }\n",
    good: "streams: { WORKFLOWS: { subjects: [workflows.>], retention: workqueue, consumers: { processor: { filter_subject: workflows.> } } } }\n",
    check,
};

fn check(topology: &Topology, report: &mut Report<'_>) {
    let sent = topology.published().map(|(_, subject)| subject.value.as_str()).collect();
    for stream in &topology.streams {
        let fate = match stream.config.retention {
            Retention::Limits => continue,
            Retention::WorkQueue => "stored and never delivered",
            Retention::Interest => "acknowledged and dropped",
        };
        let everything = stream.consumers.iter().any(|c| c.config.filters().is_empty());
        if everything || stream.consumers.is_empty() {
            continue;
        }
        let taken: Vec<_> = stream.consumers.iter().flat_map(Consumer::filters).collect();
        let mut filters: Vec<&str> = taken.iter().map(|(filter, _)| *filter).collect();
        // A probe is taken out by whoever put it in.
        let probe = stream.probe.iter().map(|probe| probe.value.as_str());
        filters.extend(probe.filter(|probe| is_valid(probe.as_bytes())));
        for subject in stored(topology, stream).filters {
            let Some(left) =
                published(&sent, &subject, &filters).or_else(|| uncovered(&subject, &filters))
            else {
                continue;
            };
            let place = place(stream, &subject);
            let mut finding = report
                .at(place, format!("no consumer takes `{left}`: it is {fate}"))
                .label(format!("`{subject}` is stored"));
            for (filter, span) in taken.iter().take(4) {
                finding = finding.other(*span, format!("takes `{filter}`"));
            }
            finding.fix("widen a filter, or add a consumer for the rest");
        }
    }
}

/// A subject that a service really publishes and no filter takes: the better example.
fn published(sent: &FilterSet<'_, ()>, subject: &str, filters: &[&str]) -> Option<String> {
    let mut near = sent.overlapping(subject).into_iter();
    near.find_map(|((), own)| uncovered(&intersection(own, subject)?, filters))
}

fn place(stream: &Stream, subject: &str) -> crate::source::Span {
    match stream.config.subjects.iter().position(|own| own == subject) {
        Some(index) => stream.places.item("subjects", index),
        None => stream.places.at("sources"),
    }
}
