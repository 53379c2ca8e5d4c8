//! What is large is done in turns: others are served in between, and what comes out is the same.

use std::fmt::Write as _;

use serde_json::Value;
use watershed_engine::JetStreamSettings;
use watershed_sim::disk::SimDisk;
use watershed_sim::node::Node;

/// More than is done in any turn.
const MANY: u64 = 10_000;

fn started(disk: &SimDisk) -> Node {
    Node::start(disk, JetStreamSettings::new(1 << 40, 1 << 40), 1).unwrap()
}

fn call(node: &mut Node, subject: &str, body: &str) {
    node.send(format!("PUB {subject} r.call {}\r\n{body}\r\n", body.len()).as_bytes());
}

/// Looks again and again until the call is answered. Says how often, and what the answer is.
fn answer(node: &mut Node) -> (usize, Value) {
    for turns in 0..100 {
        if let Some(answer) = node.received().into_iter().find(|own| own.subject == "r.call") {
            return (turns, serde_json::from_str(&answer.payload).unwrap());
        }
        node.commit().unwrap();
        node.turn();
    }
    panic!("the call is not answered");
}

/// A [`filled`] node that has nothing left to do.
fn filled_and_at_rest(node: &mut Node) {
    filled(node);
    node.settle().unwrap();
    for _ in 0..100 {
        node.turn();
    }
}

/// A stream with that many messages, each of a subject of its own.
fn filled(node: &mut Node) {
    call(node, "$JS.API.STREAM.CREATE.S", "{\"name\":\"S\",\"subjects\":[\"s.>\"]}");
    node.settle().unwrap();
    let mut lines = String::new();
    for number in 0..MANY {
        let _ = write!(lines, "PUB s.{number} r.stored 1\r\nx\r\n");
    }
    node.send(lines.as_bytes());
    node.received();
}

#[test]
fn a_round_of_many_records_is_applied_in_turns() {
    let disk = SimDisk::default();
    let mut node = started(&disk);
    filled(&mut node);
    node.commit().unwrap();
    let mut stored = vec![node.received().len() as u64];
    while stored.iter().sum::<u64>() < MANY {
        node.turn();
        stored.push(node.received().len() as u64);
    }
    assert!(stored.iter().all(|count| *count < MANY / 4), "{stored:?}");
    node.settle().unwrap();
    let state = node.state();
    assert!(started(&disk.after_kill()).state() == state, "the state differs after a restart");
}

#[test]
fn a_consumer_over_many_subjects_is_made_while_others_are_served() {
    for (more, pending, last) in [
        (",\"filter_subject\":\"s.*\"", MANY, 1),
        (",\"filter_subject\":\"s.*\",\"deliver_policy\":\"last_per_subject\"", MANY - 1, 2),
    ] {
        let disk = SimDisk::default();
        let mut node = started(&disk);
        filled_and_at_rest(&mut node);
        // The first subject has two messages: of the last of each, one is not delivered.
        node.send(b"PUB s.0 1\r\ny\r\nPUB $JS.API.STREAM.MSG.DELETE.S r.x 9\r\n{\"seq\":3}\r\n");
        node.settle().unwrap();
        node.received();
        let body = format!("{{\"stream_name\":\"S\",\"config\":{{\"durable_name\":\"C\"{more}}}}}");
        call(&mut node, "$JS.API.CONSUMER.DURABLE.CREATE.S.C", &body);
        let (turns, made) = answer(&mut node);
        assert!(turns > 1, "it was made at one go");
        assert_eq!(made["num_pending"], pending, "{made}");
        call(&mut node, "$JS.API.CONSUMER.MSG.NEXT.S.C", "{\"batch\":1}");
        let first = node.received().pop().unwrap();
        assert!(first.reply.unwrap().starts_with(&format!("$JS.ACK.S.C.1.{last}.1.")));
        node.settle().unwrap();
        call(&mut node, "$JS.API.CONSUMER.INFO.S.C", "");
        let (_, live) = answer(&mut node);
        let mut node = started(&disk.after_kill());
        call(&mut node, "$JS.API.CONSUMER.INFO.S.C", "");
        let (_, restored) = answer(&mut node);
        for field in ["num_pending", "num_ack_pending", "delivered", "ack_floor"] {
            let number = |info: &Value| match &info[field] {
                Value::Object(pair) => pair["stream_seq"].clone(),
                number => number.clone(),
            };
            assert_eq!(number(&live), number(&restored), "{field}");
        }
    }
}

/// Asks a consumer for all messages. Gives what their acknowledgements are to be sent to.
fn deliveries(node: &mut Node) -> Vec<String> {
    call(node, "$JS.API.CONSUMER.MSG.NEXT.S.C", &format!("{{\"batch\":{MANY}}}"));
    let mut replies = Vec::new();
    for _ in 0..100 {
        let got = node.received().into_iter().filter_map(|own| own.reply);
        replies.extend(got.filter(|reply| reply.starts_with("$JS.ACK.")));
        node.turn();
    }
    assert_eq!(replies.len() as u64, MANY);
    node.settle().unwrap();
    replies
}

/// A consumer `C` that may have every message outstanding.
fn consumer(node: &mut Node, more: &str) {
    let own = format!("\"durable_name\":\"C\",\"max_ack_pending\":{MANY}");
    let body = format!("{{\"stream_name\":\"S\",\"config\":{{{own}{more}}}}}");
    call(node, "$JS.API.CONSUMER.DURABLE.CREATE.S.C", &body);
    answer(node);
}

/// How many messages a stream holds, and how many of them a consumer has not acknowledged.
fn left(node: &mut Node) -> (u64, u64) {
    call(node, "$JS.API.STREAM.INFO.S", "");
    let (_, stream) = answer(node);
    call(node, "$JS.API.CONSUMER.INFO.S.C", "");
    let (_, consumer) = answer(node);
    let number = |value: &Value| value.as_u64().unwrap();
    (number(&stream["state"]["messages"]), number(&consumer["num_ack_pending"]))
}

#[test]
fn what_one_acknowledgement_finishes_goes_in_turns() {
    for storage in ["file", "memory"] {
        let disk = SimDisk::default();
        let mut node = started(&disk);
        let more = format!("\"retention\":\"interest\",\"storage\":\"{storage}\"");
        let config = format!("{{\"name\":\"S\",\"subjects\":[\"s.>\"],{more}}}");
        call(&mut node, "$JS.API.STREAM.CREATE.S", &config);
        node.settle().unwrap();
        consumer(&mut node, ",\"ack_policy\":\"all\"");
        node.send("PUB s.x 1\r\nx\r\n".repeat(usize::try_from(MANY).unwrap()).as_bytes());
        node.settle().unwrap();
        let replies = deliveries(&mut node);
        // The last ten are not acknowledged.
        let reply = &replies[replies.len() - 11];
        node.send(format!("PUB {reply} r.acked 4\r\n+ACK\r\n").as_bytes());
        let mut turns = 0;
        while node.received().iter().all(|own| own.subject != "r.acked") {
            turns += 1;
            assert!(turns < 100, "{storage}: it is not confirmed");
            node.turn();
            node.commit().unwrap();
            if storage == "file" && turns == 5 {
                // Each is acknowledged and gone, or neither.
                let (messages, outstanding) = left(&mut started(&disk.after_kill()));
                assert_eq!(messages, outstanding);
                assert!(
                    messages > 10 && messages < MANY,
                    "{messages} are left after {turns} turns"
                );
            }
        }
        assert!(turns > 5, "{storage}: it was done in {turns} turns");
        assert_eq!(left(&mut node), (10, 10), "{storage}: what was confirmed is done");
        node.settle().unwrap();
        let state = node.state();
        let restored = started(&disk.after_kill()).state();
        assert!(storage == "memory" || restored == state, "the state differs after a restart");
    }
}

/// Whoever asks meanwhile is told what is true when all of it is done.
#[test]
fn a_call_behind_an_acknowledgement_sees_it_done() {
    let disk = SimDisk::default();
    let mut node = started(&disk);
    filled(&mut node);
    node.settle().unwrap();
    consumer(&mut node, ",\"ack_policy\":\"all\"");
    let last = deliveries(&mut node).pop();
    node.send(format!("PUB {} 4\r\n+ACK\r\n", last.unwrap()).as_bytes());
    call(&mut node, "$JS.API.CONSUMER.INFO.S.C", "");
    let (turns, info) = answer(&mut node);
    assert!(turns > 5, "it was done in {turns} turns");
    assert_eq!(info["num_ack_pending"], 0, "{info}");
}

#[test]
fn what_is_far_behind_is_found_in_turns() {
    let disk = SimDisk::default();
    let mut node = started(&disk);
    filled(&mut node);
    node.settle().unwrap();
    consumer(&mut node, &format!(",\"filter_subject\":\"s.{MANY}.*\""));
    node.send(format!("PUB s.{MANY}.x 1\r\nx\r\n").as_bytes());
    node.settle().unwrap();
    node.received();
    call(&mut node, "$JS.API.CONSUMER.MSG.NEXT.S.C", "{\"batch\":1}");
    let mut turns = 0;
    while node.received().is_empty() {
        turns += 1;
        assert!(turns < 100, "it is not delivered");
        node.turn();
    }
    assert!(turns > 0, "all messages were looked at in one turn");
}

/// Of those that a wildcard takes, the last is found in turns, and it is the last when it is found.
#[test]
fn the_last_of_a_wildcard_is_found_in_turns() {
    for later in [None, Some("s.0.later"), Some("s.0.x")] {
        let disk = SimDisk::default();
        let mut node = started(&disk);
        call(&mut node, "$JS.API.STREAM.CREATE.S", "{\"name\":\"S\",\"subjects\":[\"s.>\"]}");
        node.settle().unwrap();
        node.send(b"PUB s.0.x 1\r\nx\r\n");
        node.send("PUB s.1 1\r\nx\r\n".repeat(4 * usize::try_from(MANY).unwrap()).as_bytes());
        node.settle().unwrap();
        for _ in 0..100 {
            node.turn();
        }
        node.received();
        let get = "{\"last_by_subj\":\"s.0.*\"}";
        call(&mut node, "$JS.API.STREAM.MSG.GET.S", get);
        if let Some(subject) = later {
            node.send(format!("PUB {subject} 1\r\nx\r\n").as_bytes());
        }
        let (turns, got) = answer(&mut node);
        assert!(turns > 0, "it was found in one turn");
        let last = 4 * MANY + 2;
        assert!([1, last].contains(&got["message"]["seq"].as_u64().unwrap()), "{got}");
        node.settle().unwrap();
        node.send("PUB s.1 1\r\nx\r\n".repeat(4 * usize::try_from(MANY).unwrap()).as_bytes());
        node.settle().unwrap();
        for _ in 0..100 {
            node.turn();
        }
        node.received();
        let more = ",\"deliver_policy\":\"last\",\"filter_subject\":\"s.0.*\"";
        let body = format!("{{\"stream_name\":\"S\",\"config\":{{\"durable_name\":\"C\"{more}}}}}");
        call(&mut node, "$JS.API.CONSUMER.DURABLE.CREATE.S.C", &body);
        let (turns, made) = answer(&mut node);
        assert!(turns > 2, "it was made at once");
        assert_eq!(made["num_pending"], 1, "{made}");
        node.settle().unwrap();
        let state = node.state();
        let mut node = started(&disk.after_kill());
        assert!(node.state() == state, "the state differs after a restart");
        call(&mut node, "$JS.API.CONSUMER.MSG.NEXT.S.C", "{\"batch\":1}");
        let mut reply = None;
        for _ in 0..100 {
            node.turn();
            reply = reply.or(node.received().pop().and_then(|own| own.reply));
        }
        let expected = if later.is_some() { last } else { 1 };
        assert!(reply.unwrap().starts_with(&format!("$JS.ACK.S.C.1.{expected}.1.")));
    }
}

/// What a publish expects of a wildcard is looked at in turns, and is decided when all is looked at.
#[test]
fn what_a_publish_expects_of_a_wildcard_is_found_in_turns() {
    // As nats-server 2.14: of subjects that are not the message's own, too, and 0 is none.
    for (filter, expected, later, turns_at_least) in [
        ("s.*.last", 1, None, 2),
        ("s.*.none", 0, None, 2),
        ("s.*.last", 1, Some("s.1.last"), 2),
        ("s.0.*", 1, None, 0),
        ("s.>", MANY + 1, None, 0),
    ] {
        let disk = SimDisk::default();
        let mut node = started(&disk);
        call(&mut node, "$JS.API.STREAM.CREATE.S", "{\"name\":\"S\",\"subjects\":[\"s.>\"]}");
        node.settle().unwrap();
        let mut lines = "PUB s.0.last 1\r\nx\r\n".to_owned();
        for number in 1..=MANY {
            let _ = write!(lines, "PUB s.{number} 1\r\nx\r\n");
        }
        node.send(lines.as_bytes());
        node.settle().unwrap();
        for _ in 0..100 {
            node.turn();
        }
        node.received();
        let name = "Nats-Expected-Last-Subject-Sequence";
        let header = format!("NATS/1.0\r\n{name}: {expected}\r\n{name}-Subject: {filter}\r\n\r\n");
        let (start, all) = (header.len(), header.len() + 1);
        node.send(format!("HPUB s.x r.call {start} {all}\r\n{header}x\r\n").as_bytes());
        if let Some(subject) = later {
            // It came behind, and may be there before all is looked at.
            node.send(format!("PUB {subject} 1\r\nx\r\n").as_bytes());
        }
        let (turns, stored) = answer(&mut node);
        assert!(turns > turns_at_least, "{filter}: it was decided in {turns} turns");
        let next = MANY + 2;
        if later.is_some() {
            assert_eq!(stored["error"]["description"], format!("wrong last sequence: {next}"));
        } else {
            assert_eq!(stored["seq"], next, "{filter}: {stored}");
        }
        node.settle().unwrap();
        let state = node.state();
        assert!(started(&disk.after_kill()).state() == state, "the state differs after a restart");
    }
}

/// Without the time at which it was made.
fn timeless(mut info: Value) -> Value {
    info["ts"] = Value::Null;
    info
}

#[test]
fn subjects_are_looked_at_in_turns() {
    let disk = SimDisk::default();
    let mut node = started(&disk);
    filled_and_at_rest(&mut node);
    node.send(b"PUB s.7 1\r\ny\r\nPUB s.\"7\" 1\r\ny\r\n");
    node.settle().unwrap();
    node.received();
    for (filter, offset, turns_at_least) in
        [("s.*", 0, 5), ("s.>", MANY - 2, 5), (">", MANY + 9, 5), ("s.7", 0, 0), ("s.x.>", 0, 0)]
    {
        let body = format!("{{\"subjects_filter\":\"{filter}\",\"offset\":{offset}}}");
        call(&mut node, "$JS.API.STREAM.INFO.S", &body);
        let (turns, info) = answer(&mut node);
        assert!(turns >= turns_at_least, "{filter}: it was answered in {turns} turns");
        let mut names: Vec<_> = (0..MANY).map(|number| format!("s.{number}")).collect();
        names.push("s.\"7\"".to_owned());
        names.sort_unstable();
        names.retain(|name| match filter {
            "s.7" => name == "s.7",
            filter => filter != "s.x.>",
        });
        assert_eq!(info["total"], names.len(), "{filter}");
        let page = names.into_iter().skip(usize::try_from(offset).unwrap());
        let page = page.map(|name| {
            let count = if name == "s.7" { 2 } else { 1 };
            (name, Value::from(count))
        });
        let page: serde_json::Map<_, _> = page.collect();
        let shown = info["state"].get("subjects").cloned().unwrap_or_default();
        let shown = shown.as_object().cloned().unwrap_or_default();
        assert!(shown == page, "{filter}: {} subjects, not {}", shown.len(), page.len());
        // The rest of the answer is what it is without.
        let mut without = info;
        without["state"].as_object_mut().unwrap().remove("subjects");
        for field in ["total", "offset", "limit"] {
            without[field] = Value::from(0);
        }
        call(&mut node, "$JS.API.STREAM.INFO.S", "");
        assert_eq!(timeless(without), timeless(answer(&mut node).1));
    }
}

#[test]
fn what_a_purge_keeps_of_a_wildcard_is_found_in_turns() {
    for (keep, left) in [(2, 2), (MANY / 2, MANY / 2), (2 * MANY, MANY)] {
        let disk = SimDisk::default();
        let mut node = started(&disk);
        filled(&mut node);
        node.settle().unwrap();
        node.send("PUB s.x.y 1\r\nx\r\n".repeat(usize::try_from(MANY).unwrap()).as_bytes());
        node.settle().unwrap();
        for _ in 0..100 {
            node.turn();
        }
        node.received();
        // What is kept is behind more than is looked at in one turn.
        let body = format!("{{\"filter\":\"s.*\",\"keep\":{keep}}}");
        call(&mut node, "$JS.API.STREAM.PURGE.S", &body);
        node.send(b"");
        let before = node.received().len();
        assert_eq!(before, 0, "it was done in one turn");
        let (turns, purged) = answer(&mut node);
        assert!(turns > 2, "{keep}: it was begun in {turns} turns");
        assert_eq!(purged["purged"], MANY - left, "{purged}");
        node.settle().unwrap();
        let state = node.state();
        assert!(started(&disk.after_kill()).state() == state, "the state differs after a restart");
    }
}

/// Has turns for as long as there is something to do at once. Says how many.
fn turns_left(node: &mut Node) -> usize {
    (0..1000).find(|_| !node.turn()).expect("there is an end to what there is to do")
}

#[test]
fn what_has_gone_is_freed_in_turns() {
    for subject in ["$JS.API.STREAM.PURGE.S", "$JS.API.STREAM.DELETE.S"] {
        let disk = SimDisk::default();
        let mut node = started(&disk);
        let config = "{\"name\":\"S\",\"subjects\":[\"s.>\"],\"storage\":\"memory\"}";
        call(&mut node, "$JS.API.STREAM.CREATE.S", config);
        node.settle().unwrap();
        node.send("PUB s.x 1\r\nx\r\n".repeat(usize::try_from(MANY).unwrap()).as_bytes());
        node.settle().unwrap();
        turns_left(&mut node);
        node.received();
        call(&mut node, subject, "");
        let (_, done) = answer(&mut node);
        assert_eq!(done["success"], true, "{done}");
        let turns = turns_left(&mut node);
        assert!(turns > 20, "{subject}: it was freed in {turns} turns");
    }
}
