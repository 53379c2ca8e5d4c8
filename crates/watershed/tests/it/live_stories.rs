//! Stories that play on the engine in virtual time and on servers that run end alike.

use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::Value as Json;
use watershed_peers::{NatsServer, nats_server, nats_servers};

use crate::server::{Ran, watershed};

/// Where the password of the users of the stories is.
const PASSWORD: (&str, &str) = ("STORY_PASSWORD", "s3cret-of-the-stories");

fn run(arguments: &[&str]) -> Ran {
    let output = watershed(arguments).env(PASSWORD.0, PASSWORD.1).output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    Ran { code: output.status.code(), out: text(&output.stdout), err: text(&output.stderr) }
}

fn folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/stories").join(name)
}

fn play(name: &str, arguments: &[&str]) -> Ran {
    let folder = folder(name);
    let all = [&["test", folder.to_str().unwrap(), "--json"], arguments].concat();
    run(&all)
}

/// How stories ended: those that were played, without the times that things took.
fn ended(ran: &Ran) -> Vec<(String, Option<String>)> {
    let told: Json = serde_json::from_str(&ran.out).unwrap_or_else(|_| panic!("{}", ran.err));
    let stories = told["stories"].as_array().unwrap().iter();
    let played = stories.filter(|story| story["skipped"].is_null());
    let of = |story: &Json| {
        let name = story["name"].as_str().unwrap().to_owned();
        assert_eq!(story["passed"] == true, !name.starts_with("fails"), "{story:#}");
        let failure = story["failure"].as_object().map(|failure| {
            let message = failure["message"].as_str().unwrap();
            let message = message.split(" after ").next().unwrap().to_owned();
            let lines = failure["timeline"].as_array().unwrap().iter();
            let lines = lines.map(|line| {
                let line = line.as_str().unwrap().trim_start();
                line.split_once("  ").map_or(line, |(_, text)| text).to_owned()
            });
            [vec![message], lines.collect()].concat().join("\n")
        });
        (name, failure)
    };
    played.map(of).collect()
}

/// Plays the stories of a folder in virtual time and as `arguments` say, and says how many were compared.
#[track_caller]
fn check(name: &str, arguments: &[&str]) -> usize {
    let virtual_time = ended(&play(name, &[]));
    let live = ended(&play(name, arguments));
    assert!(!live.is_empty());
    for one in &live {
        let same = virtual_time.iter().find(|other| other.0 == one.0).unwrap();
        assert_eq!(one, same, "{name} {arguments:?}");
    }
    live.len()
}

/// Stories of one kind on the embedded server: as many as need no clock.
#[track_caller]
fn on_up(name: &str, stories: usize) {
    assert_eq!(check(name, &["--on", "up"]), stories);
}

#[test]
fn workers_on_the_embedded_server() {
    on_up("workers", 23);
}

#[test]
fn queues_on_the_embedded_server() {
    on_up("queues", 11);
}

#[test]
fn refusals_on_the_embedded_server() {
    on_up("refusals", 13);
}

#[test]
fn limits_and_copies_on_the_embedded_server() {
    on_up("limits", 6);
    on_up("copies", 7);
}

#[test]
fn buckets_and_people_on_the_embedded_server() {
    on_up("buckets", 7);
    on_up("people", 3);
}

/// The same on a nats-server. Nothing is left there.
#[track_caller]
fn on_peer(program: &Path, names: &[&str]) {
    let server = NatsServer::start(program);
    for name in names {
        check(name, &["-s", &server.url]);
    }
    let left = run(&["status", "-s", &server.url, "--json"]);
    assert!(left.out.contains("\"streams\": []"), "{}", left.out);
}

#[test]
#[cfg_attr(not(peer = "nats-server"), ignore = "needs nats-server")]
fn workers_on_nats_server() {
    on_peer(&nats_server(), &["workers"]);
}

#[test]
#[cfg_attr(not(peer = "nats-server"), ignore = "needs nats-server")]
fn queues_and_refusals_on_nats_server() {
    on_peer(&nats_server(), &["queues", "refusals"]);
}

#[test]
#[cfg_attr(not(peer = "nats-server"), ignore = "needs nats-server")]
fn limits_copies_and_buckets_on_nats_server() {
    on_peer(&nats_server(), &["limits", "copies", "buckets"]);
}

/// The server of this version, if it is at hand.
fn on_version(version: &str, names: &[&str]) {
    let all = nats_servers();
    let program = all.iter().find(|path| path.to_string_lossy().contains(version));
    on_peer(program.unwrap_or_else(|| panic!("nats-server {version} is not at hand")), names);
}

#[test]
#[cfg_attr(not(peer = "nats-server"), ignore = "needs nats-server")]
fn workers_on_nats_server_2_10() {
    on_version("2.10.", &["workers"]);
}

#[test]
#[cfg_attr(not(peer = "nats-server"), ignore = "needs nats-server")]
fn all_others_on_nats_server_2_10() {
    on_version("2.10.", &["queues", "refusals", "limits", "copies", "buckets"]);
}

#[test]
#[cfg_attr(not(peer = "nats-server"), ignore = "needs nats-server")]
fn workers_on_nats_server_2_15() {
    on_version("2.15.", &["workers"]);
}

#[test]
#[cfg_attr(not(peer = "nats-server"), ignore = "needs nats-server")]
fn all_others_on_nats_server_2_15() {
    on_version("2.15.", &["queues", "refusals", "limits", "copies", "buckets"]);
}

#[test]
#[cfg_attr(not(peer = "nats-server"), ignore = "needs nats-server")]
fn people_on_nats_server() {
    let place = folder("people");
    let conf = run(&["render", "nats-conf", place.to_str().unwrap()]).out;
    let conf = conf.replace("$STORY_PASSWORD", PASSWORD.1);
    let conf = conf.replace("store_dir: \"/data/jetstream\"", "");
    let own = tempfile::tempdir().unwrap();
    let file = own.path().join("nats.conf");
    std::fs::write(&file, conf).unwrap();
    let server = NatsServer::start_with(&nats_server(), &["-c".as_ref(), file.as_os_str()]);
    assert_eq!(check("people", &["-s", &server.url, "--user", "admin"]), 3);
}

#[test]
fn what_is_there_already_is_left_alone() {
    let store = tempfile::tempdir().unwrap();
    let server = watershed_server::Server::builder().store_dir(store.path()).start().unwrap();
    let url = server.client_url();
    let mine = store.path().join("mine.yaml");
    let text = "watershed: 1\nname: mine\nstreams: { MEM: { subjects: [mine.>] } }\n";
    std::fs::write(&mine, text).unwrap();
    let file = mine.to_str().unwrap();
    let made = run(&["apply", file, "-s", &url, "--yes"]);
    assert_eq!(made.code, Some(0), "{}{}", made.out, made.err);
    let ran = play("limits", &["-s", &url]);
    let said = format!("exit code {}\n{}{}", ran.code.unwrap(), ran.out, ran.err);
    insta::assert_snapshot!(said, @"
    exit code 5
    error: the server has the stream `MEM`: stories make the streams of `story-limits` and delete them, and touch no other. Play them in another account, or with --on up
    ");
    assert_eq!(run(&["verify", file, "-s", &url]).code, Some(0));
}

#[test]
fn an_interrupt_leaves_nothing_behind() {
    let store = tempfile::tempdir().unwrap();
    let server = watershed_server::Server::builder().store_dir(store.path()).start().unwrap();
    let url = server.client_url();
    let place = folder("workers");
    let mut command = watershed(&["test", place.to_str().unwrap(), "-s", &url]);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    // The first story has ended, and others follow.
    assert!(lines.any(|line| line.unwrap().contains('✓')));
    let told = Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap();
    assert!(told.success());
    lines.for_each(drop);
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.ends_with("error: interrupted\n"), "{said}");
    let left = run(&["status", "-s", &url, "--json"]);
    assert!(left.out.contains("\"streams\": []"), "{}", left.out);
}
