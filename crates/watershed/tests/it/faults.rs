//! A stream that is made again while the worst happens at every single call: it is there afterwards, as the
//! old one or as the new one, and the next run goes on.

use std::net::SocketAddr;
use std::path::Path;

use serde_json::{Value, json};
use watershed_peers::{NatsServer, nats_servers};

use crate::faulty::{Fault, Faulty};
use crate::raw::Raw;
use crate::server::{Running, run, succeed, watershed, write};

const FILE: &str = "watershed: 1\nname: x\nstreams: { S: { subjects: [s.>], max_age: 1d, storage: file, consumers: { c: {} } } }\n";

/// What the old stream and its consumer are, as the program makes them.
fn old(raw: &mut Raw, url: &str) -> [Value; 2] {
    let folder = tempfile::tempdir().unwrap();
    let file = write(&folder, &FILE.replace("storage: file", "storage: memory"));
    succeed(&["apply", "--yes", "-s", url, &file]);
    let mut config = |call: &str| {
        let mut config = raw.done(call, &json!({}))["config"].take();
        let metadata = config["metadata"].as_object_mut().unwrap();
        metadata.retain(|key, _| !key.starts_with("_nats"));
        config
    };
    [config("STREAM.INFO.S"), config("CONSUMER.INFO.S.c")]
}

/// The backups that were made.
fn backups(folder: &Path) -> Vec<String> {
    let Ok(all) = std::fs::read_dir(folder.join(".watershed/x/backups")) else { return Vec::new() };
    let all = all.map(|entry| entry.unwrap().path());
    let whole = all.filter(|path| path.join("backup.json").is_file());
    whole.map(|path| path.display().to_string()).collect()
}

fn check(url: &str, fault: Fault, part: usize) {
    let server: SocketAddr = url.trim_start_matches("nats://").parse().unwrap();
    let mut raw = Raw::connect(url);
    let [stream, consumer] = old(&mut raw, url);
    for at in (1 + part..).step_by(PARTS) {
        let folder = tempfile::tempdir().unwrap();
        let file = write(&folder, FILE);
        raw.call("STREAM.DELETE.S", &json!({}));
        while raw.call("STREAM.CREATE.S", &stream).get("error").is_some() {}
        raw.done("CONSUMER.CREATE.S.c", &json!({"stream_name": "S", "config": consumer}));
        for number in 0..3_u8 {
            raw.store("s.x", &[], &[number]);
        }
        let proxy = Faulty::start(server, fault, at);
        let arguments = ["apply", "--yes", "--recreate", "S", "--timeout", "400ms", "-s"];
        let command = watershed(&[&arguments[..], &[&proxy.url, &file]].concat());
        let (output, all) = proxy.run(command);
        let killed = matches!(fault, Fault::KilledBefore | Fault::KilledAfter);
        let said = String::from_utf8_lossy(&output.stderr);
        let place = format!("{fault:?} at {at}: {said}");
        let there = raw.call("STREAM.INFO.S", &json!({}));
        // A server may still be at what it was told.
        let content = raw.content("S");
        match (there["config"]["storage"].as_str(), content) {
            (Some("memory"), Some(content)) => assert_eq!(content.len(), 3, "{place}"),
            (Some("file"), Some(_)) => assert!(!backups(folder.path()).is_empty(), "{place}"),
            _ => {
                // Nobody is there to make it again but the next run; what it was is in a file.
                assert!(killed, "neither is there: {place}");
                let all = backups(folder.path());
                succeed(&["restore", &all[0], "-s", url]);
                assert_eq!(raw.content("S").unwrap().len(), 3, "{place}");
            }
        }
        let again = run(&["apply", "--yes", "--recreate", "S", "-s", url, &file]);
        assert_eq!(again.code, Some(0), "{place}: {}{}", again.out, again.err);
        let proof = raw.call("STREAM.INFO.watershed_proof_S", &json!({}));
        assert_eq!(proof["error"]["err_code"], 10059, "{place}");
        if all {
            assert!(at > 15, "{place}");
            break;
        }
    }
}

/// Every call of a recreate belongs to one of so many tests: none takes long.
const PARTS: usize = 5;

macro_rules! tests {
    ($($name:ident: $fault:ident, $part:literal;)*) => {$(
        mod $name {
            use super::*;

            #[test]
            fn leaves_one_of_both_on_this_server() {
                let folder = tempfile::tempdir().unwrap();
                let server = Running::start(&folder.path().join("store"));
                check(&server.url(), Fault::$fault, $part);
            }

            #[test]
            #[cfg_attr(not(peer = "nats-server"), ignore = "needs nats-server: see .ci/peers")]
            fn leaves_one_of_both_on_a_real_server() {
                // Each part on another one.
                let servers = nats_servers();
                let program = &servers[($part + Fault::$fault as usize) % servers.len()];
                check(&NatsServer::start(program).url, Fault::$fault, $part);
            }
        }
    )*};
}

tests! {
    killed_before_0: KilledBefore, 0;
    killed_before_1: KilledBefore, 1;
    killed_before_2: KilledBefore, 2;
    killed_before_3: KilledBefore, 3;
    killed_before_4: KilledBefore, 4;
    killed_after_0: KilledAfter, 0;
    killed_after_1: KilledAfter, 1;
    killed_after_2: KilledAfter, 2;
    killed_after_3: KilledAfter, 3;
    killed_after_4: KilledAfter, 4;
    cut_before_0: CutBefore, 0;
    cut_before_1: CutBefore, 1;
    cut_before_2: CutBefore, 2;
    cut_before_3: CutBefore, 3;
    cut_before_4: CutBefore, 4;
    cut_after_0: CutAfter, 0;
    cut_after_1: CutAfter, 1;
    cut_after_2: CutAfter, 2;
    cut_after_3: CutAfter, 3;
    cut_after_4: CutAfter, 4;
    unanswered_0: Unanswered, 0;
    unanswered_1: Unanswered, 1;
    unanswered_2: Unanswered, 2;
    unanswered_3: Unanswered, 3;
    unanswered_4: Unanswered, 4;
}
