//! What is large is done in turns: others are served in between, and what comes out is the same.

use std::fmt::Write as _;

use serde_json::Value;
use watershed_engine::JetStreamSettings;
use watershed_sim::disk::SimDisk;
use watershed_sim::node::Node;

/// More than is done in any turn.
const MANY: u64 = 10_000;

fn started(disk: &SimDisk) -> Node {
    Node::start(disk, JetStreamSettings::new(1 << 40, 1 << 40), 1).unwrap()
}

fn call(node: &mut Node, subject: &str, body: &str) {
    node.send(format!("PUB {subject} r.call {}\r\n{body}\r\n", body.len()).as_bytes());
}

/// Looks again and again until the call is answered. Says how often, and what the answer is.
fn answer(node: &mut Node) -> (usize, Value) {
    for turns in 0..100 {
        if let Some(answer) = node.received().into_iter().find(|own| own.subject == "r.call") {
            return (turns, serde_json::from_str(&answer.payload).unwrap());
        }
        node.commit().unwrap();
        node.turn();
    }
    panic!("the call is not answered");
}

/// A stream with that many messages, each of a subject of its own.
fn filled(node: &mut Node) {
    call(node, "$JS.API.STREAM.CREATE.S", "{\"name\":\"S\",\"subjects\":[\"s.>\"]}");
    node.settle().unwrap();
    let mut lines = String::new();
    for number in 0..MANY {
        let _ = write!(lines, "PUB s.{number} r.stored 1\r\nx\r\n");
    }
    node.send(lines.as_bytes());
    node.received();
}

#[test]
fn a_round_of_many_records_is_applied_in_turns() {
    let disk = SimDisk::default();
    let mut node = started(&disk);
    filled(&mut node);
    node.commit().unwrap();
    let mut stored = vec![node.received().len() as u64];
    while stored.iter().sum::<u64>() < MANY {
        node.turn();
        stored.push(node.received().len() as u64);
    }
    assert!(stored.iter().all(|count| *count < MANY / 4), "{stored:?}");
    node.settle().unwrap();
    let state = node.state();
    assert!(started(&disk.after_kill()).state() == state, "the state differs after a restart");
}

#[test]
fn a_consumer_over_many_subjects_is_made_while_others_are_served() {
    for (more, pending, last) in [
        (",\"filter_subject\":\"s.*\"", MANY, 1),
        (",\"filter_subject\":\"s.*\",\"deliver_policy\":\"last_per_subject\"", MANY - 1, 2),
    ] {
        let disk = SimDisk::default();
        let mut node = started(&disk);
        filled(&mut node);
        node.settle().unwrap();
        for _ in 0..100 {
            node.turn();
        }
        // The first subject has two messages: of the last of each, one is not delivered.
        node.send(b"PUB s.0 1\r\ny\r\nPUB $JS.API.STREAM.MSG.DELETE.S r.x 9\r\n{\"seq\":3}\r\n");
        node.settle().unwrap();
        node.received();
        let body = format!("{{\"stream_name\":\"S\",\"config\":{{\"durable_name\":\"C\"{more}}}}}");
        call(&mut node, "$JS.API.CONSUMER.DURABLE.CREATE.S.C", &body);
        let (turns, made) = answer(&mut node);
        assert!(turns > 1, "it was made at one go");
        assert_eq!(made["num_pending"], pending, "{made}");
        call(&mut node, "$JS.API.CONSUMER.MSG.NEXT.S.C", "{\"batch\":1}");
        let first = node.received().pop().unwrap();
        assert!(first.reply.unwrap().starts_with(&format!("$JS.ACK.S.C.1.{last}.1.")));
        node.settle().unwrap();
        call(&mut node, "$JS.API.CONSUMER.INFO.S.C", "");
        let (_, live) = answer(&mut node);
        let mut node = started(&disk.after_kill());
        call(&mut node, "$JS.API.CONSUMER.INFO.S.C", "");
        let (_, restored) = answer(&mut node);
        for field in ["num_pending", "num_ack_pending", "delivered", "ack_floor"] {
            let number = |info: &Value| match &info[field] {
                Value::Object(pair) => pair["stream_seq"].clone(),
                number => number.clone(),
            };
            assert_eq!(number(&live), number(&restored), "{field}");
        }
    }
}
