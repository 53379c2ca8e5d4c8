//! A backup that is restored while the worst happens at every single call: afterwards the stream is there as it was, or
//! not at all; the next run goes on, and what others have stays theirs.

use std::net::SocketAddr;

use serde_json::{Value, json};
use watershed_peers::{NatsServer, nats_servers};

use crate::faulty::{Fault, Faulty};
use crate::migrating::{every_call, stride};
use crate::raw::Raw;
use crate::server::{Running, run, succeed, watershed, write};

const FILE: &str = "watershed: 1\nname: x\nstreams: { S: { subjects: [s.>], max_age: 1d, consumers: { c: {} } } }\n";

/// Messages and positions. What was published again has other sequences and times.
fn seen(raw: &mut Raw, exact: bool) -> Vec<Value> {
    let mut all = raw.messages("S").unwrap_or_default();
    for message in all.iter_mut().filter(|_| !exact) {
        message.as_object_mut().unwrap().retain(|part, _| !["seq", "time"].contains(&&**part));
    }
    let info = raw.call("CONSUMER.INFO.S.c", &json!({}));
    all.push(info["num_pending"].clone());
    if exact {
        all.extend(["delivered", "ack_floor"].map(|at| info[at]["stream_seq"].clone()));
    }
    all
}

/// What another client has, or makes first.
fn theirs(raw: &mut Raw, name: &str, subject: &str) {
    raw.call(&format!("STREAM.CREATE.{name}"), &json!({"name": name, "subjects": [subject]}));
    raw.call("STREAM.INFO.none", &json!({}));
}

fn check(url: &str, fault: Fault, calls: &[usize]) {
    let folder = tempfile::tempdir().unwrap();
    let backup = folder.path().join("backups").display().to_string();
    let mut raw = Raw::connect(url);
    succeed(&["apply", "--yes", "-s", url, &write(&folder, FILE)]);
    for number in 0..40_u8 {
        raw.store("s.x", b"NATS/1.0\r\nA: b\r\n\r\n", &[number]);
    }
    raw.done("STREAM.MSG.DELETE.S", &json!({"seq": 9}));
    succeed(&["next", "-s", url, "S", "c", "--count", "5"]);
    succeed(&["backup", &backup, "S", "-s", url]);
    theirs(&mut raw, "OTHER", "other");
    raw.store("other", b"", b"theirs");
    for way in [None, Some("--publish")] {
        let expected = seen(&mut raw, way.is_none());
        let every = (1..usize::MAX).step_by(stride().unwrap_or(1));
        let some = calls.iter().copied();
        let calls: Box<dyn Iterator<Item = usize>> =
            if every_call() { Box::new(every) } else { Box::new(some) };
        for at in calls {
            raw.call("STREAM.DELETE.S", &json!({}));
            let all = one(&mut raw, url, &backup, (fault, at), way, &expected);
            let other = raw.messages("OTHER").unwrap();
            assert_eq!(other.len(), 1, "{fault:?} at {at}");
            if all {
                assert!(at > 4, "{fault:?} at {at}: that was all");
                break;
            }
        }
        // As it was, for the other way.
        raw.call("STREAM.DELETE.S", &json!({}));
        succeed(&["restore", &backup, "-s", url]);
    }
}

/// One fault at one call, and the next run. Whether the call did not come.
fn one(
    raw: &mut Raw,
    url: &str,
    backup: &str,
    (fault, at): (Fault, usize),
    way: Option<&str>,
    expected: &[Value],
) -> bool {
    let server: SocketAddr = url.trim_start_matches("nats://").parse().unwrap();
    let other = url.to_owned();
    let meddle = move || theirs(&mut Raw::connect(&other), "S", "theirs");
    let proxy = Faulty::start_with(server, fault, at, meddle);
    let first = ["restore", backup, "--timeout", "400ms", "-s", &proxy.url];
    let (output, all) = proxy.run(watershed(&[&first[..], way.as_slice()].concat()));
    let place = format!("{fault:?} at {at}, {way:?}: {}", String::from_utf8_lossy(&output.stderr));
    let again = run(&[&["restore", backup, "-s", url][..], way.as_slice()].concat());
    let said = format!("{place}{}{}", again.out, again.err);
    if again.code != Some(0) {
        // It is complete, or somebody else's.
        assert!(again.err.contains("is there already; nothing was restored"), "{said}");
        let config = raw.done("STREAM.INFO.S", &json!({}))["config"].take();
        if config["subjects"] == json!(["theirs"]) {
            assert_eq!(fault, Fault::Changed, "{said}");
            assert!(output.status.code() != Some(0), "{said}");
            return all;
        }
    }
    let exact = way.is_none() && !matches!(fault, Fault::Denied | Fault::Full);
    let strip = |all: &[Value]| -> Vec<Value> {
        let mut all: Vec<Value> = all.iter().filter(|one| one.is_object()).cloned().collect();
        for message in &mut all {
            message.as_object_mut().unwrap().retain(|part, _| !["seq", "time"].contains(&&**part));
        }
        all
    };
    let there = seen(raw, exact);
    if exact || way.is_some() {
        assert_eq!(there, expected, "{said}");
    } else {
        // The first run may have published what it may not restore.
        assert_eq!(strip(&there), strip(expected), "{said}");
    }
    all
}

macro_rules! interrupted {
    ($($name:ident: $fault:ident, $calls:expr;)*) => {$(
        mod $name {
            use super::*;

            #[test]
            fn restores_all_or_nothing_on_this_server() {
                let folder = tempfile::tempdir().unwrap();
                let server = Running::start(&folder.path().join("store"));
                check(&server.url(), Fault::$fault, &$calls);
            }

            #[test]
            #[cfg_attr(not(peer = "nats-server"), ignore = "needs nats-server: see .ci/peers")]
            fn restores_all_or_nothing_on_a_real_server() {
                // Each fault on another one.
                let servers = nats_servers();
                let program = &servers[Fault::$fault as usize % servers.len()];
                check(&NatsServer::start(program).url, Fault::$fault, &$calls);
            }
        }
    )*};
}

interrupted! {
    killed_before: KilledBefore, [4, 7];
    killed_after: KilledAfter, [5, 8];
    cut_before: CutBefore, [5];
    cut_after: CutAfter, [4];
    unanswered: Unanswered, [5];
    denied: Denied, [3, 5];
    full: Full, [4, 6];
    changed: Changed, [3, 5];
}
