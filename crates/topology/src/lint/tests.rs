use std::fmt::Write as _;

use super::*;
use crate::diagnostic::{ServerSays, Severity};
use crate::lower::lower;
use crate::source::SourceMap;
use crate::yaml::parse;

/// All findings about a topology, but for its head.
fn findings(body: &str) -> (SourceMap, Vec<Diagnostic>) {
    let mut sources = SourceMap::default();
    let file = sources.add("watershed.yaml", &format!("watershed: 1\nname: x\n{body}"));
    let (root, mut diagnostics) = parse(&sources, file);
    let (topology, mut found) = lower(&root.unwrap());
    diagnostics.append(&mut found);
    diagnostics.extend(run(&topology, None));
    (sources, diagnostics)
}

/// What one rule finds, as text.
pub(crate) fn rule_findings(code: &str, body: &str) -> String {
    let (sources, diagnostics) = findings(body);
    let mut out = String::new();
    for diagnostic in diagnostics.iter().filter(|diagnostic| diagnostic.code == code) {
        let _ = writeln!(out, "{}", diagnostic.plain(&sources));
    }
    out
}

#[test]
fn rules_find_their_bad_example_and_not_the_good_one() {
    for rule in RULES {
        assert_ne!(rule_findings(rule.code, rule.bad), "", "{} finds nothing", rule.code);
        let (sources, left) = findings(rule.good);
        let own = |left: &&Diagnostic| left.code == rule.code || left.severity > Severity::Info;
        let left: Vec<String> = left.iter().filter(own).map(|left| left.plain(&sources)).collect();
        assert!(left.is_empty(), "{}: {}", rule.code, left.join("\n"));
    }
}

#[test]
fn rules_are_distinct_and_sorted() {
    assert!(RULES.windows(2).all(|pair| pair[0].code < pair[1].code));
    assert_eq!(find("s004").unwrap().name, find(find("S004").unwrap().name).unwrap().name);
}

#[test]
fn rules_know_the_codes_of_their_findings() {
    // Whatever else a server refuses is one rule's, whatever the code.
    for rule in RULES.iter().filter(|rule| rule.code != "C000") {
        let (_, found) = findings(rule.bad);
        for one in found.iter().filter(|one| one.code == rule.code) {
            if let ServerSays::Refuses(code) = one.server {
                assert!(rule.pre_empts(code), "{} {code}", rule.code);
            }
        }
    }
}

#[test]
fn the_bound_that_is_broken_is_shown() {
    let body = "streams: { A: { subjects: [a], max_bytes: 3KiB, storage: memory } }\nserver: { jetstream: { disk_max_stream_bytes: 4KiB, memory_max_stream_bytes: 2KiB } }\n";
    let found = rule_findings("L003", body);
    assert!(found.contains("watershed.yaml:4:78: the bound"), "{found}");
}
