//! Schedules: what they make is there once, whatever becomes of the power.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use fastrand::Rng;
use serde_json::Value;
use watershed_engine::JetStreamSettings;
use watershed_sim::disk::{SimDisk, Survival};
use watershed_sim::node::Node;
use watershed_wire::time::UnixNanos;

use crate::talk::{SECOND, ask, messages, pass, tell};

fn settings() -> JetStreamSettings {
    JetStreamSettings {
        journal_bytes_per_checkpoint: 1_000,
        block_bytes: 600,
        ..JetStreamSettings::new(1 << 40, 1 << 40)
    }
}

fn create(node: &mut Node, config: &str) {
    let config = format!(
        "{{\"name\":\"S\",\"subjects\":[\"s.>\"],\"allow_msg_schedules\":true,\"allow_msg_ttl\":true{config}}}"
    );
    let answer = ask(node, "STREAM.CREATE.S", &config);
    assert!(answer["config"].is_object(), "{answer}");
}

/// The time that many seconds from now.
fn at(node: &Node, seconds: i64) -> String {
    let second = i64::try_from(SECOND).unwrap();
    format!("@at {}", UnixNanos(node.now().wall.0 + seconds * second))
}

/// Stores a schedule with these further header fields, separated by `|`. What the client is told.
fn schedule(node: &mut Node, subject: &str, pattern: &str, fields: &str, payload: &str) -> String {
    let fields = format!("Nats-Schedule: {pattern}|{fields}").replace('|', "\r\n");
    let header = format!("NATS/1.0\r\n{fields}\r\n\r\n");
    let (length, total) = (header.len(), header.len() + payload.len());
    node.send(format!("HPUB {subject} r.1 {length} {total}\r\n{header}{payload}\r\n").as_bytes());
    node.settle().unwrap();
    node.received().pop().map(|told| told.payload).unwrap_or_default()
}

/// Subject, payload and what is said of the schedule, of each message that is there.
fn content(node: &mut Node) -> Vec<String> {
    let show = |message: &Value| {
        let decoded = |field: &str| {
            let bytes = BASE64_STANDARD.decode(message[field].as_str().unwrap_or_default());
            String::from_utf8(bytes.unwrap()).unwrap()
        };
        let header = decoded("hdrs");
        let by = header.lines().find_map(|line| line.strip_prefix("Nats-Scheduler: "));
        let by = by.map(|by| format!(" by {by}")).unwrap_or_default();
        format!("{} {}{by}", message["subject"].as_str().unwrap(), decoded("data"))
    };
    messages(node, "S").iter().map(show).collect()
}

#[test]
fn a_schedule_makes_its_messages_in_time() {
    for storage in [",\"storage\":\"file\"", ",\"storage\":\"memory\""] {
        let mut node = Node::start(&SimDisk::default(), settings(), 1).unwrap();
        create(&mut node, storage);
        tell(&mut node, "s.src", "source");
        let once = at(&node, 10);
        schedule(&mut node, "s.once", &once, "Nats-Schedule-Target: s.1", "once");
        schedule(
            &mut node,
            "s.of",
            &once,
            "Nats-Schedule-Target: s.2|Nats-Schedule-Source: s.src",
            "",
        );
        let often = "Nats-Schedule-Target: s.3|Nats-Schedule-Rollup: sub|Nats-Schedule-TTL: 4s";
        schedule(&mut node, "s.often", "@every 3s", often, "often");
        let past = at(&node, -100);
        schedule(&mut node, "s.past", &past, "Nats-Schedule-Target: s.4", "past");
        pass(&mut node, SECOND / 10);
        let waiting = ["s.src source", "s.once once", "s.of ", "s.often often"];
        let past = "s.4 past by s.past";
        assert_eq!(content(&mut node), [&waiting[..], &[past]].concat(), "{storage}");
        pass(&mut node, 8 * SECOND);
        let often = "s.3 often by s.often";
        assert_eq!(content(&mut node), [&waiting[..], &[past, often]].concat(), "{storage}");
        pass(&mut node, 3 * SECOND);
        let mut found = content(&mut node);
        found.sort();
        let mut expected = [
            "s.src source",
            "s.often often",
            past,
            often,
            "s.1 once by s.once",
            "s.2 source by s.of",
        ];
        expected.sort_unstable();
        assert_eq!(found, expected, "{storage}");
        // Another one in its place, and none.
        schedule(&mut node, "s.often", "@every 1h", "Nats-Schedule-Target: s.3", "seldom");
        pass(&mut node, 60 * SECOND);
        assert_eq!(content(&mut node).iter().filter(|own| own.starts_with("s.3")).count(), 0);
        ask(&mut node, "STREAM.PURGE.S", "{\"filter\":\"s.often\"}");
        let before = content(&mut node);
        for _ in 0..90 {
            pass(&mut node, 60 * SECOND);
            node.received();
        }
        assert_eq!(content(&mut node), before, "{storage}");
    }
}

/// A schedule that is stored, fires, and is over: the power goes at one call of the disk after the
/// other. What was acknowledged makes its message, once.
#[test]
fn whatever_becomes_of_the_power_a_message_is_made_once() {
    let mut rng = Rng::with_seed(7);
    for call in 1.. {
        let mut disk = SimDisk::default();
        let mut node = Node::start(&disk, settings(), 1).unwrap();
        create(&mut node, "");
        let time = at(&node, 5);
        let mut told = Vec::new();
        disk.kill_after(call);
        let mut dead = false;
        for number in 0..6 {
            let fields = format!("Nats-Schedule-Target: s.made.{number}");
            let header = format!("NATS/1.0\r\nNats-Schedule: {time}\r\n{fields}\r\n\r\n");
            let (length, total) = (header.len(), header.len() + 200);
            let payload = "x".repeat(200);
            let frame =
                format!("HPUB s.{number} r.{number} {length} {total}\r\n{header}{payload}\r\n");
            node.send(frame.as_bytes());
            dead = dead || node.settle().is_err();
            told.extend(node.received().into_iter().filter(|own| !own.payload.contains("error")));
        }
        for _ in 0..8 {
            let mut left = SECOND;
            while left > 0 && !dead {
                left = node.wait_for_deadline(left);
                dead = node.settle().is_err();
            }
        }
        let now = node.now();
        drop(node);
        disk = disk.power_cut(Survival::EVERY[rng.usize(..4)], &mut rng);
        // It is overdue by now, or not.
        let mut node = Node::start_at(now, &disk, settings(), rng.u64(..)).unwrap();
        node.settle().unwrap();
        pass(&mut node, 10 * SECOND);
        let found = content(&mut node);
        for own in told {
            let number = own.subject.strip_prefix("r.").unwrap();
            let made = format!("s.made.{number} ");
            let made = found.iter().filter(|own| own.starts_with(&made)).count();
            assert_eq!(made, 1, "call {call}: {number}: {found:?}");
        }
        let waiting = found.iter().any(|own| !own.contains(" by "));
        assert!(!waiting, "call {call}: {found:?}");
        if !dead {
            assert!(call > 20, "{call} calls");
            break;
        }
    }
}

#[test]
fn an_interval_that_passed_while_nobody_was_there_makes_one_message() {
    let disk = SimDisk::default();
    let mut node = Node::start(&disk, settings(), 1).unwrap();
    create(&mut node, "");
    schedule(&mut node, "s.a", "@every 1m", "Nats-Schedule-Target: s.b", "x");
    let mut now = node.now();
    drop(node);
    now.wall.0 += 10 * 60 * i64::try_from(SECOND).unwrap();
    let mut node = Node::start_at(now, &disk.after_kill(), settings(), 1).unwrap();
    pass(&mut node, SECOND);
    assert_eq!(content(&mut node), ["s.a x", "s.b x by s.a"]);
}

/// What a schedule makes may be longer than its stream allows. The others go on in their time.
#[test]
fn a_schedule_that_cannot_make_its_message_holds_up_no_other() {
    let mut node = Node::start(&SimDisk::default(), settings(), 1).unwrap();
    create(&mut node, ",\"max_msg_size\":200");
    tell(&mut node, "s.src", &"x".repeat(190));
    let long = "Nats-Schedule-Target: s.long|Nats-Schedule-Source: s.src";
    schedule(&mut node, "s.a", "@every 1s", long, "");
    schedule(&mut node, "s.b", "@every 1s", "Nats-Schedule-Target: s.made", "x");
    pass(&mut node, 10 * SECOND + SECOND / 2);
    let found = content(&mut node);
    let made = |subject: &str| found.iter().filter(|own| own.starts_with(subject)).count();
    assert_eq!((made("s.long"), made("s.made")), (0, 10), "{found:?}");
    // It makes it when it can.
    tell(&mut node, "s.src", "short");
    pass(&mut node, 61 * SECOND);
    assert!(content(&mut node).contains(&"s.long short by s.a".to_owned()));
}
