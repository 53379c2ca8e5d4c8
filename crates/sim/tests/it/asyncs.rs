//! Streams with `persist_mode: async`: acknowledged at once, and all else when it is on disk.

use serde_json::Value;
use watershed_engine::JetStreamSettings;
use watershed_sim::disk::{SimDisk, Survival};
use watershed_sim::node::Node;

use crate::talk::{ask, send};

const MILLISECOND: u64 = 1_000_000;

fn start(disk: &SimDisk) -> Node {
    Node::start(disk, JetStreamSettings::new(1 << 40, 1 << 40), 1).unwrap()
}

/// A node with the async stream `A` and the stream `B`, both empty.
fn streams(disk: &SimDisk, more: &str) -> Node {
    let mut node = start(disk);
    for (name, mode) in [("A", "async"), ("B", "default")] {
        let config = format!(
            "{{\"name\":\"{name}\",\"subjects\":[\"{name}.>\"],\"persist_mode\":\"{mode}\",\
             \"allow_direct\":true{more}}}"
        );
        let answer = ask(&mut node, &format!("STREAM.CREATE.{name}"), &config);
        assert!(answer["config"].is_object(), "{answer}");
    }
    node
}

/// Publishes a message that is its own number. Says what the client is told before the disk has worked.
fn publish(node: &mut Node, subject: &str, number: u64) -> Option<Value> {
    send(node, subject, "r.1", &number.to_string());
    told(node)
}

fn told(node: &mut Node) -> Option<Value> {
    let received = node.received();
    received.last().map(|answer| serde_json::from_str(&answer.payload).unwrap())
}

fn acknowledged(answer: Option<&Value>) -> Option<u64> {
    let answer = answer.filter(|answer| answer["error"].is_null());
    answer.and_then(|answer| answer["seq"].as_u64())
}

/// Payloads of a stream's messages.
fn content(node: &mut Node, stream: &str) -> Vec<String> {
    let last = ask(node, &format!("STREAM.INFO.{stream}"), "")["state"]["last_seq"].as_u64();
    let payload = |sequence: u64| {
        send(
            node,
            &format!("$JS.API.DIRECT.GET.{stream}"),
            "r.1",
            &format!("{{\"seq\":{sequence}}}"),
        );
        node.received().pop().unwrap().payload
    };
    (1..=last.unwrap()).map(payload).collect()
}

#[test]
fn a_message_is_acknowledged_at_once_and_seen_when_it_is_durable() {
    let mut node = streams(&SimDisk::default(), "");
    assert_eq!(acknowledged(publish(&mut node, "A.x", 1).as_ref()), Some(1));
    assert_eq!(acknowledged(publish(&mut node, "A.x", 2).as_ref()), Some(2));
    assert_eq!(publish(&mut node, "B.x", 1), None);
    // Whoever reads what was acknowledged waits for the disk.
    for (subject, body) in
        [("DIRECT.GET.A.A.x", ""), ("STREAM.INFO.A", ""), ("DIRECT.GET.A", "{\"seq\":2}")]
    {
        let mut node = streams(&SimDisk::default(), "");
        publish(&mut node, "A.x", 1);
        publish(&mut node, "A.x", 2);
        send(&mut node, &format!("$JS.API.{subject}"), "r.2", body);
        assert_eq!(node.received(), [], "{subject}");
        node.settle().unwrap();
        let answer = node.received().pop().unwrap().payload;
        assert!(answer == "2" || answer.contains("\"last_seq\":2"), "{subject}: {answer}");
    }
    node.settle().unwrap();
    assert_eq!(acknowledged(told(&mut node).as_ref()), Some(1));
}

#[test]
fn a_power_cut_takes_the_last_messages_of_that_stream_and_nothing_else() {
    for seed in 0..40 {
        let mut rng = fastrand::Rng::with_seed(seed);
        let disk = SimDisk::default();
        let mut node = streams(&disk, "");
        let mut durable = [0, 0];
        for number in 1..=rng.u64(1..20) {
            let ahead = publish(&mut node, "A.x", number);
            assert_eq!(acknowledged(ahead.as_ref()), Some(number));
            publish(&mut node, "B.x", number);
            if rng.u8(..4) == 0 {
                node.settle().unwrap();
                durable = [number, number];
            }
        }
        let disk = disk.power_cut(Survival::EVERY[rng.usize(..4)], &mut rng);
        let mut node = start(&disk);
        for (stream, durable) in ["A", "B"].iter().zip(durable) {
            let there = content(&mut node, stream);
            let right: Vec<String> = (1..=there.len()).map(|own| own.to_string()).collect();
            assert_eq!(there, right, "seed {seed}");
            assert!(there.len() as u64 >= durable, "seed {seed}: {stream} lost what was durable");
        }
    }
}

#[test]
fn none_goes_ahead_while_one_is_too_old() {
    let mut node = streams(&SimDisk::default(), "");
    assert_eq!(acknowledged(publish(&mut node, "A.x", 1).as_ref()), Some(1));
    node.wait(99 * MILLISECOND);
    assert_eq!(acknowledged(publish(&mut node, "A.x", 2).as_ref()), Some(2));
    node.wait(MILLISECOND);
    assert_eq!(publish(&mut node, "A.x", 3), None);
    node.settle().unwrap();
    assert_eq!(acknowledged(told(&mut node).as_ref()), Some(3));
    assert_eq!(acknowledged(publish(&mut node, "A.x", 4).as_ref()), Some(4));
}

#[test]
fn what_the_disk_has_no_room_for_is_not_acknowledged() {
    let disk = SimDisk::default();
    let mut node = streams(&disk, "");
    node.settle().unwrap();
    disk.limit(Some(disk.used()));
    let (mut ahead, mut refused) = (0, 0);
    for number in 1..=100 {
        let text = "x".repeat(30_000);
        send(&mut node, "A.x", "r.1", &format!("{number}{text}"));
        let told = told(&mut node);
        ahead += u64::from(acknowledged(told.as_ref()).is_some());
        if number % 10 == 0 {
            for _ in 0..3 {
                node.try_commit();
                let (Ok(()) | Err(_)) = node.keep();
            }
        }
        refused += u64::from(told.is_some_and(|told| told["error"]["err_code"] == 10023));
    }
    assert!(ahead > 5 && refused > 5, "{ahead} ahead, {refused} refused");
    disk.limit(None);
    let disk = disk.after_kill();
    let there = content(&mut start(&disk), "A").len() as u64;
    assert!(there >= ahead, "{there} of {ahead}");
}

#[test]
fn a_disk_that_fails_takes_them_and_numbers_go_on_from_there() {
    let disk = SimDisk::default();
    let mut node = streams(&disk, "");
    assert_eq!(acknowledged(publish(&mut node, "A.x", 1).as_ref()), Some(1));
    node.settle().unwrap();
    assert_eq!(acknowledged(publish(&mut node, "A.x", 2).as_ref()), Some(2));
    disk.fail_at(1);
    assert!(!node.try_commit());
    // It is known now that the disk does not work.
    let told = publish(&mut node, "A.x", 3).unwrap();
    assert_eq!(told["error"]["err_code"], 10023, "{told}");
    node.heal().unwrap();
    publish(&mut node, "A.x", 4);
    node.settle().unwrap();
    node.received();
    assert_eq!(content(&mut node, "A"), ["1", "4"]);
}

#[test]
fn a_stream_that_copies_waits_for_the_disk() {
    let mut node = streams(&SimDisk::default(), "");
    let config = "{\"name\":\"C\",\"subjects\":[\"C.>\"],\"persist_mode\":\"async\",\
                  \"sources\":[{\"name\":\"A\"}]}";
    ask(&mut node, "STREAM.CREATE.C", config);
    assert_eq!(publish(&mut node, "C.x", 1), None);
    node.settle().unwrap();
    assert_eq!(acknowledged(told(&mut node).as_ref()), Some(1));
}
