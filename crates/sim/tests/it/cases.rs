//! Single cases that take a disk, a clock or a certain moment to show; each was a fault once.

use serde_json::Value;
use watershed_engine::JetStreamSettings;
use watershed_sim::disk::SimDisk;
use watershed_sim::node::{Node, Received};
use watershed_store::{Journal, LogId, Needed, Record, RoundBuilder};

use crate::talk::{SECOND, ask, pass, send, tell};

/// Small enough that a few messages make a checkpoint.
fn settings() -> JetStreamSettings {
    JetStreamSettings {
        journal_bytes_per_checkpoint: 2_000,
        block_bytes: 2_000,
        ..JetStreamSettings::new(1 << 40, 1 << 40)
    }
}

fn start(disk: &SimDisk) -> Node {
    Node::start(disk, settings(), 1).unwrap()
}

/// The node comes back after its process was killed.
fn restart(node: Node, disk: &mut SimDisk) -> Node {
    let now = node.now();
    drop(node);
    *disk = disk.after_kill();
    Node::start_at(now, disk, settings(), 2).unwrap()
}

fn create(node: &mut Node, config: &str) {
    let config: Value = serde_json::from_str(config).unwrap();
    let name = config["name"].as_str().unwrap();
    let answer = ask(node, &format!("STREAM.CREATE.{name}"), &config.to_string());
    assert!(answer["config"].is_object(), "{answer}");
}

/// Creates or edits the consumer `c` of a stream.
fn consume(node: &mut Node, stream: &str, more: &str) {
    let config = format!("{{\"durable_name\":\"c\",\"ack_policy\":\"explicit\"{more}}}");
    let body = format!("{{\"stream_name\":\"{stream}\",\"config\":{config}}}");
    let answer = ask(node, &format!("CONSUMER.CREATE.{stream}.c"), &body);
    assert!(answer["config"].is_object(), "{answer}");
}

/// Asks for the next messages of the consumer `c`.
fn pull(node: &mut Node, stream: &str, batch: usize) -> Vec<Received> {
    let body = format!("{{\"batch\":{batch},\"no_wait\":true}}");
    tell(node, &format!("$JS.API.CONSUMER.MSG.NEXT.{stream}.c"), &body)
}

/// Payloads of the messages that a stream holds.
fn content(node: &mut Node, stream: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut next = 1;
    loop {
        let body = format!("{{\"seq\":{next},\"next_by_subj\":\">\"}}");
        let answer = ask(node, &format!("STREAM.MSG.GET.{stream}"), &body);
        let Some(sequence) = answer["message"]["seq"].as_u64() else { return found };
        found.push(answer["message"]["data"].as_str().unwrap_or_default().to_owned());
        next = sequence + 1;
    }
}

fn state(node: &mut Node, stream: &str) -> Value {
    ask(node, &format!("STREAM.INFO.{stream}"), "")["state"].take()
}

/// Any reply to an acknowledgement confirms it, whatever it says.
#[test]
fn what_is_not_durable_is_not_confirmed() {
    let mut disk = SimDisk::default();
    let mut node = start(&disk);
    create(&mut node, r#"{"name":"S","subjects":["s"]}"#);
    consume(&mut node, "S", "");
    tell(&mut node, "s", "x");
    let ack = pull(&mut node, "S", 1)[0].reply.clone().unwrap();
    disk.fail_at(1);
    send(&mut node, &ack, "r.ack", "+ACK");
    node.try_commit();
    assert_eq!(node.received(), []);
    // Nor is it after the failure was noticed.
    send(&mut node, &ack, "r.ack", "+ACK");
    node.try_commit();
    assert_eq!(node.received(), []);
    let mut node = restart(node, &mut disk);
    node.wait(60 * SECOND);
    let again = pull(&mut node, "S", 1);
    assert_eq!(again[0].payload, "x");
    let ack = again[0].reply.clone().unwrap();
    assert_eq!(tell(&mut node, &ack, "+ACK").len(), 1);
}

/// An unreadable message is not reported as missing: a client would then create it again.
#[test]
fn a_damaged_message_is_an_error_of_its_own() {
    let mut disk = SimDisk::default();
    let mut node = start(&disk);
    create(&mut node, r#"{"name":"S","subjects":["s.*"],"allow_direct":true}"#);
    for _ in 0..20 {
        tell(&mut node, "s.x", &"x".repeat(200));
    }
    let mut node = restart(node, &mut disk);
    let block = disk.paths().into_iter().find(|path| path.starts_with("blocks/")).unwrap();
    for bit in [600 * 8, 610 * 8, 620 * 8 + 3] {
        disk.flip(&block, bit);
    }
    let answers: Vec<Value> = (1..=5)
        .map(|sequence| ask(&mut node, "STREAM.MSG.GET.S", &format!("{{\"seq\":{sequence}}}")))
        .collect();
    let damaged: Vec<&Value> =
        answers.iter().filter(|answer| answer["error"].is_object()).collect();
    assert_eq!(damaged.len(), 1, "{answers:?}");
    assert_eq!(damaged[0]["error"]["err_code"], 10077, "{answers:?}");
    let gone = ask(&mut node, "STREAM.MSG.GET.S", "{\"seq\":99}");
    assert_eq!(gone["error"]["err_code"], 10037);
    assert!(!node.is_healthy());
}

/// The disk is slow: who publishes is held back, and nothing is dropped.
#[test]
fn publishers_are_held_back_for_a_slow_disk() {
    let disk = SimDisk::default();
    let settings = JetStreamSettings::new(1 << 40, 1 << 40);
    let mut node = Node::start(&disk, settings, 1).unwrap();
    create(&mut node, r#"{"name":"S","subjects":["s"]}"#);
    let body = "x".repeat(1 << 20);
    let mut sent = 0;
    while !node.is_congested() {
        send(&mut node, "s", "r.1", &body);
        sent += 1;
        assert!(sent < 100, "the publisher was never held back");
    }
    node.settle().unwrap();
    assert!(!node.is_congested());
    assert_eq!(node.received().len(), sent);
}

/// What is on its way to the disk when a stream with sources is edited is not copied again.
#[test]
fn an_edit_copies_nothing_again() {
    for update in [
        r#"{"name":"T","sources":[{"name":"O"},{"name":"P"}],"max_msgs":1000}"#,
        r#"{"name":"T","sources":[{"name":"P"},{"name":"O"}],"max_msgs":1000}"#,
        r#"{"name":"T","sources":[{"name":"O","opt_start_seq":1},{"name":"P"}]}"#,
    ] {
        let disk = SimDisk::default();
        let mut node = start(&disk);
        // What origins in memory store is copied before the disk has done anything else.
        create(&mut node, r#"{"name":"O","subjects":["o"],"storage":"memory"}"#);
        create(&mut node, r#"{"name":"P","subjects":["p"],"storage":"memory"}"#);
        create(&mut node, r#"{"name":"T","sources":[{"name":"O"},{"name":"P"}]}"#);
        for number in 0..3 {
            tell(&mut node, "o", &number.to_string());
            tell(&mut node, "p", &number.to_string());
        }
        send(&mut node, "$JS.API.STREAM.UPDATE.T", "r.1", update);
        // While the edit is being written, copies wait behind it.
        send(&mut node, "o", "", "3");
        send(&mut node, "p", "", "3");
        node.settle().unwrap();
        node.wait(SECOND);
        node.settle().unwrap();
        let copies = content(&mut node, "T");
        assert_eq!(copies.len(), 8, "{update}: {copies:?}");
    }
}

/// An origin that was deleted and made again is another one: it is copied from its first message.
#[test]
fn an_origin_that_was_made_again_is_copied_from_its_start() {
    for follower in [
        r#"{"name":"T","sources":[{"name":"O"}]}"#,
        r#"{"name":"T","subjects":["t"],"sources":[{"name":"O","filter_subject":"o"}]}"#,
    ] {
        let disk = SimDisk::default();
        let mut node = start(&disk);
        let origin = r#"{"name":"O","subjects":["o"]}"#;
        create(&mut node, origin);
        create(&mut node, follower);
        for body in ["1", "2", "3"] {
            tell(&mut node, "o", body);
        }
        ask(&mut node, "STREAM.DELETE.O", "");
        create(&mut node, origin);
        for body in ["4", "5"] {
            tell(&mut node, "o", body);
        }
        node.wait(SECOND);
        node.settle().unwrap();
        assert_eq!(content(&mut node, "T").len(), 5, "{follower}");
    }
}

/// Ages are looked at when the limit is lowered, and when the clock was set, not only when the
/// oldest message was to go.
#[test]
fn an_age_holds_at_once() {
    let mut node = start(&SimDisk::default());
    create(&mut node, r#"{"name":"S","subjects":["s"],"max_age":3600000000000}"#);
    tell(&mut node, "s", "x");
    node.wait(10 * SECOND);
    let update = r#"{"name":"S","subjects":["s"],"max_age":5000000000}"#;
    ask(&mut node, "STREAM.UPDATE.S", update);
    assert_eq!(state(&mut node, "S")["messages"], 0);

    let update = r#"{"name":"S","subjects":["s"],"max_age":3600000000000}"#;
    ask(&mut node, "STREAM.UPDATE.S", update);
    tell(&mut node, "s", "x");
    node.set_clock(2 * 3600 * SECOND);
    node.wait(61 * SECOND);
    assert_eq!(state(&mut node, "S")["messages"], 0);
}

/// What a checkpoint says of the last message id is that of the last message in it, not that of one
/// that is on its way.
#[test]
fn a_checkpoint_knows_nothing_of_what_is_on_its_way() {
    let mut disk = SimDisk::default();
    let mut node = start(&disk);
    create(&mut node, r#"{"name":"S","subjects":["s"]}"#);
    let publish = |node: &mut Node, header: &str| {
        let head = format!("NATS/1.0\r\n{header}\r\n\r\n");
        let body = "x".repeat(2_500);
        let (length, total) = (head.len(), head.len() + body.len());
        node.send(format!("HPUB s r.1 {length} {total}\r\n{head}{body}\r\n").as_bytes());
    };
    publish(&mut node, "Nats-Msg-Id: a");
    // The first is being written, and the second waits, when a checkpoint is due.
    publish(&mut node, "Nats-Msg-Id: b");
    node.commit().unwrap();
    for _ in 0..10 {
        node.keep().unwrap();
    }
    let mut node = restart(node, &mut disk);
    publish(&mut node, "Nats-Expected-Last-Msg-Id: a");
    node.settle().unwrap();
    let answer = node.received().pop().unwrap().payload;
    assert_eq!(answer, r#"{"stream":"S","seq":2}"#);
}

/// A subscriber that left without an answer to flow control holds up nobody who comes after it.
#[test]
fn flow_control_begins_anew_with_a_new_subscriber() {
    let mut node = start(&SimDisk::default());
    create(&mut node, r#"{"name":"S","subjects":["s"],"storage":"memory"}"#);
    consume(
        &mut node,
        "S",
        ",\"deliver_subject\":\"in\",\"flow_control\":true,\"idle_heartbeat\":5000000000",
    );
    let body = "x".repeat(20_000);
    for _ in 0..40 {
        tell(&mut node, "s", &body);
    }
    node.send(b"SUB in 7\r\n");
    let first: Vec<_> = node.received();
    assert!(first.iter().any(|message| message.subject == "in" && message.payload.is_empty()));
    let delivered = |messages: &[Received]| {
        messages.iter().filter(|message| !message.payload.is_empty()).count()
    };
    let before = delivered(&first);
    assert!((1..40).contains(&before), "{before} of 40 came before an answer was wanted");
    node.send(b"UNSUB 7\r\n");
    node.wait(SECOND);
    node.send(b"SUB in 8\r\n");
    node.wait(SECOND);
    assert!(delivered(&node.received()) > 0);
}

/// A journal of a later version is not read as if what is not known were nothing.
#[test]
fn a_record_of_an_unknown_kind_is_refused() {
    let disk = SimDisk::default();
    drop(start(&disk));
    let mut journal = Journal::open(disk.clone(), Needed::default()).unwrap().journal;
    let mut round = RoundBuilder::new(journal.next_round());
    round.push(&Record {
        log: LogId(1),
        kind: 99,
        sequence: 0,
        time: 0,
        key: b"",
        head: b"",
        body: b"?",
    });
    journal.commit(&round.close()).unwrap();
    drop(journal);
    assert!(Node::start(&disk, settings(), 1).is_err());
}

/// A longer time to acknowledge holds for what is out already.
#[test]
fn a_longer_time_to_acknowledge_holds_at_once() {
    let mut node = start(&SimDisk::default());
    create(&mut node, r#"{"name":"S","subjects":["s"]}"#);
    consume(&mut node, "S", ",\"ack_wait\":1000000000");
    tell(&mut node, "s", "x");
    assert_eq!(pull(&mut node, "S", 1)[0].payload, "x");
    consume(&mut node, "S", ",\"ack_wait\":30000000000");
    send(&mut node, "$JS.API.CONSUMER.MSG.NEXT.S.c", "r.1", "1");
    node.wait(10 * SECOND);
    assert_eq!(node.received(), []);
    node.wait(21 * SECOND);
    assert_eq!(node.received()[0].payload, "x");
}

/// Streams that come and go leave no files, long before a checkpoint is due.
#[test]
fn deleted_streams_leave_no_files() {
    let mut disk = SimDisk::default();
    let settings = JetStreamSettings::new(1 << 40, 1 << 40);
    let mut node = Node::start(&disk, settings, 1).unwrap();
    create(&mut node, r#"{"name":"K","subjects":["k"]}"#);
    tell(&mut node, "k", "x");
    let blocks =
        |disk: &SimDisk| disk.paths().iter().filter(|path| path.starts_with("blocks/")).count();
    for _ in 0..20 {
        create(&mut node, r#"{"name":"S","subjects":["s"]}"#);
        tell(&mut node, "s", "x");
        ask(&mut node, "STREAM.DELETE.S", "");
        assert_eq!(blocks(&disk), 1);
    }
    let mut node = restart(node, &mut disk);
    assert_eq!(blocks(&disk), 1);
    assert_eq!(state(&mut node, "K")["messages"], 1);
    assert_eq!(state(&mut node, "S"), Value::Null);
}

/// A short life of a node: what its client got, and the state at the end.
struct Life {
    node: Node,
    number: u64,
    received: Vec<Received>,
}

impl Life {
    fn begin(seed: u64) -> Self {
        let mut node = Node::start(&SimDisk::default(), settings(), seed).unwrap();
        create(&mut node, r#"{"name":"S","subjects":["s.*"],"retention":"workqueue"}"#);
        consume(&mut node, "S", "");
        Self { node, number: seed, received: Vec::new() }
    }

    fn step(&mut self) {
        self.number += 1;
        let node = &mut self.node;
        let mut received = tell(node, &format!("s.{}", self.number % 3), &self.number.to_string());
        if self.number.is_multiple_of(2) {
            let deliveries = pull(node, "S", 2);
            for reply in deliveries.iter().filter_map(|delivery| delivery.reply.as_ref()) {
                received.extend(tell(node, reply, "+ACK"));
            }
            received.extend(deliveries);
        }
        self.received.extend(received);
    }

    fn end(self) -> (Vec<Received>, Vec<u8>) {
        (self.received, self.node.state())
    }
}

/// Two nodes whose steps alternate are what each is alone, byte for byte.
#[test]
fn two_nodes_in_one_process_share_nothing() {
    let alone = |seed| {
        let mut life = Life::begin(seed);
        (0..40).for_each(|_| life.step());
        life.end()
    };
    let (mut one, mut two) = (Life::begin(1), Life::begin(8));
    for _ in 0..40 {
        one.step();
        two.step();
    }
    assert!(one.end() == alone(1));
    assert!(two.end() == alone(8));
}

/// A delivery that was decided under one filter may become a record after the filter has changed. When
/// its message goes, the consumer lets go of it all the same, as it does after a restart.
#[test]
fn a_delivery_outlives_the_filter_that_took_it() {
    let mut disk = SimDisk::default();
    let mut node = start(&disk);
    create(&mut node, r#"{"name":"S","subjects":["s.>"]}"#);
    consume(&mut node, "S", ",\"filter_subject\":\"s.a\"");
    tell(&mut node, "s.a", "x");
    let config = "{\"durable_name\":\"c\",\"ack_policy\":\"explicit\",\"filter_subject\":\"s.b\"}";
    let body = format!("{{\"stream_name\":\"S\",\"config\":{config}}}");
    send(&mut node, "$JS.API.CONSUMER.MSG.NEXT.S.c", "r.2", "1");
    send(&mut node, "$JS.API.CONSUMER.CREATE.S.c", "r.1", &body);
    node.settle().unwrap();
    let delivered = node.received().iter().any(|message| message.payload == "x");
    assert!(delivered, "it is delivered before the change is applied");
    node.wait(SECOND / 10);
    node.settle().unwrap();
    assert_eq!(ask(&mut node, "CONSUMER.INFO.S.c", "")["num_ack_pending"], 1);
    tell(&mut node, "s.a", "y");
    let answer = ask(&mut node, "STREAM.MSG.DELETE.S", "{\"seq\":1}");
    assert_eq!(answer["success"], true, "{answer}");
    assert_eq!(ask(&mut node, "CONSUMER.INFO.S.c", "")["num_ack_pending"], 0);
    let state = node.state();
    assert_eq!(restart(node, &mut disk).state(), state);
}

/// Sends a message that says after which time it goes.
fn tell_ttl(node: &mut Node, subject: &str, ttl: &str) {
    let header = format!("NATS/1.0\r\nNats-TTL: {ttl}\r\n\r\n");
    let length = header.len();
    node.send(format!("HPUB {subject} r.1 {length} {length}\r\n{header}\r\n").as_bytes());
    node.settle().unwrap();
}

#[test]
fn age_takes_what_would_go_later_and_leaves_what_never_goes() {
    let mut node = start(&SimDisk::default());
    create(
        &mut node,
        r#"{"name": "S", "subjects": ["s"], "max_age": 5000000000, "allow_msg_ttl": true}"#,
    );
    let sequences = |node: &mut Node| {
        let state = &ask(node, "STREAM.INFO.S", "")["state"];
        (state["first_seq"].as_u64().unwrap(), state["messages"].as_u64().unwrap())
    };
    for ttl in ["1m", "never", "1s"] {
        tell_ttl(&mut node, "s", ttl);
    }
    tell(&mut node, "s", "one");
    pass(&mut node, SECOND);
    assert_eq!(sequences(&mut node), (1, 3));
    pass(&mut node, 4 * SECOND);
    assert_eq!(sequences(&mut node), (2, 1));
    pass(&mut node, 120 * SECOND);
    assert_eq!(sequences(&mut node), (2, 1));
}

#[test]
fn a_message_goes_by_age_behind_many_that_never_go() {
    let mut node = start(&SimDisk::default());
    create(
        &mut node,
        r#"{"name": "S", "subjects": ["s.>"], "max_age": 5000000000, "allow_msg_ttl": true}"#,
    );
    // More than one slice, as each has a subject of its own.
    let kept = 600;
    (0..kept).for_each(|n| tell_ttl(&mut node, &format!("s.{n}"), "never"));
    tell(&mut node, "s.one", "one");
    pass(&mut node, 15 * SECOND);
    let info = ask(&mut node, "STREAM.INFO.S", "");
    assert_eq!(info["state"]["messages"], kept);
}

#[test]
fn a_shorter_history_lets_nothing_go_that_was_given_up() {
    let mut node = start(&SimDisk::default());
    let config = |max: i64| {
        format!(
            r#"{{"name":"S","subjects":["s.>"],"retention":"interest","max_msgs_per_subject":{max}}}"#
        )
    };
    create(&mut node, &config(-1));
    consume(&mut node, "S", ",\"max_deliver\":1,\"ack_wait\":1000000000");
    tell(&mut node, "s.1", "one");
    assert_eq!(pull(&mut node, "S", 1).len(), 1);
    pass(&mut node, 5 * SECOND);
    ask(&mut node, "STREAM.UPDATE.S", &config(5));
    pass(&mut node, SECOND);
    assert_eq!(content(&mut node, "S").len(), 1);
}

/// The disk refuses the next round, and takes writes again after that.
fn refuse_once(node: &mut Node, disk: &SimDisk) {
    disk.refuse(true);
    node.commit().unwrap_err();
    disk.refuse(false);
    node.heal().unwrap();
}

#[test]
fn what_is_too_old_goes_after_the_disk_refused_to_record_it() {
    let disk = SimDisk::default();
    let mut node = start(&disk);
    create(&mut node, r#"{"name": "S", "subjects": ["s"], "max_age": 5000000000}"#);
    tell(&mut node, "s", "one");
    node.wait(5 * SECOND);
    refuse_once(&mut node, &disk);
    pass(&mut node, SECOND);
    assert!(content(&mut node, "S").is_empty());
}

#[test]
fn a_change_is_carried_on_after_the_disk_refused_a_part_of_it() {
    let disk = SimDisk::default();
    let mut node = start(&disk);
    let config =
        |max: i64| format!(r#"{{"name":"S","subjects":["s.>"],"max_msgs_per_subject":{max}}}"#);
    create(&mut node, &config(-1));
    for n in 0..1600 {
        tell(&mut node, &format!("s.{}", n % 800), "one");
    }
    send(&mut node, "$JS.API.STREAM.UPDATE.S", "r.1", &config(1));
    node.commit().unwrap();
    refuse_once(&mut node, &disk);
    pass(&mut node, SECOND);
    assert_eq!(ask(&mut node, "STREAM.INFO.S", "")["state"]["messages"], 800);
}

/// What a consumer looks at between a change of its filters and the record of it, it must not pass over.
#[test]
fn nothing_is_passed_over_while_a_consumer_changes() {
    let mut node = start(&SimDisk::default());
    create(&mut node, r#"{"name": "S", "subjects": ["s.>"]}"#);
    consume(&mut node, "S", ",\"filter_subject\":\"s.1\"");
    tell(&mut node, "s.2", "two");
    let config = "{\"durable_name\":\"c\",\"ack_policy\":\"explicit\",\"filter_subject\":\"s.2\"}";
    let body = format!("{{\"stream_name\":\"S\",\"config\":{config}}}");
    send(&mut node, "$JS.API.CONSUMER.CREATE.S.c", "r.1", &body);
    send(&mut node, "$JS.API.CONSUMER.MSG.NEXT.S.c", "r.2", "{\"batch\":1,\"no_wait\":true}");
    node.settle().unwrap();
    let mut got = node.received();
    got.extend(pull(&mut node, "S", 1));
    assert_eq!(got.iter().filter(|message| message.payload == "two").count(), 1, "{got:?}");
}

#[test]
fn calls_that_wait_for_a_search_have_a_bound() {
    let mut node = start(&SimDisk::default());
    create(&mut node, r#"{"name": "S", "subjects": ["s.>"], "storage": "memory"}"#);
    // More than are searched in one turn, so that each call waits.
    for _ in 0..10_000 {
        node.say(b"PUB s.a 0\r\n\r\n");
    }
    node.settle().unwrap();
    node.received();
    let padding = " ".repeat(1_000_000);
    let body = format!("{{\"last_by_subj\":\"s.*.b\"{padding}}}");
    let call = format!("PUB $JS.API.STREAM.MSG.GET.S r.1 {}\r\n{body}\r\n", body.len());
    let all = call.repeat(40);
    node.say(all.as_bytes());
    for _ in 0..1000 {
        node.turn();
    }
    let answers = node.received();
    let refused = answers.iter().filter(|own| own.payload.contains("10008")).count();
    let answered = answers.iter().filter(|own| own.payload.contains("10037")).count();
    assert_eq!((answers.len(), refused + answered), (40, 40));
    assert!((20..30).contains(&refused), "{refused} of 40 are refused");
}
