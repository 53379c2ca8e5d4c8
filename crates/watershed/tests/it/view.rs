//! `view`: what a stream holds, wherever in its sequences that is.

use serde_json::Value;

use crate::server::{Running, run, succeed, write};
use watershed_peers::{NatsServer, nats_servers};

const FILE: &str = "\
watershed: 1
name: view
streams:
  WORK: { subjects: [work.>], retention: workqueue, max_age: 1d, consumers: { c: { max_deliver: 3, backoff: [1h] } } }
";

/// Sequences that `view` shows.
#[track_caller]
fn shown(url: &str, arguments: &[&str]) -> Vec<u64> {
    let mut all = vec!["view", "-s", url, "--json", "WORK"];
    all.extend(arguments);
    let lines = succeed(&all);
    let lines = lines.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    lines.map(|line| line["sequence"].as_u64().unwrap()).collect()
}

/// A work queue in which three messages are left: one that nobody can do, and the two newest.
fn check(url: &str) {
    let folder = tempfile::tempdir().unwrap();
    succeed(&["apply", "--yes", "-s", url, &write(&folder, FILE)]);
    assert_eq!(shown(url, &[]), [0; 0]);
    for number in 1..=40 {
        let subject = if number == 3 { "work.bad" } else { "work.good" };
        succeed(&["pub", "-s", url, subject, &number.to_string()]);
    }
    let take = |flags: &[&str], count: &str| {
        let mut all = vec!["next", "-s", url, "--count", count, "WORK", "c"];
        all.extend(flags);
        succeed(&all);
    };
    take(&[], "2");
    take(&["--no-ack"], "1");
    take(&[], "35");

    assert_eq!(shown(url, &[]), [3, 39, 40]);
    assert_eq!(shown(url, &["--last", "2"]), [39, 40]);
    assert_eq!(shown(url, &["--last", "1", "--subject", "work.bad"]), [3]);
    assert_eq!(shown(url, &["--subject", "work.none"]), [0; 0]);
    assert_eq!(shown(url, &["--from", "4", "--last", "1"]), [39]);
    assert_eq!(shown(url, &["--last", "0"]), [0; 0]);
    take(&[], "2");
    assert_eq!(shown(url, &[]), [3]);
    let ran = run(&["view", "-s", url, "WORK"]);
    assert_eq!(ran.err, "1 shown; WORK holds 1 message\n");
    let ran = run(&["view", "-s", url, "NONE"]);
    assert_eq!((ran.code, ran.err.as_str()), (Some(1), "error: unknown stream `NONE`\n"));
}

#[test]
fn the_newest_messages_are_shown_on_this_server() {
    let folder = tempfile::tempdir().unwrap();
    let server = Running::start(&folder.path().join("store"));
    check(&server.url());
}

#[test]
#[cfg_attr(not(peer = "nats-server"), ignore = "needs nats-server: see .ci/peers")]
fn the_newest_messages_are_shown_on_real_servers() {
    for program in nats_servers() {
        check(&NatsServer::start(&program).url);
    }
}
