//! What `up` prints can be pasted into another terminal, in any folder.

use std::path::Path;
use std::process::{Command, Stdio};

use crate::server::{EXAMPLES, Running, example, watershed};

/// The commands that `up` suggests.
fn suggested(printed: &str) -> Vec<&str> {
    let lines = printed.lines().skip_while(|line| *line != "try").skip(1);
    lines.take_while(|line| line.starts_with("  ")).map(str::trim).collect()
}

/// Runs `up` with `arguments` in `folder`, and all that it suggests somewhere else. What was suggested,
/// with the program and the folder left out.
#[track_caller]
fn check(folder: &Path, arguments: &[&str]) -> Vec<String> {
    let mut up = watershed(&["up", "--http", "127.0.0.1:0"]);
    let (server, printed) = Running::printing(up.args(arguments).current_dir(folder));
    let commands = suggested(&printed);
    assert!(!commands.is_empty(), "{printed}");
    for command in &commands {
        let mut shell = Command::new("sh");
        shell.args(["-c", command]).current_dir("/").stdin(Stdio::null());
        for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("NATS_")) {
            shell.env_remove(name);
        }
        let output = shell.output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{command}\n{said}");
    }
    let short = |command: &&str| {
        let path = folder.display().to_string();
        let text = command.replace(&path, "DIR").replace(&server.url(), "URL");
        text.replace(env!("CARGO_BIN_EXE_watershed"), "watershed")
    };
    commands.iter().map(short).collect()
}

/// An address that nobody uses.
fn free() -> String {
    std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string()
}

#[test]
fn every_example() {
    for name in EXAMPLES {
        let data = tempfile::tempdir().unwrap();
        let folder = data.path().to_str().unwrap();
        check(data.path(), &["--listen", "127.0.0.1:0", "--data", folder, &example(name)]);
    }
    let data = tempfile::tempdir().unwrap();
    let files = EXAMPLES.map(example);
    let mut arguments = vec!["--listen", "127.0.0.1:0", "--data", "data"];
    arguments.extend(files.iter().map(String::as_str));
    check(data.path(), &arguments);
}

/// Runs a topology of a folder whose name a shell would not take as it is, with and without flags.
#[track_caller]
fn everywhere(head: &str, rest: &str, expected: &[&str]) {
    let folder = tempfile::tempdir().unwrap();
    let inside = folder.path().join("it's $HOME");
    std::fs::create_dir(&inside).unwrap();
    let address = free();
    let text = format!("watershed: 1\nname: {head}\nserver: {{ listen: {address} }}\n{rest}");
    std::fs::write(inside.join("watershed.yaml"), text).unwrap();
    let commands = check(&inside, &[]);
    let words =
        |command: &String| command.rsplit("watershed.yaml'").next().unwrap().trim().to_owned();
    assert_eq!(commands.iter().map(words).collect::<Vec<_>>(), expected);
    check(folder.path(), &["it's $HOME", "--listen", "127.0.0.1:0"]);
    check(
        folder.path(),
        &["it's $HOME/watershed.yaml", "--data", "a b", "--listen", "127.0.0.1:0"],
    );
}

const ORDERS: &str = "streams: { ORDERS: { subjects: [\"orders.*.paid\"], max_age: 1d } }\n";

#[test]
fn streams_and_users() {
    everywhere("plain", ORDERS, &["orders.x.paid hello", "", ""]);
    let users = "users: { worker: { service: shop }, admin: { role: admin } }\n\
                 services: { shop: { publishes: [other.x, orders.eu.paid] } }\n";
    let lint = "lint: { levels: { X012: off } }\n";
    everywhere("users", &format!("{ORDERS}{users}{lint}"), &["orders.eu.paid hello", "", ""]);
    let only = users.replace(", admin: { role: admin }", "");
    everywhere(
        "service",
        &format!("{ORDERS}{only}{lint}"),
        &["--user worker orders.eu.paid hello"],
    );
}

/// A bucket is not published into by hand: its clients say more than a payload.
#[test]
fn buckets_and_what_only_the_server_publishes() {
    everywhere("buckets", "key_values: { st: {} }\n", &["KV_st", "", ""]);
    everywhere("objects", "object_stores: { st: {} }\n", &["OBJ_st", "", ""]);
    let advisories = "streams: { A: { subjects: [$JS.EVENT.ADVISORY.>], max_age: 1d } }\n";
    everywhere("advisories", advisories, &["", ""]);
}

#[test]
fn overlays_count() {
    let folder = tempfile::tempdir().unwrap();
    let text = format!("watershed: 1\nname: over\n{ORDERS}");
    std::fs::write(folder.path().join("watershed.yaml"), text).unwrap();
    let over = format!("server: {{ listen: \"{}\" }}\n", free());
    std::fs::write(folder.path().join("watershed.prod.yaml"), over).unwrap();
    let commands = check(folder.path(), &["--env", "prod"]);
    assert_eq!(commands[1], "watershed status -f DIR/watershed.yaml --env prod");
}
