//! Snapshots and what is made out of them: a stream as it was when it was asked for, whatever happens
//! meanwhile; all of it or nothing, whatever comes and whenever the power goes.

use fastrand::Rng;
use serde_json::Value;
use watershed_engine::JetStreamSettings;
use watershed_sim::disk::{SimDisk, Survival};
use watershed_sim::node::{Node, Received};

use crate::talk::{SECOND, send, tell};

fn settings() -> JetStreamSettings {
    JetStreamSettings {
        journal_bytes_per_checkpoint: 4_000,
        block_bytes: 1_500,
        ..JetStreamSettings::new(1 << 40, 1 << 40)
    }
}

fn start(disk: &SimDisk) -> Node {
    Node::start(disk, settings(), 1).unwrap()
}

#[track_caller]
fn call(node: &mut Node, subject: &str, body: &str) -> Value {
    let answer = ask(node, subject, body);
    assert_eq!(answer["error"], Value::Null, "{subject} {body}");
    answer
}

/// The same node after a restart: most of what it holds is on disk only.
fn restart(node: Node, disk: &SimDisk) -> (Node, SimDisk) {
    let now = node.now();
    drop(node);
    let disk = disk.after_kill();
    (Node::start_at(now, &disk, settings(), 3).unwrap(), disk)
}

/// Lets everything happen that can happen at once; what the client got.
fn run(node: &mut Node) -> Vec<Received> {
    let mut received = Vec::new();
    for _ in 0..50 {
        node.settle().unwrap();
        let more = node.turn();
        received.extend(node.received());
        if !more && !node.has_work() {
            break;
        }
    }
    received
}

/// What comes to a subject.
fn hear(node: &mut Node, subject: &str) -> Received {
    for _ in 0..100 {
        if let Some(found) = run(node).into_iter().find(|own| own.subject == subject) {
            return found;
        }
        node.wait_for_deadline(SECOND / 1_000);
    }
    panic!("nothing comes to {subject}");
}

/// The answer to a call, which may wait for others.
fn ask(node: &mut Node, subject: &str, body: &str) -> Value {
    node.received();
    send(node, &format!("$JS.API.{subject}"), "r.1", body);
    serde_json::from_slice(&hear(node, "r.1").bytes).unwrap()
}

/// Each message, and each consumer, as clients see them.
fn content(node: &mut Node, stream: &str) -> Vec<Value> {
    let info = call(node, &format!("STREAM.INFO.{stream}"), "");
    let mut all = vec![info["config"].clone(), info["created"].clone(), info["state"].clone()];
    for sequence in 1..=info["state"]["last_seq"].as_u64().unwrap() {
        let body = format!("{{\"seq\":{sequence}}}");
        all.push(ask(node, &format!("STREAM.MSG.GET.{stream}"), &body)["message"].take());
    }
    let mut consumers = call(node, &format!("CONSUMER.LIST.{stream}"), "")["consumers"].take();
    for consumer in consumers.as_array_mut().unwrap() {
        let fields =
            ["config", "delivered", "ack_floor", "num_ack_pending", "num_pending", "created"];
        for field in fields {
            let mut value = consumer[field].take();
            // When something happened last is not kept.
            value.as_object_mut().map(|own| own.remove("last_active"));
            all.push(value);
        }
    }
    all
}

/// Takes a snapshot, doing something after the first piece.
fn snapshot(node: &mut Node, stream: &str, meanwhile: impl FnOnce(&mut Node)) -> (Value, Vec<u8>) {
    node.say(b"SUB d.s 2\r\n");
    let body = "{\"deliver_subject\":\"d.s\",\"chunk_size\":1024,\"window_size\":1024}";
    send(node, &format!("$JS.API.STREAM.SNAPSHOT.{stream}"), "r.1", body);
    let mut begun = Value::Null;
    let (mut archive, mut meanwhile) = (Vec::new(), Some(meanwhile));
    for _ in 0..10_000 {
        node.wait_for_deadline(SECOND / 100);
        for piece in run(node) {
            if piece.subject == "r.1" {
                begun = serde_json::from_slice(&piece.bytes).unwrap();
            }
            if piece.subject != "d.s" {
                continue;
            }
            if piece.bytes.is_empty() {
                node.say(b"UNSUB 2\r\n");
                return (begun, archive);
            }
            assert!(piece.bytes.len() <= 1024);
            archive.extend_from_slice(&piece.bytes);
            if let Some(meanwhile) = meanwhile.take() {
                meanwhile(node);
            }
            if let Some(reply) = piece.reply {
                node.say(format!("PUB {reply} 0\r\n\r\n").as_bytes());
            }
        }
    }
    panic!("the snapshot has no end");
}

/// Sends an archive in pieces. Gives back the last answer.
fn restore(node: &mut Node, config: &Value, archive: &[u8], piece: usize) -> Value {
    let name = config["name"].as_str().unwrap();
    let body = serde_json::json!({ "config": config }).to_string();
    let begun = ask(node, &format!("STREAM.RESTORE.{name}"), &body);
    let Some(subject) = begun["deliver_subject"].as_str() else { return begun };
    for piece in archive.chunks(piece) {
        let mut bytes = format!("PUB {subject} r.p {}\r\n", piece.len()).into_bytes();
        bytes.extend_from_slice(piece);
        bytes.extend_from_slice(b"\r\n");
        node.say(&bytes);
        let answer = hear(node, "r.p");
        if !answer.bytes.is_empty() {
            return serde_json::from_slice(&answer.bytes).unwrap();
        }
    }
    send(node, subject, "r.e", "");
    serde_json::from_slice(&hear(node, "r.e").bytes).unwrap()
}

fn publish(node: &mut Node, subject: &str, header: &str, body: &str) {
    let header =
        if header.is_empty() { String::new() } else { format!("NATS/1.0\r\n{header}\r\n\r\n") };
    let text = match header.len() {
        0 => format!("PUB {subject} {}\r\n{body}\r\n", body.len()),
        length => format!("HPUB {subject} {length} {}\r\n{header}{body}\r\n", length + body.len()),
    };
    node.send(text.as_bytes());
}

/// A stream with a little of everything.
fn fill(node: &mut Node, retention: &str, rng: &mut Rng) {
    let config = format!(
        "{{\"name\":\"S\",\"subjects\":[\"s.>\"],\"retention\":\"{retention}\",\"allow_msg_ttl\":true,\
         \"duplicate_window\":1000000000}}"
    );
    call(node, "STREAM.CREATE.S", &config);
    for name in ["w", "x"] {
        let filter = if name == "w" { "s.*.a" } else { "s.*.b" };
        let body = format!(
            "{{\"stream_name\":\"S\",\"config\":{{\"name\":\"{name}\",\"durable_name\":\"{name}\",\
             \"ack_policy\":\"explicit\",\"filter_subject\":\"{filter}\"}}}}"
        );
        call(node, &format!("CONSUMER.CREATE.S.{name}"), &body);
    }
    for number in 0..rng.u64(20..120) {
        let header = match rng.u8(..4) {
            0 => format!("Nats-Msg-Id: {number}"),
            1 => "Nats-TTL: 1h\r\nA: b".to_owned(),
            _ => String::new(),
        };
        let subject = format!("s.{}.{}", number % 7, ["a", "b"][rng.usize(..2)]);
        publish(node, &subject, &header, &"x".repeat(rng.usize(..300)));
    }
    run(node);
    for sequence in [3, 4, 9] {
        ask(node, "STREAM.MSG.DELETE.S", &format!("{{\"seq\":{sequence}}}"));
    }
    let got = tell(node, "$JS.API.CONSUMER.MSG.NEXT.S.w", "{\"batch\":9,\"no_wait\":true}");
    for delivery in got.iter().filter_map(|own| own.reply.as_ref()).step_by(2) {
        node.say(format!("PUB {delivery} 4\r\n+ACK\r\n").as_bytes());
    }
    node.wait(SECOND / 10);
    run(node);
}

#[test]
fn a_stream_comes_back_as_it_was() {
    for seed in 0..crate::seeds(12) {
        let mut rng = Rng::with_seed(seed);
        let retention = ["limits", "interest", "workqueue"][rng.usize(..3)];
        let disk = SimDisk::default();
        let mut node = start(&disk);
        fill(&mut node, retention, &mut rng);
        let (mut node, disk) = if rng.bool() { restart(node, &disk) } else { (node, disk) };
        let before = content(&mut node, "S");
        let (begun, archive) = snapshot(&mut node, "S", |node| {
            publish(node, "s.1.a", "", "later");
        });
        call(&mut node, "STREAM.DELETE.S", "");
        let answer = restore(&mut node, &begun["config"], &archive, rng.usize(100..5_000));
        assert_eq!(answer["error"], Value::Null, "{answer}");
        check_same(&content(&mut node, "S"), &before);
        run(&mut node);
        let (now, state) = (node.now(), node.state());
        drop(node);
        let disk = disk.after_kill();
        let mut node = Node::start_at(now, &disk, settings(), 2).unwrap();
        assert_eq!(node.state(), state, "it is the same after a restart");
        check_same(&content(&mut node, "S"), &before);
    }
}

#[track_caller]
fn check_same(found: &[Value], expected: &[Value]) {
    for (found, expected) in found.iter().zip(expected) {
        assert_eq!(found, expected);
    }
    assert_eq!(found.len(), expected.len());
}

/// Each key has its value of when the snapshot began, though all were replaced meanwhile.
#[test]
fn what_is_replaced_meanwhile_is_in_it() {
    let disk = SimDisk::default();
    let mut node = start(&disk);
    let config = "{\"name\":\"KV_B\",\"subjects\":[\"$KV.B.>\"],\"max_msgs_per_subject\":1,\"allow_rollup_hdrs\":true}";
    call(&mut node, "STREAM.CREATE.KV_B", config);
    for key in 0..200 {
        publish(&mut node, &format!("$KV.B.{key}"), "", &format!("old {key}"));
        run(&mut node);
    }
    let (mut node, disk) = restart(node, &disk);
    let before = content(&mut node, "KV_B");
    let (begun, archive) = snapshot(&mut node, "KV_B", |node| {
        for key in 0..200 {
            let header = if key % 2 == 0 { "Nats-Rollup: sub" } else { "" };
            publish(node, &format!("$KV.B.{key}"), header, &format!("new {key}"));
        }
        run(node);
    });
    let after = ask(&mut node, "STREAM.MSG.GET.KV_B", "{\"last_by_subj\":\"$KV.B.7\"}");
    assert_eq!(after["message"]["seq"], 208);
    call(&mut node, "STREAM.DELETE.KV_B", "");
    restore(&mut node, &begun["config"], &archive, 1_000);
    check_same(&content(&mut node, "KV_B"), &before);
    // What was kept for the snapshot has gone, and nothing that is needed has.
    let (mut node, _disk) = restart(node, &disk);
    check_same(&content(&mut node, "KV_B"), &before);
}

/// What is not all there is not there at all, and leaves nothing.
#[test]
fn a_restore_that_does_not_end_leaves_nothing() {
    let disk = SimDisk::default();
    let mut node = start(&disk);
    fill(&mut node, "limits", &mut Rng::with_seed(7));
    let before = content(&mut node, "S");
    let (begun, archive) = snapshot(&mut node, "S", |_| {});
    call(&mut node, "STREAM.DELETE.S", "");
    let mut rng = Rng::with_seed(1);
    let refused = |node: &mut Node, archive: &[u8]| {
        let answer = restore(node, &begun["config"], archive, 700);
        assert_eq!(answer["error"]["err_code"], 10062, "{answer}");
        assert_eq!(ask(node, "STREAM.INFO.S", "")["error"]["err_code"], 10059);
        run(node);
        let info = call(node, "INFO", "");
        assert_eq!((&info["storage"], &info["streams"]), (&0.into(), &0.into()), "{info}");
    };
    for _ in 0..40 {
        refused(&mut node, &archive[..rng.usize(1..archive.len() - 1)]);
        let mut broken = archive.clone();
        broken[rng.usize(..archive.len())] ^= 1 << rng.u8(..8);
        let answer = restore(&mut node, &begun["config"], &broken, 700);
        if answer["error"].is_null() {
            // A copy of the same from elsewhere.
            check_same(&content(&mut node, "S"), &before);
            call(&mut node, "STREAM.DELETE.S", "");
        } else {
            assert_eq!(answer["error"]["err_code"], 10062, "{answer}");
        }
        run(&mut node);
    }
    // Whoever goes away in the middle, and whenever the power goes.
    let body = serde_json::json!({ "config": begun["config"] }).to_string();
    let subject = call(&mut node, "STREAM.RESTORE.S", &body)["deliver_subject"].take();
    let head = format!("PUB {} r.p {}\r\n", subject.as_str().unwrap(), archive.len() - 9);
    node.say(&[head.as_bytes(), &archive[..archive.len() - 9], b"\r\n"].concat());
    run(&mut node);
    assert!(call(&mut node, "INFO", "")["storage"].as_u64().unwrap() > 0, "it is under way");
    let now = node.now();
    drop(node);
    let disk = disk.power_cut(Survival::EVERY[0], &mut rng);
    let mut node = Node::start_at(now, &disk, settings(), 2).unwrap();
    node.wait(2 * SECOND);
    run(&mut node);
    let info = call(&mut node, "INFO", "");
    assert_eq!((&info["storage"], &info["streams"]), (&0.into(), &0.into()), "{info}");
    let answer = restore(&mut node, &begun["config"], &archive, 100_000);
    assert_eq!(answer["error"], Value::Null);
    check_same(&content(&mut node, "S"), &before);
}

/// A client that goes away or does not answer is not waited for, and what was kept for it goes.
#[test]
fn who_does_not_answer_is_given_up() {
    let disk = SimDisk::default();
    let mut node = start(&disk);
    fill(&mut node, "limits", &mut Rng::with_seed(3));
    let body = "{\"deliver_subject\":\"r.s\",\"chunk_size\":1024,\"window_size\":1024}";
    call(&mut node, "STREAM.SNAPSHOT.S", body);
    let again = ask(&mut node, "STREAM.SNAPSHOT.S", body);
    assert_eq!(again["error"]["err_code"], 10064, "one at a time");
    for _ in 0..8 {
        node.wait(SECOND);
        run(&mut node);
    }
    let (_, archive) = snapshot(&mut node, "S", |_| {});
    assert!(archive.len() > 1024);
    let nowhere = "{\"deliver_subject\":\"nobody.listens\"}";
    call(&mut node, "STREAM.SNAPSHOT.S", nowhere);
    for _ in 0..3 {
        node.wait(SECOND);
        run(&mut node);
    }
    snapshot(&mut node, "S", |_| {});
}
