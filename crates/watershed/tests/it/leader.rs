//! A server without JetStream, or of a cluster without a leader: what is not known is not planned.

use std::net::TcpListener;
use std::path::Path;

use watershed_peers::{NatsServer, nats_servers};

use crate::server::{Running, run, write};

const FILE: &str = "watershed: 1\nname: x\nstreams: { S: { subjects: [a.>], max_age: 1d, consumers: { c: {} } } }\n";

/// Every command ends as one whose server is not ready.
fn check(url: &str, expected: &str) {
    let folder = tempfile::tempdir().unwrap();
    let file = write(&folder, FILE);
    for command in [
        ["plan", &file].as_slice(),
        &["verify", &file],
        &["destroy", "--yes", &file],
        &["apply", "--yes", "--wait", "1ms", &file],
        &["status"],
        &["import"],
        &["view", "S"],
        &["pub", "a.x", "hello"],
        &["next", "S", "c", "--wait", "1ms"],
    ] {
        let ran = run(&[command, &["--timeout", "200ms", "-s", url]].concat());
        assert_eq!(ran.code, Some(6), "{command:?}: {}{}", ran.out, ran.err);
        assert!(ran.err.contains(expected), "{command:?}: {}", ran.err);
        assert_eq!(ran.out, "", "{command:?}");
    }
}

#[test]
fn a_server_that_is_not_there() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("nats://{}", listener.local_addr().unwrap());
    drop(listener);
    check(&url, "onnection refused");
}

/// One of three, the others of which are not there.
fn alone(program: &Path) -> NatsServer {
    let other = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let routes = format!("nats-route://{other},nats-route://127.0.0.1:1");
    let arguments = ["--name", "n0", "--cluster_name", "test", "--routes", &routes];
    NatsServer::start_with(
        program,
        &[&arguments[..], &["--cluster", "nats://127.0.0.1:-1"]].concat(),
    )
}

#[test]
#[cfg_attr(not(peer = "nats-server"), ignore = "needs nats-server: see .ci/peers")]
fn a_cluster_without_a_leader() {
    // The newest that is compared with, and the oldest.
    for program in nats_servers().iter().take(2) {
        check(&alone(program).url, "JetStream ");
    }
}

#[test]
#[cfg_attr(not(peer = "nats-server"), ignore = "needs nats-server: see .ci/peers")]
fn a_server_without_jetstream() {
    for program in nats_servers() {
        let folder = tempfile::tempdir().unwrap();
        let config = folder.path().join("server.conf");
        let text = "accounts { A { users: [{ user: a, password: a }] }, B { jetstream: enabled } }\nno_auth_user: a\n";
        std::fs::write(&config, text).unwrap();
        let server = NatsServer::start_with(&program, &["-c", config.to_str().unwrap()]);
        check(&server.url, "JetStream");
    }
}

/// A publish that nobody acknowledges says why.
#[tokio::test]
async fn who_listens_is_no_stream() {
    let folder = tempfile::tempdir().unwrap();
    let server = Running::start(&folder.path().join("store"));
    let url = server.url();
    let publish = || run(&["pub", "--timeout", "200ms", "-s", &url, "a.x", "hello"]);
    let nobody = publish();
    assert_eq!(nobody.code, Some(1));
    assert!(nobody.err.starts_with("error: no stream stores `a.x`; nothing was"), "{}", nobody.err);
    let client = async_nats::connect(&url).await.unwrap();
    let _listening = client.subscribe("a.>").await.unwrap();
    client.flush().await.unwrap();
    client.request("$JS.API.INFO", "".into()).await.unwrap();
    let ran = publish();
    assert_eq!(
        (ran.code, ran.err.as_str()),
        (Some(1), "error: no stream stores `a.x`; only who listens there got the message\n")
    );
}
