//! Two streams that would store the same message.

use watershed_wire::subject::{FilterSet, is_valid, witness};

use crate::diagnostic::{ServerSays, Severity};
use crate::lint::{Report, Rule};
use crate::model::Topology;

pub(super) static RULE: Rule = Rule {
    code: "S004",
    name: "streams-overlap",
    severity: Severity::Error,
    server: ServerSays::Refuses(10065),
    about: "A message is stored by one stream of an account. The server refuses the second stream \
            whose subjects overlap with another's, and so the result depends on which came first. \
            If a second stream is to hold some of the messages too, give it a source: \
            `sources: [{ name: FIRST, filter_subject: … }]`.",
    bad: "streams: { RUNBOOKS: { subjects: [runbook.*], max_age: 1d }, EXECUTIONS: { subjects: [runbook.execute], max_age: 1d } }\n",
    good: "streams: { RUNBOOKS: { subjects: [runbook.*], max_age: 1d }, EXECUTIONS: { max_age: 1d, sources: [{ name: RUNBOOKS, filter_subject: runbook.execute }] } }\n",
    check,
};

fn check(topology: &Topology, report: &mut Report<'_>) {
    let mut before: FilterSet<'_, (usize, usize)> = FilterSet::default();
    for (index, stream) in topology.streams.iter().enumerate() {
        for (number, subject) in stream.config.subjects.iter().enumerate() {
            if !is_valid(subject.as_bytes()) {
                continue;
            }
            for ((other_index, other_number), other) in before.overlapping(subject) {
                let Some(other_stream) = topology.streams.get(other_index) else { continue };
                let both = witness(subject, other).filter(|_| other_index != index);
                let Some(both) = both else { continue };
                let (name, other_name) = (&stream.name.value, &other_stream.name.value);
                report
                    .at(
                        stream.places.item("subjects", number),
                        format!(
                            "`{subject}` of `{name}` overlaps with `{other}` of `{other_name}`: \
                             `{both}` matches both"
                        ),
                    )
                    .other(
                        other_stream.places.item("subjects", other_number),
                        format!("`{other_name}` stores it"),
                    )
                    .fix(format!(
                        "let one stream have it; where both are to hold it, give `{name}` \
                         `sources: [{{ name: {other_name}, filter_subject: {both} }}]`"
                    ));
            }
            before.insert(subject, (index, number));
        }
    }
}
