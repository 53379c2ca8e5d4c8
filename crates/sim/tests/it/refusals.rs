//! A disk that is full or fails: who asked is told, nothing is lost, and it goes on by itself.

use fastrand::Rng;
use watershed_engine::JetStreamSettings;
use watershed_sim::disk::{SimDisk, Survival};
use watershed_sim::node::Node;

const STREAM: &str = "{\"name\":\"S\",\"subjects\":[\"s.>\"],\"retention\":\"workqueue\",\
     \"allow_direct\":true}";
const CONSUMER: &str =
    "{\"stream_name\":\"S\",\"config\":{\"durable_name\":\"c\",\"ack_policy\":\"explicit\"}}";

fn settings() -> JetStreamSettings {
    JetStreamSettings { block_bytes: 200_000, ..JetStreamSettings::new(1 << 40, 1 << 40) }
}

fn is_stored(answer: &str) -> bool {
    answer.contains("\"seq\"") && !answer.contains("error")
}

/// A node whose disk may refuse.
struct Sick {
    disk: SimDisk,
    node: Node,
}

impl Sick {
    fn start(disk: SimDisk) -> Self {
        let node = Node::start(&disk, settings(), 1).unwrap();
        let mut own = Self { disk, node };
        own.work();
        own
    }

    /// A stream with a consumer.
    fn with_stream() -> Self {
        let mut own = Self::start(SimDisk::default());
        assert!(own.call("$JS.API.STREAM.CREATE.S", STREAM).contains("did_create"));
        assert!(own.call("$JS.API.CONSUMER.DURABLE.CREATE.S.c", CONSUMER).contains("\"config\""));
        own
    }

    /// Lets the disk do what it can.
    fn work(&mut self) {
        // What is tried in vain is tried again later.
        for _ in 0..64 {
            let _ = self.node.commit();
            let _ = self.node.keep();
            if !self.node.has_work() {
                // What was set aside for a full disk is set aside again.
                let _ = self.node.keep();
                return;
            }
        }
    }

    /// The disk is looked at again.
    fn heal(&mut self) -> bool {
        let healed = self.node.heal().is_ok();
        self.work();
        healed
    }

    fn all(&mut self, subject: &str, body: &str) -> Vec<String> {
        self.node.send(format!("PUB {subject} r.1 {}\r\n{body}\r\n", body.len()).as_bytes());
        self.work();
        let answers = self.node.received().into_iter();
        answers.map(|message| message.reply.unwrap_or(message.payload)).collect()
    }

    /// The one answer to a request; empty if there is none.
    fn call(&mut self, subject: &str, body: &str) -> String {
        let mut answers = self.all(subject, body);
        assert!(answers.len() <= 1, "{answers:?}");
        answers.pop().unwrap_or_default()
    }

    fn fetch(&mut self) -> Vec<String> {
        self.all("$JS.API.CONSUMER.MSG.NEXT.S.c", "{\"batch\":2,\"no_wait\":true}")
    }

    fn messages(&mut self) -> u64 {
        let info = self.call("$JS.API.STREAM.INFO.S", "");
        let info: serde_json::Value = serde_json::from_str(&info).unwrap();
        info["state"]["messages"].as_u64().unwrap()
    }

    /// Publishes until the disk has no room.
    fn fill(&mut self) -> u64 {
        self.disk.limit(Some(6_000_000));
        let body = "x".repeat(50_000);
        for stored in 0..1000 {
            let answer = self.call("s.x", &body);
            if answer.contains("10023") {
                return stored;
            }
            assert!(is_stored(&answer), "{answer}");
        }
        panic!("the disk is never full");
    }

    /// What a start would find is what is there now.
    fn is_durable(&self) {
        for survival in [Survival::None, Survival::All] {
            let disk = self.disk.power_cut(survival, &mut Rng::with_seed(1));
            let other = Node::start_at(self.node.now(), &disk, settings(), 2).unwrap();
            assert_eq!(other.state(), self.node.state(), "{survival:?}");
        }
    }
}

#[test]
fn a_full_disk_takes_what_frees_space() {
    let mut own = Sick::with_stream();
    let stored = own.fill();
    assert!(stored > 20, "{stored} were stored");
    assert_eq!(own.messages(), stored);
    let deliveries = own.fetch();
    assert_eq!(deliveries.len(), 2);
    assert_eq!(own.call(&deliveries[0], "+ACK"), "", "an empty reply confirms");
    assert!(own.call("$JS.API.STREAM.MSG.DELETE.S", "{\"seq\":9}").contains("true"));
    assert_eq!(own.messages(), stored - 2);
    assert!(own.call("s.x", "y").contains("10023"));
    own.is_durable();
    assert!(own.call("$JS.API.STREAM.PURGE.S", "{\"keep\":1}").contains("true"));
    assert!(own.heal());
    for _ in 0..3 {
        let answer = own.call("s.x", "z");
        assert!(is_stored(&answer), "{answer}");
    }
    own.is_durable();
}

#[test]
fn a_store_that_is_opened_on_a_full_disk_frees_space() {
    let mut own = Sick::with_stream();
    let stored = own.fill();
    let disk = own.disk.after_kill();
    // Whatever was still free is somebody else's now.
    disk.limit(Some(disk.used()));
    let mut own = Sick::start(disk);
    assert_eq!(own.messages(), stored);
    assert!(own.call("$JS.API.STREAM.PURGE.S", "").contains("true"));
    assert!(own.heal());
    let answer = own.call("s.x", &"x".repeat(500_000));
    assert!(is_stored(&answer), "{answer}");
    assert!(own.disk.used() < 5_000_000, "{} bytes are used", own.disk.used());
    own.is_durable();
}

/// Space is free some time after a purge, without anything that is stored later.
#[test]
fn a_purge_gives_space_back() {
    let mut own = Sick::with_stream();
    let blocks = |disk: &SimDisk| {
        disk.paths().into_iter().filter(|path| path.starts_with("blocks/")).count()
    };
    for _ in 0..40 {
        assert!(is_stored(&own.call("s.x", &"x".repeat(50_000))));
    }
    assert!(blocks(&own.disk) > 5);
    assert!(own.call("$JS.API.STREAM.PURGE.S", "").contains("true"));
    own.node.wait(10_000_000_000);
    own.work();
    assert_eq!(blocks(&own.disk), 0);
    own.is_durable();
}

/// For as long as purges and deletes come, they are taken: what is set aside for them is used again.
#[test]
fn a_full_disk_does_not_run_out_of_what_is_set_aside() {
    let mut own = Sick::with_stream();
    own.fill();
    own.disk.limit(Some(own.disk.used()));
    for round in 0..3_000 {
        let answer = own.call("$JS.API.STREAM.PURGE.S", "{\"seq\":1}");
        assert!(answer.contains("true"), "round {round}: {answer}");
    }
    own.is_durable();
}

#[test]
fn a_disk_that_fails_takes_nothing_and_reads_go_on() {
    let mut own = Sick::with_stream();
    for _ in 0..4 {
        assert!(is_stored(&own.call("s.x", "stored")));
    }
    let deliveries = own.fetch();
    own.disk.refuse(true);
    assert!(own.call("s.x", "refused").contains("10023"));
    assert!(own.call("s.x", "refused").contains("10023"));
    assert!(own.call("$JS.API.STREAM.PURGE.S", "").contains("10008"));
    assert!(own.call("$JS.API.STREAM.CREATE.T", "{\"name\":\"T\"}").contains("10008"));
    assert_eq!(own.all(&deliveries[0], "+ACK"), [""; 0], "any reply would confirm");
    assert_eq!(own.messages(), 4);
    assert_eq!(own.fetch().len(), 2);
    assert!(!own.heal());
    own.disk.refuse(false);
    assert!(own.heal());
    assert_eq!(own.call(&deliveries[1], "+ACK"), "");
    assert!(own.call("s.x", "stored").contains("\"seq\":5"));
    own.is_durable();
}

/// A sync that failed may have written anything; what was refused must not come back.
#[test]
fn what_was_refused_does_not_come_back() {
    for call in 0..40 {
        let mut own = Sick::with_stream();
        own.disk.fail_at(call);
        let mut stored = 0;
        for number in 0..20 {
            let answer = own.call("s.x", &format!("{number}"));
            stored += u64::from(is_stored(&answer));
            assert!(is_stored(&answer) || answer.contains("10023"), "{answer}");
            own.heal();
        }
        own.work();
        assert!(stored >= 18, "call {call}: {stored}");
        assert_eq!(own.messages(), stored, "call {call}");
        own.is_durable();
    }
}

/// Blocks whose sync failed are written again, and a checkpoint refers only to what is on disk.
#[test]
fn a_sync_of_blocks_that_failed_is_made_good() {
    let settings = JetStreamSettings {
        journal_bytes_per_checkpoint: 6_000,
        block_bytes: 2_000,
        ..JetStreamSettings::new(1 << 40, 1 << 40)
    };
    for call in 0..120 {
        let disk = SimDisk::default();
        let mut own = Sick { node: Node::start(&disk, settings, 1).unwrap(), disk };
        own.call("$JS.API.STREAM.CREATE.S", STREAM);
        own.disk.fail_at(call);
        let mut stored = Vec::new();
        for number in 0..60 {
            let body = format!("{number:0300}");
            if is_stored(&own.call("s.x", &body)) {
                stored.push(body);
            }
            own.heal();
        }
        let disk = own.disk.power_cut(Survival::None, &mut Rng::with_seed(call));
        let node = Node::start_at(own.node.now(), &disk, settings, 2).unwrap();
        let mut own = Sick { disk, node };
        own.work();
        for (index, body) in stored.iter().enumerate() {
            let request = format!("{{\"seq\":{}}}", index + 1);
            let answer = own.call("$JS.API.DIRECT.GET.S", &request);
            assert_eq!(&answer, body, "call {call}, message {}", index + 1);
        }
    }
}

#[test]
fn whoever_waits_for_a_refused_round_is_told_in_turns() {
    let mut own = Sick::with_stream();
    own.node.send("PUB s.x r.1 1\r\nx\r\n".repeat(5000).as_bytes());
    own.disk.refuse(true);
    assert!(!own.node.try_commit());
    let mut told = own.node.received();
    assert!(told.len() < 2000, "{} were told in one turn", told.len());
    while own.node.turn() {
        told.extend(own.node.received());
    }
    told.extend(own.node.received());
    assert_eq!(told.len(), 5000);
    assert!(told.iter().all(|own| own.payload.contains("10023")));
    own.disk.refuse(false);
    assert!(own.heal());
    assert!(is_stored(&own.call("s.x", "z")));
    assert_eq!(own.messages(), 1);
    own.is_durable();
}

/// What the disk refuses takes no time from deliveries that it had taken before, however many these are.
#[test]
fn a_delivery_keeps_its_deadline_when_something_later_is_refused() {
    let mut own = Sick::with_stream();
    for _ in 0..5 {
        assert!(is_stored(&own.call("s.x", "stored")));
    }
    let first = own.fetch();
    own.node.wait(20_000_000_000);
    own.work();
    own.disk.refuse(true);
    // Two others are delivered, and an answer is given to one of the first. None of it is durable.
    let second = own.fetch();
    assert_eq!(own.all(&first[0], "+ACK"), [""; 0]);
    own.disk.refuse(false);
    assert!(own.heal());
    // Those two were never delivered.
    assert_eq!(own.fetch(), second);
    // The time of the other one is over, and one has all of its time again.
    own.node.wait(11_000_000_000);
    let again = own.fetch();
    let sequences: Vec<&str> = again.iter().filter_map(|own| own.split('.').nth(5)).collect();
    assert_eq!(sequences, ["2", "5"]);
    assert_eq!(again[0].split('.').nth(4), Some("2"), "it was delivered before");
    own.node.wait(20_000_000_000);
    let again = own.fetch();
    assert_eq!(again[0].split('.').nth(5), Some("1"));
    own.is_durable();
}
