//! Workers as people run them: a program for each message, an endpoint for each message, what was
//! given up found, shown, sent again.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Instant;

use serde_json::Value;
use tempfile::TempDir;
use watershed_peers::{NatsServer, nats_server};

use crate::server::{PATIENCE, Running, run, succeed, watershed, write};

/// A handler that rejects what is poison until a file says that it is mended, and fails on `fail`.
const HANDLER: &str = r#"#!/bin/sh
payload=$(cat)
case "$payload" in
  poison) [ -e mended ] || { echo "no such customer" >&2; exit 65; } ;;
  fail) echo "the database is away" >&2; exit 1 ;;
esac
echo "$WATERSHED_SUBJECT $payload" >> handled
"#;

fn file(handler: &str) -> String {
    format!(
        "\
watershed: 1
name: jobs
streams:
  JOBS:
    subjects: [jobs.>]
    retention: workqueue
    max_age: 1d
    consumers:
      worker: {{ max_deliver: 2, backoff: [100ms], dead_letter: DEAD }} # allow C003: a test
  DEAD: {{ max_age: 30d, monitor: {{ subjects_warn: 1, subjects_critical: 10 }} }}
services:
  front: {{ publishes: [jobs.>] }}
  back: {{ consumes: [JOBS/worker], handlers: {{ JOBS/worker: {handler} }} }}
users:
  admin: {{ password: {{ env: ADMIN }}, role: admin }}
  back: {{ password: {{ env: BACK }}, service: back }}
  front: {{ password: {{ env: FRONT }}, service: front }}
"
    )
}

/// A worker; killed when dropped.
struct Working(Child);

impl Working {
    /// Starts one, and waits until it works.
    fn start(arguments: &[&str], folder: &Path) -> (Self, String) {
        let mut command = watershed(&[&["work", "--json"], arguments].concat());
        command.current_dir(folder).env("RUST_BACKTRACE", "0");
        let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let mut working = Self(child);
        let mut errors = BufReader::new(working.0.stderr.take().unwrap());
        let mut said = String::new();
        while !said.ends_with("working; Ctrl-C stops\n") {
            assert!(errors.read_line(&mut said).unwrap() > 0, "{said}");
        }
        std::thread::spawn(move || std::io::copy(&mut errors, &mut std::io::sink()));
        (working, said)
    }

    /// Tells it to end; what it did.
    fn end(mut self) -> (Option<i32>, Value) {
        let id = self.0.id().to_string();
        assert!(Command::new("kill").args(["-s", "TERM", &id]).status().unwrap().success());
        let mut text = String::new();
        self.0.stdout.take().unwrap().read_to_string(&mut text).unwrap();
        let report = serde_json::from_str(&text).unwrap_or_default();
        (self.0.wait().unwrap().code(), report)
    }
}

impl Drop for Working {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !is_so() {
        assert!(begun.elapsed() < PATIENCE, "never: {what}");
        std::thread::yield_now();
    }
}

/// A folder with a topology and its handler.
fn folder(handler: &str) -> (TempDir, String) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("handle.sh");
    std::fs::write(&path, HANDLER).unwrap();
    assert!(Command::new("chmod").arg("+x").arg(&path).status().unwrap().success());
    let topology = write(&folder, &file(handler));
    (folder, topology)
}

/// What `dead ls` has, as lines of words.
fn dead(server: &[&str]) -> Vec<String> {
    let listed = succeed(&[&["dead", "ls", "--json"], server].concat());
    let listed: Value = serde_json::from_str(&listed).unwrap();
    let line = |case: &Value| {
        let words =
            ["id", "stream", "consumer", "sequence", "subject", "reason", "deliveries", "kept"];
        words.map(|word| case[word].to_string().trim_matches('"').to_owned()).join(" ")
    };
    listed.as_array().unwrap().iter().map(line).collect()
}

fn handled(folder: &TempDir) -> String {
    std::fs::read_to_string(folder.path().join("handled")).unwrap_or_default()
}

/// From a poison message to its effect.
fn poison(server: &[&str], worker: &[&str], folder: &TempDir) {
    for (subject, payload) in [("jobs.a", "good"), ("jobs.b", "poison"), ("jobs.c", "fail")] {
        succeed(&[&["pub", subject, payload], server].concat());
    }
    let (working, said) = Working::start(worker, folder.path());
    assert!(!said.contains("no stream keeps"), "{said}");
    until("two are given up", || dead(server).len() == 2);
    let expected =
        ["JOBS worker 2 jobs.b rejected 1 message", "JOBS worker 3 jobs.c max_deliver 2 message"];
    let mut cases = dead(server);
    cases.sort_by_key(|case| case.split_once(' ').unwrap().1.to_owned());
    for (case, expected) in cases.iter().zip(expected) {
        assert!(case.starts_with("DEAD/") && case.ends_with(expected), "{cases:?}");
    }
    assert_eq!(handled(folder), "jobs.a good\n");

    let id = cases[0].split(' ').next().unwrap();
    let shown = succeed(&[&["dead", "show", id], server].concat());
    assert!(shown.contains("exit code 65: no such customer"), "{shown}");
    assert!(shown.contains("#2 jobs.b") && shown.ends_with("  poison\n"), "{shown}");

    // The server's records of both are known to be about what is kept.
    let swept = succeed(&[&["work", "--dead-letters", "--once", "--json"], server].concat());
    let swept: Value = serde_json::from_str(&swept).unwrap();
    assert_eq!(swept, serde_json::json!({"kept before": 2}));

    let unsure = run(&[&["dead", "retry", id], server].concat());
    assert_eq!(unsure.code, Some(2), "{}", unsure.err);
    assert_eq!(run(&[&["dead", "drop", "--yes"], server].concat()).code, Some(2));
    std::fs::write(folder.path().join("mended"), "").unwrap();
    let sent = succeed(&[&["dead", "retry", "--yes", id], server].concat());
    assert_eq!(sent, format!("{id}: sent again, JOBS #4 now\n"));
    until("it is handled", || handled(folder) == "jobs.a good\njobs.b poison\n");
    assert_eq!(dead(server).len(), 1);

    let dropped =
        succeed(&[&["dead", "drop", "--yes", "--reason", "max_deliver"], server].concat());
    assert!(dropped.ends_with(": deleted\n"), "{dropped}");
    assert_eq!(dead(server), Vec::<String>::new());
    let (code, report) = working.end();
    let counts = &report["consumers"][0];
    assert_eq!(code, Some(0));
    assert_eq!(
        ["done", "retried", "rejected", "dead"].map(|what| counts[what].as_u64()),
        [2, 1, 1, 2].map(Some),
        "{report}"
    );
}

#[test]
fn a_service_works_as_its_own_user_and_what_it_gives_up_is_sent_again() {
    let (folder, topology) = folder("{ command: [./handle.sh] }");
    let data = folder.path().join("data");
    let running = Running::up(&data, &[&topology]);
    let url = running.url();
    let of = |user: &'static str| {
        ["-f", &topology, "--data", data.to_str().unwrap(), "-s", &url, "--user", user]
            .map(str::to_owned)
    };
    let admin = of("admin");
    let admin: Vec<&str> = admin.iter().map(String::as_str).collect();
    let back = of("back");
    let mut worker = vec!["--service", "back"];
    worker.extend(back.iter().map(String::as_str));
    poison(&admin, &worker, &folder);
    // What is not its to do, it may not: nobody else's dead letters, no records.
    let refused = |subject: &str| {
        let back: Vec<&str> = back.iter().map(String::as_str).collect();
        let ran = run(&[&["pub", "--core", subject, "x"], back.as_slice()].concat());
        assert_eq!(ran.code, Some(1), "{subject}: {}", ran.err);
    };
    for subject in
        ["dead.JOBS.other.1.1", "dead.JOBS.worker", "jobs.a", "$JS.API.STREAM.MSG.GET.DEAD"]
    {
        refused(subject);
    }
}

fn on_server(url: &str) {
    let (folder, topology) = folder("{ command: [./handle.sh] }");
    succeed(&["apply", "--yes", "-s", url, &topology]);
    poison(&["-s", url], &["JOBS/worker", "-s", url, "--", "./handle.sh"], &folder);

    // Somebody else's worker gives up without a word.
    succeed(&["pub", "-s", url, "jobs.d", "left"]);
    for _ in 0..2 {
        succeed(&["next", "-s", url, "--no-ack", "JOBS", "worker"]);
    }
    // The server says so when the next would be due.
    assert_eq!(run(&["next", "-s", url, "JOBS", "worker", "--wait", "300ms"]).code, Some(1));
    let server = ["-s", url];
    until("the server has said so", || dead(&server).len() == 1);
    let record = dead(&server).remove(0);
    assert!(record.ends_with("JOBS worker 5 null max_deliver 2 record"), "{record}");
    let id = record.split(' ').next().unwrap();
    assert!(succeed(&["dead", "show", "-s", url, id]).ends_with("  left\n"));
    let swept = succeed(&["work", "--dead-letters", "--once", "-s", url]);
    assert_eq!(swept, "1 kept\n");
    let kept = dead(&server).remove(0);
    assert!(kept.ends_with("JOBS worker 5 jobs.d max_deliver 2 message"), "{kept}");
    let view = run(&["view", "-s", url, "JOBS"]);
    assert!(view.err.contains("JOBS holds 0 messages"), "{}", view.err);
    succeed(&["dead", "drop", "--yes", "--all", "-s", url]);
    assert_eq!(dead(&server), Vec::<String>::new());
}

#[test]
fn what_is_given_up_is_found_and_kept() {
    let folder = tempfile::tempdir().unwrap();
    let server = Running::start(&folder.path().join("store"));
    on_server(&server.url());
}

#[test]
#[cfg_attr(not(peer = "nats-server"), ignore = "needs nats-server: see .ci/peers")]
fn what_is_given_up_is_found_and_kept_on_a_real_server() {
    on_server(&NatsServer::start(&nats_server()).url);
}

#[test]
fn an_endpoint_handles_messages_and_the_worker_answers_for_itself() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let endpoint = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut request = Vec::new();
        let mut buffer = [0; 4096];
        while !request.ends_with(b"hello") {
            let count = stream.read(&mut buffer).unwrap();
            assert!(count > 0);
            request.extend_from_slice(&buffer[..count]);
        }
        stream.write_all(b"HTTP/1.1 204 No Content\r\n\r\n").unwrap();
        String::from_utf8_lossy(&request).into_owned()
    });
    let (folder, topology) = folder(&format!("{{ http: 'http://{address}/jobs' }}"));
    let server = Running::start(&folder.path().join("store"));
    let url = server.url();
    succeed(&["apply", "--yes", "-s", &url, &topology]);
    succeed(&["pub", "-s", &url, "jobs.a", "hello"]);
    let arguments = ["--service", "back", "-f", &topology, "-s", &url, "--listen", "127.0.0.1:0"];
    let (working, said) = Working::start(&arguments, folder.path());
    let request = endpoint.join().unwrap();
    assert!(request.starts_with("POST /jobs HTTP/1.1\r\n"), "{request}");
    assert!(request.contains("\r\nwatershed-subject: jobs.a\r\n"), "{request}");
    let monitoring = said.split("http://").last().unwrap().lines().next().unwrap().to_owned();
    let get = |path: &str| {
        let mut stream = std::net::TcpStream::connect(&monitoring).unwrap();
        write!(stream, "GET {path} HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    };
    assert!(get("/healthz").starts_with("HTTP/1.1 200 OK"));
    let done =
        r#"watershed_worker_messages_total{stream="JOBS",consumer="worker",outcome="done"} 1"#;
    until("it is counted", || get("/metrics").contains(done));
    assert!(get("/").starts_with("HTTP/1.1 404"));
    assert_eq!(working.end().0, Some(0));
}

#[test]
fn what_cannot_be_worked_on_is_refused() {
    let (folder, topology) = folder("{ command: [./handle.sh] }");
    let server = Running::start(&folder.path().join("store"));
    let url = server.url();
    let check = |arguments: &[&str], code: i32, expected: &str| {
        let ran = run(&[&["work", "-s", &url], arguments].concat());
        assert_eq!(ran.code, Some(code), "{arguments:?}: {}{}", ran.out, ran.err);
        assert!(ran.err.contains(expected), "{arguments:?}: {}", ran.err);
    };
    check(&[], 2, "required");
    check(&["JOBS/worker"], 2, "name what handles the messages");
    check(&["JOBS", "--", "true"], 2, "write it as STREAM/CONSUMER");
    check(&["JOBS/worker", "--http", "https://h/"], 1, "not a URL of a handler");
    check(&["--service", "nobody", "-f", &topology], 2, "unknown service `nobody`");
    check(&["--service", "front", "-f", &topology], 2, "without handlers");
    check(&["JOBS/worker", "--", "true"], 3, "the server is without the stream `JOBS`");
    succeed(&["apply", "--yes", "-s", &url, &topology]);
    succeed(&["pub", "-s", &url, "jobs.a", "x"]);
    // A handler that cannot be run is no fault of the message.
    check(&["JOBS/worker", "--", "/nowhere/handler"], 1, "cannot run /nowhere/handler");
    assert_eq!(dead(&["-s", &url]), Vec::<String>::new());
    let away = ["work", "JOBS/worker", "-s", "nats://127.0.0.1:1", "--wait", "100ms", "--", "true"];
    assert_eq!(run(&away).code, Some(6));
}
