//! Two names that people take for one.

use crate::diagnostic::{ServerSays, Severity};
use crate::lint::{Report, Rule};
use crate::model::Topology;
use crate::source::Spanned;
use std::collections::BTreeMap;

pub(super) static RULE: Rule = Rule {
    code: "N008",
    name: "names-alike",
    severity: Severity::Warning,
    server: ServerSays::Accepts,
    about: "Two streams, or two consumers of one stream, have names that differ only in capitals, \
            `-` and `_`. They are two for the server, and one for whoever types them. Often one \
            of them was renamed and the other forgotten.",
    bad: "streams: { CONTEXT_EVENTS: { subjects: [a], max_age: 1d }, context-events: { subjects: [b], max_age: 1d } }\n",
    good: "streams: { CONTEXT_EVENTS: { subjects: [a], max_age: 1d }, CONTEXT_UPDATES: { subjects: [b], max_age: 1d } }\n",
    check,
};

fn check(topology: &Topology, report: &mut Report<'_>) {
    alike(topology.streams.iter().map(|stream| &stream.name), report);
    for stream in &topology.streams {
        alike(stream.consumers.iter().map(|consumer| &consumer.name), report);
    }
}

fn alike<'t>(names: impl Iterator<Item = &'t Spanned<String>>, report: &mut Report<'_>) {
    let mut known = BTreeMap::new();
    for name in names {
        let plain = name.value.to_lowercase().replace(['-', '_'], "");
        let Some(first) = known.insert(plain, name) else { continue };
        report
            .at(name.span, format!("`{}` and `{}` are easily confused", name.value, first.value))
            .other(first.span, "the other one");
    }
}
