//! A filter that filters nothing.

use crate::diagnostic::{ServerSays, Severity};
use crate::flow::consumed;
use crate::lint::{Report, Rule};
use crate::model::Topology;

pub(super) static RULE: Rule = Rule {
    code: "X004",
    name: "filter-is-subject",
    severity: Severity::Info,
    server: ServerSays::Accepts,
    about: "The filter is the stream's only subject: the consumer takes everything, with or \
            without it, and on some versions pays for filtering.",
    bad: "streams: { A: { subjects: [a.>], max_age: 1d, consumers: { c: { filter_subject: a.> } } } }\n",
    good: "streams: { A: { subjects: [a.>], max_age: 1d, consumers: { c: { filter_subject: a.b } } } }\n",
    check,
};

fn check(topology: &Topology, report: &mut Report<'_>) {
    for (stream, stored) in consumed(topology) {
        let [only] = stored.as_slice() else { continue };
        for consumer in &stream.consumers {
            if let [filter] = consumer.config.filters()
                && filter == only
            {
                report
                    .at(
                        consumer.filter_place(0),
                        format!("`{filter}` is all that `{}` stores", stream.name.value),
                    )
                    .fix("remove the filter");
            }
        }
    }
}
