//! Markers stand for what has expired: a subject that had a message has one, or a marker, whatever
//! becomes of the power.

use std::collections::BTreeSet;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use fastrand::Rng;
use watershed_engine::JetStreamSettings;
use watershed_sim::disk::{SimDisk, Survival};
use watershed_sim::node::Node;

use crate::talk::{SECOND, ask, pass};

fn settings() -> JetStreamSettings {
    JetStreamSettings {
        journal_bytes_per_checkpoint: 2_000,
        block_bytes: 1_000,
        ..JetStreamSettings::new(1 << 40, 1 << 40)
    }
}

fn create(node: &mut Node, config: &str) {
    let config = format!("{{\"name\":\"S\",\"subjects\":[\"s.>\"],{config}}}");
    let answer = ask(node, "STREAM.CREATE.S", &config);
    assert!(answer["config"].is_object(), "{answer}");
}

/// Lets time pass, while the client answers pings.
fn elapse(node: &mut Node, nanos: u64) {
    let mut left = nanos;
    while left > 0 {
        let step = left.min(60 * SECOND);
        pass(node, step);
        node.received();
        left -= step;
    }
}

/// Publishes a message. Says under which sequence it is stored.
fn publish(node: &mut Node, subject: &str, fields: &[String]) -> String {
    let header = format!("NATS/1.0\r\n{}\r\n", fields.concat());
    let length = header.len();
    node.send(format!("HPUB {subject} r.1 {length} {length}\r\n{header}\r\n").as_bytes());
    node.settle().unwrap();
    node.received().pop().map(|told| told.payload).unwrap_or_default()
}

/// Sequence and subject of each message that a stream holds; of markers also for how long they stay.
fn content(node: &mut Node, stream: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut next = 1;
    loop {
        let body = format!("{{\"seq\":{next},\"next_by_subj\":\">\"}}");
        let answer = ask(node, &format!("STREAM.MSG.GET.{stream}"), &body);
        let message = &answer["message"];
        let Some(sequence) = message["seq"].as_u64() else { return found };
        let header = BASE64_STANDARD.decode(message["hdrs"].as_str().unwrap_or_default()).unwrap();
        let header = String::from_utf8(header).unwrap();
        let marker = header.strip_prefix("NATS/1.0\r\nNats-Marker-Reason: MaxAge\r\nNats-TTL: ");
        let stays = marker.and_then(|rest| rest.strip_suffix("\r\nNats-Rollup: sub\r\n\r\n"));
        let stays = stays.map(|stays| format!(" marks for {stays}")).unwrap_or_default();
        found.push(format!("{sequence} {}{stays}", message["subject"].as_str().unwrap()));
        next = sequence + 1;
    }
}

/// What a stream with this configuration holds after each of some times, in seconds, after messages
/// with these subjects and headers were published at once. The same for each storage.
fn check(config: &str, messages: &[(&str, &str)], expected: &[(u64, &[&str])]) {
    for storage in ["file", "memory"] {
        let mut node = Node::start(&SimDisk::default(), settings(), 1).unwrap();
        create(&mut node, &format!("{config},\"storage\":\"{storage}\""));
        for (subject, field) in messages {
            let fields = if field.is_empty() { vec![] } else { vec![format!("{field}\r\n")] };
            publish(&mut node, subject, &fields);
        }
        let mut passed = 0;
        for (seconds, expected) in expected {
            elapse(&mut node, (seconds - passed) * SECOND + 1_000_000);
            passed = *seconds;
            assert_eq!(content(&mut node, "S"), *expected, "{storage}, {seconds} s, {messages:?}");
        }
    }
}

/// What nats-server 2.14.6 leaves of the same.
#[test]
fn the_last_message_of_a_subject_leaves_a_marker() {
    let aged = "\"max_age\":5000000000,\"subject_delete_marker_ttl\":3000000000";
    check(
        aged,
        &[("s.a", ""), ("s.b", ""), ("s.b", "")],
        &[
            (4, &["1 s.a", "2 s.b", "3 s.b"]),
            (5, &["4 s.a marks for 3s", "5 s.b marks for 3s"]),
            (8, &[]),
            (60, &[]),
        ],
    );
    // A TTL is not shorter than that of the marker; what never goes is never marked.
    check(
        aged,
        &[("s.a", "Nats-TTL: 1s"), ("s.b", "Nats-TTL: never"), ("s.c", "Nats-TTL: 1h")],
        &[
            (2, &["1 s.a", "2 s.b", "3 s.c"]),
            (3, &["2 s.b", "3 s.c", "4 s.a marks for 3s"]),
            (5, &["2 s.b", "4 s.a marks for 3s", "5 s.c marks for 3s"]),
            (9, &["2 s.b"]),
        ],
    );
    let own = "\"allow_msg_ttl\":true,\"subject_delete_marker_ttl\":3600000000000";
    // What is left of a subject needs no marker.
    check(
        own,
        &[("s.a", ""), ("s.a", "Nats-TTL: 3600s"), ("s.b", "Nats-TTL: 3600s")],
        &[(3601, &["1 s.a", "4 s.b marks for 1h0m0s"])],
    );
    // Nor does what says itself that a subject is gone.
    check(
        aged,
        &[
            ("s.a", "Nats-Marker-Reason: Remove"),
            ("s.b", ""),
            ("s.b", "Nats-Marker-Reason: Remove"),
            ("s.c", "Nats-Marker-Reason: Remove"),
            ("s.c", ""),
            ("s.d", "KV-Operation: DEL"),
        ],
        &[(5, &["7 s.c marks for 3s", "8 s.d marks for 3s"])],
    );
    // Markers have room where nothing else has.
    let full = "\"max_msgs\":2,\"discard\":\"new\",\"max_msg_size\":40,";
    check(
        &format!("{full}{aged}"),
        &[("s.a", ""), ("s.b", ""), ("s.c", "")],
        &[(6, &["3 s.a marks for 3s", "4 s.b marks for 3s"])],
    );
}

/// A message that is still being written when the one before it expires counts as stored: no marker
/// is placed.
#[test]
fn what_is_on_its_way_is_not_marked() {
    let mut node = Node::start(&SimDisk::default(), settings(), 1).unwrap();
    create(&mut node, "\"max_age\":5000000000,\"subject_delete_marker_ttl\":3600000000000");
    publish(&mut node, "s.a", &[]);
    node.wait(4_900_000_000);
    node.send(b"PUB s.a r.1 1\r\nx\r\n");
    pass(&mut node, SECOND);
    assert_eq!(content(&mut node, "S"), ["2 s.a"]);
}

/// Messages expire, and the power goes meanwhile.
fn run(seed: u64) -> Result<(), String> {
    let mut rng = Rng::with_seed(seed);
    let mut disk = SimDisk::default();
    let mut node = Node::start(&disk, settings(), seed)?;
    create(&mut node, "\"subject_delete_marker_ttl\":3600000000000");
    for life in 0..3 {
        let mut stored = BTreeSet::new();
        for _ in 0..rng.usize(1..20) {
            let subject = format!("s.{}", rng.u8(..9));
            publish(&mut node, &subject, &[format!("Nats-TTL: {}s\r\n", rng.u16(3600..3605))]);
            stored.insert(subject);
        }
        elapse(&mut node, 3_599 * SECOND);
        disk.kill_after(rng.u64(1..40));
        for _ in 0..12 {
            node.wait(rng.u64(1..1_500) * 1_000_000);
            let committed = rng.bool() || node.commit().is_ok();
            if !committed || (rng.bool() && node.keep().is_err()) {
                break;
            }
        }
        let now = node.now();
        drop(node);
        disk = disk.power_cut(Survival::EVERY[rng.usize(..4)], &mut rng);
        node = Node::start_at(now, &disk, settings(), seed)?;
        pass(&mut node, 20 * SECOND);
        let found = content(&mut node, "S");
        let marked = found.iter().filter_map(|own| own.strip_suffix(" marks for 1h0m0s"));
        let marked: Vec<&str> = marked.filter_map(|own| own.split(' ').nth(1)).collect();
        let mut once = marked.clone();
        once.sort_unstable();
        once.dedup();
        if once.len() != found.len() || !once.iter().eq(stored.iter()) {
            return Err(format!("life {life}: {stored:?} were stored, and there is {found:?}"));
        }
        // Markers go, too.
        elapse(&mut node, 3_600 * SECOND);
        if let [first, ..] = content(&mut node, "S").as_slice() {
            return Err(format!("life {life}: {first} is left"));
        }
    }
    Ok(())
}

#[test]
fn no_subject_goes_without_a_marker_whatever_the_power_does() {
    for seed in 0..crate::seeds(100) {
        if let Err(error) = run(seed) {
            panic!("seed {seed}: {error}");
        }
    }
}
