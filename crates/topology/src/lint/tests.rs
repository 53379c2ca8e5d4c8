use std::fmt::Write as _;

use super::*;
use crate::lower::{Lowered, lower};
use crate::source::SourceMap;

/// All findings about a topology, but for its head.
fn findings(body: &str) -> (SourceMap, Vec<Diagnostic>) {
    let mut sources = SourceMap::default();
    let file = sources.add("watershed.yaml", &format!("watershed: 1\nname: x\n{body}"));
    let (lowered, mut diagnostics) = lower(&sources, file);
    let Lowered::Topology(topology) = lowered else { panic!("no topology") };
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
        let left: Vec<String> = left.iter().map(|left| left.plain(&sources)).collect();
        assert!(left.is_empty(), "{}: {}", rule.code, left.join("\n"));
    }
}

#[test]
fn rules_are_distinct_and_sorted() {
    assert!(RULES.windows(2).all(|pair| pair[0].code < pair[1].code));
    assert_eq!(find("s004").unwrap().name, find(find("S004").unwrap().name).unwrap().name);
}

#[test]
#[allow(clippy::too_many_lines, reason = "one line a thing that is said")]
fn what_rules_say() {
    let mut out = String::new();
    for rule in RULES {
        let _ = writeln!(out, "{}", rule_findings(rule.code, rule.bad));
    }
    insta::assert_snapshot!(out, @r"
    watershed.yaml:3:29: error[A002]: there is no service `wroker`
      help: did you mean `worker`?

    watershed.yaml:3:41: error[C000]: stream `A`: max age needs to be >= 100ms
      note: the server refuses this with error 10052

    watershed.yaml:3:73: warning[C003]: this `ack_wait` is replaced by the first `backoff`, 1s
      watershed.yaml:3:87: this is the ack wait
      note: the server accepts this silently
      help: remove `ack_wait`, or make it the first value of `backoff`

    watershed.yaml:3:80: error[C009]: push consumer `c` is read by 2 and has no `deliver_group`
      watershed.yaml:4:42: 2 of `s` read it
      note: the second one that subscribes is refused by its client library
      note: the server accepts this silently
      help: remove `deliver_subject` (a pull consumer is shared as it is), or give it a `deliver_group`

    watershed.yaml:3:109: warning[C017]: what `worker` gives up after 3 attempts stays behind unread
      note: the server accepts this silently
      help: declare a stream on `$JS.EVENT.ADVISORY.CONSUMER.MAX_DELIVERIES.JOBS.worker`

    watershed.yaml:3:43: error[L001]: 1 streams with `max_bytes` set 1GiB aside, and `max_file_store` is 1GB
      watershed.yaml:4:40: the limit
      note: refused, in this order: A
      note: the server refuses this with error 10047
      help: raise `max_file_store` to 1GiB, or lower `max_bytes`

    watershed.yaml:3:86: warning[M009]: this file has no stream `AA`
      note: the server accepts this silently
      help: did you mean `A`?

    watershed.yaml:3:12: error[N001]: `orders.eu` is no name of a stream: a name cannot hold white space or any of `.`, `*`, `>`, `/`, `\`
      note: the server refuses this with error 10052

    watershed.yaml:3:58: error[N002]: `a.b` is no name of a consumer: a name cannot hold white space or any of `.`, `*`, `>`, `/`, `\`
      note: the server refuses this with error 10103

    watershed.yaml:3:28: error[S001]: `a..b` is no subject: a subject cannot have an empty token (a dot at an end, or two in a row)
      note: the server refuses this with error 10052
    watershed.yaml:3:34: error[S001]: `a.>.b` is no subject: `>` stands for all remaining tokens and can only be the last one
      note: the server refuses this with error 10052
    watershed.yaml:3:43: error[S001]: `a b` is no subject: a subject cannot hold white space or control characters
      note: the server refuses this with error 10052

    watershed.yaml:3:33: error[S003]: `a.b` overlaps with `a.>`: `a.b` matches both
      watershed.yaml:3:28: the other subject
      note: the server refuses this with error 10052

    watershed.yaml:3:87: error[S004]: `runbook.execute` of `EXECUTIONS` overlaps with `runbook.*` of `RUNBOOKS`: `runbook.execute` matches both
      watershed.yaml:3:35: `RUNBOOKS` stores it
      note: the server refuses this with error 10065
      help: let one stream have it; where both are to hold it, give `EXECUTIONS` `sources: [{ name: RUNBOOKS, filter_subject: runbook.execute }]`

    watershed.yaml:3:41: warning[S025]: `A` forgets its messages at a restart, and has durable consumers
      watershed.yaml:3:75: durable
      note: the server accepts this silently
      help: write `storage: file`

    watershed.yaml:3:12: warning[S030]: `A` has no limit and grows for ever
      note: the server accepts this silently
      help: give it a `max_age` or `max_bytes`, or write `max_age: unlimited`

    watershed.yaml:4:29: error[X001]: there is no consumer `A/wroker`
      note: the server refuses this with error 10014
      help: did you mean `A/worker`?

    watershed.yaml:3:107: error[X002]: `root_cause_result` matches nothing that `RESPONSES` stores
      note: `RESPONSES` stores orchestrator_response
      note: the server accepts this silently

    watershed.yaml:3:89: warning[X003]: `A` does not store all of `orders.>`: not `orders.x`
      note: `A` stores orders.eu.>
      note: the server accepts this silently

    watershed.yaml:3:82: error[X005]: `a` and `b` would share every message
      watershed.yaml:3:75: the other consumer
      note: a consumer without a filter takes the whole work queue
      note: the server refuses this with error 10099
      help: let the workers share one consumer, or give each a filter of its own

    watershed.yaml:3:53: error[X006]: everything that is published to `NOTES` is dropped
      note: the server accepts this silently
      help: declare the consumers that want the messages, or keep them with `retention: limits`

    watershed.yaml:3:36: error[X007]: no consumer takes `workflows.x.x`: it is stored and never delivered
      here: `workflows.>` is stored
      watershed.yaml:3:114: takes `workflows.*`
      note: the server accepts this silently
      help: widen a filter, or add a consumer for the rest

    watershed.yaml:3:83: error[X008]: `A` admits 1 consumers, and has 2
      watershed.yaml:3:60: the limit
      note: the server refuses this with error 10026

    watershed.yaml:4:30: error[X012]: `s` publishes `metrics.cpu.load`, which no stream stores
      note: the nearest subject of a stream is `metrics.*`

    watershed.yaml:4:30: info[X013]: no consumer of `A` takes `context.events.updated`, which `s` publishes
      note: the server accepts this silently

    watershed.yaml:3:87: warning[X015]: no service publishes `context.updated`
      note: published to `A`: context.events.updated
      note: the server accepts this silently
      help: did you mean `context.events.updated`?
    ");
}
