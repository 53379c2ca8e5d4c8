//! What a topology has on one server is taken to another one: all of it, as it was, whatever happens on the way.

use std::net::SocketAddr;
use std::process::Stdio;
use std::time::Instant;

use serde_json::{Value, json};
use tempfile::TempDir;
use watershed_peers::{NatsServer, nats_server, nats_servers};

use crate::alone::interrupt;
use crate::apply::cluster;
use crate::faulty::{Fault, Faulty};
use crate::migrating::{every_call, stride};
use crate::proxy::{Gate, Proxy};
use crate::raw::Raw;
use crate::server::{PATIENCE, Ran, Running, run, succeed, watershed, write};

const FILE: &str = "\
watershed: 1
name: shop
streams:
  ORDERS: { subjects: [orders.>], max_age: 7d, consumers: { billing: { filter_subject: orders.paid } } }
  JOBS: { subjects: [jobs.>], retention: workqueue, consumers: { worker: {} } }
  COPY: { sources: [{ name: ORDERS }] }
  HOT: { subjects: [hot.>], storage: memory }
key_values: { settings: {} }
";

const STREAMS: [&str; 5] = ["COPY", "HOT", "JOBS", "KV_settings", "ORDERS"];

/// Everything in the streams of the file, and where their consumers are. Sequences and times of what is in memory are
/// others on another server.
fn seen(url: &str) -> Vec<Value> {
    let mut raw = Raw::connect(url);
    let mut all = Vec::new();
    for stream in STREAMS {
        let messages = raw.messages(stream).unwrap_or_default();
        all.extend(messages.into_iter().map(|mut message| {
            if stream == "HOT" {
                message["time"].take();
            }
            message
        }));
    }
    for consumer in ["ORDERS.billing", "JOBS.worker"] {
        let info = raw.call(&format!("CONSUMER.INFO.{consumer}"), &json!({}));
        all.extend(["delivered", "ack_floor"].map(|at| info[at]["stream_seq"].clone()));
        all.extend(["num_ack_pending", "num_pending"].map(|field| info[field].clone()));
    }
    all
}

/// Makes the streams of the file, with something in each.
fn fill(url: &str, file: &str) {
    succeed(&["apply", "--yes", "--replicas", "1", "-s", url, file]);
    let mut raw = Raw::connect(url);
    for number in 0..20_u8 {
        raw.store("orders.paid", b"NATS/1.0\r\nA: b\r\n\r\n", &[number]);
        raw.store("jobs.do", b"", &[number; 100]);
        raw.store("hot.x", b"NATS/1.0\r\nA: b\r\n\r\n", &[number]);
    }
    raw.store("$KV.settings.colour", b"", b"blue");
    raw.done("STREAM.MSG.DELETE.ORDERS", &json!({"seq": 3}));
    succeed(&["next", "-s", url, "ORDERS", "billing", "--count", "7"]);
    succeed(&["next", "-s", url, "JOBS", "worker", "--count", "5"]);
    while raw.messages("COPY").unwrap().len() < 19 {}
}

fn shift(file: &str, from: &str, to: &str) -> Ran {
    run(&["move", file, "-s", from, "--to", to, "--yes"])
}

/// There, once more, with more, and back.
fn check(here: &str, there: &str) {
    let folder = tempfile::tempdir().unwrap();
    let file = write(&folder, FILE);
    fill(here, &file);
    let expected = seen(here);
    let ran = shift(&file, here, there);
    assert_eq!(ran.code, Some(0), "{}{}", ran.out, ran.err);
    assert!(ran.err.contains("published again: sequences and times are new"), "{}", ran.err);
    assert!(
        ran.err.contains("moved 5 streams, compared and verified: 7 assets as declared"),
        "{}",
        ran.err
    );
    assert_eq!(seen(there), expected);
    assert_eq!(seen(here), expected);
    let again = shift(&file, here, there);
    assert_eq!(again.code, Some(0), "{}{}", again.out, again.err);
    assert!(again.out.contains("= ORDERS is there already"), "{}", again.out);

    // What came meanwhile is taken along with the next run.
    Raw::connect(here).store("orders.late", b"", b"");
    while Raw::connect(here).messages("COPY").unwrap().len() < 20 {}
    let again = shift(&file, here, there);
    assert_eq!(again.code, Some(0), "{}{}", again.out, again.err);
    assert!(again.out.contains("+ ORDERS: 20 messages, 1 consumer, once more"), "{}", again.out);
    assert_eq!(seen(there), seen(here));

    // What is in use there stays.
    Raw::connect(there).store("orders.paid", b"", b"there");
    Raw::connect(here).store("orders.paid", b"", b"here");
    let refused = shift(&file, here, there);
    assert_eq!(refused.code, Some(5), "{}{}", refused.out, refused.err);
    assert!(refused.out.contains("ORDERS is there already, and is another one"), "{}", refused.out);
    while Raw::connect(there).messages("COPY").unwrap().len() < 21 {}
    succeed(&["destroy", "--yes", "-s", here, &file]);
    let expected = seen(there);
    let back = shift(&file, there, here);
    assert_eq!(back.code, Some(0), "{}{}", back.out, back.err);
    assert_eq!(seen(here), expected);
    for url in [here, there] {
        succeed(&["destroy", "--yes", "-s", url, &file]);
    }
}

#[test]
fn everything_moves_between_two_of_this_server() {
    let folder = tempfile::tempdir().unwrap();
    let servers = ["a", "b"].map(|name| Running::start(&folder.path().join(name)));
    check(&servers[0].url(), &servers[1].url());
}

#[test]
#[cfg_attr(not(peer = "nats-server"), ignore = "needs nats-server: see .ci/peers")]
fn everything_moves_to_a_real_server_and_back() {
    let folder = tempfile::tempdir().unwrap();
    let here = Running::start(&folder.path().join("store"));
    check(&here.url(), &NatsServer::reference().url);
}

#[test]
#[cfg_attr(not(peer = "nats-server"), ignore = "needs nats-server: see .ci/peers")]
fn everything_moves_to_servers_of_other_versions_and_back() {
    for program in nats_servers().iter().skip(1).filter(|path| {
        ["2.10", "2.15"].iter().any(|version| path.display().to_string().contains(version))
    }) {
        let folder = tempfile::tempdir().unwrap();
        let here = Running::start(&folder.path().join("store"));
        check(&here.url(), &NatsServer::start(program).url);
    }
}

/// Onto three servers, each stream with the copies that the file says.
#[test]
#[cfg_attr(not(peer = "nats-server"), ignore = "needs nats-server: see .ci/peers")]
fn everything_moves_to_a_cluster() {
    let folder = tempfile::tempdir().unwrap();
    let here = Running::start(&folder.path().join("store"));
    let three = FILE.replace("streams:", "defaults: { stream: { num_replicas: 3 } }\nstreams:");
    let file = write(&folder, &three.replace("settings: {}", "settings: { num_replicas: 3 }"));
    fill(&here.url(), &file);
    let expected = seen(&here.url());
    let cluster = cluster(&nats_server());
    let there = &cluster[0].url;
    // It has a leader when it answers.
    let deadline = Instant::now() + PATIENCE;
    while run(&["status", "-s", there]).code != Some(0) {
        assert!(Instant::now() < deadline);
    }
    let ran = shift(&file, &here.url(), there);
    assert_eq!(ran.code, Some(0), "{}{}", ran.out, ran.err);
    assert!(ran.err.contains("compared and verified: 7 assets as declared"), "{}", ran.err);
    assert_eq!(seen(there), expected);
    let mut raw = Raw::connect(&cluster[1].url);
    for stream in STREAMS {
        let info = raw.done(&format!("STREAM.INFO.{stream}"), &json!({}));
        assert_eq!(info["config"]["num_replicas"], 3, "{stream}");
    }
    // And back to one.
    succeed(&["destroy", "--yes", "-s", &here.url(), &file]);
    let ran = run(&["move", &file, "-s", there, "--to", &here.url(), "--yes", "--replicas", "1"]);
    assert_eq!(ran.code, Some(0), "{}{}", ran.out, ran.err);
    assert_eq!(seen(&here.url()), expected);
}

/// What does not fit is not begun.
#[test]
#[cfg_attr(not(peer = "nats-server"), ignore = "needs nats-server: see .ci/peers")]
fn what_has_no_room_is_not_moved() {
    let folder = tempfile::tempdir().unwrap();
    let file = write(&folder, FILE);
    let here = Running::start(&folder.path().join("store"));
    fill(&here.url(), &file);
    for (limits, said) in [
        (
            "accounts { A { users: [{ user: a, password: a }], jetstream { max_streams: 4 } } }\nno_auth_user: a\njetstream {}",
            "streams: 5 more are needed, and the account may have 4 more",
        ),
        (
            "accounts { A { users: [{ user: a, password: a }], jetstream { max_file: 2K } } }\nno_auth_user: a\njetstream {}",
            "bytes on disk: ",
        ),
        ("jetstream { max_file_store: 2K }", "bytes on disk: "),
    ] {
        let config = folder.path().join("server.conf");
        std::fs::write(&config, limits).unwrap();
        let there = NatsServer::start_with(&nats_server(), &["-c", config.to_str().unwrap()]);
        let ran = shift(&file, &here.url(), &there.url);
        assert_eq!(ran.code, Some(5), "{limits}: {}{}", ran.out, ran.err);
        let why = format!("! there is not enough room for all of this there: {said}");
        assert!(ran.out.contains(&why), "{limits}: {}", ran.out);
        let names = Raw::connect(&there.url).done("STREAM.NAMES", &json!({}));
        assert_eq!(names["total"], 0, "{limits}: {names}");
    }
}

/// Ctrl-C says how to go on.
#[test]
fn an_interrupted_move_says_how_to_go_on() {
    let folder = tempfile::tempdir().unwrap();
    let file = write(&folder, FILE);
    let servers = ["a", "b"].map(|name| Running::start(&folder.path().join(name)));
    let [here, there] = servers.each_ref().map(Running::url);
    fill(&here, &file);
    let gate = Gate { request: "STREAM.RESTORE.", count: usize::MAX };
    let proxy = Proxy::gated(there.trim_start_matches("nats://").parse().unwrap(), gate);
    let mut command = watershed(&["move", &file, "-s", &here, "--to", &proxy.url, "--yes"]);
    let running = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    while proxy.count(gate.request) == 0 {
        std::thread::yield_now();
    }
    interrupt(&running);
    let output = running.wait_with_output().unwrap();
    proxy.open();
    let said = String::from_utf8(output.stderr).unwrap();
    let end = "interrupted; what was done stays: run `watershed move` again to go on";
    assert!(said.contains(end), "{said}");
    let again = shift(&file, &here, &there);
    assert_eq!(again.code, Some(0), "{said}{}{}", again.out, again.err);
}

/// A subject that another stream has there is in the way, before anything changes.
#[test]
fn what_another_stream_stores_is_in_the_way() {
    let folder = tempfile::tempdir().unwrap();
    let file = write(&folder, FILE);
    let servers = ["a", "b"].map(|name| Running::start(&folder.path().join(name)));
    let [here, there] = servers.each_ref().map(Running::url);
    fill(&here, &file);
    let mut raw = Raw::connect(&there);
    raw.done("STREAM.CREATE.OTHER", &json!({"name": "OTHER", "subjects": ["jobs.a"]}));
    let refused = shift(&file, &here, &there);
    assert_eq!(refused.code, Some(5), "{}{}", refused.out, refused.err);
    assert!(refused.out.contains("! JOBS: `jobs.>` is stored by `OTHER` there"), "{}", refused.out);
    assert_eq!(raw.call("STREAM.INFO.ORDERS", &json!({}))["error"]["err_code"], 10059);
}

/// What is in the streams, wherever it stands in them, and what is left to do.
fn content(url: &str) -> Vec<Value> {
    let mut all = seen(url);
    for one in all.iter_mut().filter(|one| one.is_object()) {
        let one = one.as_object_mut().unwrap();
        // A stream that was copied may be copied once more, to another place.
        one.retain(|field, _| field == "subject" || field == "data");
    }
    let places = all.len() - 8;
    let counts = [2, 3, 6, 7].map(|at| all[places + at].clone());
    all.truncate(places);
    all.sort_by_key(Value::to_string);
    // What is to be delivered again counts as what was never delivered.
    let left = counts.chunks(2).map(|two| two.iter().filter_map(Value::as_u64).sum::<u64>().into());
    all.extend(left);
    all
}

/// Another client makes, or changes, a stream of the same name there.
fn meddle(there: &str) {
    let mut raw = Raw::connect(there);
    raw.call("STREAM.CREATE.JOBS", &json!({"name": "JOBS", "subjects": ["jobs.>"]}));
    raw.store("jobs.theirs", b"", b"theirs");
}

/// Each fault at some of the calls to the new server, or at all of them. After it, nothing has changed on the old one;
/// the next run goes on. What another client has stored there stays.
fn check_fault(there: &str, fault: Fault, calls: &[usize]) {
    let folder: TempDir = tempfile::tempdir().unwrap();
    let here = Running::start(&folder.path().join("store"));
    let here = here.url();
    let file = write(&folder, FILE);
    fill(&here, &file);
    let (expected, expected_content) = (seen(&here), content(&here));
    let server: SocketAddr = there.trim_start_matches("nats://").parse().unwrap();
    let every = (1..usize::MAX).step_by(stride().unwrap_or(1));
    let some = calls.iter().copied();
    let calls: Box<dyn Iterator<Item = usize>> =
        if every_call() { Box::new(every) } else { Box::new(some) };
    for at in calls {
        let other = there.to_owned();
        let proxy = Faulty::start_with(server, fault, at, move || meddle(&other));
        let arguments =
            ["move", &file, "-s", &here, "--to", &proxy.url, "--yes", "--timeout", "400ms"];
        let (output, all) = proxy.run(watershed(&arguments));
        let place = format!("{fault:?} at {at}: {}", String::from_utf8_lossy(&output.stderr));
        assert_eq!(seen(&here), expected, "{place}");
        if fault == Fault::Changed && !all {
            let theirs = Raw::connect(there).messages("JOBS").unwrap_or_default();
            assert!(theirs.iter().any(|one| one["subject"] == "jobs.theirs"), "{place}");
            assert_eq!(shift(&file, &here, there).code, Some(5), "{place}");
        } else {
            let again = shift(&file, &here, there);
            assert_eq!(again.code, Some(0), "{place}: {}{}", again.out, again.err);
            if matches!(fault, Fault::Denied | Fault::Full) {
                assert_eq!(content(there), expected_content, "{place}");
            } else {
                assert_eq!(seen(there), expected, "{place}");
            }
        }
        if all {
            assert!(every_call() && at > 60, "{place}: that was all");
            break;
        }
        let mut raw = Raw::connect(there);
        for stream in STREAMS {
            raw.call(&format!("STREAM.DELETE.{stream}"), &json!({}));
        }
    }
}

macro_rules! interrupted {
    ($($name:ident: $fault:ident, $calls:expr;)*) => {
        mod interrupted {
            use super::*;
            $(mod $name {
                use super::*;

                #[test]
                fn goes_on_with_this_server() {
                    let folder = tempfile::tempdir().unwrap();
                    let there = Running::start(&folder.path().join("there"));
                    check_fault(&there.url(), Fault::$fault, &$calls);
                }

                #[test]
                #[cfg_attr(not(peer = "nats-server"), ignore = "needs nats-server: see .ci/peers")]
                fn goes_on_with_a_real_server() {
                    check_fault(&NatsServer::reference().url, Fault::$fault, &$calls);
                }
            })*
        }
    };
}

interrupted! {
    killed_before: KilledBefore, [16, 27];
    killed_after: KilledAfter, [19, 30];
    cut_before: CutBefore, [17];
    cut_after: CutAfter, [22];
    unanswered: Unanswered, [18];
    denied: Denied, [12, 21];
    full: Full, [14, 20];
    changed: Changed, [13, 24];
}
