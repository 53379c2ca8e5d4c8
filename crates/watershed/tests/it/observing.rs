//! What a look at a server takes, and what it makes of what it does not understand.

use std::fmt::Write as _;

use serde_json::Value;
use watershed_peers::{NatsServer, nats_servers};

use crate::proxy::{Gate, Proxy};
use crate::server::{Running, run, succeed, write};

const LIST: &str = "$JS.API.CONSUMER.LIST.";

/// Forty streams with a consumer, and as many without.
fn many(url: &str, server: std::net::SocketAddr) {
    let mut text =
        String::from("watershed: 1\nname: many\nlint: { levels: { S003: off } }\nstreams:\n");
    for number in 0..40 {
        let _ = writeln!(
            text,
            "  A{number}: {{ subjects: [a{number}], max_age: 1d, consumers: {{ c: {{}} }} }}"
        );
        let _ = writeln!(text, "  B{number}: {{ subjects: [b{number}], max_age: 1d }}");
    }
    let folder = tempfile::tempdir().unwrap();
    let file = write(&folder, &text);
    succeed(&["apply", "--yes", "-s", url, &file]);
    // Nothing comes back before all of these are under way. The account may be one of the 32.
    for command in [["plan", &file].as_slice(), &["verify", &file], &["status"]] {
        let proxy = Proxy::gated(server, Gate { request: LIST, count: 31 });
        succeed(&[command, &["-s", &proxy.url]].concat());
        assert_eq!(proxy.count(LIST), 40, "{command:?}");
    }
    succeed(&["destroy", "--yes", "-s", url, &file]);
}

#[test]
fn many_questions_are_under_way_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let server = Running::start(&folder.path().join("store"));
    many(&server.url(), server.address);
}

#[test]
#[cfg_attr(not(peer = "nats-server"), ignore = "needs nats-server: see .ci/peers")]
fn many_questions_are_under_way_at_once_on_real_servers() {
    for program in nats_servers() {
        let server = NatsServer::start(&program);
        many(&server.url, server.address);
    }
}

/// A newer server's words.
const NEWER: &[(&str, &str)] = &[
    (r#""compression":"none""#, r#""compression":"zstd""#),
    (r#""retention":"limits""#, r#""retention":"tiered""#),
    (r#""storage":"file""#, r#""storage":"tape""#),
    (r#""discard":"old""#, r#""discard":"mid""#),
    (r#""ack_policy":"explicit""#, r#""ack_policy":"quorumed""#),
    (r#""deliver_policy":"all""#, r#""deliver_policy":"odd""#),
    (r#""replay_policy":"instant""#, r#""replay_policy":"someday""#),
];

const FILE: &str = "watershed: 1\nname: mine\nstreams: { MINE: { subjects: [mine.>], max_age: 1d, consumers: { c: {} } } }\n";

fn newer(url: &str, server: std::net::SocketAddr) {
    let folder = tempfile::tempdir().unwrap();
    let file = write(&folder, FILE);
    let other = tempfile::tempdir().unwrap();
    let theirs = write(&other, &FILE.replace("mine", "their").replace("MINE", "THEIRS"));
    succeed(&["apply", "--yes", "-s", url, &file]);
    succeed(&["apply", "--yes", "-s", url, &theirs]);
    succeed(&["pub", "-s", url, "mine.x", "hello"]);
    let proxy = Proxy::saying(server, NEWER);
    let with = |command: &[&str]| run(&[command, &["-s", &proxy.url]].concat());
    // What the file does not say is left alone.
    let plan = with(&["plan", &file]);
    assert_eq!(plan.code, Some(0), "{}{}", plan.out, plan.err);
    assert_eq!(with(&["verify", &file]).code, Some(0));
    assert_eq!(with(&["apply", "--yes", &file]).code, Some(0));
    let status = with(&["status"]);
    assert!(status.out.contains("tiered") && status.out.contains("tape"), "{}", status.out);
    let status: Value = serde_json::from_str(&with(&["status", "--json"]).out).unwrap();
    let theirs = &status["streams"][1];
    assert_eq!(theirs["stream"]["config"]["compression"], "zstd");
    assert_eq!(theirs["consumers"][0]["config"]["ack_policy"], "quorumed");
    let import = with(&["import"]);
    assert_eq!(import.code, Some(0), "{}", import.err);
    let said = "stream THEIRS: `compression: \"zstd\"` is left out, because this version of watershed does not know it";
    assert!(import.err.contains(said), "{}", import.err);
    assert!(with(&["view", "MINE"]).out.contains("#1 mine.x"));
    // What the file says otherwise is a difference.
    write(&folder, &FILE.replace("max_age: 1d", "max_age: 1d, compression: none"));
    let plan = with(&["plan", &file]);
    assert_eq!(plan.code, Some(3), "{}{}", plan.out, plan.err);
    assert!(plan.out.contains("the server has `compression: zstd`"), "{}", plan.out);
    assert_eq!(with(&["apply", "--yes", &file]).code, Some(5));
}

#[test]
fn what_a_newer_server_says_breaks_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let server = Running::start(&folder.path().join("store"));
    newer(&server.url(), server.address);
}

#[test]
#[cfg_attr(not(peer = "nats-server"), ignore = "needs nats-server: see .ci/peers")]
fn what_a_newer_server_says_breaks_nothing_on_real_servers() {
    for program in nats_servers() {
        let server = NatsServer::start(&program);
        newer(&server.url, server.address);
    }
}
