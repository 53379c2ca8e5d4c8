//! A consumer and the one that took its place.

use std::collections::BTreeMap;

use crate::diagnostic::{ServerSays, Severity};
use crate::lint::{Report, Rule};
use crate::model::{Consumer, Topology};

pub(super) static RULE: Rule = Rule {
    code: "X010",
    name: "two-generations",
    severity: Severity::Warning,
    server: ServerSays::Accepts,
    about: "Two consumers of a stream take the same and have one name but for its end: `worker` and \
            `worker-v2`, or `worker-1` and `worker-2`. Each gets every message. Where the old one is read by nobody any more, it \
            keeps what it holds back, a new one begins with all that is stored, and where both are \
            read, work is done twice.",
    bad: "streams: { A: { subjects: [a], max_age: 1d, consumers: { worker: {}, worker-v2: {} } } }\n",
    good: "streams: { A: { subjects: [a], max_age: 1d, consumers: { worker: {}, auditor: {} } } }\n",
    check,
};

/// Words at the end of a name that tell one generation from another.
const WORDS: &[&str] = &["new", "old", "copy", "backup", "tmp"];

fn check(topology: &Topology, report: &mut Report<'_>) {
    for stream in &topology.streams {
        let mut known: BTreeMap<(&str, Vec<&str>), &Consumer> = BTreeMap::new();
        for consumer in &stream.consumers {
            let mut filters: Vec<&str> =
                consumer.config.filters().iter().map(String::as_str).collect();
            filters.sort_unstable();
            let name = consumer.name.value.as_str();
            let Some(first) = known.insert((stem(name), filters), consumer) else { continue };
            let other = &first.name.value;
            report
                .at(consumer.name.span, format!("`{name}` gets every message that `{other}` gets"))
                .other(first.name.span, "the other one")
                .fix("let one of them go, or give them names that say what each is for");
        }
    }
}

/// A name without what tells one generation from another: `-v2`, `_3`, `-old`.
fn stem(name: &str) -> &str {
    let Some((stem, last)) = name.rsplit_once(['-', '_']) else { return name };
    let number = last.strip_prefix(['v', 'V']).unwrap_or(last);
    let is_number = !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit());
    let is_word = WORDS.iter().any(|word| last.eq_ignore_ascii_case(word));
    if !stem.is_empty() && (is_number || is_word) { stem } else { name }
}
