//! `up --with-services`: server, topology and services in one terminal.

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Instant;

use tempfile::TempDir;
use watershed_peers::python;

use crate::server::{PATIENCE, example, succeed, up, write};

const TOPOLOGY: &str = "\
watershed: 1
name: jobs
streams:
  JOBS:
    subjects: [jobs.>]
    retention: workqueue
    max_age: 1d
    consumers:
      worker: { max_deliver: 2, backoff: [100ms] } # allow C003 C011: a test
services:
  front: { publishes: [jobs.>] }
  back: { consumes: [JOBS/worker], replicas: 2, handlers: { JOBS/worker: { command: [./handle.sh] } } }
  own: { publishes: [jobs.own], command: [./own.sh, started] }
users:
  admin: { password: { env: ADMIN }, role: admin }
  back: { password: { env: BACK }, service: back }
  own: { password: { env: OWN }, service: own }
";

const HANDLER: &str = "#!/bin/sh\necho \"$WATERSHED_SUBJECT $(cat)\" >> handled\n";

/// A service that ends at once the first time.
const OWN: &str = r#"#!/bin/sh
echo "$$ $NATS_USER $NATS_PASSWORD admin=$ADMIN back=$BACK parent=$WATERSHED_PARENT" >> "$1"
printf 'hello \033[2J\n'
if [ "$(wc -l < "$1")" = 1 ]; then exit 3; fi
exec sleep 1000
"#;

/// `up` with services; killed when dropped.
struct Up {
    child: Child,
    said: Arc<Mutex<String>>,
    url: String,
}

impl Up {
    fn start(data: &Path, topology: &str) -> Self {
        let mut command = up(data, &[topology]);
        let secrets = [("ADMIN", "admin-secret"), ("BACK", "back-secret"), ("OWN", "own-secret")];
        Self::with(command.envs(secrets))
    }

    fn with(command: &mut Command) -> Self {
        command.arg("--with-services").stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let said = Arc::new(Mutex::new(String::new()));
        let (all, errors) = (Arc::clone(&said), BufReader::new(child.stderr.take().unwrap()));
        std::thread::spawn(move || {
            for line in errors.lines().map_while(Result::ok) {
                let mut all = all.lock().unwrap();
                all.push_str(&line);
                all.push('\n');
            }
        });
        let mut text = String::new();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let report: serde_json::Value = loop {
            text.push_str(&lines.next().expect("up is ready before it ends").unwrap());
            if let Ok(report) = serde_json::from_str(&text) {
                break report;
            }
        };
        Self { child, said, url: report["url"].as_str().unwrap().to_owned() }
    }

    /// How many lines have a text.
    fn count(&self, text: &str) -> usize {
        self.said.lock().unwrap().lines().filter(|line| line.contains(text)).count()
    }

    fn has_said(&self, text: &str) -> bool {
        self.said.lock().unwrap().contains(text)
    }

    fn until(&self, what: &str, mut is_so: impl FnMut() -> bool) {
        let begun = Instant::now();
        while !is_so() {
            assert!(begun.elapsed() < PATIENCE, "never: {what}\n{}", self.said.lock().unwrap());
            std::thread::yield_now();
        }
    }

    fn publish(&self, subject: &str, payload: &str) {
        let server = ["-s", &self.url, "--user", "admin", "--password", "admin-secret"];
        succeed(&[&["pub", subject, payload][..], &server].concat());
    }

    fn signal(&mut self, name: &str) {
        let id = self.child.id().to_string();
        assert!(Command::new("kill").args(["-s", name, &id]).status().unwrap().success());
    }
}

impl Drop for Up {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn script(folder: &TempDir, name: &str, text: &str) {
    let path = folder.path().join(name);
    std::fs::write(&path, text).unwrap();
    assert!(Command::new("chmod").arg("+x").arg(&path).status().unwrap().success());
}

fn read(folder: &TempDir, name: &str) -> String {
    std::fs::read_to_string(folder.path().join(name)).unwrap_or_default()
}

fn is_running(process: &str) -> bool {
    let status = std::fs::read_to_string(format!("/proc/{process}/stat")).unwrap_or_default();
    !status.is_empty() && !status.contains(") Z ")
}

/// A folder with everything, and `up` in which the service has crashed once and runs again.
fn running() -> (TempDir, Up, String) {
    let folder = tempfile::tempdir().unwrap();
    script(&folder, "handle.sh", HANDLER);
    script(&folder, "own.sh", OWN);
    let topology = write(&folder, TOPOLOGY);
    let up = Up::start(&folder.path().join("data"), &topology);
    up.until("the service runs again", || read(&folder, "started").lines().count() == 2);
    let started = read(&folder, "started");
    let process = started.lines().last().unwrap().split(' ').next().unwrap().to_owned();
    (folder, up, process)
}

#[test]
fn services_run_as_their_users_and_what_crashes_runs_again() {
    let (folder, mut up, process) = running();
    up.publish("jobs.a", "hello");
    up.until("the message is handled", || read(&folder, "handled") == "jobs.a hello\n");
    // Its own secret, and nobody else's.
    for line in read(&folder, "started").lines() {
        let (_, rest) = line.split_once(' ').unwrap();
        assert_eq!(rest, "own own-secret admin= back= parent=");
    }
    for line in [
        "own    | hello \\u{1b}[2J\n",
        "own    | ended with exit code 3; again in 1s\n",
        "back-1 | working; Ctrl-C stops\n",
        "back-2 | working; Ctrl-C stops\n",
    ] {
        up.until(line, || up.has_said(line));
    }
    up.signal("TERM");
    assert_eq!(up.child.wait().unwrap().code(), Some(0));
    assert!(!is_running(&process), "the service still runs");
    up.until("it says what it stops", || up.has_said("stopping 3 services"));
}

#[test]
fn services_end_with_an_up_that_is_killed() {
    let (_folder, mut up, process) = running();
    assert!(is_running(&process));
    up.signal("KILL");
    up.child.wait().unwrap();
    up.until("the service ends", || !is_running(&process));
}

#[test]
fn there_must_be_something_to_run() {
    let folder = tempfile::tempdir().unwrap();
    let topology = write(
        &folder,
        "watershed: 1\nname: x\nstreams: { A: { subjects: [a], max_age: 1d } }\nservices: { a: { publishes: [a] } }\n",
    );
    let output = up(folder.path(), &[&topology]).arg("--with-services").output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(said.contains("no service has a `command` or `handlers`"), "{said}");
    assert!(!folder.path().join("store").exists(), "something was written");
}

/// The example, its services in nats-py, two of each: a message goes to one of them, also when one is killed.
#[test]
#[cfg_attr(not(peer = "python"), ignore = "needs a Python with nats-py: see .ci/peers")]
fn the_services_of_the_example_run() {
    let folder = tempfile::tempdir().unwrap();
    for name in ["watershed.yaml", "services.py"] {
        let from = Path::new(&example("persistent-events")).join(name);
        std::fs::copy(from, folder.path().join(name)).unwrap();
    }
    let program = format!("#!/bin/sh\nexec '{}' \"$@\"\n", python().display());
    script(&folder, "python3", &program);
    let path = format!("{}:{}", folder.path().display(), std::env::var("PATH").unwrap());
    // As a person does: in the folder, without naming the file.
    let mut command = up(&folder.path().join("data"), &[]);
    let mut up = Up::with(command.current_dir(folder.path()).env("PATH", path));
    up.until("all read", || up.count("DURABLE") == 18);
    for number in 0..5 {
        let plan =
            format!("{{\"story_id\":\"s{number}\",\"plan_id\":\"p{number}\",\"timestamp\":\"1\"}}");
        succeed(&["pub", "planning.plan.approved", &plan, "-s", &up.url]);
    }
    up.until("both services see all", || up.count("Plan approved") == 10);
    let approved = |line: &&str| line.starts_with("context-") && line.contains("Plan approved");
    assert_eq!(up.said.lock().unwrap().lines().filter(approved).count(), 5);
    assert!(folder.path().join(".watershed/graph.db").exists());
    up.signal("TERM");
    assert_eq!(up.child.wait().unwrap().code(), Some(0));
}
