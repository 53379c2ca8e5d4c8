//! Batches of direct gets: what is stored, wherever it lies, in turns and no faster than it is read.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use fastrand::Rng;
use watershed_engine::JetStreamSettings;
use watershed_sim::disk::SimDisk;
use watershed_sim::node::{Node, Received};

use crate::seeds;
use crate::talk::{ask, send, tell};

const CREATE: &str = "{\"name\":\"S\",\"subjects\":[\"s.>\"],\"allow_direct\":true}";

fn settings() -> JetStreamSettings {
    JetStreamSettings {
        journal_bytes_per_checkpoint: 4_000,
        block_bytes: 1_500,
        ..JetStreamSettings::new(1 << 40, 1 << 40)
    }
}

/// Asks for a batch. What comes, and in how many turns.
fn get(node: &mut Node, body: &str) -> (Vec<Received>, usize) {
    node.received();
    send(node, "$JS.API.DIRECT.GET.S", "r.1", body);
    let mut got = node.received();
    for turns in 0..1_000 {
        if got.last().is_some_and(|last| last.header.starts_with("NATS/1.0 ")) {
            return (got, turns);
        }
        node.turn();
        got.extend(node.received());
    }
    panic!("{body} is not answered to its end: {got:?}");
}

fn number(message: &Received, name: &str) -> u64 {
    let line = message.header.lines().find_map(|line| line.strip_prefix(name));
    line.unwrap_or_else(|| panic!("{message:?}")).trim_start_matches(": ").parse().unwrap()
}

/// Each message of a batch: its sequence and what is pending behind it; and the status at the end.
fn shown(got: &[Received]) -> String {
    let mut text = String::new();
    for own in got {
        let mut lines = own.header.lines();
        match lines.next().unwrap() {
            "NATS/1.0" => {
                let (own, pending) =
                    (number(own, "Nats-Sequence"), number(own, "Nats-Num-Pending"));
                write!(text, "{own}+{pending} ").unwrap();
            }
            status => text.push_str(&status["NATS/1.0 ".len()..]),
        }
    }
    text
}

/// What a batch shows, of these messages.
fn expected(wanted: &[u64], left: usize) -> String {
    if wanted.is_empty() {
        return "404 Message Not Found".into();
    }
    let mut text = String::new();
    for (index, sequence) in wanted.iter().take(left).enumerate() {
        write!(text, "{sequence}+{} ", wanted.len() - 1 - index).unwrap();
    }
    text + "204 EOB"
}

#[test]
fn batches_have_what_is_stored() {
    for seed in 0..seeds(12) {
        let mut rng = Rng::with_seed(seed);
        let mut disk = SimDisk::default();
        let mut node = Node::start(&disk, settings(), seed).unwrap();
        ask(&mut node, "STREAM.CREATE.S", CREATE);
        // Subjects by sequence.
        let mut stored = BTreeMap::new();
        let mut next = 1;
        for _ in 0..rng.u32(0..150) {
            if rng.u32(..8) == 0 && next > 1 {
                let sequence = rng.u64(1..next);
                ask(&mut node, "STREAM.MSG.DELETE.S", &format!("{{\"seq\":{sequence}}}"));
                stored.remove(&sequence);
                continue;
            }
            let subject = format!("s.{}.{}", rng.u32(..3), rng.u32(..4));
            tell(&mut node, &subject, &"x".repeat(rng.usize(..200)));
            stored.insert(next, subject);
            next += 1;
        }
        if rng.bool() {
            let now = node.now();
            drop(node);
            disk = disk.after_kill();
            node = Node::start_at(now, &disk, settings(), 3).unwrap();
        }
        for _ in 0..20 {
            let from = rng.u64(1..next + 2);
            let first = rng.u32(..3);
            let last = ["*", "1", "9"][rng.usize(..3)];
            let filter = format!("s.{first}.{last}");
            let takes = |subject: &str| {
                let mut tokens = subject.split('.').skip(1);
                let first = tokens.next() == Some(&first.to_string());
                first && (last == "*" || tokens.next() == Some(last))
            };
            let left = rng.usize(1..20);
            let all: Vec<u64> = stored.range(from..).map(|(own, _)| *own).collect();
            let body = format!("{{\"batch\":{left},\"seq\":{from}}}");
            let (got, _) = get(&mut node, &body);
            assert_eq!(shown(&got), expected(&all, left), "seed {seed}: {body}");

            let some = stored.range(from..).filter(|(_, own)| takes(own));
            let some: Vec<u64> = some.map(|(own, _)| *own).collect();
            let body = format!("{{\"batch\":{left},\"seq\":{from},\"next_by_subj\":\"{filter}\"}}");
            let (got, _) = get(&mut node, &body);
            assert_eq!(shown(&got), expected(&some, left), "seed {seed}: {body}");

            let upto = rng.u64(1..next.max(2));
            let mut lasts = BTreeMap::new();
            for (sequence, subject) in stored.range(..=upto).filter(|(_, own)| takes(own)) {
                lasts.insert(subject, *sequence);
            }
            let mut lasts: Vec<u64> = lasts.into_values().collect();
            lasts.sort_unstable();
            let body = format!("{{\"multi_last\":[\"{filter}\",\"x\"],\"up_to_seq\":{upto}}}");
            let (got, _) = get(&mut node, &body);
            let expected = expected(&lasts, usize::MAX).replace("Message Not Found", "No Results");
            assert_eq!(shown(&got), expected, "seed {seed}: {body}");
        }
    }
}

/// A stream with 10,000 messages, each of a subject of its own.
fn filled() -> Node {
    let disk = SimDisk::default();
    let mut node = Node::start(&disk, JetStreamSettings::new(1 << 40, 1 << 40), 1).unwrap();
    ask(&mut node, "STREAM.CREATE.S", CREATE);
    let mut lines = String::new();
    for number in 0..10_000 {
        write!(lines, "PUB s.{number} {0}\r\n{1}\r\n", 100, "x".repeat(100)).unwrap();
    }
    node.send(lines.as_bytes());
    node.settle().unwrap();
    for _ in 0..100 {
        node.turn();
    }
    node
}

#[test]
fn batches_come_in_turns() {
    let mut node = filled();
    for (body, turns_at_least, end) in [
        ("{\"batch\":5000,\"seq\":1}", 5000 / 128, "204 EOB"),
        ("{\"batch\":2,\"seq\":1,\"next_by_subj\":\"*.9999\"}", 4, "204 EOB"),
        ("{\"batch\":2,\"seq\":1,\"next_by_subj\":\"*.none\"}", 2, "404 Message Not Found"),
        ("{\"multi_last\":[\"*.9999\"]}", 8, "204 EOB"),
        ("{\"multi_last\":[\"s.>\"]}", 1, "413 Too Many Results"),
    ] {
        let (got, turns) = get(&mut node, body);
        assert!(turns >= turns_at_least, "{body}: {turns} turns");
        assert!(shown(&got).ends_with(end), "{body}");
    }
}

/// Who does not read gets no more than fits, and the rest when it reads again.
#[test]
fn batches_wait_for_who_reads_them() {
    let mut node = filled();
    node.received();
    let body = "{\"batch\":10000,\"seq\":1}";
    for _ in 0..3 {
        send(&mut node, "$JS.API.DIRECT.GET.S", "r.1", body);
    }
    for _ in 0..500 {
        node.turn();
    }
    let mut got = node.received();
    assert!(got.len() < 20_000, "{} messages were sent to who does not read", got.len());
    for _ in 0..100_000 {
        node.turn();
        let more = node.received();
        if more.is_empty() {
            break;
        }
        got.extend(more);
    }
    assert_eq!(got.len(), 3 * 10_001);
}
