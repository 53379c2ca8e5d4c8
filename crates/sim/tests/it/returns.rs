//! Origins that are deleted and come back under their name: who takes from one goes on behind what it
//! has, and misses nothing that is new.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde_json::Value;
use watershed_engine::JetStreamSettings;
use watershed_sim::disk::SimDisk;
use watershed_sim::node::Node;

use crate::talk::{self, SECOND, tell};

fn settings() -> JetStreamSettings {
    JetStreamSettings {
        journal_bytes_per_checkpoint: 2_000,
        block_bytes: 1_000,
        ..JetStreamSettings::new(1 << 40, 1 << 40)
    }
}

/// The answer to a call, which is no error.
fn ask(node: &mut Node, subject: &str, body: &str) -> Value {
    let answer = talk::ask(node, subject, body);
    assert_eq!(answer["error"], Value::Null, "{subject} {body}");
    answer
}

fn create(node: &mut Node, config: &str) {
    let name: Value = serde_json::from_str(config).unwrap();
    ask(node, &format!("STREAM.CREATE.{}", name["name"].as_str().unwrap()), config);
}

/// Time for followers to take what there is.
fn follow(node: &mut Node) {
    node.wait(SECOND);
    node.settle().unwrap();
}

fn publish(node: &mut Node, texts: &[&str]) {
    for text in texts {
        tell(node, "o", text);
    }
    follow(node);
}

/// Payloads of the messages that a stream holds.
fn content(node: &mut Node, stream: &str) -> String {
    let mut found = Vec::new();
    let mut next = 1;
    loop {
        let body = format!("{{\"seq\":{next},\"next_by_subj\":\">\"}}");
        let answer = talk::ask(node, &format!("STREAM.MSG.GET.{stream}"), &body);
        let Some(sequence) = answer["message"]["seq"].as_u64() else { return found.join(" ") };
        let data = answer["message"]["data"].as_str().unwrap_or_default();
        found.push(String::from_utf8(BASE64_STANDARD.decode(data).unwrap()).unwrap());
        next = sequence + 1;
    }
}

/// What two sources and a mirror have at the end, and what is said of the mirror, after an origin with
/// the messages 1, 2 and 3 was deleted, `again` made another one, and 4 was published.
fn check(storage: &str, again: impl Fn(&mut Node), expected: [&str; 3]) {
    for restarts in [false, true] {
        let mut disk = SimDisk::default();
        let mut node = Node::start(&disk, settings(), 1).unwrap();
        create(&mut node, &format!(r#"{{"name":"O","subjects":["o"],"storage":"{storage}"}}"#));
        create(&mut node, r#"{"name":"T","sources":[{"name":"O"}]}"#);
        create(
            &mut node,
            r#"{"name":"F","subjects":["t"],"sources":[{"name":"O","filter_subject":"o"}]}"#,
        );
        create(&mut node, r#"{"name":"M","mirror":{"name":"O"}}"#);
        create(&mut node, r#"{"name":"P","mirror":{"name":"O"}}"#);
        publish(&mut node, &["1", "2", "3"]);
        ask(&mut node, "STREAM.DELETE.O", "");
        follow(&mut node);
        let mut come_back = |node: Node| {
            let now = node.now();
            drop(node);
            disk = disk.after_kill();
            Node::start_at(now, &disk, settings(), 2).unwrap()
        };
        if restarts {
            node = come_back(node);
        }
        again(&mut node);
        follow(&mut node);
        if restarts {
            node = come_back(node);
        }
        publish(&mut node, &["4"]);
        let [sourced, mirrored, said] = expected;
        for (stream, expected) in [("T", sourced), ("F", sourced), ("M", mirrored)] {
            assert_eq!(content(&mut node, stream), expected, "{stream}, restarts: {restarts}");
        }
        let info = ask(&mut node, "STREAM.INFO.M", "");
        let error = info["mirror"]["error"]["description"].as_str().unwrap_or_default();
        assert_eq!(error.split(':').nth(1).unwrap_or_default().trim(), said, "{error}");
    }
}

const MISSED: &str = "what it has up to sequence 3 is not mirrored, because the mirror has other messages \
                      there; to have it, delete the mirror and create it again";

const ORIGIN: &str = r#"{"name":"O","subjects":["o"]}"#;

/// Makes a stream of its own of a mirror that has got everything.
fn promote(node: &mut Node, more: &str) {
    ask(node, "STREAM.UPDATE.P", r#"{"name":"P","subjects":["p"]}"#);
    create(node, r#"{"name":"O","mirror":{"name":"P"}}"#);
    follow(node);
    let config = format!("{{\"name\":\"O\",\"subjects\":[\"o\"]{more}}}");
    ask(node, "STREAM.UPDATE.O", &config);
}

#[test]
fn what_was_taken_is_not_taken_again() {
    // nats-server, too, goes on by sequence.
    check("file", |node| promote(node, ""), ["1 2 3 4", "1 2 3 4", ""]);
    check("memory", |node| promote(node, ""), ["1 2 3 4", "1 2 3 4", ""]);
    check("file", |node| promote(node, r#","max_msgs":1"#), ["1 2 3 4", "1 2 3 4", ""]);
    let behind = |node: &mut Node| create(node, &ORIGIN.replace('}', r#","first_seq":4}"#));
    check("file", behind, ["1 2 3 4", "1 2 3 4", ""]);
}

/// nats-server takes nothing of a new origin before its sequences are above those of the old one.
#[test]
fn what_is_new_is_taken() {
    check("file", |node| create(node, ORIGIN), ["1 2 3 4", "1 2 3", MISSED]);
    let more = |node: &mut Node| {
        create(node, ORIGIN);
        publish(node, &["a", "b", "c"]);
    };
    check("file", more, ["1 2 3 a b c 4", "1 2 3 4", MISSED]);
}
