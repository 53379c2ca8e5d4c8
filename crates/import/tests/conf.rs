//! Configurations that nats-server starts with, or does not, beside what the import says of them.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::process::{Command, Stdio};

use watershed_import::import;
use watershed_peers::nats_server;
use watershed_topology::source::SourceMap;

/// Whether nats-server takes a configuration: it tries it and ends.
fn taken(text: &str) -> bool {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("nats.conf");
    std::fs::write(&file, text).unwrap();
    let mut command = Command::new(nats_server());
    command.arg("-t").arg("-c").arg(file).stdin(Stdio::null()).stderr(Stdio::null());
    command.stdout(Stdio::null()).status().unwrap().success()
}

fn refused(text: &str) -> bool {
    let mut sources = SourceMap::default();
    let file = sources.add("nats.conf", text);
    import(&sources, &[file]).0.findings.iter().any(|one| one.code == "I011")
}

#[test]
#[cfg_attr(not(peer = "nats-server"), ignore = "needs nats-server: see .ci/peers")]
fn what_does_not_start_is_said() {
    let mut wrong = Vec::new();
    for text in [
        "log_level: info",
        "stream_defaults {}",
        "jetstream { store_dir: /tmp/d, max_memory: 1GB }",
        "jetstream { store_dir: /tmp/d, max_mem: 1GB }",
        "jetstream { max_file: \"10GB\" }",
        "jetstream { max_file: \"10G\" }",
        "jetstream { limits { max_ack_pending: 10 } }",
        "jetstream { limits { max_pending: 10 } }",
        "accounts { $G { jetstream: enabled } }",
        "accounts { A { jetstream: enabled, users: [ { user: a, password: b } ] } }",
        "accounts { A { users: [ { user: a, pasword: b } ] } }",
        "accounts { A { jetstream { max_mem: 1GB, max_file: 1GB, max_streams: 3 } } }",
        "accounts { A { jetstream { max_msgs: 3 } } }",
        "STORE = /tmp/d\njetstream { store_dir: $STORE }",
        "authorization { token: t }",
        "authorization { tokens: t }",
        "authorization { users: [ { user: a, password: b, permissions { publish: [\"a.>\"], subscribe: \"b\" } } ] }",
        "authorization { users: [ { user: a, password: b, permissions { publishes: [\"a.>\"] } } ] }",
        "max_payload: 1MB\nwrite_deadline: \"10s\"\nping_interval: \"2m\"\nlogtime: true",
        "http: 8222\nserver_name: a\nmax_connections: 10\nlame_duck_duration: \"30s\"",
        "websocket { port: 9222, no_tls: true }",
        "websocket { port: 9222, tls_off: true }",
    ] {
        if taken(text) == refused(text) {
            wrong.push(format!("{text} (taken: {})", taken(text)));
        }
    }
    assert_eq!(wrong, Vec::<String>::new());
}
