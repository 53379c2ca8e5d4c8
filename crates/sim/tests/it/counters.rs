//! Counters whose last values are on the disk, or on their way to it.

use watershed_engine::JetStreamSettings;
use watershed_sim::disk::SimDisk;
use watershed_sim::node::Node;

use crate::talk::ask;

fn settings() -> JetStreamSettings {
    JetStreamSettings {
        journal_bytes_per_checkpoint: 1_500,
        block_bytes: 800,
        ..JetStreamSettings::new(1 << 40, 1 << 40)
    }
}

/// Says to a node that something is to be added, and does not wait for the answer.
fn add(node: &mut Node, subject: &str, fields: &str, increment: i64) {
    let header = format!("NATS/1.0\r\nNats-Incr: {increment}\r\n{fields}\r\n");
    let length = header.len();
    node.send(format!("HPUB {subject} r.2 {length} {length}\r\n{header}\r\n").as_bytes());
}

/// What was answered, in order: values, or all of it.
fn answers(node: &mut Node) -> Vec<String> {
    node.settle().unwrap();
    let received = node.received().into_iter().filter(|own| own.subject == "r.2");
    let value = |own: watershed_sim::node::Received| {
        let value = own.payload.split("\"val\":\"").nth(1).and_then(|rest| rest.split('"').next());
        value.map_or(own.payload.clone(), str::to_owned)
    };
    received.map(value).collect()
}

/// A node that has started again with 20 counters, each of which has its number, in two messages.
fn counted(storage: &str) -> (Node, SimDisk) {
    let disk = SimDisk::default();
    let mut node = Node::start(&disk, settings(), 1).unwrap();
    let config = format!(
        "{{\"name\":\"S\",\"subjects\":[\"s.>\"],\"allow_msg_counter\":true,\"allow_atomic\":true,\"storage\":\"{storage}\"}}"
    );
    ask(&mut node, "STREAM.CREATE.S", &config);
    for number in 0..20 {
        add(&mut node, &format!("s.{number}"), "", 2 * number);
        add(&mut node, &format!("s.{number}"), "", -number);
    }
    assert_eq!(answers(&mut node).len(), 40);
    if storage == "memory" {
        return (node, disk);
    }
    drop(node);
    let disk = disk.after_kill();
    (Node::start(&disk, settings(), 1).unwrap(), disk)
}

#[test]
fn values_on_disk_are_read_once_for_all_who_wait() {
    for storage in ["file", "memory"] {
        let (mut node, _) = counted(storage);
        for number in 0..20 {
            for increment in [1, 10, 100] {
                add(&mut node, &format!("s.{number}"), "", increment);
            }
        }
        let mut values: Vec<i64> =
            answers(&mut node).iter().map(|value| value.parse().unwrap()).collect();
        values.sort_unstable();
        let mut expected: Vec<i64> =
            (0..20).flat_map(|number| [number + 1, number + 11, number + 111]).collect();
        expected.sort_unstable();
        assert_eq!(values, expected, "{storage}");
    }
}

#[test]
fn a_batch_waits_for_all_its_values() {
    for storage in ["file", "memory"] {
        let (mut node, _) = counted(storage);
        for (place, number) in [3, 7, 3, 12, 21].into_iter().enumerate() {
            let end = if place == 4 { "Nats-Batch-Commit: 1\r\n" } else { "" };
            let fields = format!("Nats-Batch-Id: b\r\nNats-Batch-Sequence: {}\r\n{end}", place + 1);
            add(&mut node, &format!("s.{number}"), &fields, 5);
        }
        let told = answers(&mut node);
        assert!(told[4].contains("\"count\":5"), "{storage}: {told:?}");
        for (number, expected) in [(3, "13"), (7, "12"), (12, "17"), (21, "5"), (4, "4")] {
            add(&mut node, &format!("s.{number}"), "", 0);
            assert_eq!(answers(&mut node), [expected], "{storage} {number}");
        }
    }
}

#[test]
fn what_is_removed_counts_no_more() {
    for storage in ["file", "memory"] {
        let (mut node, _) = counted(storage);
        // All of it at once: the value is that of what is left.
        let call = |node: &mut Node, call: &str, body: &str| {
            let length = body.len();
            node.send(format!("PUB $JS.API.STREAM.{call}.S r.1 {length}\r\n{body}\r\n").as_bytes());
        };
        call(&mut node, "MSG.DELETE", "{\"seq\":20}");
        add(&mut node, "s.9", "", 1);
        call(&mut node, "PURGE", "{\"filter\":\"s.8\"}");
        add(&mut node, "s.8", "", 1);
        add(&mut node, "s.7", "", 1);
        let mut told = answers(&mut node);
        told.sort();
        assert_eq!(told, ["1", "19", "8"], "{storage}");
    }
}

#[test]
fn a_value_that_is_damaged_is_not_counted_on() {
    let (node, disk) = counted("file");
    drop(node);
    let disk = disk.after_kill();
    for path in disk.paths().into_iter().filter(|path| path.contains("blocks")) {
        let bytes = disk.bytes(&path);
        // Too much to be put back.
        for at in 0..bytes.len() {
            if bytes[at..].starts_with(b"{\"val\":\"11\"}") {
                disk.overwrite(&path, at, b"{\"xxx\":\"99\"}");
            }
        }
    }
    let mut node = Node::start(&disk, settings(), 1).unwrap();
    add(&mut node, "s.11", "", 1);
    add(&mut node, "s.12", "", 1);
    let told = answers(&mut node);
    assert!(told.contains(&"13".to_owned()) && told.len() == 2, "{told:?}");
    assert!(told.iter().any(|own| own.contains("damaged")), "{told:?}");
}
