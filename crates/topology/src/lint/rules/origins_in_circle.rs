//! Streams that copy each other.

use std::collections::BTreeSet;

use crate::diagnostic::{ServerSays, Severity};
use crate::limits::ORIGIN_DEPTH_MAX;
use crate::lint::{Report, Rule};
use crate::model::{Stream, Topology};

pub(super) static RULE: Rule = Rule {
    code: "M008",
    name: "origins-in-circle",
    severity: Severity::Error,
    server: ServerSays::Refuses(10052),
    about: "A stream takes in, over one or more others, what it stores itself.",
    bad: "streams: { A: { subjects: [a], max_age: 1d, sources: [{ name: B }] }, B: { subjects: [b], max_age: 1d, sources: [{ name: A }] } }\n",
    good: "streams: { A: { subjects: [a], max_age: 1d }, B: { subjects: [b], max_age: 1d, sources: [{ name: A }] } }\n",
    check,
};

fn check(topology: &Topology, report: &mut Report<'_>) {
    let mut found: Vec<&str> = Vec::new();
    for stream in &topology.streams {
        let (mut path, mut seen) = (Vec::new(), BTreeSet::new());
        if found.contains(&stream.name.value.as_str())
            || !circle(topology, stream, &mut path, &mut seen)
        {
            continue;
        }
        found.extend(&path);
        let mut names: Vec<String> = path.iter().map(|name| format!("`{name}`")).collect();
        names.push(format!("`{}`", stream.name.value));
        let field = if stream.config.mirror.is_some() { "mirror" } else { "sources" };
        report.at(stream.places.at(field), format!("a circle: {}", names.join(" from ")));
    }
}

/// Whether the origins of `stream` lead back to it; on which way.
fn circle<'t>(
    topology: &'t Topology,
    stream: &'t Stream,
    path: &mut Vec<&'t str>,
    seen: &mut BTreeSet<&'t str>,
) -> bool {
    let name = stream.name.value.as_str();
    if path.first() == Some(&name) {
        return true;
    }
    // What did not lead back once does not on another way.
    if path.len() == ORIGIN_DEPTH_MAX || !seen.insert(name) {
        return false;
    }
    path.push(name);
    let origins = stream.config.mirror.iter().chain(&stream.config.sources);
    for source in origins.filter(|source| source.external.is_none()) {
        let Some(origin) = topology.stream(&source.name) else { continue };
        // What a filter keeps out does not go round.
        let passes = source.filter_subject.is_empty() && source.subject_transforms.is_empty();
        if passes && circle(topology, origin, path, seen) {
            return true;
        }
    }
    path.pop();
    false
}
