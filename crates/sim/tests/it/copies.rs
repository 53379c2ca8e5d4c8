//! What a stream takes in from another is there once, whole and in order, after any power cut.

use fastrand::Rng;
use serde_json::Value;
use watershed_engine::JetStreamSettings;
use watershed_sim::disk::{SimDisk, Survival};
use watershed_sim::node::Node;

/// Cuts one after the other, on the same disk.
const CUTS: usize = 4;

fn settings() -> JetStreamSettings {
    JetStreamSettings {
        journal_bytes_per_checkpoint: 4_000,
        block_bytes: 1_500,
        ..JetStreamSettings::new(1 << 40, 1 << 40)
    }
}

/// Sends a request and does whatever the disk has to do until it is answered.
fn ask(node: &mut Node, subject: &str, body: &str) -> Result<Value, String> {
    node.send(format!("PUB {subject} r.1 {}\r\n{body}\r\n", body.len()).as_bytes());
    node.settle()?;
    let answer = node.received().pop().ok_or("no answer")?;
    serde_json::from_str(&answer.payload).map_err(|error| error.to_string())
}

/// A stream's messages: sequence, subject and header block.
fn content(node: &mut Node, stream: &str) -> Result<Vec<(u64, String, String)>, String> {
    let mut all = Vec::new();
    let mut next = 1;
    loop {
        let body = format!("{{\"seq\":{next},\"next_by_subj\":\">\"}}");
        let answer = ask(node, &format!("$JS.API.STREAM.MSG.GET.{stream}"), &body)?;
        let message = &answer["message"];
        let Some(sequence) = message["seq"].as_u64() else { return Ok(all) };
        let text = |field: &str| message[field].as_str().unwrap_or_default().to_owned();
        all.push((sequence, text("subject"), text("data")));
        next = sequence + 1;
    }
}

fn create(node: &mut Node) -> Result<(), String> {
    for body in [
        r#"{"name":"O","subjects":["o.>"]}"#,
        r#"{"name":"T","sources":[{"name":"O","filter_subject":"o.1"},{"name":"W"}]}"#,
        r#"{"name":"M","mirror":{"name":"O"}}"#,
        r#"{"name":"F","mirror":{"name":"O","filter_subject":"o.2"}}"#,
        r#"{"name":"W","subjects":["w"],"retention":"workqueue"}"#,
    ] {
        let name = &body[9..10];
        ask(node, &format!("$JS.API.STREAM.CREATE.{name}"), body)?;
    }
    Ok(())
}

/// Publishes for a while; the power may go at any call of the disk.
fn work(node: &mut Node, rng: &mut Rng, sent: &mut u64) -> Result<(), String> {
    create(node)?;
    for _ in 0..rng.usize(5..40) {
        *sent += 1;
        let subject = ["o.1", "o.2", "w"][rng.usize(..3)];
        let payload = format!("{sent}-{}", "x".repeat(rng.usize(..120)));
        node.send(format!("PUB {subject} {}\r\n{payload}\r\n", payload.len()).as_bytes());
        match rng.u8(..4) {
            0 => node.commit()?,
            1 => node.keep()?,
            2 => node.wait(300_000_000),
            _ => {}
        }
    }
    node.settle()
}

/// Everything that the origin has is in its followers, as it is there.
fn check(node: &mut Node) -> Result<(), String> {
    for _ in 0..4 {
        node.wait(300_000_000);
        node.settle()?;
    }
    let origin = content(node, "O")?;
    let mirror = content(node, "M")?;
    if mirror != origin {
        return Err(format!("the mirror has {mirror:?}, and its origin {origin:?}"));
    }
    let only = |subject: &str| -> Vec<_> {
        origin.iter().filter(|(_, own, _)| own == subject).cloned().collect()
    };
    let filtered = content(node, "F")?;
    if filtered != only("o.2") {
        return Err(format!("the filtered mirror has {filtered:?}"));
    }
    let sourced: Vec<_> = content(node, "T")?;
    let numbers: Vec<u64> = sourced.iter().map(|(sequence, ..)| *sequence).collect();
    if numbers != (1..=numbers.len() as u64).collect::<Vec<_>>() {
        return Err(format!("sequences are {numbers:?}"));
    }
    let from_origin = sourced.iter().filter(|(_, subject, _)| subject == "o.1");
    let copies: Vec<_> = from_origin.map(|(.., data)| data).collect();
    let originals = only("o.1");
    let originals: Vec<_> = originals.iter().map(|(.., data)| data).collect();
    if copies != originals {
        return Err(format!("sourced {copies:?} of {originals:?}"));
    }
    // A work queue without a consumer is emptied by who sources it; nothing is there twice.
    let mut queued: Vec<_> =
        sourced.iter().filter(|(_, subject, _)| subject == "w").map(|(.., d)| d.clone()).collect();
    let left = content(node, "W")?;
    if !left.is_empty() {
        return Err(format!("the work queue still has {left:?}"));
    }
    let count = queued.len();
    queued.sort();
    queued.dedup();
    if queued.len() != count {
        return Err("a message of the work queue was copied twice".into());
    }
    Ok(())
}

fn run(seed: u64) -> Result<(), String> {
    let mut rng = Rng::with_seed(seed);
    let mut disk = SimDisk::default();
    let mut sent = 0;
    for cut in 0..CUTS {
        disk.kill_after(rng.u64(1..160));
        if let Ok(mut node) = Node::start(&disk, settings(), seed) {
            let _ = work(&mut node, &mut rng, &mut sent);
        }
        let survival = Survival::EVERY[rng.usize(..Survival::EVERY.len())];
        disk = disk.power_cut(survival, &mut rng);
        let mut node = Node::start(&disk, settings(), seed)?;
        create(&mut node)?;
        check(&mut node).map_err(|error| format!("cut {cut}: {error}"))?;
    }
    Ok(())
}

#[test]
fn copies_are_whole_after_several_power_cuts() {
    for seed in 0..crate::seeds(150) {
        if let Err(error) = run(seed) {
            panic!("seed {seed}: {error}");
        }
    }
}
