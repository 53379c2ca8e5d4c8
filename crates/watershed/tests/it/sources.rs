//! Files of other tools: what is found in them, and topologies that come out of them and of servers.

use std::path::{Path, PathBuf};

use serde_json::Value;
use watershed_server::Server;

use crate::server::{EXAMPLES, example, run, succeed};
use watershed_peers::{NatsServer, nats_servers};

fn source(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests").join(name)
}

/// Where a defect of one of the systems is found, or why it is not.
enum Seen {
    /// In these files, by this rule, with this in its message.
    In(&'static [&'static str], &'static str, &'static str),
    /// Not in a file that is read here.
    Not(&'static str),
}
use Seen::{In, Not};

const EVENTS: &[&str] = &["sources/events.yaml"];
const EVENTS_SEED: &[&str] = &["seeds/persistent-events.yaml"];
const AGENT: &[&str] = &["sources/agent.conf", "sources/agent.yaml"];
const AGENT_SEED: &[&str] = &["seeds/observability-agent.yaml"];
const PLATFORM: &[&str] = &["sources/platform.conf", "sources/platform.sh"];
const PLATFORM_VERIFY: &[&str] = &["sources/platform.sh", "sources/platform-verify.sh"];

const EVENTS_CODE: &[&str] = &["sources/events.py"];
const AGENT_CODE: &[&str] = &["sources/agent.py"];

const HANDLER: &str = "in what a handler does with a message";
const PROSE: &str = "in a document's text";

/// Every defect of the three systems by its id.
const DEFECTS: &[(&str, Seen)] = &[
    ("A1", In(EVENTS, "S004", "`CONTEXT_EVENTS`")),
    ("A2", In(EVENTS_CODE, "I017", "as nanoseconds it would be 30d")),
    ("A3", Not(PROSE)),
    ("A4", In(EVENTS_CODE, "I020", "`planning.plan.approved` is not delivered here")),
    ("A5", In(EVENTS_SEED, "C009", "is read by 2")),
    ("A6", In(EVENTS_CODE, "I020", "`deliberation-collector-completed`")),
    ("A7", In(EVENTS_SEED, "X012", "`deliberation.completed`")),
    ("A8", Not(HANDLER)),
    ("A9", In(EVENTS_SEED, "X013", "`context.events.updated`")),
    ("A10", Not(PROSE)),
    ("A11", In(EVENTS_SEED, "C023", "`context-planning-story-transitions`")),
    ("A12", In(EVENTS_SEED, "C023", "tries a bad message forever")),
    ("A13", In(EVENTS_SEED, "C023", "`orch-planning-plan-approved`")),
    ("A14", Not(HANDLER)),
    ("A15", In(EVENTS, "I003", "every failure of this command is hidden")),
    ("A16", In(EVENTS, "S004", "`planning-events`")),
    ("A17", In(EVENTS, "I005", "`AGENT_RESPONSES` is defined twice, and not alike")),
    ("A18", Not("which messages are many is not declared")),
    ("A19", Not("what was declared before is only on the server")),
    ("A20", Not("two services with consumers of their own may well want the same messages")),
    ("A21", In(&["sources/events-maintenance.yaml"], "I015", "streams that are not named here")),
    ("A22", In(&["sources/events.conf"], "I009", "`context.>`")),
    ("A23", Not(HANDLER)),
    ("A24", Not(HANDLER)),
    ("A25", Not(HANDLER)),
    ("B1", In(AGENT, "S004", "`runbook.execute`")),
    ("B2", In(AGENT, "X002", "`root_cause_result` matches nothing that `RESPONSES` stores")),
    ("B3", In(AGENT_SEED, "S004", "`root_cause_result`")),
    ("B4", In(AGENT, "I001", "as seconds it would be 7d")),
    ("B5", Not("follows from B4, on the server")),
    ("B6", In(AGENT, "L001", "500MiB")),
    ("B7", In(AGENT, "S025", "forgets its messages at a restart")),
    ("B8", In(AGENT_SEED, "X015", "`alerts.log`")),
    ("B9", Not("what its publisher sends is in code; declared, it is found as B8 is")),
    ("B10", Not("a stream may store what nobody of this system publishes")),
    ("B11", In(AGENT_SEED, "X012", "`metrics.checkout.latency`")),
    ("B12", Not("its publisher is in code; declared, it is found as B11 is")),
    ("B13", In(AGENT_CODE, "I020", "`metric_agent`")),
    ("B14", In(AGENT, "C025", "one client at a time")),
    ("B15", In(AGENT_CODE, "I022", "for each name")),
    ("B16", Not(HANDLER)),
    ("B17", Not("how long a handler takes is in no file; declared, C005 compares it")),
    ("B18", In(AGENT_CODE, "I021", "`max_age`")),
    ("B19", Not("which names a program looks for is not read")),
    ("B20", Not("a question of taste")),
    ("B21", Not(PROSE)),
    ("B22", Not("when a chart's job runs is not read")),
    ("C1", In(PLATFORM, "I006", "`$NATS_ADMIN_PASS`")),
    ("C2", In(PLATFORM, "L001", "366GiB")),
    ("C3", In(PLATFORM, "I004", "answered to the system account alone")),
    ("C4", In(PLATFORM, "I004", "unknown flag `--ack-wait`")),
    ("C5", In(PLATFORM, "I004", "without `--defaults`")),
    ("C6", In(PLATFORM, "I004", "neither `--pull` nor `--target`")),
    ("C7", In(PLATFORM, "X007", "`workflows.x.x`")),
    ("C8", In(PLATFORM, "X006", "`NOTIFICATIONS` is dropped")),
    ("C9", In(PLATFORM, "C024", "`command-executor`")),
    ("C10", In(PLATFORM, "I003", "every failure of this command is hidden")),
    ("C11", Not(PROSE)),
    ("C12", In(PLATFORM_VERIFY, "I016", "`workflow-processor` takes it for work")),
    ("C13", In(PLATFORM, "I008", "`agixt` may do everything")),
    ("C14", In(&["sources/planned.conf"], "I009", "`agent.>`")),
    ("C15", Not("a stream may keep what no consumer takes")),
    ("C16", Not(PROSE)),
];

fn findings(files: &[&str]) -> Vec<Value> {
    let paths: Vec<String> = files.iter().map(|name| source(name).display().to_string()).collect();
    let mut arguments = vec!["lint", "--json"];
    arguments.extend(paths.iter().map(String::as_str));
    let ran = run(&arguments);
    assert!(matches!(ran.code, Some(0 | 4)), "{}", ran.err);
    let json: Value = serde_json::from_str(&ran.out).unwrap();
    json["findings"].as_array().unwrap().clone()
}

#[test]
fn the_systems_defects_are_found_by_their_ids() {
    let mut missing = Vec::new();
    for (id, seen) in DEFECTS {
        let (files, code, text) = match seen {
            In(files, code, text) => (files, code, text),
            Not(reason) => {
                assert!(!reason.is_empty());
                continue;
            }
        };
        let found = findings(files).iter().any(|finding| {
            finding["code"] == *code && finding["message"].as_str().unwrap().contains(text)
        });
        if !found {
            missing.push(format!("{id}: {code} {text}"));
        }
    }
    assert_eq!(missing, Vec::<String>::new());
    let ids = |letter: char, last: usize| (1..=last).map(move |number| format!("{letter}{number}"));
    let all: Vec<String> = ids('A', 25).chain(ids('B', 22)).chain(ids('C', 16)).collect();
    assert_eq!(DEFECTS.iter().map(|(id, _)| *id).collect::<Vec<_>>(), all);
}

/// What the examples do not have.
const MORE: &str = "watershed: 1
name: more
streams:
  A: { subjects: [a.>], max_age: unlimited, num_replicas: 1, deny_purge: true, protect: false, metadata: { team: \"no\" } }
  M: { max_age: 1h, mirror: { name: A } }
  S: { subjects: [s], max_age: 90m, sources: [{ name: A, filter_subject: a.b, opt_start_seq: 1 }], consumers: { p: { deliver_subject: d.p, deliver_group: g, idle_heartbeat: 5s, flow_control: true, ack_policy: none } } }
key_values:
  settings: { history: 5, ttl: 1h, max_value_size: 1KiB }
object_stores:
  files: { max_bytes: 1MiB, description: \"two: words\" }
";

/// What a server has comes out as a file that finds nothing to change.
fn round_trip(url: &str) {
    let more = tempfile::tempdir().unwrap();
    std::fs::write(more.path().join("watershed.yaml"), MORE).unwrap();
    let examples = EXAMPLES.iter().map(|name| example(name));
    for original in examples.chain([more.path().display().to_string()]) {
        let name = &original;
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("watershed.yaml").display().to_string();
        succeed(&["apply", "--yes", "-s", url, &original]);
        let owner = std::fs::read_to_string(format!("{original}/watershed.yaml")).unwrap();
        let owner = owner.lines().find_map(|line| line.strip_prefix("name: ")).unwrap();
        let owner = owner.split(' ').next().unwrap();
        succeed(&["import", "-s", url, "--name", owner, "-o", &file]);
        // What is live and valid is never an error.
        let lint = run(&["lint", &file]);
        assert_eq!(lint.code, Some(0), "{name}: {}", lint.out);
        let text = std::fs::read_to_string(&file).unwrap();
        assert!(!text.contains("not all of it"), "{text}");
        let plan = run(&["plan", "-s", url, &file]);
        assert_eq!(plan.code, Some(0), "{name}: {}\n{text}", plan.out);
        succeed(&["destroy", "--yes", "-s", url, &original]);
    }
}

#[test]
fn what_this_server_has_comes_back() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::builder().store_dir(folder.path()).start().unwrap();
    round_trip(&server.client_url());
}

#[test]
#[cfg_attr(not(peer = "nats-server"), ignore = "needs nats-server: see .ci/peers")]
fn what_real_servers_have_comes_back() {
    for program in nats_servers() {
        round_trip(&NatsServer::start(&program).url);
    }
}

#[test]
fn what_a_script_makes_becomes_a_file() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("watershed.yaml").display().to_string();
    let script = source("sources/platform.sh").display().to_string();
    // Its consumers are refused by the tool: that is marked, and told by the exit code.
    let imported = run(&["import", &script, "-o", &file]);
    assert_eq!(imported.code, Some(4), "{}", imported.err);
    assert!(imported.err.contains("read in part"), "{}", imported.err);
    let text = std::fs::read_to_string(&file).unwrap();
    assert!(text.contains("  TELEMETRY:\n    subjects: [telemetry.>]\n"), "{text}");
    assert!(text.contains("    retention: workqueue\n"), "{text}");
    assert!(text.contains("# not read: unknown flag `--ack-wait`"), "{text}");
    let again = run(&["import", &script, "-o", &file]);
    assert!(again.err.contains("already exists and was not changed"), "{}", again.err);
    let nothing = run(&["import", &source("it/main.rs").display().to_string()]);
    assert_eq!(nothing.code, Some(1), "{}", nothing.out);
}

#[test]
fn a_repository_with_programs_is_searched() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    };
    let events = std::fs::read_to_string(source("sources/events.py")).unwrap();
    write("services/context/src/streams.py", &events.replace("_000_000_000", ""));
    write(
        "deploy/init.sh",
        "nats stream add CONTEXT --subjects 'context.>' --max-age 1h --defaults\n",
    );
    write("services/context/tests/test_streams.py", "js.add_stream(name='T', subjects=['t'])\n");
    write("docs/values.yaml", "replicas: 3\n");
    let root = folder.path().display().to_string();
    let imported = run(&["import", &root]);
    assert!(imported.err.contains("1 test of programs"), "{}", imported.err);
    assert!(
        imported.out.contains("  PLANNING_EVENTS:\n    subjects: [planning.>]\n"),
        "{}",
        imported.out
    );
    assert!(
        imported
            .out
            .contains("  context: { publishes: [context.events.updated, deliberation.completed]"),
        "{}",
        imported.out
    );
    let linted = run(&["lint", &root]);
    assert_eq!(linted.code, Some(4), "{}", linted.err);
    assert!(
        linted.out.contains("stream `CONTEXT` is defined twice, and not alike"),
        "{}",
        linted.out
    );
    assert!(linted.err.contains("nothing is declared in 1 other file"), "{}", linted.err);
    assert!(!linted.out.contains("values.yaml"), "{}", linted.out);
}
