//! What is stored and published again ends, and is stored again but once.

use watershed_engine::JetStreamSettings;
use watershed_sim::disk::SimDisk;
use watershed_sim::node::Node;
use watershed_wire::limits::HEADER_BYTES_MAX;

use crate::talk::{SECOND, ask, tell};

fn start(disk: &SimDisk) -> Node {
    Node::start(disk, JetStreamSettings::new(1 << 40, 1 << 40), 1).unwrap()
}

fn create(node: &mut Node, name: &str, config: &str) {
    let config = format!("{{\"name\":\"{name}\",{config}}}");
    let answer = ask(node, &format!("STREAM.CREATE.{name}"), &config);
    assert!(answer["config"].is_object(), "{answer}");
}

fn last(node: &mut Node, stream: &str) -> u64 {
    ask(node, &format!("STREAM.INFO.{stream}"), "")["state"]["last_seq"].as_u64().unwrap()
}

/// Publishes a message with a header of this length. What the publisher is told.
fn publish(node: &mut Node, subject: &str, length: usize) -> String {
    let header = format!("NATS/1.0\r\nA: {}\r\n\r\n", "x".repeat(length - 17));
    node.send(format!("HPUB {subject} r.1 {length} {length}\r\n{header}\r\n").as_bytes());
    node.settle().unwrap();
    let told = node.received().into_iter().find(|message| message.subject == "r.1");
    told.unwrap().payload
}

/// Each adds headers, until they are too many: no server notices the circle, and none hangs.
#[test]
fn streams_that_feed_each_other_come_to_an_end() {
    for storages in [["memory", "memory"], ["file", "memory"], ["file", "file"]] {
        let mut node = start(&SimDisk::default());
        for ((name, from, to), storage) in [("E", "e", "f"), ("F", "f", "e")].iter().zip(storages) {
            let config = format!(
                "\"subjects\":[\"{from}.*\"],\"storage\":\"{storage}\",\"max_msgs\":3,\
                 \"republish\":{{\"src\":\"{from}.*\",\"dest\":\"{to}.$1\"}}"
            );
            create(&mut node, name, &config);
        }
        publish(&mut node, "e.1", HEADER_BYTES_MAX - 3_000);
        node.wait(SECOND);
        node.settle().unwrap();
        // Each time some 140 bytes.
        let times = last(&mut node, "E") + last(&mut node, "F");
        assert!((18..30).contains(&times), "{times}");
    }
}

#[test]
fn a_header_has_a_bound() {
    let mut node = start(&SimDisk::default());
    create(&mut node, "S", "\"subjects\":[\"s\"]");
    for (length, expected) in [
        (HEADER_BYTES_MAX, r#"{"stream":"S","seq":1}"#),
        (
            HEADER_BYTES_MAX + 1,
            r#"{"error":{"code":400,"err_code":10097,"description":"header size exceeds maximum allowed of 64k"},"stream":"S","seq":0}"#,
        ),
    ] {
        assert_eq!(publish(&mut node, "s", length), expected);
    }
}

/// Only what this process has stored is published again, not what it finds on disk.
#[test]
fn a_restart_publishes_nothing_again() {
    let mut disk = SimDisk::default();
    let mut node = start(&disk);
    create(&mut node, "B", "\"subjects\":[\"b.>\"]");
    let config = r#""subjects":["a.>"],"republish":{"src":"a.*","dest":"b.$1"}"#;
    create(&mut node, "A", config);
    tell(&mut node, "a.1", "x");
    for _ in 0..2 {
        let now = node.now();
        drop(node);
        disk = disk.after_kill();
        node = Node::start_at(now, &disk, JetStreamSettings::new(1 << 40, 1 << 40), 2).unwrap();
        node.settle().unwrap();
        assert_eq!((last(&mut node, "A"), last(&mut node, "B")), (1, 1));
    }
    tell(&mut node, "a.2", "x");
    assert_eq!((last(&mut node, "A"), last(&mut node, "B")), (2, 2));
}
