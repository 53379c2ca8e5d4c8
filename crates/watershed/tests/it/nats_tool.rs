//! The `nats` command line tool, unmodified.

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::Value;
use watershed_peers::NatsServer;

use crate::server::Running;

/// The tool on one server, with settings of its own.
pub(crate) struct Tool {
    url: String,
    folder: tempfile::TempDir,
}

impl Tool {
    pub(crate) fn new(url: &str) -> Self {
        Self { url: url.to_owned(), folder: tempfile::tempdir().unwrap() }
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(watershed_peers::nats());
        for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("NATS_")) {
            command.env_remove(name);
        }
        command.env("HOME", self.folder.path()).env("XDG_CONFIG_HOME", self.folder.path());
        command.args(["--server", &self.url, "--timeout", "4s"]).args(arguments);
        command.current_dir(self.folder.path()).stdin(Stdio::null());
        command
    }

    /// Runs it to its end, which must be a good one; what it printed.
    #[track_caller]
    pub(crate) fn run(&self, arguments: &[&str]) -> String {
        let output = self.command(arguments).output().unwrap();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let (out, err) = (text(&output.stdout), text(&output.stderr));
        assert!(output.status.success(), "nats {}: {out}{err}", arguments.join(" "));
        out
    }

    /// The first line that a command prints which goes on for as long as it is left alone.
    #[track_caller]
    fn first_line(&self, arguments: &[&str]) -> String {
        let mut child = self.command(arguments).stdout(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        child.kill().unwrap();
        child.wait().unwrap();
        line
    }
}

fn streams_and_consumers(url: &str) {
    let tool = Tool::new(url);
    tool.run(&["stream", "add", "ORDERS", "--subjects", "orders.>", "--defaults"]);
    let publish = |payload| tool.run(&["pub", "--jetstream", "orders.new", payload]);
    publish("one");
    publish("two");
    let info: Value =
        serde_json::from_str(&tool.run(&["stream", "info", "ORDERS", "--json"])).unwrap();
    assert_eq!(info["config"]["subjects"], serde_json::json!(["orders.>"]));
    assert_eq!((&info["state"]["messages"], &info["state"]["last_seq"]), (&2.into(), &2.into()));

    tool.run(&["consumer", "add", "ORDERS", "worker", "--pull", "--defaults"]);
    let next = || tool.run(&["consumer", "next", "ORDERS", "worker", "--raw", "--ack"]);
    assert_eq!((next().trim(), next().trim()), ("one", "two"));
    let info = tool.run(&["consumer", "info", "ORDERS", "worker", "--json"]);
    let info: Value = serde_json::from_str(&info).unwrap();
    assert_eq!((&info["num_pending"], &info["ack_floor"]["stream_seq"]), (&0.into(), &2.into()));
    tool.run(&["consumer", "rm", "ORDERS", "worker", "--force"]);
    tool.run(&["stream", "rm", "ORDERS", "--force"]);
}

fn key_values(url: &str) {
    let tool = Tool::new(url);
    tool.run(&["kv", "add", "settings", "--history", "5"]);
    assert_eq!(tool.run(&["kv", "put", "settings", "a", "1"]).trim(), "1");
    tool.run(&["kv", "put", "settings", "a", "2"]);
    assert_eq!(tool.run(&["kv", "get", "settings", "a", "--raw"]).trim(), "2");
    let watched = tool.first_line(&["kv", "watch", "settings", "a"]);
    assert!(watched.contains("settings > a: 2"), "{watched}");
    tool.run(&["kv", "rm", "settings", "a", "--force"]);
    assert!(!tool.command(&["kv", "get", "settings", "a", "--raw"]).status().unwrap().success());
}

fn objects(url: &str) {
    let tool = Tool::new(url);
    let file = |name: &str| tool.folder.path().join(name);
    // More than one chunk of 128 KiB.
    let content: Vec<u8> = (0..300_000_u32).map(|n| (n % 251) as u8).collect();
    std::fs::write(file("in"), &content).unwrap();
    tool.run(&["object", "add", "files"]);
    tool.run(&["object", "put", "files", "in", "--name", "picture", "--no-progress", "--force"]);
    let out: &Path = &file("out");
    let arguments = ["object", "get", "files", "picture", "--no-progress", "--force", "--output"];
    tool.run(&[arguments.as_slice(), &[out.to_str().unwrap()]].concat());
    assert!(std::fs::read(out).unwrap() == content);
}

/// What the tool shows of a stream and its consumers that a backup keeps.
fn shown(tool: &Tool, stream: &str) -> Vec<Value> {
    let json =
        |arguments: &[&str]| -> Value { serde_json::from_str(&tool.run(arguments)).unwrap() };
    let mut info = json(&["stream", "info", stream, "--json"]);
    // nats-server forgets when the last message was, if that has gone.
    info["state"]["last_ts"].take();
    let mut all =
        vec![info["state"].clone(), info["created"].clone(), info["config"]["subjects"].clone()];
    let names = json(&["consumer", "ls", stream, "--json"]);
    for name in names.as_array().into_iter().flatten().filter_map(Value::as_str) {
        let info = json(&["consumer", "info", stream, name, "--json"]);
        for field in ["delivered", "ack_floor"] {
            all.push(info[field]["consumer_seq"].clone());
            all.push(info[field]["stream_seq"].clone());
        }
        all.extend(
            ["num_ack_pending", "num_redelivered", "num_pending"].map(|own| info[own].clone()),
        );
    }
    for sequence in 1..=info["state"]["last_seq"].as_u64().unwrap() {
        let output = tool.command(&["stream", "get", stream, &sequence.to_string(), "--json"]);
        let output = { output }.output().unwrap();
        all.push(serde_json::from_slice(&output.stdout).unwrap_or_default());
    }
    all
}

/// Backups of one server are restored by the other one.
fn backups_pass(from: &str, to: &str) {
    let (from, to) = (Tool::new(from), Tool::new(to));
    let add = |name: &str, more: &[&str]| {
        let subjects = format!("{}.>", name.to_lowercase());
        let arguments = ["stream", "add", name, "--subjects", subjects.as_str(), "--defaults"];
        from.run(&[&arguments, more].concat());
    };
    let publish = |subject: &str, count: usize| {
        for number in 0..count {
            let (subject, id) =
                (format!("{subject}.{}", number % 3), format!("Nats-Msg-Id:{number}"));
            from.run(&["pub", "--jetstream", &subject, "-H", &id, &"x".repeat(number * 10)]);
        }
    };
    add("GAPS", &[]);
    publish("gaps", 8);
    for sequence in ["2", "8"] {
        from.run(&["stream", "rmm", "GAPS", sequence, "--force"]);
    }
    from.run(&["consumer", "add", "GAPS", "worker", "--pull", "--defaults", "--wait", "1h"]);
    from.run(&["consumer", "next", "GAPS", "worker", "--count", "3", "--no-ack"]);
    add("QUEUE", &["--retention", "work"]);
    publish("queue", 5);
    from.run(&["consumer", "add", "QUEUE", "worker", "--pull", "--defaults"]);
    from.run(&["consumer", "next", "QUEUE", "worker", "--count", "2", "--ack"]);
    add("LATEST", &["--max-msgs-per-subject", "1"]);
    publish("latest", 5);
    add("SHORT", &["--max-msgs", "2"]);
    publish("short", 5);
    add("PURGED", &[]);
    publish("purged", 3);
    from.run(&["stream", "purge", "PURGED", "--force"]);
    for stream in ["GAPS", "QUEUE", "LATEST", "SHORT", "PURGED"] {
        let before = shown(&from, stream);
        let folder = from.folder.path().join(stream);
        let folder = folder.to_str().unwrap();
        from.run(&["stream", "backup", stream, folder, "--consumers", "--no-progress"]);
        // Where it is the same server.
        let _ = to.command(&["stream", "rm", stream, "--force"]).output().unwrap();
        to.run(&["stream", "restore", folder, "--no-progress"]);
        assert_eq!(shown(&to, stream), before, "{stream}");
        to.run(&["pub", "--jetstream", &format!("{}.new", stream.to_lowercase()), "more"]);
    }
}

#[test]
#[cfg_attr(not(peer = "nats"), ignore = "needs the nats tool: see .ci/peers")]
fn backups_of_this_server() {
    let folder = tempfile::tempdir().unwrap();
    let url = Running::start(&folder.path().join("store"));
    backups_pass(&url.url(), &url.url());
}

#[test]
#[cfg_attr(
    not(all(peer = "nats", peer = "nats-server")),
    ignore = "needs the nats tool and nats-server: see .ci/peers"
)]
fn backups_pass_to_nats_server_and_back() {
    let folder = tempfile::tempdir().unwrap();
    let (here, there) = (Running::start(&folder.path().join("store")), NatsServer::reference());
    backups_pass(&here.url(), &there.url);
    let folder = tempfile::tempdir().unwrap();
    let (here, there) = (Running::start(&folder.path().join("store")), NatsServer::reference());
    backups_pass(&there.url, &here.url());
}

/// A test on this server and the same on nats-server.
macro_rules! on_both {
    ($here:ident, $there:ident, $check:ident) => {
        #[test]
        #[cfg_attr(not(peer = "nats"), ignore = "needs the nats tool: see .ci/peers")]
        fn $here() {
            let folder = tempfile::tempdir().unwrap();
            $check(&Running::start(&folder.path().join("store")).url());
        }

        #[test]
        #[cfg_attr(
            not(all(peer = "nats", peer = "nats-server")),
            ignore = "needs the nats tool and nats-server: see .ci/peers"
        )]
        fn $there() {
            $check(&NatsServer::reference().url);
        }
    };
}

on_both!(
    streams_and_consumers_on_this_server,
    streams_and_consumers_on_nats_server,
    streams_and_consumers
);
on_both!(key_values_on_this_server, key_values_on_nats_server, key_values);
on_both!(objects_on_this_server, objects_on_nats_server, objects);
