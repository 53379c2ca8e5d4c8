use std::fmt::Write as _;

use super::*;
use crate::diagnostic::sort;
use crate::read::Document;
use crate::source::SourceMap;
use crate::yaml::parse;

/// What is wrong with a text, a place a line.
fn findings(text: &str) -> String {
    let mut sources = SourceMap::default();
    let file = sources.add("watershed.yaml", text);
    let (root, mut diagnostics) = parse(&sources, file);
    diagnostics.extend(root.iter().flat_map(|root| lower(root).1));
    sort(&mut diagnostics);
    let mut out = String::new();
    for diagnostic in diagnostics {
        let _ = writeln!(out, "{}", diagnostic.plain(&sources));
    }
    out
}

fn read(text: &str) -> Topology {
    assert_eq!(findings(text), "");
    let mut sources = SourceMap::default();
    let file = sources.add("watershed.yaml", text);
    lower(&parse(&sources, file).0.unwrap()).0
}

#[test]
fn a_file_becomes_a_topology() {
    let topology = read(
        r"
watershed: 1
name: fleet
account: FLEET
defaults:
  stream: { storage: file, max_age: 7d }
  consumer: { max_deliver: 5, backoff: [30s, 1m] }
streams:
  PLANNING:
    subjects: planning.>
    max_msgs: 1_000_000
    max_bytes: 1GiB
    consumers:
      approved: { filter_subject: planning.approved }
      slow: { ack_wait: 5m, max_deliver: unlimited }
  ALL:
    max_age: unlimited
    sources: [{ name: PLANNING, filter_subject: planning.x }]
services:
  context: { replicas: 2, consumes: [PLANNING/approved], publishes: [context.updated] }
users:
  admin: { password: { env: ADMIN_PASS }, role: admin }
  context: { service: context }
server:
  listen: 127.0.0.1:4222
  jetstream: { store_dir: ./data, max_file_store: 20GiB }
",
    );
    assert_eq!(topology.account_name(), "FLEET");
    let planning = topology.stream("PLANNING").unwrap();
    assert_eq!(planning.config.subjects, ["planning.>"]);
    assert_eq!((planning.config.max_msgs, planning.config.max_bytes), (1_000_000, 1 << 30));
    assert_eq!(planning.config.max_age, 7 * 86_400_000_000_000);
    let approved = &planning.consumer("approved").unwrap().config;
    assert_eq!(approved.ack_wait, 30_000_000_000);
    assert_eq!(approved.durable_name, "approved");
    let slow = &planning.consumer("slow").unwrap().config;
    assert_eq!((slow.ack_wait, slow.max_deliver, slow.backoff.len()), (300_000_000_000, -1, 0));
    let all = topology.stream("ALL").unwrap();
    assert_eq!((all.config.max_age, all.config.sources.len()), (0, 1));
    assert_eq!(topology.services[0].replicas.value, 2);
    assert_eq!(topology.users.len(), 2);
    assert_eq!(topology.server.max_file_store.as_ref().unwrap().value, 20 << 30);
}

#[test]
#[allow(clippy::too_many_lines, reason = "one line a thing that is said")]
fn every_mistake_is_named_with_its_place() {
    insta::assert_snapshot!(findings(
        r"
watershed: 1
name: my fleet
defaults: { strem: {} }
streams:
  A:
    subject: a.>
    max_age: 604800
    max_bytes: 10G
    max_msgs: 1M
    retention: work
    deny_delete: yes
    max_msgs_per_subject: 0
    dead_letter: X
    consumers: [c]
  B: { subjects: [*.x] }
"
    ), @r##"
    watershed.yaml:3:7: error[F004]: `name` is up to 64 letters, digits, `-` and `_`, and this is `my fleet`
    watershed.yaml:4:13: error[F003]: unknown key `strem` in `defaults`
      help: did you mean `stream`?
    watershed.yaml:7:5: error[F003]: unknown key `subject` in stream `A`
      help: write `subjects`
    watershed.yaml:8:14: error[F005]: missing unit in `604800`: the API would take it for nanoseconds (604µs800ns), nats-py for seconds (7d)
      help: write `7d`
    watershed.yaml:9:16: error[F005]: `10G` is 10·1024³ for the nats command line and 10·1000³ for nats.conf
      help: write `10GiB` or `10GB`
    watershed.yaml:10:15: error[F004]: `max_msgs` is a whole number, and this is `1M`
      help: write it as in `1_000_000`
    watershed.yaml:11:16: error[F004]: `work` is not a valid `retention`
      note: it is one of limits, interest, workqueue
      help: did you mean `workqueue`?
    watershed.yaml:12:18: error[F004]: `deny_delete` is true or false, and this is `yes`
      help: write `true`
    watershed.yaml:13:27: warning[F009]: `max_msgs_per_subject: 0` means no limit
      help: write `unlimited`
    watershed.yaml:14:5: error[F003]: unknown key `dead_letter` in stream `A`
      help: write it where it belongs: in a consumer
    watershed.yaml:15:16: error[F004]: `consumers` is a mapping, and this is a list
    watershed.yaml:16:19: error[F001]: invalid YAML: while parsing node, found unknown anchor
      note: in YAML an unquoted `*` begins an alias, the name of something written before
      help: put a subject that begins with `*` in quotes: "*.created"
    "##);
    insta::assert_snapshot!(findings(
        r#"
watershed: 2
name: x
streams:
  A:
    subjects: >
    sources: [{ nam: X }]
services:
  s: { consumes: [worker] }
users:
  a: { password: secret, role: admin }
  b: { password: "$B_PASS", service: s }
  c: { role: boss, service: s }
  d: {}
server: { listen: everywhere }
"#
    ), @r#"
    watershed.yaml:2:12: error[F004]: this is a format that this program does not know
      help: write `watershed: 1`
    watershed.yaml:6:15: error[F001]: an unquoted `>` begins a block of text in YAML; this is not the subject `>`
      help: put the subject in quotes: ">"
    watershed.yaml:7:17: error[F003]: unknown key `nam` in `sources`
      help: did you mean `name`?
    watershed.yaml:9:19: error[F004]: `worker` does not say which stream the consumer is of
      help: write `STREAM/worker`
    watershed.yaml:11:18: error[F008]: a password is not written into the file
      note: whoever reads the file or its history would have it
      help: write `{ env: NAME }` or `{ file: PATH }`, or a bcrypt hash
    watershed.yaml:12:18: error[F008]: variables are not expanded: this text would become the password
      help: write `{ env: B_PASS }`
    watershed.yaml:13:14: error[F004]: `admin` is the only role; everybody else has a `service`
    watershed.yaml:13:20: error[F004]: a user has a `service`, a `role` or `system: true`, and one of them only
    watershed.yaml:14:3: error[F006]: user `d` needs a `service`, a `role`, `permissions` or `system: true`
      help: name the service whose permissions the user gets, or write `role: admin`
    watershed.yaml:15:19: error[F004]: `listen` is an address and a port, and this is `everywhere`
      help: write it as in `127.0.0.1:4222`
    "#);
}

#[test]
fn a_file_without_the_key_is_something_else() {
    let mut sources = SourceMap::default();
    let file = sources.add("compose.yaml", "services:\n  nats: {}\n");
    let document = Document::new(&sources, file);
    assert!(!document.is_topology() && document.into_diagnostics().is_empty());
}

#[test]
fn thresholds_are_metadata_that_checks_look_for() {
    let topology = read(
        r"
watershed: 1
name: x
defaults: { consumer: { monitor: { unprocessed_critical: 1_000 } } }
streams:
  A:
    subjects: [a]
    metadata: { team: t }
    monitor: { lag_critical: 100, seen_critical: 1h30m }
    consumers: { c: {}, d: { monitor: { enabled: false, pinned: true } } }
key_values: { K: { monitor: { msgs_warn: 1 }, protect: true } }
",
    );
    let shown = |metadata: &std::collections::BTreeMap<String, String>| {
        let pairs = metadata.iter().map(|(key, value)| format!("{key}={value}"));
        pairs.collect::<Vec<_>>().join(" ")
    };
    let [a, k] = topology.streams.as_slice() else { panic!("two streams") };
    let mut all = vec![shown(&a.config.metadata), shown(&k.config.metadata)];
    all.extend(a.consumers.iter().map(|consumer| shown(&consumer.config.metadata)));
    assert!(k.protect && !a.protect);
    insta::assert_snapshot!(all.join("\n"), @r"
    io.nats.monitor.enabled=true io.nats.monitor.lag-critical=100 io.nats.monitor.seen-critical=1h30m0s team=t
    io.nats.monitor.enabled=true io.nats.monitor.msgs-warn=1
    io.nats.monitor.enabled=true io.nats.monitor.unprocessed-critical=1000
    io.nats.monitor.enabled=false io.nats.monitor.pinned=true
    ");
    insta::assert_snapshot!(findings("watershed: 1\nname: x\nstreams:\n  A:\n    metadata: { io.nats.monitor.enabled: 'true' }\n    monitor: { lag: 3, msgs_warn: 5 }\n"), @r"
    watershed.yaml:6:14: error[F004]: `monitor.enabled` and `metadata` both say `io.nats.monitor.enabled`
    watershed.yaml:6:16: error[F003]: unknown key `lag` in `monitor`
      help: did you mean `lag_critical`?
    ");
}

#[test]
fn dead_letters_are_kept_by_the_stream_that_is_named() {
    let topology = read(
        r"
watershed: 1
name: x
defaults: { consumer: { dead_letter: DEAD } }
streams:
  A: { subjects: [a], consumers: { c: {}, d: {} } }
  B: { subjects: [b], consumers: { c: {}, d: { dead_letter: OTHER } } }
  DEAD: { consumers: { operator: {} } }
  OTHER: { subjects: [other.>, $JS.EVENT.ADVISORY.CONSUMER.MAX_DELIVERIES.>] }
",
    );
    let subjects = |name: &str| topology.stream(name).unwrap().config.subjects.join("\n");
    assert_eq!(topology.stream("DEAD").unwrap().consumers[0].dead_letter, None);
    insta::assert_snapshot!(subjects("DEAD"), @r"
    $JS.EVENT.ADVISORY.CONSUMER.MAX_DELIVERIES.A.*
    $JS.EVENT.ADVISORY.CONSUMER.MSG_TERMINATED.A.*
    dead.A.*.*.*
    $JS.EVENT.ADVISORY.CONSUMER.MAX_DELIVERIES.B.c
    $JS.EVENT.ADVISORY.CONSUMER.MSG_TERMINATED.B.c
    dead.B.c.*.*
    ");
    insta::assert_snapshot!(subjects("OTHER"), @r"
    other.>
    $JS.EVENT.ADVISORY.CONSUMER.MAX_DELIVERIES.>
    $JS.EVENT.ADVISORY.CONSUMER.MSG_TERMINATED.B.d
    dead.B.d.*.*
    ");
}

#[test]
fn a_handler_is_a_command_or_an_endpoint_of_a_consumer_that_the_service_reads() {
    let file = |handlers: &str| {
        format!(
            "watershed: 1\nname: x\nstreams: {{ A: {{ subjects: [a], consumers: {{ c: {{}} }} }} }}\n\
             services:\n  s:\n    consumes: [A/c]\n    handlers:\n{handlers}"
        )
    };
    let runs = |handlers: &str| {
        let topology = read(&file(handlers));
        let handlers = topology.services[0].handlers.iter();
        handlers
            .map(|handler| format!("{}: {:?}", handler.consumer.value, handler.runs))
            .collect::<Vec<_>>()
    };
    assert_eq!(runs("      A/c: { command: [./run, -x] }\n"), [r#"A/c: Command(["./run", "-x"])"#]);
    assert_eq!(runs("      A/c: { command: ./run }\n"), [r#"A/c: Command(["./run"])"#]);
    assert_eq!(
        runs("      A/c: { http: http://localhost:1/x }\n"),
        [r#"A/c: Http("http://localhost:1/x")"#]
    );
    insta::assert_snapshot!(findings(&file(
        "      A/c: { command: [a], http: http://h }\n      A/d: { command: [a] }\n      c: { command: [a] }\n"
    )), @r"
    watershed.yaml:8:7: error[F004]: the handler of `A/c` is a `command` or an `http` URL
      help: write `{ command: [./handler] }`
    watershed.yaml:9:7: error[F004]: `s` does not consume `A/d`
      help: add `A/d` to `consumes`
    watershed.yaml:10:7: error[F004]: `c` does not say which stream the consumer is of
      help: write `STREAM/c`
    ");
    insta::assert_snapshot!(findings(&file("      A/c: { http: https://h/ }\n")), @r"
    watershed.yaml:8:20: error[F004]: `https` is not supported: name an endpoint on this machine or in this pod
      help: write it as in `http://127.0.0.1:8080/jobs`
    ");
    insta::assert_snapshot!(findings(&file("      A/c: { http: http://u:p@h/ }\n")), @r"
    watershed.yaml:8:20: error[F004]: `http://u:p@h/` is not a valid URL of a handler
      help: write it as in `http://127.0.0.1:8080/jobs`
    ");
    insta::assert_snapshot!(findings(&file("      A/c: { run: [a] }\n")), @r"
    watershed.yaml:8:7: error[F004]: the handler of `A/c` is a `command` or an `http` URL
      help: write `{ command: [./handler] }`
    watershed.yaml:8:14: error[F003]: unknown key `run` in `A/c`
      note: it has command, http
    ");
}

#[test]
fn a_service_is_a_command_or_has_handlers() {
    let file = |more: &str| {
        format!(
            "watershed: 1\nname: x\nstreams: {{ A: {{ subjects: [a], consumers: {{ c: {{}} }} }} }}\n\
             services:\n  s:\n    consumes: [A/c]\n{more}"
        )
    };
    let command = |more: &str| read(&file(more)).services[0].command.join(" ");
    assert_eq!(command("    command: [python, services.py]\n"), "python services.py");
    assert_eq!(command("    command: ./run\n"), "./run");
    assert_eq!(command(""), "");
    insta::assert_snapshot!(findings(&file("    command: []\n")), @r"
    watershed.yaml:7:14: error[F004]: the `command` of `s` names no program
      help: write `command: [./service, --verbose]`, or leave it out
    ");
    insta::assert_snapshot!(findings(&file("    command: ['']\n")), @r"
    watershed.yaml:7:14: error[F004]: the `command` of `s` names no program
      help: write `command: [./service, --verbose]`, or leave it out
    ");
    let both = "    command: [a]\n    handlers: { A/c: { command: [b] } }\n";
    insta::assert_snapshot!(findings(&file(both)), @r"
    watershed.yaml:7:14: error[F004]: the `command` of `s` stands beside `handlers`, which `watershed work` runs instead
      help: write `command: [./service, --verbose]`, or leave it out
    ");
}
