//! `kv` and `object`: keys and objects as the `nats` tool has them too.

use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::Value;
use watershed_peers::{NatsServer, nats, nats_server};

use crate::server::{Ran, Running, run, succeed, write};

const FILE: &str = "\
watershed: 1
name: buckets
key_values: { settings: { history: 5 } }
object_stores: { files: {} }
";

/// Runs a command against a server, with its URL behind the words.
fn with(url: &str, words: &[&str]) -> Ran {
    let mut all = words.to_vec();
    all.extend(["-s", url]);
    run(&all)
}

#[track_caller]
fn good(url: &str, words: &[&str]) -> String {
    let ran = with(url, words);
    assert_eq!(ran.code, Some(0), "{words:?}: {}{}", ran.out, ran.err);
    ran.out
}

#[track_caller]
fn refused(url: &str, words: &[&str], why: &str) {
    let ran = with(url, words);
    assert_eq!((ran.code, ran.err.as_str()), (Some(1), format!("error: {why}\n").as_str()));
}

fn lines(out: &str) -> Vec<Value> {
    out.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn keys_and_values(url: &str) {
    let folder = tempfile::tempdir().unwrap();
    succeed(&["apply", "--yes", "-s", url, &write(&folder, FILE)]);
    good(url, &["kv", "put", "settings", "theme", "dark"]);
    let put = lines(&good(url, &["kv", "put", "settings", "theme", "light", "--json"]));
    assert_eq!((put[0]["revision"].as_u64(), put[0]["key"].as_str()), (Some(2), Some("theme")));
    assert_eq!(good(url, &["kv", "get", "settings", "theme", "--raw"]), "light");
    assert_eq!(good(url, &["kv", "get", "settings", "theme", "--raw", "--revision", "1"]), "dark");
    let escape = "\u{1b}[2J";
    good(url, &["kv", "create", "settings", "evil.key", escape]);
    let shown = good(url, &["kv", "get", "settings", "evil.key"]);
    assert!(shown.starts_with("#3 evil.key  ") && shown.ends_with("\n  \\u{1b}[2J\n"), "{shown}");
    assert_eq!(
        lines(&good(url, &["kv", "get", "settings", "evil.key", "--json"]))[0]["value"],
        escape
    );
    refused(
        url,
        &["kv", "create", "settings", "theme", "x"],
        "`theme` has a value in `settings`: `kv put` replaces it",
    );
    assert_eq!(good(url, &["kv", "ls", "settings"]), "evil.key\ntheme\n");
    good(url, &["kv", "del", "settings", "theme"]);
    assert_eq!(good(url, &["kv", "ls", "settings"]), "evil.key\n");
    let history = lines(&good(url, &["kv", "history", "settings", "theme", "--json"]));
    let operations: Vec<_> = history
        .iter()
        .map(|line| (line["operation"].as_str().unwrap(), line["revision"].as_u64()))
        .collect();
    assert_eq!(operations, [("put", Some(1)), ("put", Some(2)), ("delete", Some(4))]);
    let ran = with(url, &["kv", "get", "settings", "theme"]);
    assert!(ran.err.starts_with("error: `theme` was deleted in `settings`, at "), "{}", ran.err);
    good(url, &["kv", "purge", "settings", "theme"]);
    let watched = lines(&good(url, &["kv", "watch", "settings", "--count", "2", "--json"]));
    let watched: Vec<_> = watched.iter().map(|line| line["operation"].as_str().unwrap()).collect();
    assert_eq!(watched, ["put", "purge"]);
    refused(url, &["kv", "get", "settings", "none"], "unknown key `none` in `settings`");
    refused(url, &["kv", "history", "settings", "none"], "unknown key `none` in `settings`");
    refused(url, &["kv", "get", "setings", "x"], "unknown bucket `setings`: there are settings");
    let ran = with(url, &["kv", "get", "a.b", "x"]);
    assert!(ran.err.contains("invalid name `a.b` of a bucket"), "{}", ran.err);
    let listed = lines(&good(url, &["kv", "ls", "--json"]));
    assert_eq!(listed[0]["bucket"], "settings");
}

fn objects(url: &str) {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).display().to_string();
    // Longer than one chunk.
    let content: Vec<u8> =
        (0..300_000_u32).map(|number| u8::try_from(number % 251).unwrap()).collect();
    std::fs::write(path("big.bin"), &content).unwrap();
    let put = lines(&good(url, &["object", "put", "files", &path("big.bin"), "--json"]));
    assert_eq!(
        (put[0]["name"].as_str(), put[0]["size"].as_u64()),
        (Some("big.bin"), Some(300_000))
    );
    good(url, &["object", "get", "files", "big.bin", "-o", &path("back.bin")]);
    assert_eq!(std::fs::read(path("back.bin")).unwrap(), content);
    let ran = with(url, &["object", "get", "files", "big.bin", "-o", &path("back.bin")]);
    assert!(ran.code == Some(1) && ran.err.contains("cannot write"), "{}", ran.err);
    std::fs::write(path("small"), "hello").unwrap();
    good(url, &["object", "put", "files", &path("small"), "--name", "a/small"]);
    assert_eq!(good(url, &["object", "get", "files", "a/small"]), "hello");
    let listed = lines(&good(url, &["object", "ls", "files", "--json"]));
    let names: Vec<_> = listed.iter().map(|line| line["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["a/small", "big.bin"]);
    assert!(good(url, &["object", "info", "files", "a/small"]).starts_with("a/small  5 bytes  "));
    good(url, &["object", "del", "files", "a/small"]);
    refused(url, &["object", "get", "files", "a/small"], "unknown object `a/small` in `files`");
    refused(url, &["object", "del", "files", "a/small"], "unknown object `a/small` in `files`");
    refused(url, &["object", "ls", "none"], "unknown bucket `none`: there are files");
    assert_eq!(lines(&good(url, &["object", "ls", "--json"]))[0]["bucket"], "files");
}

/// What the `nats` tool prints.
#[track_caller]
fn tool(folder: &Path, url: &str, words: &[&str]) -> String {
    let mut command = Command::new(nats());
    command.args(["-s", url]).args(words).env("HOME", folder).stdin(Stdio::null());
    let output = command.output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    assert!(output.status.success(), "{words:?}: {}", text(&output.stderr));
    text(&output.stdout)
}

/// Each reads what the other wrote.
fn beside_the_tool(url: &str) {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).display().to_string();
    let tool = |words: &[&str]| tool(folder.path(), url, words);
    tool(&["kv", "put", "settings", "of.tool", "theirs"]);
    assert_eq!(good(url, &["kv", "get", "settings", "of.tool", "--raw"]), "theirs");
    good(url, &["kv", "put", "settings", "of.ours", "ours"]);
    assert_eq!(tool(&["kv", "get", "settings", "of.ours", "--raw"]).trim_end(), "ours");
    std::fs::write(path("theirs"), "their content").unwrap();
    tool(&[
        "object",
        "put",
        "files",
        &path("theirs"),
        "--name",
        "theirs",
        "--force",
        "--no-progress",
    ]);
    assert_eq!(good(url, &["object", "get", "files", "theirs"]), "their content");
    std::fs::write(path("ours"), "our content").unwrap();
    good(url, &["object", "put", "files", &path("ours")]);
    tool(&["object", "get", "files", "ours", "--output", &path("got"), "--no-progress"]);
    assert_eq!(std::fs::read_to_string(path("got")).unwrap(), "our content");
}

#[test]
fn keys_and_objects_on_this_server() {
    let folder = tempfile::tempdir().unwrap();
    let server = Running::start(&folder.path().join("store"));
    keys_and_values(&server.url());
    objects(&server.url());
}

#[test]
#[cfg_attr(not(peer = "nats"), ignore = "needs the nats tool: see .ci/peers")]
fn keys_and_objects_beside_the_tool() {
    let folder = tempfile::tempdir().unwrap();
    let server = Running::start(&folder.path().join("store"));
    let file = tempfile::tempdir().unwrap();
    succeed(&["apply", "--yes", "-s", &server.url(), &write(&file, FILE)]);
    beside_the_tool(&server.url());
}

#[test]
#[cfg_attr(
    not(all(peer = "nats-server", peer = "nats")),
    ignore = "needs nats-server and the nats tool: see .ci/peers"
)]
fn keys_and_objects_on_a_real_server() {
    let server = NatsServer::start(&nats_server());
    keys_and_values(&server.url);
    objects(&server.url);
    beside_the_tool(&server.url);
}

/// A user who may only read is told so, and does not wait.
#[test]
fn what_is_not_allowed_is_said_and_the_folder_says_who_one_is() {
    const USERS: &str = "\
watershed: 1
name: buckets
key_values: { settings: { history: 5 } }
services: { web: { reads: [settings] } }
users: { admin: { role: admin }, web: { service: web } }
";
    let (data, folder) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let file = write(&folder, USERS);
    let server = Running::up(data.path(), &[&file]);
    let data = data.path().to_str().unwrap();
    let of = |words: &[&str], user: &str| {
        let mut all = words.to_vec();
        let url = server.url();
        all.extend(["-f", &file, "--data", data, "-s", &url, "--user", user]);
        run(&all)
    };
    let put = of(&["kv", "put", "settings", "a", "b"], "admin");
    assert_eq!(
        (put.code, put.out.as_str()),
        (Some(0), "a is set in settings, as revision 1\n"),
        "{}",
        put.err
    );
    assert_eq!(of(&["kv", "get", "settings", "a", "--raw"], "web").out, "b");
    assert_eq!(of(&["kv", "ls", "settings"], "web").out, "a\n");
    let put = of(&["kv", "put", "settings", "a", "c"], "web");
    assert_eq!(put.code, Some(1));
    assert!(
        put.err.contains("may not publish") && put.err.contains("$KV.settings.a"),
        "{}",
        put.err
    );
}
