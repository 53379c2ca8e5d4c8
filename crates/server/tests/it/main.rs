//! The server as its clients see it.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod access;
mod apart;
mod both;
mod door;
mod events;
mod keeper;
mod keys;
mod memory;
mod resolver;
mod stop;
mod transcript;
mod trust;
mod websocket;
mod wire;

use std::io::{BufRead as _, Write as _};
use std::path::Path;
use std::process::Command;

use watershed_server::Server;

/// How this server's answers differ from a transcript.
fn here(transcript: &transcript::Transcript) -> Option<String> {
    let folder = tempfile::tempdir().unwrap();
    let server = start(transcript, folder.path());
    transcript.run("watershed", server.local_addr())
}

/// A server as a transcript wants it.
fn start(transcript: &transcript::Transcript, folder: &Path) -> Server {
    let store = folder.join("store");
    match &transcript.conf {
        None => Server::builder().store_dir(store).start().unwrap(),
        Some(conf) => {
            let (config, _) = watershed_server::read_config(conf, &|_| None).unwrap();
            Server::builder().config(config).store_dir(store).start().unwrap()
        }
    }
}

/// What would keep the one thread busy is refused before it is looked at.
#[test]
fn lists_have_an_end() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::builder().store_dir(folder.path().join("store")).start().unwrap();
    let mut stream = std::net::TcpStream::connect(server.local_addr()).unwrap();
    let mut answers = std::io::BufReader::new(stream.try_clone().unwrap());
    stream.write_all(b"CONNECT {\"verbose\":false}\r\nSUB r 1\r\n").unwrap();
    let mut create = |subjects: usize| {
        let subjects: Vec<String> = (0..subjects).map(|number| format!("s{number}.*")).collect();
        let body = serde_json::json!({"name": "S", "subjects": subjects}).to_string();
        let head = format!("PUB $JS.API.STREAM.CREATE.S r {}\r\n", body.len());
        stream.write_all(format!("{head}{body}\r\n").as_bytes()).unwrap();
        let mut line = String::new();
        while !line.starts_with('{') {
            line.clear();
            answers.read_line(&mut line).unwrap();
            if line.starts_with("INFO") {
                line.clear();
            }
        }
        serde_json::from_str::<serde_json::Value>(&line).unwrap()
    };
    assert_eq!(create(10_001)["error"]["err_code"], 10052);
    assert_eq!(create(2_000)["config"]["name"], "S");
}

/// What is asked at once is decided in turn. nats-server works on several requests at a time, and
/// answers these one way or the other.
#[test]
fn requests_are_decided_in_turn() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/ours");
    let transcripts = transcript::load(&folder);
    assert!(!transcripts.is_empty());
    let failures: Vec<String> = transcripts.iter().filter_map(here).collect();
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

/// Every transcript gets the answers that are written in it.
#[test]
fn transcripts_are_answered() {
    let failures: Vec<String> = transcripts().iter().filter_map(here).collect();
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

/// nats-server gives the same answers.
#[test]
#[cfg_attr(not(peer = "nats-server"), ignore = "needs nats-server: see .ci/peers")]
fn transcripts_are_answered_alike() {
    let program = watershed_peers::nats_server();
    let mut failures = Vec::new();
    for transcript in &transcripts() {
        let conf = transcript.conf.iter().flat_map(|conf| [Path::new("-c"), conf]);
        let conf: Vec<&Path> = conf.collect();
        // On a busy machine nats-server's own threads race, and answers change their order. What
        // fails three times is a difference.
        let attempt = |_| {
            let server = watershed_peers::NatsServer::start_with(&program, &conf);
            transcript.run("nats-server", server.address)
        };
        let outcomes: Vec<_> = (0..3).map(attempt).take_while(Option::is_some).collect();
        failures.extend(outcomes.into_iter().nth(2).flatten());
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

/// What every server must answer alike.
fn transcripts() -> Vec<transcript::Transcript> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/transcripts");
    let transcripts = transcript::load(&folder);
    assert!(!transcripts.is_empty());
    transcripts
}

/// nats-py, unmodified, does what its users do.
#[test]
#[cfg_attr(not(peer = "python"), ignore = "needs a Python with nats-py: see .ci/peers")]
fn nats_py_works() {
    let python = watershed_peers::python();
    let folder = tempfile::tempdir().unwrap();
    let server = Server::builder().store_dir(folder.path().join("store")).start().unwrap();
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/clients/nats_py.py");
    let output = Command::new(python).arg(script).arg(server.client_url()).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
}
