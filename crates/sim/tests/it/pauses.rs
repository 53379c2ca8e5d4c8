//! Consumers that are paused, over time and restarts.

use serde_json::Value;
use watershed_engine::JetStreamSettings;
use watershed_sim::disk::{SimDisk, Survival};
use watershed_sim::node::{Node, Received};
use watershed_wire::time::UnixNanos;

use crate::talk::{SECOND, ask, tell};

fn settings() -> JetStreamSettings {
    JetStreamSettings::new(1 << 40, 1 << 40)
}

/// A node with three messages in a stream, in memory or not, and a consumer of them.
fn begin(disk: &SimDisk, storage: &str) -> Node {
    let mut node = Node::start(disk, settings(), 1).unwrap();
    let config = format!("{{\"name\":\"S\",\"subjects\":[\"s\"],\"storage\":\"{storage}\"}}");
    ask(&mut node, "STREAM.CREATE.S", &config);
    let config = "{\"durable_name\":\"c\",\"ack_policy\":\"explicit\",\"ack_wait\":2000000000}";
    let body = format!("{{\"stream_name\":\"S\",\"config\":{config}}}");
    ask(&mut node, "CONSUMER.CREATE.S.c", &body);
    for payload in ["1", "2", "3"] {
        tell(&mut node, "s", payload);
    }
    node
}

/// Pauses the consumer for so many seconds.
fn pause(node: &mut Node, seconds: u64) -> Value {
    let until = UnixNanos(node.now().wall.0 + i64::try_from(seconds * SECOND).unwrap());
    let body = format!("{{\"pause_until\":\"{until}\"}}");
    ask(node, "CONSUMER.PAUSE.S.c", &body)
}

/// Asks for messages, and waits for them for ten minutes. What came at once.
fn pull(node: &mut Node, batch: usize) -> Vec<String> {
    let body = format!("{{\"batch\":{batch},\"expires\":600000000000}}");
    payloads(&tell(node, "$JS.API.CONSUMER.MSG.NEXT.S.c", &body))
}

fn payloads(received: &[Received]) -> Vec<String> {
    let deliveries = received.iter().filter(|own| own.subject == "s");
    deliveries.map(|own| own.payload.clone()).collect()
}

/// What comes within so many seconds.
fn wait(node: &mut Node, seconds: u64) -> Vec<String> {
    let mut left = seconds * SECOND;
    let mut came = Vec::new();
    while left > 0 {
        left = node.wait_for_deadline(left);
        node.settle().unwrap();
        came.extend(payloads(&node.received()));
    }
    came
}

#[test]
fn a_pause_ends_by_itself_and_what_is_due_comes_first() {
    for storage in ["file", "memory"] {
        let mut node = begin(&SimDisk::default(), storage);
        assert_eq!(pull(&mut node, 1), ["1"]);
        assert_eq!(pause(&mut node, 10)["paused"], true);
        assert!(pull(&mut node, 2).is_empty());
        assert!(wait(&mut node, 9).is_empty(), "{storage}");
        assert_eq!(ask(&mut node, "CONSUMER.INFO.S.c", "")["paused"], true);
        assert_eq!(wait(&mut node, 1), ["1", "2"], "{storage}");
        let info = ask(&mut node, "CONSUMER.INFO.S.c", "");
        assert_eq!(info["paused"], Value::Null);
        assert_ne!(info["config"]["pause_until"], Value::Null);
    }
}

#[test]
fn what_is_let_go_on_serves_who_waits() {
    let mut node = begin(&SimDisk::default(), "file");
    pause(&mut node, 3600);
    assert!(pull(&mut node, 2).is_empty());
    let came = tell(&mut node, "$JS.API.CONSUMER.PAUSE.S.c", "");
    assert!(came[0].payload.contains("\"paused\":false"), "{came:?}");
    assert_eq!(payloads(&came), ["1", "2"]);
}

/// A pause that a client was told of is there after a power cut, and ends when it was to end.
#[test]
fn a_pause_outlives_a_power_cut() {
    let mut rng = fastrand::Rng::with_seed(1);
    for survival in Survival::EVERY {
        let disk = SimDisk::default();
        let mut node = begin(&disk, "file");
        assert_eq!(pull(&mut node, 1), ["1"]);
        assert_eq!(pause(&mut node, 10)["paused"], true);
        assert!(wait(&mut node, 3).is_empty());
        let now = node.now();
        drop(node);
        let disk = disk.power_cut(survival, &mut rng);
        let mut node = Node::start_at(now, &disk, settings(), 2).unwrap();
        assert_eq!(ask(&mut node, "CONSUMER.INFO.S.c", "")["paused"], true);
        assert!(pull(&mut node, 3).is_empty());
        assert!(wait(&mut node, 6).is_empty());
        assert_eq!(wait(&mut node, 1), ["1", "2", "3"]);
    }
}

/// A pause lasts until a time of the wall's clock, which somebody may set.
#[test]
fn a_pause_is_over_when_the_clock_says_so() {
    let mut node = begin(&SimDisk::default(), "file");
    pause(&mut node, 3600);
    assert!(pull(&mut node, 3).is_empty());
    assert!(wait(&mut node, 10).is_empty());
    node.set_clock(3600 * SECOND);
    assert_eq!(wait(&mut node, 61).len(), 3);
}

/// The disk refuses the record of a pause: the consumer is not paused, and nobody is told that it is.
#[test]
fn a_pause_that_is_not_recorded_is_none() {
    let disk = SimDisk::default();
    let mut node = begin(&disk, "file");
    disk.refuse(true);
    let until = UnixNanos(node.now().wall.0 + 3_600_000_000_000);
    let body = format!("{{\"pause_until\":\"{until}\"}}");
    let call = format!("PUB $JS.API.CONSUMER.PAUSE.S.c r.1 {}\r\n{body}\r\n", body.len());
    node.send(call.as_bytes());
    assert_eq!(node.received(), []);
    node.commit().unwrap_err();
    let answer: Value = serde_json::from_str(&node.received()[0].payload).unwrap();
    assert_eq!(answer["error"]["err_code"], 10008, "{answer}");
    disk.refuse(false);
    node.heal().unwrap();
    assert_eq!(pull(&mut node, 3).len(), 3);
}

/// A pause is over while the disk refuses, and what runs over the state begins anew: it is said all the
/// same, once.
#[test]
fn that_a_pause_is_over_is_said_after_the_disk_refused() {
    let disk = SimDisk::default();
    let mut node = begin(&disk, "file");
    node.say(b"SUB $JS.EVENT.ADVISORY.CONSUMER.PAUSE.> 2\r\n");
    pause(&mut node, 10);
    node.set_clock(11 * SECOND);
    disk.refuse(true);
    node.send(b"PUB s r.1 1\r\n4\r\n");
    node.commit().unwrap_err();
    disk.refuse(false);
    node.heal().unwrap();
    node.wait(SECOND);
    let received = node.received();
    let said = received.iter().filter(|own| own.subject.starts_with("$JS.EVENT."));
    let said: Vec<Value> = said.map(|own| serde_json::from_str(&own.payload).unwrap()).collect();
    assert_eq!(said.len(), 1, "{said:?}");
    assert_eq!(said[0]["paused"], false);
}
