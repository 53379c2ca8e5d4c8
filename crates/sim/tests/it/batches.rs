//! An atomic batch is there as a whole or not at all, whatever becomes of the power.

use fastrand::Rng;
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

fn create(node: &mut Node) {
    let config = r#"{"name":"S","subjects":["s.>"],"allow_atomic":true}"#;
    ask(node, "STREAM.CREATE.S", config);
}

/// Sends the message `number` of the batch `id`, which has `last` of them.
fn send(node: &mut Node, id: u64, number: u64, last: u64) {
    let end = if number == last { "Nats-Batch-Commit: 1\r\n" } else { "" };
    let header =
        format!("NATS/1.0\r\nNats-Batch-Id: {id}\r\nNats-Batch-Sequence: {number}\r\n{end}\r\n");
    let (length, body) = (header.len(), "x".repeat(20));
    let total = length + body.len();
    node.send(format!("HPUB s.{id} r.{id} {length} {total}\r\n{header}{body}\r\n").as_bytes());
}

/// How many messages there are of each batch, in the order of their first ones.
fn content(node: &mut Node) -> Vec<(u64, u64)> {
    let mut found: Vec<(u64, u64)> = Vec::new();
    for message in messages(node, "S") {
        let id = message["subject"].as_str().unwrap().strip_prefix("s.").unwrap().parse().unwrap();
        match found.last_mut() {
            Some((last, count)) if *last == id => *count += 1,
            _ => found.push((id, 1)),
        }
    }
    found
}

/// Batches of two publishers, interleaved, and the disk that fails, or the power that goes.
fn run(seed: u64) -> Result<(), String> {
    let mut rng = Rng::with_seed(seed);
    let mut disk = SimDisk::default();
    let mut node = Node::start(&disk, settings(), seed)?;
    create(&mut node);
    let (mut batches, mut acknowledged) = (Vec::new(), Vec::new());
    for _ in 0..3 {
        disk.kill_after(rng.u64(1..50));
        for _ in 0..rng.usize(1..8) {
            let first = batches.len() as u64;
            let lengths = [rng.u64(1..9), rng.u64(1..9)];
            batches.extend(lengths);
            let mut sent = [0, 0];
            while sent != lengths {
                let of = usize::from(rng.bool());
                if sent[of] < lengths[of] {
                    sent[of] += 1;
                    send(&mut node, first + of as u64, sent[of], lengths[of]);
                }
            }
            let done = if rng.bool() { node.commit() } else { node.settle() };
            for told in node.received() {
                let id = told.subject.strip_prefix("r.").and_then(|id| id.parse::<u64>().ok());
                acknowledged.extend(id.filter(|_| told.payload.contains("\"count\"")));
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
        let whole = |(id, count): &(u64, u64)| batches[usize::try_from(*id).unwrap()] == *count;
        let there = |id: &u64| found.iter().any(|(own, _)| own == id);
        if !found.iter().all(whole) || !acknowledged.iter().all(there) {
            return Err(format!("{acknowledged:?} of {batches:?}, and there is {found:?}"));
        }
    }
    Ok(())
}

#[test]
fn no_power_cut_leaves_a_part_of_a_batch() {
    for seed in 0..crate::seeds(80) {
        if let Err(error) = run(seed) {
            panic!("seed {seed}: {error}");
        }
    }
}

/// A disk that refuses the round refuses all of it, and says so once.
#[test]
fn a_batch_that_the_disk_refuses_is_not_there() {
    let disk = SimDisk::default();
    let mut node = Node::start(&disk, settings(), 1).unwrap();
    create(&mut node);
    for number in 1..=3 {
        send(&mut node, 7, number, 3);
    }
    disk.refuse(true);
    node.commit().unwrap_err();
    let told = node.received();
    let errors: Vec<_> = told.iter().filter(|own| own.payload.contains("10023")).collect();
    assert_eq!((told.len(), errors.len()), (3, 1), "{told:?}");
    disk.refuse(false);
    node.heal().unwrap();
    assert_eq!(content(&mut node), []);
    tell(&mut node, "s.8", "x");
    assert_eq!(content(&mut node), [(8, 1)]);
}

/// Who does not go on within ten seconds has to begin anew.
#[test]
fn a_batch_is_given_up_after_a_while() {
    let mut node = Node::start(&SimDisk::default(), settings(), 1).unwrap();
    create(&mut node);
    for (number, wait) in [(1, 9), (2, 9), (3, 11)] {
        send(&mut node, 7, number, 9);
        pass(&mut node, wait * SECOND);
    }
    send(&mut node, 7, 4, 4);
    let told = node.received().pop().unwrap();
    assert!(told.payload.contains("10176"), "{}", told.payload);
    assert_eq!(content(&mut node), []);
}
