//! What a client says when it is asked for flow control counts, after a restart and a power cut as well.

use fastrand::Rng;
use watershed_engine::JetStreamSettings;
use watershed_sim::disk::{SimDisk, Survival};
use watershed_sim::node::Node;

use crate::talk::{SECOND, ask, pass, tell};

fn start(disk: &SimDisk) -> Node {
    Node::start(disk, JetStreamSettings::new(1 << 40, 1 << 40), 1).unwrap()
}

/// A work queue with a consumer that is acknowledged by flow control.
fn create(node: &mut Node) {
    ask(
        node,
        "STREAM.CREATE.S",
        "{\"name\":\"S\",\"subjects\":[\"s.*\"],\"retention\":\"workqueue\"}",
    );
    let config = "{\"stream_name\":\"S\",\"config\":{\"durable_name\":\"c\",\"deliver_subject\":\"r.d\",\
                  \"ack_policy\":\"flow_control\",\"max_ack_pending\":5}}";
    let answer = ask(node, "CONSUMER.DURABLE.CREATE.S.c", config);
    assert!(answer["config"].is_object(), "{answer}");
}

/// The highest sequence that was delivered since it was last asked for, and the last question.
fn came(node: &mut Node) -> (u64, Option<String>) {
    let (mut last, mut asked) = (0, None);
    for own in node.received() {
        let Some(reply) = own.reply else { continue };
        match reply.strip_prefix("$JS.ACK.S.c.") {
            Some(rest) => last = rest.split('.').nth(1).unwrap().parse().unwrap(),
            None if reply.starts_with("$JS.FC.") => asked = Some(reply),
            None => {}
        }
    }
    (last, asked)
}

fn answer(node: &mut Node, subject: &str, last: u64) {
    let header =
        format!("NATS/1.0\r\nNats-Last-Consumer: {last}\r\nNats-Last-Stream: {last}\r\n\r\n");
    let length = header.len();
    node.send(format!("HPUB {subject} {length} {length}\r\n{header}\r\n").as_bytes());
}

fn state(node: &mut Node) -> (u64, u64, u64) {
    let info = ask(node, "CONSUMER.INFO.S.c", "");
    let messages = ask(node, "STREAM.INFO.S", "")["state"]["messages"].as_u64().unwrap();
    let floor = info["ack_floor"]["stream_seq"].as_u64().unwrap();
    (floor, info["num_ack_pending"].as_u64().unwrap(), messages)
}

#[test]
fn an_answer_acknowledges_what_was_delivered() {
    let disk = SimDisk::default();
    let mut node = start(&disk);
    create(&mut node);
    for _ in 0..7 {
        tell(&mut node, "s.x", "x");
    }
    node.settle().unwrap();
    let before = state(&mut node);
    assert_eq!(before, (0, 5, 7));
    let asked = "$JS.FC.S.c.5";
    answer(&mut node, "$JS.FC.S.c.4", 5);
    assert_eq!(state(&mut node), before, "nobody asked there");
    // More than was delivered is as good as all that was.
    answer(&mut node, asked, 99);
    pass(&mut node, SECOND / 10);
    assert_eq!(state(&mut node), (5, 2, 2));
    let kept = node.state();
    drop(node);
    let mut node = start(&disk.after_kill());
    assert!(node.state() == kept, "the state differs after a restart");
    // Nothing of it is delivered again; the client is asked.
    node.received();
    pass(&mut node, 100 * SECOND);
    let (last, asked) = came(&mut node);
    assert_eq!(last, 0);
    answer(&mut node, &asked.unwrap(), 7);
    pass(&mut node, SECOND / 10);
    assert_eq!(state(&mut node), (7, 0, 0));
}

#[test]
fn a_power_cut_takes_no_message_that_was_not_acknowledged() {
    for seed in 0..crate::seeds(40) {
        let mut rng = Rng::with_seed(seed);
        let mut disk = SimDisk::default();
        let mut node = start(&disk);
        create(&mut node);
        let (mut stored, mut said) = (0, 0);
        for _ in 0..3 {
            disk.kill_after(rng.u64(10..80));
            for _ in 0..rng.usize(5..40) {
                node.send(b"PUB s.x r.1 1\r\nx\r\n");
                let done = if rng.bool() { node.commit() } else { node.settle() };
                for own in node.received() {
                    if own.subject == "r.1"
                        && own.payload.contains("\"seq\"")
                        && !own.payload.contains("\"error\"")
                    {
                        stored += 1;
                    }
                    if let Some(asked) = own.reply.filter(|reply| reply.starts_with("$JS.FC.")) {
                        said = asked.rsplit('.').next().unwrap().parse().unwrap();
                        answer(&mut node, &asked, said);
                    }
                }
                if done.is_err() {
                    break;
                }
            }
            let now = node.now();
            drop(node);
            disk = disk.power_cut(Survival::EVERY[rng.usize(..4)], &mut rng);
            let settings = JetStreamSettings::new(1 << 40, 1 << 40);
            node = Node::start_at(now, &disk, settings, seed).unwrap();
            let Some(floor) =
                ask(&mut node, "CONSUMER.INFO.S.c", "")["ack_floor"]["stream_seq"].as_u64()
            else {
                break;
            };
            let info = ask(&mut node, "STREAM.INFO.S", "");
            let (last, first) =
                (info["state"]["last_seq"].as_u64(), info["state"]["messages"].as_u64());
            let (last, messages) = (last.unwrap(), first.unwrap());
            assert!(floor <= said, "seed {seed}: {floor} is acknowledged, {said} was said");
            assert!(last >= stored, "seed {seed}: {last} of {stored} messages");
            assert_eq!(messages, last - floor, "seed {seed}: what is not acknowledged is there");
            stored = last;
        }
    }
}
