//! A permission that is missing is said at once, by every command: what, where, and whose.

use std::time::{Duration, Instant};

use tempfile::TempDir;
use watershed_peers::{NatsServer, nats_servers};

use crate::server::{Ran, Running, run, succeed, write};

const CONFIG: &str = r#"
jetstream {}
authorization {
  users: [
    { user: admin, password: secret }
    { user: mute, password: secret, permissions: { publish: { deny: ["a.>", "$JS.>"] } } }
    { user: reader, password: secret, permissions: { publish: { deny: ["$JS.API.*.CREATE.>", "$JS.API.*.DELETE.>"] } } }
    { user: deaf, password: secret, permissions: { subscribe: { allow: ["elsewhere.>"] } } }
  ]
}
"#;

const FILE: &str = "watershed: 1\nname: x\nstreams: { S: { subjects: [a.>], max_age: 1d, consumers: { c: {} } } }\n";

/// A configuration with users.
fn config() -> (TempDir, String) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("server.conf");
    std::fs::write(&path, CONFIG).unwrap();
    let path = path.display().to_string();
    (folder, path)
}

/// A command of a user that fails for want of a permission, long before it would have given up.
#[track_caller]
fn denied(url: &str, user: &str, command: &[&str], expected: &str) {
    let address = url.trim_start_matches("nats://");
    let url = format!("nats://{user}:secret@{address}");
    let begun = Instant::now();
    let Ran { code, err, out } = run(&[command, &["--timeout", "60s", "-s", &url]].concat());
    let took = begun.elapsed();
    assert_eq!(code, Some(1), "{user} {command:?}: {out}{err}");
    let (start, end) = expected.split_once('…').unwrap_or((expected, ""));
    let said = err.find(start).and_then(|at| err[at..].find(end));
    assert!(said.is_some(), "{user} {command:?}: {err}");
    assert!(err.contains("connect as a user who may, or allow it"), "{err}");
    assert!(took < Duration::from_secs(20), "{user} {command:?}: {took:?}");
}

fn check(url: &str) {
    let folder = tempfile::tempdir().unwrap();
    let file = write(&folder, FILE);
    let admin = url.replace("nats://", "nats://admin:secret@");
    succeed(&["apply", "--yes", "-s", &admin, &file]);
    let mute = |command: &[&str], subject: &str| {
        denied(url, "mute", command, &format!("user `mute` may not publish to `{subject}"));
    };
    mute(&["pub", "a.x", "hello"], "a.x`");
    mute(&["pub", "--core", "a.x", "hello"], "a.x`");
    mute(&["next", "S", "c", "--wait", "50s"], "$JS.API.CONSUMER.MSG.NEXT.S.c`");
    mute(&["view", "S"], "$JS.API.STREAM.INFO.S`");
    for command in [
        ["status"].as_slice(),
        &["plan", &file],
        &["verify", &file],
        &["apply", "--yes", "--wait", "50s", &file],
        &["destroy", "--yes", &file],
        &["import"],
    ] {
        mute(command, "$JS.API.");
    }
    let deaf = |command: &[&str], subject: &str| {
        denied(url, "deaf", command, &format!("user `deaf` may not subscribe to `{subject}"));
    };
    deaf(&["sub", "a.>"], "a.>`");
    deaf(&["sub", "a.>", "--queue", "q"], "a.>`");
    deaf(&["next", "S", "c", "--wait", "50s"], "_INBOX.…`");
    for command in [
        ["pub", "a.x", "hello"].as_slice(),
        &["view", "S"],
        &["status"],
        &["plan", &file],
        &["verify", &file],
        &["apply", "--yes", "--wait", "50s", &file],
        &["destroy", "--yes", &file],
        &["import"],
    ] {
        deaf(command, "_INBOX.….*`");
    }
    // Who may look, and not change anything, is told at the first change.
    let reader = |command: &[&str], subject: &str| {
        denied(url, "reader", command, &format!("user `reader` may not publish to `{subject}`"));
    };
    reader(&["destroy", "--yes", &file], "$JS.API.STREAM.DELETE.S");
    let other = tempfile::tempdir().unwrap();
    let new = write(
        &other,
        &FILE.replace("name: x", "name: y").replace("S:", "T:").replace("a.>", "t.>"),
    );
    reader(&["apply", "--yes", &new], "$JS.API.STREAM.CREATE.T");
    // What is allowed goes on.
    let url = url.replace("nats://", "nats://mute:secret@");
    succeed(&["pub", "--core", "-s", &url, "b.x", "hello"]);
}

#[test]
fn a_missing_permission_is_said_at_once_by_this_server() {
    let (_folder, config) = config();
    let store = tempfile::tempdir().unwrap();
    let store = store.path().join("store");
    let server =
        Running::serve(&["--config", &config, "--store_dir", store.to_str().unwrap()], &[]);
    check(&server.url());
}

#[test]
#[cfg_attr(not(peer = "nats-server"), ignore = "needs nats-server: see .ci/peers")]
fn a_missing_permission_is_said_at_once_by_real_servers() {
    for program in nats_servers() {
        let (_folder, config) = config();
        let server = NatsServer::start_with(&program, &["-c", &config]);
        check(&server.url);
    }
}
