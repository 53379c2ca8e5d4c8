//! Advisories and metrics have the fields that their schemas ask for. The `nats` tool has the schemas.

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::process::Command;

use serde_json::Value;
use watershed_server::Server;

use crate::transcript::Transcript;

/// What this server tells, by the last part of its type.
const KINDS: [&str; 15] = [
    "api_audit",
    "consumer_ack",
    "consumer_action",
    "consumer_group_pinned",
    "consumer_group_unpinned",
    "consumer_pause",
    "max_deliver",
    "nak",
    "restore_complete",
    "restore_create",
    "snapshot_complete",
    "snapshot_create",
    "stream_action",
    "stream_batch_abandoned",
    "terminated",
];

/// What schemas ask for and nats-server does not do either: that of `nak` and `terminated`, and those of pinned clients.
const WRONG_SCHEMAS: [&str; 2] =
    ["/consumer_seq: expected string, but got number", "missing properties: 'server'"];

/// What is told while something goes on at a server.
fn events(server: &Server, goes_on: impl FnOnce(SocketAddr)) -> Vec<String> {
    let mut stream = TcpStream::connect(server.local_addr()).unwrap();
    let mut lines = BufReader::new(stream.try_clone().unwrap()).lines().map(Result::unwrap);
    stream.write_all(b"CONNECT {\"verbose\":false}\r\nSUB $JS.EVENT.> 1\r\nPING\r\n").unwrap();
    lines.find(|line| line == "PONG").unwrap();
    goes_on(server.local_addr());
    stream.write_all(b"PING\r\n").unwrap();
    lines.take_while(|line| line != "PONG").filter(|line| line.starts_with('{')).collect()
}

/// What is told of a conversation.
fn events_of(transcript: &Transcript) -> Vec<String> {
    let folder = tempfile::tempdir().unwrap();
    let server = crate::start(transcript, folder.path());
    events(&server, |address| assert_eq!(transcript.run("watershed", address), None))
}

/// What is told of a backup and a restore.
fn events_of_archives() -> Vec<String> {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::builder().store_dir(folder.path().join("store")).start().unwrap();
    let backup = folder.path().join("backup");
    events(&server, |address| {
        let nats = |arguments: &[&str]| {
            let mut tool = Command::new(watershed_peers::nats());
            let output = tool.args(["-s", &address.to_string()]).args(arguments).output().unwrap();
            assert!(output.status.success(), "{arguments:?}: {output:?}");
        };
        let backup = backup.to_str().unwrap();
        nats(&["stream", "add", "S", "--subjects", "s", "--defaults"]);
        nats(&["stream", "backup", "S", backup]);
        nats(&["stream", "rm", "S", "--force"]);
        nats(&["stream", "restore", backup]);
    })
}

#[test]
#[cfg_attr(not(peer = "nats"), ignore = "needs the nats tool: see .ci/peers")]
fn events_are_as_their_schemas_say() {
    let mut found: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let tells = |own: &&Transcript| {
        own.conf.is_none() && ["$JS.EVENT.", "-NAK", "+TERM"].iter().any(|text| own.says(text))
    };
    let transcripts = crate::transcripts();
    let lines: Vec<String> = std::thread::scope(|scope| {
        let conversations = transcripts.iter().filter(tells);
        let mut all: Vec<_> = conversations.map(|own| scope.spawn(|| events_of(own))).collect();
        all.push(scope.spawn(events_of_archives));
        all.into_iter().flat_map(|own| own.join().unwrap()).collect()
    });
    for line in lines {
        let event: Value = serde_json::from_str(&line).unwrap();
        found.entry(event["type"].as_str().unwrap().to_owned()).or_default().push(line);
    }
    let kinds: Vec<&str> = found.keys().filter_map(|kind| kind.rsplit('.').next()).collect();
    for kind in KINDS {
        assert!(kinds.contains(&kind), "`{kind}` is not among {kinds:?}");
    }
    let folder = tempfile::tempdir().unwrap();
    for (kind, lines) in &found {
        // The first one, and the one that says most.
        let longest = lines.iter().max_by_key(|line| line.len());
        for line in lines.first().into_iter().chain(longest) {
            let file = folder.path().join("event.json");
            fs::write(&file, line).unwrap();
            let mut validate = Command::new(watershed_peers::nats());
            let output = validate.args(["schema", "validate", kind]).arg(&file).output().unwrap();
            let failed = String::from_utf8_lossy(&output.stderr);
            assert!(output.status.success() && failed.is_empty(), "{failed}");
            let said = String::from_utf8_lossy(&output.stdout);
            // Each error is a line that is indented.
            let mut errors = said.lines().filter(|line| line.starts_with("  "));
            assert!(errors.all(|error| WRONG_SCHEMAS.contains(&error.trim())), "{line}\n{said}");
        }
    }
}
