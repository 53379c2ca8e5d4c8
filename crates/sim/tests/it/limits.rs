//! What an account may keep holds for what is stored and what is on its way, through kills, a disk that
//! refuses, and streams that come and go.

use fastrand::Rng;
use serde_json::Value;
use watershed_engine::{AccountStore, JetStreamSettings, Now, Tick};
use watershed_sim::disk::SimDisk;
use watershed_sim::node::Node;
use watershed_wire::time::UnixNanos;

use crate::talk::send;

const STREAMS: [&str; 4] = ["A", "B", "M", "C"];

const MAX_FILE: u64 = 2_000;
const MAX_MEMORY: u64 = 900;

const SECOND: u64 = 1_000_000_000;

/// When a history begins.
const NOW: Now = Now { tick: Tick(0), wall: UnixNanos(1_000_000_000_000) };

fn start(now: Option<Now>, disk: &SimDisk, seed: u64) -> Node {
    let settings = JetStreamSettings {
        journal_bytes_per_checkpoint: 3_000,
        block_bytes: 1_000,
        ..JetStreamSettings::new(1 << 40, 1 << 40)
    };
    let store = AccountStore {
        max_file: Some(MAX_FILE),
        max_memory: Some(MAX_MEMORY),
        ..AccountStore::default()
    };
    Node::start_limited(now.unwrap_or(NOW), disk, settings, seed, store).unwrap()
}

/// The answer to a message, which may wait for others.
fn tell(node: &mut Node, subject: &str, body: &str) -> Value {
    node.received();
    send(node, subject, "r.1", body);
    for _ in 0..100 {
        node.settle().unwrap();
        let received = node.received();
        if let Some(answer) = received.iter().find(|message| message.subject == "r.1") {
            return serde_json::from_str(&answer.payload).unwrap();
        }
        node.wait_for_deadline(SECOND / 1_000);
        node.turn();
    }
    panic!("{subject} is not answered");
}

fn ask(node: &mut Node, call: &str, body: &str) -> Value {
    tell(node, &format!("$JS.API.{call}"), body)
}

fn number(value: &Value, field: &str) -> u64 {
    value[field].as_u64().unwrap()
}

/// What the account is said to use is the sum of what its streams hold, and no more than it may.
fn check_sums(node: &mut Node) -> (u64, u64) {
    // Something may grow old in between.
    let mut before = ask(node, "STREAM.LIST", "");
    let (info, list) = loop {
        let info = ask(node, "INFO", "");
        let list = ask(node, "STREAM.LIST", "");
        let states = |list: &Value| {
            let streams = list["streams"].as_array().unwrap();
            streams.iter().map(|stream| stream["state"].clone()).collect::<Vec<_>>()
        };
        if states(&before) == states(&list) {
            break (info, list);
        }
        before = list;
    };
    let streams = list["streams"].as_array().unwrap();
    let sum = |storage: &str, of: fn(&Value) -> i64| {
        let own = streams.iter().filter(|stream| stream["config"]["storage"] == storage);
        own.map(|stream| of(stream).max(0)).sum::<i64>()
    };
    let bytes: fn(&Value) -> i64 = |stream| stream["state"]["bytes"].as_i64().unwrap();
    let max_bytes: fn(&Value) -> i64 = |stream| stream["config"]["max_bytes"].as_i64().unwrap();
    let expected = serde_json::json!([
        sum("memory", bytes),
        sum("file", bytes),
        sum("memory", max_bytes),
        sum("file", max_bytes),
        streams.len(),
        streams.iter().map(|stream| number(&stream["state"], "consumer_count")).sum::<u64>(),
    ]);
    let fields =
        ["memory", "storage", "reserved_memory", "reserved_storage", "streams", "consumers"];
    let shown: Vec<&Value> = fields.iter().map(|field| &info[*field]).collect();
    assert_eq!(serde_json::json!(shown), expected);
    let used = (number(&info, "memory"), number(&info, "storage"));
    assert!(used.0 <= MAX_MEMORY && used.1 <= MAX_FILE, "{used:?}");
    used
}

/// The room that is left is taken to the last byte, and no further.
fn check_room(node: &mut Node) {
    ask(node, "STREAM.DELETE.A", "");
    let created = ask(node, "STREAM.CREATE.A", "{\"name\":\"A\",\"subjects\":[\"A.>\"]}");
    assert_eq!(created["error"], Value::Null);
    let (_, used) = check_sums(node);
    let Some(room) = (MAX_FILE - used).checked_sub(33) else { return };
    let publish = |node: &mut Node, bytes: u64| {
        let body = "x".repeat(usize::try_from(bytes).unwrap());
        tell(node, "A.1", &body)["error"]["err_code"].as_u64()
    };
    assert_eq!(publish(node, room + 1), Some(10002));
    assert_eq!(publish(node, room), None);
    assert_eq!(publish(node, 0), Some(10002));
    assert_eq!(check_sums(node).1, MAX_FILE);
}

fn put_stream(node: &mut Node, rng: &mut Rng, stream: &str) {
    let one_of = |rng: &mut Rng, all: &[i64]| all[rng.usize(..all.len())];
    let config = serde_json::json!({
        "name": stream,
        "subjects": [format!("{stream}.>")],
        "storage": if stream == "M" { "memory" } else { "file" },
        "retention": if stream == "B" { "interest" } else { "limits" },
        "max_msgs": one_of(rng, &[-1, 3]),
        "max_bytes": one_of(rng, &[-1, 400, 700]),
        "max_age": one_of(rng, &[0, 0, 2_000_000_000]),
        "max_msgs_per_subject": one_of(rng, &[-1, 1]),
        "duplicate_window": 1_000_000_000,
        "allow_rollup_hdrs": true,
    });
    let verb = if rng.bool() { "CREATE" } else { "UPDATE" };
    send(node, &format!("$JS.API.STREAM.{verb}.{stream}"), "r.9", &config.to_string());
}

fn act(node: &mut Node, rng: &mut Rng) {
    let stream = STREAMS[rng.usize(..STREAMS.len() - 1)];
    let subject = |verb: &str| format!("$JS.API.STREAM.{verb}.{stream}");
    match rng.u8(..20) {
        0 => send(node, &subject("DELETE"), "r.9", ""),
        1..5 => put_stream(node, rng, stream),
        5 => send(node, &subject("PURGE"), "r.9", "{\"keep\":1}"),
        6 => {
            let body = format!("{{\"seq\":{}}}", rng.u64(1..20));
            send(node, &subject("MSG.DELETE"), "r.9", &body);
        }
        7 => {
            let body = format!(
                "{{\"stream_name\":\"{stream}\",\"config\":{{\"name\":\"w\",\"durable_name\":\"w\",\
                 \"ack_policy\":\"none\"}}}}"
            );
            send(node, &format!("$JS.API.CONSUMER.CREATE.{stream}.w"), "r.9", &body);
        }
        8 => send(node, &format!("$JS.API.CONSUMER.DELETE.{stream}.w"), "r.9", ""),
        9 => {
            let body = "{\"name\":\"C\",\"sources\":[{\"name\":\"A\"},{\"name\":\"M\"}]}";
            send(node, "$JS.API.STREAM.CREATE.C", "r.9", body);
        }
        10 => {
            // The disk may refuse.
            node.wait(SECOND);
            let _ = node.settle();
        }
        11 => {
            node.try_commit();
        }
        _ => {
            let body = "x".repeat(rng.usize(..500));
            send(node, &format!("{stream}.{}", rng.u8(..3)), "r.8", &body);
        }
    }
}

/// One history. How many publishes found no room.
fn check(seed: u64) -> usize {
    let mut rng = Rng::with_seed(seed);
    let mut disk = SimDisk::default();
    let mut node = start(None, &disk, seed);
    let mut refused = 0;
    for life in 0..3 {
        let fails = life > 0 && rng.bool();
        if fails {
            disk.fail_at(rng.u64(1..60));
        }
        for _ in 0..120 {
            act(&mut node, &mut rng);
            let told = node.received();
            refused += told.iter().filter(|own| own.payload.contains("\"err_code\":10002")).count();
            if !fails && rng.u8(..20) == 0 {
                node.settle().unwrap();
                check_sums(&mut node);
            }
        }
        if fails && !node.is_healthy() && node.heal().is_ok() {
            // What was on its way is so no longer.
            node.settle().unwrap();
            check_sums(&mut node);
            check_room(&mut node);
        }
        let now = node.now();
        drop(node);
        disk = disk.after_kill();
        node = start(Some(now), &disk, rng.u64(..));
        node.settle().unwrap();
        check_sums(&mut node);
        check_room(&mut node);
    }
    refused
}

#[test]
fn an_account_keeps_no_more_than_it_may() {
    let refused: usize = (0..crate::seeds(40)).map(check).sum();
    assert!(refused > 100, "only {refused} publishes found no room");
}
