//! Subjects that go from one stream to another with what is stored under them, while both are there.

use std::net::SocketAddr;
use std::time::Instant;

use serde_json::{Value, json};
use watershed_peers::{NatsServer, nats_server, nats_servers};

use crate::faulty::{Fault, Faulty};
use crate::migrating::{every_call, stride};
use crate::raw::Raw;
use crate::server::{PATIENCE, Running, run, succeed, watershed, write};

/// A file of the topology `x` with these streams.
fn file(streams: &str) -> String {
    format!("watershed: 1\nname: x\nstreams:\n{streams}")
}

fn subjects(raw: &mut Raw, stream: &str) -> Value {
    raw.done(&format!("STREAM.INFO.{stream}"), &json!({}))["config"]["subjects"].take()
}

/// A stream has these messages, as far as the server keeps what they were.
#[track_caller]
fn same(raw: &mut Raw, stream: &str, expected: &[Value], place: &str) {
    let there = raw.messages(stream).unwrap_or_default();
    assert_eq!(raw.lasting(&there), raw.lasting(expected), "{place}");
}

/// One subject goes to a stream of its own, the other one stays.
fn one_goes(url: &str) {
    let folder = tempfile::tempdir().unwrap();
    let mut raw = Raw::connect(url);
    let old = file(
        "  S: { subjects: [s.>], consumers: { all: {}, c: { filter_subject: s.c }, d: { filter_subject: s.d } } }\n",
    );
    succeed(&["apply", "--yes", "-s", url, &write(&folder, &old)]);
    for number in 0..12_u8 {
        let subject = if number % 2 == 0 { "s.c" } else { "s.d" };
        let block = format!("NATS/1.0\r\nNats-Msg-Id: {number}\r\nX-Own: a b\r\n\r\n");
        raw.store(subject, block.as_bytes(), &[b'a' + number]);
    }
    succeed(&["next", "-s", url, "S", "c", "--count", "1"]);
    succeed(&["next", "-s", url, "S", "all", "--count", "2"]);
    let before = raw.messages("S").unwrap();
    let new = file(
        "  S: { subjects: [s.d], consumers: { all: {}, d: { filter_subject: s.d } } }\n  T: { subjects: [s.c], consumers: { all: {}, c: { filter_subject: s.c } } }\n",
    );
    let path = write(&folder, &new);
    let apply = |flags: &[&str]| {
        let ran = run(&[&["apply", "--yes", "-s", url], flags, &[&path]].concat());
        (ran.code, format!("{}{}", ran.out, ran.err))
    };
    let (code, said) = apply(&[]);
    assert!(code == Some(5) && said.contains("without --migrate T --allow-loss T"), "{said}");
    assert!(
        said.contains("gets `s.c` from `S`") && said.contains("`S` goes on with `s.d`"),
        "{said}"
    );
    let (code, said) = apply(&["--migrate", "T", "--allow-loss", "T"]);
    assert!(code == Some(0), "{said}");
    let of = |subject: &str| -> Vec<Value> {
        before.iter().filter(|one| one["subject"] == subject).cloned().collect()
    };
    same(&mut raw, "T", &of("s.c"), &said);
    same(&mut raw, "S", &of("s.d"), &said);
    assert_eq!(subjects(&mut raw, "S"), json!(["s.d"]));
    assert_eq!(subjects(&mut raw, "T"), json!(["s.c"]));
    for (stream, consumer, first) in
        [("T", "c", "c"), ("T", "all", "c"), ("S", "all", "d"), ("S", "d", "b")]
    {
        let next = succeed(&["next", "-s", url, stream, consumer]);
        assert!(next.trim_end().ends_with(&format!(" {first}")), "{stream}/{consumer}: {next}");
    }
    let plan = run(&["plan", "-s", url, &path]);
    assert!(plan.out.contains("- consumer S/c"), "{}", plan.out);
    for stream in ["S", "T"] {
        raw.done(&format!("STREAM.DELETE.{stream}"), &json!({}));
    }
}

/// The streams of one example become those of another one, and what they were.
fn other_topology(url: &str) {
    let mut raw = Raw::connect(url);
    let root = concat!(env!("CARGO_MANIFEST_DIR"), "/../../examples");
    let (shop, platform) = (format!("{root}/20-streams"), format!("{root}/persistent-events"));
    let apply = |path: &str, flags: &[&str]| {
        let ran = run(&[&["apply", "--yes", "-s", url], flags, &[path]].concat());
        (ran.code, format!("{}{}", ran.out, ran.err))
    };
    let (code, said) = apply(&shop, &[]);
    assert_eq!(code, Some(0), "{said}");
    for number in 0..20_u8 {
        let subject = ["planning.story.transitioned", "context.updated", "workflow.task.done"]
            [usize::from(number) % 3];
        raw.store(subject, b"NATS/1.0\r\nX-Own: a b\r\n\r\n", &[b'a' + number]);
    }
    succeed(&["next", "-s", url, "planning-events", "context-planning-events", "--count", "3"]);
    let (stories, contexts) =
        (raw.messages("planning-events").unwrap(), raw.messages("context-updates").unwrap());
    let (code, said) = apply(&platform, &["--migrate", "all"]);
    assert!(code == Some(5) && said.contains("without --take-from 20-streams"), "{said}");
    let (code, said) = apply(&platform, &["--migrate", "all", "--take-from", "20-streams"]);
    assert!(code == Some(0) && said.contains("verified"), "{said}");
    same(&mut raw, "PLANNING_EVENTS", &stories, &said);
    same(&mut raw, "CONTEXT_EVENTS", &contexts, &said);
    // What nobody else has stays where it is.
    assert_eq!(raw.messages("workflow-events").unwrap().len(), 6);
    raw.store("planning.story.transitioned", &[], b"new");
    let next = succeed(&[
        "next",
        "-s",
        url,
        "PLANNING_EVENTS",
        "context-planning-story-transitions",
        "--count",
        "1",
    ]);
    assert!(next.trim_end().ends_with(" a"), "{next}");

    let back = ["--migrate", "all", "--take-from", "persistent-events"];
    let (code, said) = apply(&shop, &back);
    assert!(code == Some(5) && said.contains("--drop-old planning-events"), "{said}");
    let more = ["--drop-old", "all", "--allow-loss", "all"];
    let (code, said) = apply(&shop, &[&back[..], &more[..]].concat());
    assert!(code == Some(0), "{said}");
    let again = raw.messages("planning-events").unwrap();
    assert_eq!(raw.lasting(&again[..stories.len()]), raw.lasting(&stories));
    assert_eq!(again.len(), stories.len() + 1);
    same(&mut raw, "context-updates", &contexts, &said);
    // The worker goes on where it was.
    let next = succeed(&["next", "-s", url, "planning-events", "context-planning-events"]);
    assert!(next.trim_end().ends_with(" j"), "{next}");
    raw.store("planning.story.created", &[], b"newer");
    assert_eq!(raw.messages("planning-events").unwrap().len(), stories.len() + 2);
}

/// Files of a stream that is split, before and after.
const SPLIT: [&str; 2] = [
    "  S: { subjects: [s.>], consumers: { c: { filter_subject: s.c }, d: { filter_subject: s.d } } }\n",
    "  T: { subjects: [s.c], consumers: { c: { filter_subject: s.c } } }\n  U: { subjects: [s.d], consumers: { d: { filter_subject: s.d } } }\n",
];

/// The worst happens at a call, and the next run goes on. Whether the call did not come.
fn faulty(url: &str, fault: Fault, at: usize) -> bool {
    let server: SocketAddr = url.trim_start_matches("nats://").parse().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let mut raw = Raw::connect(url);
    for name in ["S", "T", "U"] {
        raw.call(&format!("STREAM.DELETE.{name}"), &json!({}));
    }
    let deadline = Instant::now() + PATIENCE;
    let path = write(&folder, &file(SPLIT[0]));
    while run(&["apply", "--yes", "-s", url, &path]).code != Some(0) {
        assert!(Instant::now() < deadline);
    }
    for number in 0..12_u8 {
        let subject = if number % 2 == 0 { "s.c" } else { "s.d" };
        raw.store(subject, b"NATS/1.0\r\nX-Own: a b\r\n\r\n", &[b'a' + number]);
    }
    succeed(&["next", "-s", url, "S", "c", "--count", "2"]);
    let before = raw.messages("S").unwrap();
    let path = write(&folder, &file(SPLIT[1]));
    let flags = ["apply", "--yes", "--migrate", "all", "--allow-loss", "all", "-s"];
    let proxy = Faulty::start(server, fault, at);
    // What is not answered is to be given up soon; the next run has nothing to give up.
    let soon = ["--timeout", "400ms"];
    let (output, all) = proxy.run(watershed(&[&flags[..], &[&proxy.url, &path], &soon].concat()));
    let place = format!("{fault:?} at {at}: {}", String::from_utf8_lossy(&output.stderr));
    let ran = run(&[&flags[..], &[url, &path]].concat());
    assert_eq!(ran.code, Some(0), "{place}: {}{}", ran.out, ran.err);
    let of = |subject: &str| -> Vec<Value> {
        before.iter().filter(|one| one["subject"] == subject).cloned().collect()
    };
    same(&mut raw, "T", &of("s.c"), &format!("{place}: {}{}", ran.out, ran.err));
    same(&mut raw, "U", &of("s.d"), &place);
    for (stream, consumer, first) in [("T", "c", "e"), ("U", "d", "b")] {
        let next = succeed(&["next", "-s", url, stream, consumer]);
        assert!(next.trim_end().ends_with(&format!(" {first}")), "{place}: {stream}: {next}");
    }
    let plan = run(&["plan", "-s", url, &path]);
    assert!(plan.out.contains("nothing to do"), "{place}: {}", plan.out);
    all
}

fn faults(url: &str) {
    let all = [
        Fault::KilledBefore,
        Fault::KilledAfter,
        Fault::CutBefore,
        Fault::CutAfter,
        Fault::Unanswered,
    ];
    for (part, fault) in all.into_iter().enumerate() {
        let (first, step) =
            stride().map_or((9 + 5 * part, 37), |stride| (1 + part % stride, stride));
        for at in (first..).step_by(step) {
            if faulty(url, fault, at) {
                assert!(at > 40, "{fault:?} at {at}: that was all");
                break;
            }
        }
    }
}

#[test]
fn a_split_goes_on_on_this_server() {
    let folder = tempfile::tempdir().unwrap();
    let server = Running::start(&folder.path().join("store"));
    faults(&server.url());
}

#[test]
#[cfg_attr(not(peer = "nats-server"), ignore = "needs nats-server: see .ci/peers")]
fn a_split_goes_on_on_a_real_server() {
    let reference = [nats_server()];
    let every = nats_servers();
    for program in if every_call() { &every[..] } else { &reference[..] } {
        faults(&NatsServer::start(program).url);
    }
}

#[test]
fn subjects_go_to_other_streams_on_this_server() {
    let folder = tempfile::tempdir().unwrap();
    let server = Running::start(&folder.path().join("store"));
    one_goes(&server.url());
    other_topology(&server.url());
}

#[test]
#[cfg_attr(not(peer = "nats-server"), ignore = "needs nats-server: see .ci/peers")]
fn subjects_go_to_other_streams_on_real_servers() {
    for program in nats_servers() {
        let server = NatsServer::start(&program);
        one_goes(&server.url);
        other_topology(&server.url);
    }
}
