//! Dead letters that come back to those who gave them up.

use std::collections::{BTreeMap, BTreeSet};

use watershed_wire::subject::overlaps;

use crate::dead_letter::{letters, record};
use crate::diagnostic::{ServerSays, Severity};
use crate::lint::{Report, Rule};
use crate::model::{Consumer, Stream, Topology};

pub(super) static RULE: Rule = Rule {
    code: "R001",
    name: "dead-letter-circle",
    severity: Severity::Error,
    server: ServerSays::Accepts,
    about: "A message that was given up, or the record of it, is stored where a consumer reads it whose own \
            dead letters come back to the first. What fails once can fail again, and each failure \
            makes a new message, without end.",
    bad: "streams: { JOBS: { subjects: [jobs], max_age: 1d, consumers: { worker: { max_deliver: 3, dead_letter: JOBS } } } }\n",
    good: "streams: { JOBS: { subjects: [jobs], max_age: 1d, consumers: { worker: { max_deliver: 3, dead_letter: DEAD } } }, DEAD: { max_age: 30d, consumers: { operator: { max_deliver: unlimited, backoff: [1m] } } } }\n",
    check,
};

fn check(topology: &Topology, report: &mut Report<'_>) {
    let streams = topology.by_name();
    for (stream, consumer, target) in topology.dead_letters() {
        if comes_back(&streams, (stream, consumer)) {
            let message = format!(
                "what `{}` gives up comes back to it as a message that it may give up",
                consumer.name.value
            );
            report
                .at(target.span, message)
                .fix("name a stream that it does not read, or filter what it reads");
        }
    }
}

/// Whether a consumer's dead letters reach itself, through those of others if need be.
fn comes_back<'t>(streams: &BTreeMap<&str, &'t Stream>, start: (&'t Stream, &'t Consumer)) -> bool {
    let name = |(stream, consumer): (&'t Stream, &'t Consumer)| {
        (stream.name.value.as_str(), consumer.name.value.as_str())
    };
    let mut seen = BTreeSet::new();
    let mut left = vec![start];
    while let Some((stream, consumer)) = left.pop() {
        let target = consumer.dead_letter.as_ref();
        let Some(target) = target.and_then(|target| streams.get(target.value.as_str()).copied())
        else {
            continue;
        };
        let (stream, consumer) = (&stream.name.value, &consumer.name.value);
        let forms = [record("*", stream, consumer), letters(stream, consumer)];
        let stores =
            |filter: &str| forms.iter().any(|form| overlaps(filter.as_bytes(), form.as_bytes()));
        for reader in &target.consumers {
            let mut filters = reader.filters();
            let takes =
                reader.config.filters().is_empty() || filters.any(|(filter, _)| stores(filter));
            let next = (target, reader);
            if takes && name(next) == name(start) {
                return true;
            }
            if takes && seen.insert(name(next)) {
                left.push(next);
            }
        }
    }
    false
}
