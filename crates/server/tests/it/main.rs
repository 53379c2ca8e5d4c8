//! The server as its clients see it.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod peer;
mod transcript;

use std::path::Path;
use std::process::Command;

use watershed_server::Server;

/// How this server's answers differ from a transcript.
fn here(transcript: &transcript::Transcript) -> Option<String> {
    let folder = tempfile::tempdir().unwrap();
    let store = folder.path().join("store");
    let server = match &transcript.conf {
        None => Server::builder().store_dir(store).start().unwrap(),
        Some(conf) => {
            let (config, _) = watershed_server::read_config(conf, &|_| None).unwrap();
            Server::builder().config(config).store_dir(store).start().unwrap()
        }
    };
    transcript.run("watershed", server.local_addr())
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

/// Every transcript gets the answers that are written in it, from this server and, where one is at
/// hand, from nats-server.
#[test]
fn transcripts_are_answered_alike() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/transcripts");
    let transcripts = transcript::load(&folder);
    assert!(!transcripts.is_empty());
    let mut failures = Vec::new();
    failures.extend(transcripts.iter().filter_map(here));
    match peer::NatsServer::find() {
        None => eprintln!("not run: no nats-server (set WATERSHED_NATS_SERVER to its path)"),
        Some(program) => {
            for transcript in &transcripts {
                // On a busy machine nats-server's own threads race, and answers change their
                // order. What fails three times is a difference.
                let attempt = |_| {
                    let server = program.start(transcript.conf.as_deref());
                    transcript.run("nats-server", server.address)
                };
                let outcomes: Vec<_> = (0..3).map(attempt).take_while(Option::is_some).collect();
                failures.extend(outcomes.into_iter().nth(2).flatten());
            }
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

/// nats-py, unmodified, does what its users do.
#[test]
fn nats_py_works() {
    let Some(python) = std::env::var_os("WATERSHED_PYTHON") else {
        eprintln!("not run: no Python with nats-py (set WATERSHED_PYTHON to its path)");
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let server = Server::builder().store_dir(folder.path().join("store")).start().unwrap();
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/clients/nats_py.py");
    let output = Command::new(python).arg(script).arg(server.client_url()).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
}
