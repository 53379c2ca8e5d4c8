//! A mirror that becomes a stream of its own: what it copied stays, and nothing more is copied.

use serde_json::Value;
use watershed_engine::JetStreamSettings;
use watershed_sim::disk::{SimDisk, Survival};
use watershed_sim::node::Node;

use crate::talk::{self, SECOND, send, tell};

/// Small enough that a few messages seal blocks and make checkpoints.
fn settings() -> JetStreamSettings {
    JetStreamSettings {
        journal_bytes_per_checkpoint: 2_000,
        block_bytes: 1_000,
        ..JetStreamSettings::new(1 << 40, 1 << 40)
    }
}

fn start(disk: &SimDisk) -> Node {
    Node::start(disk, settings(), 1).unwrap()
}

/// The answer to a call, which is no error.
fn ask(node: &mut Node, subject: &str, body: &str) -> Value {
    let answer = talk::ask(node, subject, body);
    assert_eq!(answer["error"], Value::Null, "{subject} {body}");
    answer
}

/// The sequence under which a stream stores a message.
fn publish(node: &mut Node, subject: &str) -> (String, u64) {
    let answer: Value = serde_json::from_str(&tell(node, subject, "x")[0].payload).unwrap();
    (answer["stream"].as_str().unwrap_or_default().to_owned(), answer["seq"].as_u64().unwrap_or(0))
}

/// Sequence, subject and time of each message.
fn content(node: &mut Node, stream: &str) -> Vec<(u64, String, String)> {
    let last = ask(node, &format!("STREAM.INFO.{stream}"), "")["state"]["last_seq"].take();
    let get = |sequence| {
        let body = format!("{{\"seq\":{sequence}}}");
        let answer = tell(node, &format!("$JS.API.STREAM.MSG.GET.{stream}"), &body).pop()?;
        let mut answer: Value = serde_json::from_str(&answer.payload).ok()?;
        let mut text = |field: &str| answer["message"][field].take().as_str().map(str::to_owned);
        Some((sequence, text("subject")?, text("time")?))
    };
    (1..=last.as_u64().unwrap()).filter_map(get).collect()
}

/// An origin with five messages, of which one was deleted, and a mirror of it.
fn begin(disk: &SimDisk, storage: &str) -> Node {
    let mut node = start(disk);
    ask(&mut node, "STREAM.CREATE.O", r#"{"name":"O","subjects":["o.>"]}"#);
    for number in 0..5 {
        publish(&mut node, &format!("o.{number}"));
    }
    ask(&mut node, "STREAM.MSG.DELETE.O", r#"{"seq":2}"#);
    let config =
        format!("{{\"name\":\"M\",\"mirror\":{{\"name\":\"O\"}},\"storage\":\"{storage}\"}}");
    ask(&mut node, "STREAM.CREATE.M", &config);
    node.wait(SECOND);
    node.settle().unwrap();
    node
}

fn promotion(storage: &str, more: &str) -> String {
    format!("{{\"name\":\"M\",\"subjects\":[\"m.>\"],\"storage\":\"{storage}\"{more}}}")
}

#[test]
fn what_was_copied_stays_after_a_restart_and_nothing_more_comes() {
    let mut rng = fastrand::Rng::with_seed(1);
    for survival in Survival::EVERY {
        let disk = SimDisk::default();
        let mut node = begin(&disk, "file");
        let copies = content(&mut node, "M");
        assert_eq!(copies, content(&mut node, "O"));
        let info = ask(&mut node, "STREAM.UPDATE.M", &promotion("file", ""));
        assert_eq!((&info["mirror"], &info["config"]["mirror"]), (&Value::Null, &Value::Null));
        assert_eq!(publish(&mut node, "o.late"), ("O".into(), 6));
        assert_eq!(publish(&mut node, "m.own"), ("M".into(), 6));
        let now = node.now();
        drop(node);
        let disk = disk.power_cut(survival, &mut rng);
        let mut node = Node::start_at(now, &disk, settings(), 2).unwrap();
        assert_eq!(publish(&mut node, "o.later"), ("O".into(), 7));
        assert_eq!(publish(&mut node, "m.own"), ("M".into(), 7));
        node.wait(SECOND);
        let all = content(&mut node, "M");
        assert_eq!(all[..copies.len()], copies);
        let subjects: Vec<&str> = all[copies.len()..].iter().map(|own| own.1.as_str()).collect();
        assert_eq!(subjects, ["m.own", "m.own"]);
    }
}

/// What the origin stores while the promotion is being written is not copied behind it.
#[test]
fn copying_stops_where_the_promotion_stands() {
    for storage in ["file", "memory"] {
        let disk = SimDisk::default();
        let mut node = begin(&disk, storage);
        send(&mut node, "o.5", "r.5", "x");
        send(&mut node, "$JS.API.STREAM.UPDATE.M", "r.1", &promotion(storage, ""));
        for number in 6..12 {
            node.commit().unwrap();
            send(&mut node, &format!("o.{number}"), "r.o", "x");
        }
        node.settle().unwrap();
        let answer = node.received().into_iter().find(|own| own.subject == "r.1").unwrap();
        let info: Value = serde_json::from_str(&answer.payload).unwrap();
        let told = info["state"]["last_seq"].as_u64().unwrap();
        assert!((5..8).contains(&told), "{info}");
        assert_eq!(publish(&mut node, "m.own"), ("M".into(), told + 1), "{storage}");
        assert_eq!(content(&mut node, "M").len() as u64, told, "{storage}");
    }
}

/// A disk that refuses the promotion leaves a mirror that copies.
#[test]
fn a_promotion_that_is_not_recorded_is_none() {
    for storage in ["file", "memory"] {
        let disk = SimDisk::default();
        let mut node = begin(&disk, storage);
        send(&mut node, "$JS.API.STREAM.UPDATE.M", "r.1", &promotion(storage, ""));
        disk.refuse(true);
        node.commit().unwrap_err();
        assert!(node.received()[0].payload.contains("10008"));
        disk.refuse(false);
        node.heal().unwrap();
        publish(&mut node, "o.late");
        node.wait(SECOND);
        node.settle().unwrap();
        assert_eq!(content(&mut node, "M").len(), 5, "{storage}");
    }
}

/// A stream's subjects go over to its mirror by two calls that are sent at once.
#[test]
fn subjects_go_over_from_a_stream_to_its_mirror() {
    let disk = SimDisk::default();
    let mut node = begin(&disk, "file");
    let park = r#"{"name":"O","subjects":["parked"]}"#;
    let take = r#"{"name":"M","subjects":["o.>"]}"#;
    let frame = |subject: &str, reply: &str, body: &str| {
        format!("PUB {subject} {reply} {}\r\n{body}\r\n", body.len())
    };
    let both = frame("$JS.API.STREAM.UPDATE.O", "r.1", park)
        + &frame("$JS.API.STREAM.UPDATE.M", "r.2", take)
        + &frame("o.5", "r.3", "x");
    node.say(both.as_bytes());
    node.settle().unwrap();
    let answers = node.received();
    assert_eq!(answers.len(), 3, "{answers:?}");
    assert!(answers.iter().all(|own| !own.payload.contains("error")), "{answers:?}");
    // What came before the calls were answered went where the subject was then.
    let there = answers.iter().find(|own| own.subject == "r.3").unwrap();
    assert_eq!(there.payload, r#"{"stream":"O","seq":6}"#);
    assert_eq!(publish(&mut node, "parked"), ("O".into(), 7));
    let (stream, sequence) = publish(&mut node, "o.6");
    assert_eq!(stream, "M");
    let last = content(&mut node, "M").pop().unwrap();
    assert_eq!((last.0, last.1.as_str()), (sequence, "o.6"));
}

/// A source copies what a mirror has copied once more: from now on it says where it is from.
#[test]
fn a_source_of_the_same_name_begins_anew() {
    let mut disk = SimDisk::default();
    let mut node = begin(&disk, "file");
    ask(&mut node, "STREAM.UPDATE.M", &promotion("file", r#","sources":[{"name":"O"}]"#));
    node.wait(SECOND);
    node.settle().unwrap();
    let sequences =
        |node: &mut Node| -> Vec<u64> { content(node, "M").into_iter().map(|own| own.0).collect() };
    assert_eq!(sequences(&mut node), [1, 3, 4, 5, 6, 7, 8, 9]);
    let now = node.now();
    drop(node);
    disk = disk.after_kill();
    let mut node = Node::start_at(now, &disk, settings(), 2).unwrap();
    publish(&mut node, "o.late");
    node.wait(SECOND);
    node.settle().unwrap();
    assert_eq!(sequences(&mut node), [1, 3, 4, 5, 6, 7, 8, 9, 10]);
}
