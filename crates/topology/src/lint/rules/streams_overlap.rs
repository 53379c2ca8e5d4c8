//! Two streams that would store the same message.

use std::collections::BTreeMap;

use watershed_wire::subject::{is_valid, witness};

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

/// A subject of a stream: places in the lists of both.
type Subject<'t> = (usize, usize, &'t str);

fn check(topology: &Topology, report: &mut Report<'_>) {
    let mut buckets = Buckets::default();
    for (index, stream) in topology.streams.iter().enumerate() {
        for (number, subject) in stream.config.subjects.iter().enumerate() {
            if !is_valid(subject.as_bytes()) {
                continue;
            }
            for (other_index, other_number, other) in buckets.candidates(subject) {
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
            buckets.insert((index, number, subject));
        }
    }
}

/// Subjects by their first two tokens, so that not every pair has to be looked at.
#[derive(Default)]
struct Buckets<'t> {
    by_start: BTreeMap<(&'t str, &'t str), Vec<Subject<'t>>>,
    by_first: BTreeMap<&'t str, Vec<Subject<'t>>>,
    /// Those whose first token is open.
    open: Vec<Subject<'t>>,
    /// Those whose first token is known and whose second is open.
    half_open: BTreeMap<&'t str, Vec<Subject<'t>>>,
    all: Vec<Subject<'t>>,
}

/// First and second token; an open one is none.
fn start(subject: &str) -> (Option<&str>, Option<&str>) {
    let known = |token: &&str| !matches!(*token, "*" | ">");
    let mut tokens = subject.split('.');
    let first = tokens.next().filter(known);
    // A subject of one token has an end where others have their second.
    let second = if subject.contains('.') { tokens.next().filter(known) } else { Some("") };
    (first, second)
}

impl<'t> Buckets<'t> {
    fn insert(&mut self, subject: Subject<'t>) {
        self.all.push(subject);
        match start(subject.2) {
            (None, _) => self.open.push(subject),
            (Some(first), None) => {
                self.by_first.entry(first).or_default().push(subject);
                self.half_open.entry(first).or_default().push(subject);
            }
            (Some(first), Some(second)) => {
                self.by_first.entry(first).or_default().push(subject);
                self.by_start.entry((first, second)).or_default().push(subject);
            }
        }
    }

    /// Those that may overlap with `subject`.
    fn candidates(&self, subject: &'t str) -> Vec<Subject<'t>> {
        fn of<'a, 't, K: Ord>(
            map: &'a BTreeMap<K, Vec<Subject<'t>>>,
            key: &K,
        ) -> &'a [Subject<'t>] {
            map.get(key).map(Vec::as_slice).unwrap_or_default()
        }
        let mut found = match start(subject) {
            (None, _) => return self.all.clone(),
            (Some(first), None) => of(&self.by_first, &first).to_vec(),
            (Some(first), Some(second)) => {
                let mut found = of(&self.by_start, &(first, second)).to_vec();
                found.extend(of(&self.half_open, &first));
                found
            }
        };
        found.extend(&self.open);
        found
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// Whatever overlaps is among the candidates.
        #[test]
        fn buckets_leave_nothing_out(
            subjects in proptest::collection::vec("(a|b|\\*)(\\.(a|b|\\*)){0,2}(\\.>)?", 1..12),
            wanted in "(a|b|\\*)(\\.(a|b|\\*)){0,2}(\\.>)?",
        ) {
            let mut buckets = Buckets::default();
            for (index, subject) in subjects.iter().enumerate() {
                buckets.insert((index, 0, subject));
            }
            let candidates = buckets.candidates(&wanted);
            for (index, subject) in subjects.iter().enumerate() {
                let found = candidates.iter().any(|(other, ..)| *other == index);
                prop_assert!(found || witness(subject, &wanted).is_none(), "{} {}", subject, wanted);
            }
        }
    }
}
