//! What the publisher of a fast batch is told of is on disk, whatever becomes of the power, and in order.

use std::collections::BTreeMap;

use fastrand::Rng;
use serde_json::Value;
use watershed_engine::JetStreamSettings;
use watershed_sim::disk::{SimDisk, Survival};
use watershed_sim::node::Node;

use crate::talk::{SECOND, ask, messages, pass, tell};

fn settings() -> JetStreamSettings {
    JetStreamSettings {
        journal_bytes_per_checkpoint: 3_000,
        block_bytes: 1_500,
        ..JetStreamSettings::new(1 << 40, 1 << 40)
    }
}

fn create(node: &mut Node, more: &str) {
    let config = format!("{{\"name\":\"S\",\"subjects\":[\"s.>\"],\"allow_batched\":true{more}}}");
    let answer = ask(node, "STREAM.CREATE.S", &config);
    assert!(answer["config"].is_object(), "{answer}");
}

/// Sends the message `number` of the batch `id`: an operation of its protocol, with these header fields.
fn send(node: &mut Node, id: &str, gap: &str, (number, operation): (u64, u8), fields: &str) {
    let header = format!("NATS/1.0\r\n{fields}\r\n");
    let (length, reply) = (header.len(), format!("r.{id}.3.{gap}.{number}.{operation}.$FI"));
    node.send(format!("HPUB s.{id}.{number} {reply} {length} {length}\r\n{header}\r\n").as_bytes());
}

/// What was told of batches: which one, and what.
fn told(node: &mut Node) -> Vec<(String, Value)> {
    let came = node.received().into_iter().filter(|own| own.subject.ends_with(".$FI"));
    let of = |subject: &str| subject.split('.').nth(1).unwrap().to_owned();
    came.map(|own| (of(&own.subject), serde_json::from_str(&own.payload).unwrap())).collect()
}

/// The numbers of the messages that are there of each batch, in their order.
fn content(node: &mut Node) -> BTreeMap<String, Vec<u64>> {
    let mut found: BTreeMap<String, Vec<u64>> = BTreeMap::new();
    for message in messages(node, "S") {
        let mut tokens = message["subject"].as_str().unwrap().split('.').skip(1);
        let id = tokens.next().unwrap().to_owned();
        found.entry(id).or_default().push(tokens.next().unwrap().parse().unwrap());
    }
    found
}

/// Batches of two publishers, interleaved, some with gaps, and the disk that fails, or the power that goes.
fn run(seed: u64, mode: &str) -> Result<(), String> {
    let mut rng = Rng::with_seed(seed);
    let mut disk = SimDisk::default();
    let mut node = Node::start(&disk, settings(), seed)?;
    create(&mut node, mode);
    let mut batches = 0;
    // The last number of each batch that is known to be on disk, if it has no gaps.
    let mut acknowledged: BTreeMap<String, u64> = BTreeMap::new();
    for _ in 0..3 {
        disk.kill_after(rng.u64(1..50));
        for _ in 0..rng.usize(1..8) {
            let lengths = [rng.u64(1..9), rng.u64(1..9)];
            let ids = [0, 1].map(|own| (batches + own).to_string());
            batches += 2;
            let mut sent = [0, 0];
            while sent != lengths {
                let of = usize::from(rng.bool());
                if sent[of] == lengths[of] {
                    continue;
                }
                sent[of] += 1;
                let operation = match sent[of] {
                    number if number == lengths[of] => 2,
                    1 => 0,
                    _ => 1,
                };
                if operation != 1 || rng.u8(..8) > 0 {
                    send(&mut node, &ids[of], "fail", (sent[of], operation), "");
                }
            }
            let done = if rng.bool() { node.commit() } else { node.settle() };
            for (id, what) in told(&mut node) {
                let last = match what["type"].as_str() {
                    Some("ack") => what["seq"].as_u64(),
                    _ => what["count"].as_u64(),
                };
                let own = acknowledged.entry(id).or_default();
                *own = (*own).max(last.unwrap_or(0));
            }
            if done.is_err() {
                break;
            }
        }
        let now = node.now();
        drop(node);
        disk = disk.power_cut(Survival::EVERY[rng.usize(..4)], &mut rng);
        node = Node::start_at(now, &disk, settings(), seed)?;
        let found = content(&mut node);
        for (id, numbers) in &found {
            let last = numbers.len() as u64;
            if !numbers.iter().copied().eq(1..=last) {
                return Err(format!("batch {id} has {numbers:?}"));
            }
        }
        for (id, last) in &acknowledged {
            let there = found.get(id).map_or(0, |numbers| numbers.len() as u64);
            if there < *last {
                return Err(format!("batch {id} has {there} of {last} messages"));
            }
        }
    }
    Ok(())
}

#[test]
fn no_power_cut_takes_what_was_acknowledged_or_leaves_a_gap() {
    for seed in 0..crate::seeds(60) {
        for mode in ["", ",\"persist_mode\":\"async\""] {
            if let Err(error) = run(seed, mode) {
                panic!("seed {seed}{mode}: {error}");
            }
        }
    }
}

/// Nothing is acknowledged before the disk has it, and a batch of which some was refused ends.
#[test]
fn what_the_disk_refuses_ends_a_batch() {
    let disk = SimDisk::default();
    let mut node = Node::start(&disk, settings(), 1).unwrap();
    create(&mut node, "");
    for number in 1..=3 {
        send(&mut node, "a", "fail", (number, u8::from(number > 1)), "");
    }
    let first = told(&mut node);
    assert_eq!(first.len(), 1, "{first:?}");
    assert_eq!(first[0].1["seq"], 0);
    disk.refuse(true);
    node.commit().unwrap_err();
    let refused = told(&mut node);
    assert_eq!((refused.len(), &refused[0].1["error"]["err_code"]), (1, &10023.into()));
    disk.refuse(false);
    node.heal().unwrap();
    send(&mut node, "a", "fail", (4, 1), "");
    assert_eq!(told(&mut node)[0].1["error"]["err_code"], 10208);
    assert!(content(&mut node).is_empty());
    send(&mut node, "a", "fail", (1, 0), "");
    send(&mut node, "a", "fail", (2, 3), "");
    node.settle().unwrap();
    assert_eq!(told(&mut node).last().unwrap().1["count"], 1);
}

/// A value that is to be read first holds up the rest of its batch, and that one only.
#[test]
fn messages_wait_for_those_of_their_batch_that_are_undecided() {
    let disk = SimDisk::default();
    let mut node = Node::start(&disk, settings(), 1).unwrap();
    create(&mut node, ",\"allow_msg_counter\":true");
    let count = "Nats-Incr: 1\r\n";
    send(&mut node, "a", "fail", (2, 2), count);
    for number in [1, 2] {
        send(&mut node, "b", "fail", (number, if number == 1 { 0 } else { 2 }), count);
        send(&mut node, "c", "fail", (number, if number == 1 { 0 } else { 2 }), count);
    }
    node.settle().unwrap();
    drop(node);
    let mut node = Node::start(&disk.after_kill(), settings(), 1).unwrap();
    // The values of the first two subjects are on disk, and read; the third has none; the fourth adds no number.
    for (number, operation) in [(1, 0), (2, 1), (3, 1)] {
        send(&mut node, "b", "fail", (number, operation), count);
    }
    send(&mut node, "d", "fail", (1, 2), count);
    send(&mut node, "b", "fail", (4, 1), "Nats-Incr: x\r\n");
    send(&mut node, "b", "fail", (5, 2), count);
    node.settle().unwrap();
    for _ in 0..10 {
        node.turn();
        node.settle().unwrap();
    }
    // What is wrong is said at once, what is on disk when it is.
    let of_b = ["ack 0", "err 4", "unknown", "ack 3", "end 3"];
    let found: Vec<String> = told(&mut node)
        .iter()
        .filter(|(id, _)| id == "b")
        .map(|(_, what)| match what["type"].as_str() {
            Some(kind) => format!("{kind} {}", what["seq"]),
            None if what["error"]["err_code"] == 10208 => "unknown".to_owned(),
            None => format!("end {}", what["count"]),
        })
        .collect();
    assert_eq!(found, of_b);
    assert_eq!(content(&mut node)["b"], [1, 2, 1, 2, 3]);
    assert!(!content(&mut node).contains_key("a"));
}

/// Who does not go on within ten seconds has to begin anew; a ping is enough.
#[test]
fn a_batch_is_given_up_after_a_while() {
    let mut node = Node::start(&SimDisk::default(), settings(), 1).unwrap();
    create(&mut node, "");
    for (step, wait) in [((1, 0), 9), ((2, 1), 9), ((2, 4), 9), ((3, 1), 11)] {
        send(&mut node, "a", "fail", step, "");
        pass(&mut node, wait * SECOND);
        let last = told(&mut node).pop();
        assert!(last.is_none_or(|(_, what)| what["type"] == "ack"));
    }
    send(&mut node, "a", "fail", (4, 1), "");
    assert_eq!(told(&mut node)[0].1["error"]["err_code"], 10208);
    assert_eq!(content(&mut node)["a"], [1, 2, 3]);
}

#[test]
fn a_stream_has_a_thousand_batches() {
    let mut node = Node::start(&SimDisk::default(), settings(), 1).unwrap();
    create(&mut node, "");
    for id in 0..1002 {
        send(&mut node, &id.to_string(), "ok", (1, 0), "");
    }
    node.settle().unwrap();
    let refused = told(&mut node);
    let refused = refused.iter().filter(|(_, what)| what["error"]["err_code"] == 10211);
    assert_eq!(refused.count(), 2);
    pass(&mut node, 11 * SECOND);
    send(&mut node, "1000", "ok", (1, 0), "");
    assert_eq!(told(&mut node)[0].1["type"], "ack");
    tell(&mut node, "s.x.1", "x");
    assert_eq!(content(&mut node)["x"], [1]);
}
