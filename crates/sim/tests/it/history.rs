//! What is on disk follows from the records, and from nothing else: a node that was killed, or lost
//! power, comes back with the very state that it had, after histories of every kind of operation.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use fastrand::Rng;
use watershed_engine::JetStreamSettings;
use watershed_sim::disk::{SimDisk, Survival};
use watershed_sim::node::Node;
use watershed_wire::time::UnixNanos;

use crate::coverage::{Coverage, check_all};

const STREAMS: [&str; 3] = ["A", "B", "C"];
const CONSUMERS: [&str; 4] = ["w", "x", "y", "z"];
const RETENTIONS: [&str; 3] = ["limits", "interest", "workqueue"];
/// What a source may take, and as what.
const TAKES: &str = ",\"subject_transforms\":[{\"src\":\"*.0\",\"dest\":\"$1.{{partition(4,1)}}\"},\
                     {\"src\":\"*.2\",\"dest\":\"\"}]";

const OPERATIONS: usize = 220;

/// Small enough that a short history seals blocks and makes checkpoints.
fn settings() -> JetStreamSettings {
    JetStreamSettings {
        journal_bytes_per_checkpoint: 25_000,
        block_bytes: 2_500,
        ..JetStreamSettings::new(1 << 40, 1 << 40)
    }
}

/// How a life of the node ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum End {
    /// Everything is done, and the process is killed.
    Settled,
    /// The process is killed in the middle.
    Killed,
    /// The power goes in the middle.
    Cut,
    /// The disk refuses a call, the node goes on without it for a while, and is killed.
    Failed,
}

const ENDS: [End; 4] = [End::Settled, End::Killed, End::Cut, End::Failed];

/// A client that does whatever comes to mind.
struct Client<'a> {
    rng: &'a mut Rng,
    end: End,
    /// Retention of each stream, as far as known.
    retention: BTreeMap<&'static str, &'static str>,
    /// Streams that are mirrors, as far as known.
    mirrors: BTreeSet<&'static str>,
    /// Streams that acknowledge before they sync, as far as known.
    asyncs: BTreeSet<&'static str>,
    /// Streams whose messages count, as far as known.
    counters: BTreeSet<&'static str>,
    /// Streams with schedules, as far as known.
    schedulers: BTreeSet<&'static str>,
    /// Where to answer deliveries.
    deliveries: Vec<String>,
    requests: u64,
    coverage: &'a mut Coverage<End>,
}

impl Client<'_> {
    fn one_of<T: Copy>(&mut self, all: &[T]) -> T {
        all[self.rng.usize(..all.len())]
    }

    fn request(&mut self, node: &mut Node, subject: &str, body: &str) {
        self.requests += 1;
        let number = self.requests;
        node.send(format!("PUB {subject} r.{number} {}\r\n{body}\r\n", body.len()).as_bytes());
    }

    fn note(&mut self, operation: &'static str, stream: &'static str) {
        let retention = self.retention.get(stream).copied().unwrap_or("none");
        *self.coverage.entry((operation, retention, self.end)).or_default() += 1;
    }

    fn act(&mut self, node: &mut Node) {
        let stream = self.one_of(&STREAMS);
        match self.rng.u8(..69) {
            0 => self.delete_stream(node, stream),
            1..5 => self.put_stream(node, stream),
            5..7 => self.purge(node, stream),
            7..10 => self.delete_message(node, stream),
            10..16 => self.put_consumer(node, stream),
            16 => self.delete_consumer(node, stream),
            17..27 => self.pull(node, stream),
            27..44 => self.answer(node),
            44..46 => self.pass_time(node),
            46..48 => self.pause(node, stream),
            48..50 => self.publish_batch(node, stream),
            66 => self.reset(node, stream),
            67..69 => self.publish_fast(node, stream),
            _ => self.publish(node, stream),
        }
        for message in node.received() {
            self.deliveries.extend(message.reply.filter(|reply| reply.starts_with("$JS.ACK.")));
        }
    }

    fn put_stream(&mut self, node: &mut Node, stream: &'static str) {
        let update = self.retention.contains_key(stream) && self.rng.u8(..4) > 0;
        let known = self.retention.get(stream).copied();
        let changes = self.rng.u8(..5) == 0;
        let retention = known.filter(|_| !changes).unwrap_or_else(|| self.one_of(&RETENTIONS));
        let mut config = format!(
            "\"name\":\"{stream}\",\"retention\":\"{retention}\",\"allow_rollup_hdrs\":true,\
             \"allow_msg_ttl\":true,\"allow_atomic\":true,\"allow_batched\":true,\"max_msgs\":{},\"max_bytes\":{},\"max_age\":{},\
             \"max_msgs_per_subject\":{},\"discard\":\"{}\",\"duplicate_window\":{}",
            self.one_of(&[-1, -1, 3, 10]),
            self.one_of(&[-1, -1, 600, 3000]),
            self.one_of(&[0_u64, 0, 5_000_000_000, 60_000_000_000]),
            self.one_of(&[-1, -1, 1, 2]),
            self.one_of(&["old", "old", "new"]),
            self.one_of(&[1_000_000_000_u64, 5_000_000_000]),
        );
        if self.asyncs.contains(stream) || (!update && self.rng.u8(..3) == 0) {
            self.asyncs.insert(stream);
            config = config.replace("\"allow_atomic\":true,", "\"persist_mode\":\"async\",");
        }
        self.choose(stream, retention, update, &mut config);
        let (counts, schedules) =
            (self.counters.contains(stream), self.schedulers.contains(stream));
        let mut operation = if update { "update stream" } else { "create stream" };
        let source = STREAMS.iter().find(|other| **other != stream);
        match (self.rng.u8(..6), source) {
            (0, Some(source)) if stream > *source && !schedules => {
                let takes = self.one_of(&["", "", TAKES]);
                let _ = write!(
                    config,
                    ",\"subjects\":[\"{stream}.>\"],\"sources\":[{{\"name\":\"{source}\"{takes}}}]"
                );
            }
            // An update that says nothing of a mirror makes a stream of its own of it.
            (1 | 2, Some(source))
                if stream > *source
                    && !(counts || schedules)
                    && (!update || self.mirrors.contains(stream)) =>
            {
                operation = "put mirror";
                config = config.replace("\"allow_atomic\":true,", "");
                config = config.replace("\"allow_batched\":true,", "");
                self.mirrors.insert(stream);
                let _ = write!(config, ",\"mirror\":{{\"name\":\"{source}\"}}");
            }
            _ => {
                if self.mirrors.remove(stream) && update {
                    operation = "promote mirror";
                }
                let _ = write!(config, ",\"subjects\":[\"{stream}.>\"]");
            }
        }
        if stream == "B" {
            config += ",\"compression\":\"s2\"";
        }
        if self.rng.u8(..4) == 0 {
            let _ = write!(
                config,
                ",\"subject_transform\":{{\"src\":\"*.1\",\"dest\":\"$1.{{{{random(2)}}}}\"}}"
            );
        }
        if stream < "C" && self.rng.u8(..4) == 0 {
            let _ = write!(config, ",\"republish\":{{\"src\":\"*.2\",\"dest\":\"C.again.$1\"}}");
        }
        if !config.contains("\"mirror\"") && !counts && self.rng.u8(..3) == 0 {
            let ttl = self.one_of(&[1_000_000_000_u64, 6_000_000_000, 90_000_000_000]);
            let _ = write!(config, ",\"subject_delete_marker_ttl\":{ttl}");
        }
        let verb = if update { "UPDATE" } else { "CREATE" };
        self.note(operation, stream);
        self.retention.insert(stream, retention);
        self.request(node, &format!("$JS.API.STREAM.{verb}.{stream}"), &format!("{{{config}}}"));
    }

    /// Has a stream count, or hold schedules, or neither.
    fn choose(&mut self, stream: &'static str, retention: &str, update: bool, config: &mut String) {
        let counts = !update && retention == "limits" && self.rng.u8(..3) == 0;
        if counts || self.counters.contains(stream) {
            self.counters.insert(stream);
            *config = config.replace("\"allow_msg_ttl\":true", "\"allow_msg_counter\":true");
            *config = config.replace("\"new\"", "\"old\"");
            return;
        }
        let schedules = !update && self.rng.u8(..4) == 0;
        if schedules || self.schedulers.contains(stream) {
            self.schedulers.insert(stream);
            *config = config.replace("\"new\"", "\"old\"") + ",\"allow_msg_schedules\":true";
        }
    }

    fn delete_stream(&mut self, node: &mut Node, stream: &'static str) {
        self.note("delete stream", stream);
        self.request(node, &format!("$JS.API.STREAM.DELETE.{stream}"), "");
        self.retention.remove(stream);
        self.mirrors.remove(stream);
        self.asyncs.remove(stream);
        self.counters.remove(stream);
        self.schedulers.remove(stream);
    }

    fn purge(&mut self, node: &mut Node, stream: &'static str) {
        self.note("purge", stream);
        let body = match self.rng.u8(..4) {
            0 => String::new(),
            1 => format!("{{\"seq\":{}}}", self.rng.u64(1..60)),
            2 => format!("{{\"keep\":{}}}", self.rng.u64(1..4)),
            _ => format!("{{\"filter\":\"{stream}.{}\"}}", self.rng.u8(..4)),
        };
        self.request(node, &format!("$JS.API.STREAM.PURGE.{stream}"), &body);
    }

    fn delete_message(&mut self, node: &mut Node, stream: &'static str) {
        self.note("delete message", stream);
        let body = format!("{{\"seq\":{}}}", self.rng.u64(1..60));
        self.request(node, &format!("$JS.API.STREAM.MSG.DELETE.{stream}"), &body);
    }

    fn put_consumer(&mut self, node: &mut Node, stream: &'static str) {
        self.note("put consumer", stream);
        let name = self.one_of(&CONSUMERS);
        let filter = match self.rng.u8(..4) {
            0 => String::new(),
            1 => format!(",\"filter_subjects\":[\"{stream}.0\",\"{stream}.2\"]"),
            _ => format!(",\"filter_subject\":\"{stream}.{}\"", self.rng.u8(..4)),
        };
        let policy = self.one_of(&["all", "all", "new", "last", "last_per_subject"]);
        let filtered = !filter.is_empty() || policy != "last_per_subject";
        let policy = if filtered { policy } else { "all" };
        // On a stream with limits, no record is made of one that is in memory.
        let in_memory = self.rng.u8(..4) == 0;
        let (named, call) = if in_memory {
            ("\"mem_storage\":true,\"name\"", "CREATE")
        } else {
            ("\"durable_name\"", "DURABLE.CREATE")
        };
        let config = format!(
            "{named}:\"{name}\",\"ack_policy\":\"{}\",\"ack_wait\":{},\
             \"max_deliver\":{},\"deliver_policy\":\"{policy}\",\"max_ack_pending\":{},\
             \"inactive_threshold\":{}{filter}",
            self.one_of(&["explicit", "explicit", "explicit", "all", "none"]),
            self.one_of(&[500_000_000_u64, 2_000_000_000]),
            self.one_of(&[-1, 1, 3]),
            self.one_of(&[2, 1000]),
            self.one_of(&[0_u64, 0, 20_000_000_000]),
        );
        let until = UnixNanos(node.now().wall.0 + 1_500_000_000);
        let paused = self.rng.u8(..8) == 0;
        let pause = if paused { format!(",\"pause_until\":\"{until}\"") } else { String::new() };
        let config = format!("{config}{pause}");
        let subject = format!("$JS.API.CONSUMER.{call}.{stream}.{name}");
        let body = format!("{{\"stream_name\":\"{stream}\",\"config\":{{{config}}}}}");
        self.request(node, &subject, &body);
    }

    fn delete_consumer(&mut self, node: &mut Node, stream: &'static str) {
        self.note("delete consumer", stream);
        let name = self.one_of(&CONSUMERS);
        self.request(node, &format!("$JS.API.CONSUMER.DELETE.{stream}.{name}"), "");
    }

    fn pause(&mut self, node: &mut Node, stream: &'static str) {
        self.note("pause", stream);
        let name = self.one_of(&CONSUMERS);
        let after = self.one_of(&[0, -1, 1_000_000, 2_000_000_000, 40_000_000_000]);
        let until = UnixNanos(node.now().wall.0 + after);
        let body =
            if after == 0 { String::new() } else { format!("{{\"pause_until\":\"{until}\"}}") };
        self.request(node, &format!("$JS.API.CONSUMER.PAUSE.{stream}.{name}"), &body);
    }

    fn reset(&mut self, node: &mut Node, stream: &'static str) {
        self.note("reset", stream);
        let name = self.one_of(&CONSUMERS);
        let body = match self.rng.u8(..3) {
            0 => String::new(),
            _ => format!("{{\"seq\":{}}}", self.rng.u8(1..40)),
        };
        self.request(node, &format!("$JS.API.CONSUMER.RESET.{stream}.{name}"), &body);
    }

    fn pull(&mut self, node: &mut Node, stream: &'static str) {
        self.note("pull", stream);
        let name = self.one_of(&CONSUMERS);
        let body = match self.rng.u8(..3) {
            0 => format!("{{\"batch\":{},\"expires\":3000000000}}", self.rng.u8(1..6)),
            _ => format!("{{\"batch\":{},\"no_wait\":true}}", self.rng.u8(1..8)),
        };
        self.request(node, &format!("$JS.API.CONSUMER.MSG.NEXT.{stream}.{name}"), &body);
    }

    /// Says something to a delivery; most of them are heard in time, some much later.
    fn answer(&mut self, node: &mut Node) {
        if self.deliveries.is_empty() {
            return;
        }
        let index = self.rng.usize(..self.deliveries.len());
        let subject = self.deliveries[index].clone();
        if self.rng.u8(..8) > 0 {
            self.deliveries.swap_remove(index);
        }
        let name = subject.split('.').nth(2).unwrap_or_default();
        let stream = STREAMS.into_iter().find(|stream| *stream == name).unwrap_or("A");
        let (operation, said) = match self.rng.u8(..12) {
            0 => ("retry at once", "-NAK"),
            1 => ("retry later", "-NAK {\"delay\":1500000000}"),
            2 => ("terminate", "+TERM"),
            3 => ("progress", "+WPI"),
            4 | 5 => ("ack and next", "+NXT 2"),
            _ => ("ack", "+ACK"),
        };
        self.note(operation, stream);
        if self.rng.bool() && operation != "ack and next" {
            node.send(format!("PUB {subject} {}\r\n{said}\r\n", said.len()).as_bytes());
        } else {
            self.request(node, &subject, said);
        }
    }

    fn pass_time(&mut self, node: &mut Node) {
        self.note("time", "none");
        let nanos =
            self.one_of(&[1_000_000, 30_000_000, 700_000_000, 2_500_000_000, 30_000_000_000]);
        node.wait(nanos);
    }

    fn publish_batch(&mut self, node: &mut Node, stream: &'static str) {
        self.note("publish a batch", stream);
        self.requests += 1;
        let (id, last) = (self.requests, self.rng.u8(1..5));
        for number in 1..=last {
            let end = if number == last { "Nats-Batch-Commit: 1\r\n" } else { "" };
            let counts = self.counters.contains(stream);
            let count = if counts { "Nats-Incr: 1\r\n" } else { "" };
            let header = format!(
                "NATS/1.0\r\nNats-Batch-Id: {id}\r\nNats-Batch-Sequence: {number}\r\n{count}{end}\r\n"
            );
            let (subject, length) = (format!("{stream}.{}", self.rng.u8(..4)), header.len());
            node.send(
                format!("HPUB {subject} r.{id} {length} {length}\r\n{header}\r\n").as_bytes(),
            );
        }
    }

    /// Some messages of a fast batch, of which one or the other is missing.
    fn publish_fast(&mut self, node: &mut Node, stream: &'static str) {
        self.note("publish a fast batch", stream);
        self.requests += 1;
        let (id, gap) = (self.requests, self.one_of(&["ok", "fail"]));
        let last = self.rng.u8(1..6);
        for number in 1..=last {
            if number > 1 && self.rng.u8(..6) == 0 {
                continue;
            }
            let operation = match number {
                1 => 0,
                _ if number == last => self.rng.u8(1..5),
                _ => 1,
            };
            let counts = self.counters.contains(stream);
            let header =
                format!("NATS/1.0\r\n{}\r\n", if counts { "Nats-Incr: 1\r\n" } else { "" });
            let (subject, length) = (format!("{stream}.{}", self.rng.u8(..4)), header.len());
            let reply = format!("r.{id}.2.{gap}.{number}.{operation}.$FI");
            node.send(
                format!("HPUB {subject} {reply} {length} {length}\r\n{header}\r\n").as_bytes(),
            );
        }
    }

    /// Header fields of a schedule.
    fn schedule(&mut self, node: &Node, stream: &str) -> String {
        let after = self.one_of(&[-1_000_000_000, 700_000_000, 2_500_000_000]);
        let once = format!("@at {}", UnixNanos(node.now().wall.0 + after));
        let pattern = self.one_of(&[once.as_str(), &once, "@every 1s", "*/2 * * * * *"]);
        let mut fields = format!(
            "Nats-Schedule: {pattern}\r\nNats-Schedule-Target: {stream}.made.{}\r\n",
            self.rng.u8(..3)
        );
        match self.rng.u8(..4) {
            0 => fields += "Nats-Schedule-Rollup: sub\r\n",
            1 => {
                let _ = write!(fields, "Nats-Schedule-Source: {stream}.made.3\r\n");
            }
            2 => fields += "Nats-TTL: 3s\r\n",
            _ => {}
        }
        fields
    }

    fn publish(&mut self, node: &mut Node, stream: &'static str) {
        let mut header = String::new();
        let mut operation = "publish";
        match self.rng.u8(..12) {
            0 => {
                operation = "publish with ttl";
                let ttl = self.one_of(&["never", "1s", "3s", "8s"]);
                let _ = write!(header, "Nats-TTL: {ttl}\r\n");
            }
            1 => {
                operation = "publish with rollup";
                let _ = write!(header, "Nats-Rollup: {}\r\n", self.one_of(&["sub", "all"]));
            }
            2 => {
                operation = "publish with expectation";
                let _ = write!(header, "Nats-Expected-Last-Sequence: {}\r\n", self.rng.u64(..40));
            }
            3 => {
                operation = "publish with expectation";
                let expected = self.rng.u64(..40);
                let _ = write!(header, "Nats-Expected-Last-Subject-Sequence: {expected}\r\n");
            }
            4..8 => {
                operation = "publish with id";
                let _ = write!(header, "Nats-Msg-Id: {}\r\n", self.rng.u8(..20));
            }
            _ => {}
        }
        let counts = self.counters.contains(stream) && self.rng.u8(..8) > 0;
        if counts {
            operation = "count";
            let kept = self.rng.bool() && header.starts_with("Nats-Msg-Id");
            let id = if kept { header.as_str() } else { "" };
            header = format!("{id}Nats-Incr: {}\r\n", self.rng.i8(-3..9));
        }
        if self.schedulers.contains(stream) && self.rng.u8(..4) == 0 {
            operation = "schedule";
            header = self.schedule(node, stream);
        }
        self.note(operation, stream);
        let subject = format!("{stream}.{}", self.rng.u8(..4));
        let length = if counts { 0 } else { self.rng.usize(1..200) };
        let payload = match length {
            0 => String::new(),
            length => format!("{}-{}", self.requests, "x".repeat(length - 1)),
        };
        if header.is_empty() {
            self.request(node, &subject, &payload);
            return;
        }
        self.requests += 1;
        let header = format!("NATS/1.0\r\n{header}\r\n");
        let total = header.len() + payload.len();
        let frame = format!(
            "HPUB {subject} r.{} {} {total}\r\n{header}{payload}\r\n",
            self.requests,
            header.len()
        );
        node.send(frame.as_bytes());
    }
}

/// One history of a node's several lives. Says what differs.
fn check(seed: u64, coverage: &mut Coverage<End>) -> Result<(), String> {
    let mut rng = Rng::with_seed(seed);
    let mut disk = SimDisk::default();
    let mut node = Node::start(&disk, settings(), seed)?;
    let lives = 3;
    let (mut retention, mut mirrors) = (BTreeMap::new(), BTreeSet::new());
    let (mut asyncs, mut counters) = (BTreeSet::new(), BTreeSet::new());
    let mut schedulers = BTreeSet::new();
    for life in 0..lives {
        let end = ENDS[rng.usize(..ENDS.len())];
        let mut client = Client {
            rng: &mut rng,
            end,
            retention,
            mirrors,
            asyncs,
            counters,
            schedulers,
            deliveries: Vec::new(),
            requests: 0,
            coverage,
        };
        if end == End::Failed {
            disk.fail_at(client.rng.u64(..220));
        }
        for stream in STREAMS {
            client.put_stream(&mut node, stream);
            client.put_consumer(&mut node, stream);
        }
        for _ in 0..OPERATIONS / lives {
            client.act(&mut node);
            // The disk is sometimes ahead and sometimes behind.
            for _ in 0..client.rng.u8(..4) {
                match (client.rng.bool(), end) {
                    (true, End::Failed) => {
                        if !node.try_commit() {
                            node.heal()?;
                        }
                    }
                    (true, _) => node.commit()?,
                    // What blocks could not take is tried again.
                    (false, End::Failed) => drop(node.keep()),
                    (false, _) => node.keep()?,
                }
            }
        }
        (retention, mirrors) = (client.retention, client.mirrors);
        (asyncs, counters) = (client.asyncs, client.counters);
        schedulers = client.schedulers;
        if end == End::Settled {
            node.settle()?;
        }
        let (now, applied, state) = (node.now(), node.applied(), node.state());
        drop(node);
        disk = match end {
            End::Settled | End::Killed | End::Failed => disk.after_kill(),
            End::Cut => disk.power_cut(Survival::EVERY[rng.usize(..4)], &mut rng),
        };
        node = Node::start_at(now, &disk, settings(), rng.u64(..))?;
        // A round that was on its way may be there, too; nobody was told.
        if node.applied() < applied {
            return Err(format!("life {life}: round {applied} is lost"));
        }
        if node.applied() == applied && node.state() != state {
            return Err(format!("life {life}, {end:?}: the state differs after a restart"));
        }
    }
    Ok(())
}

#[test]
fn what_is_on_disk_follows_from_the_records() {
    let retentions = |operation: &str| match operation {
        "time" => &["none"][..],
        "count" => &["limits"],
        _ => &RETENTIONS,
    };
    check_all(170, 60, &ENDS, retentions, check);
}

/// A work queue of at most three messages holds 1 2 3, all delivered. The acknowledgement of 2 and a
/// fourth message arrive together: 2 is done, so there is room, and 1 stays.
#[test]
fn an_acknowledgement_stands_before_the_message_that_comes_after_it() {
    let disk = SimDisk::default();
    let mut node = Node::start(&disk, settings(), 1).unwrap();
    let call = |node: &mut Node, subject: &str, body: &str| {
        node.send(format!("PUB {subject} r.0 {}\r\n{body}\r\n", body.len()).as_bytes());
        node.settle().unwrap();
        node.received()
    };
    let config =
        "{\"name\":\"A\",\"subjects\":[\"A.>\"],\"retention\":\"workqueue\",\"max_msgs\":3}";
    call(&mut node, "$JS.API.STREAM.CREATE.A", config);
    let config =
        "{\"stream_name\":\"A\",\"config\":{\"durable_name\":\"w\",\"ack_policy\":\"explicit\"}}";
    call(&mut node, "$JS.API.CONSUMER.DURABLE.CREATE.A.w", config);
    for number in ["1", "2", "3"] {
        call(&mut node, "A.x", number);
    }
    let next = "{\"batch\":3,\"no_wait\":true}";
    let deliveries = call(&mut node, "$JS.API.CONSUMER.MSG.NEXT.A.w", next);
    let second = deliveries[1].reply.clone().unwrap();
    node.send(format!("PUB {second} 4\r\n+ACK\r\nPUB A.x r.1 1\r\n4\r\n").as_bytes());
    node.settle().unwrap();
    node.received();
    for disk in [disk.clone(), disk.after_kill()] {
        let mut node = Node::start(&disk, settings(), 1).unwrap();
        let there = (1..=4).filter(|sequence| {
            let body = format!("{{\"seq\":{sequence}}}");
            let answer = call(&mut node, "$JS.API.STREAM.MSG.GET.A", &body);
            answer.iter().any(|message| message.payload.contains("\"message\""))
        });
        assert_eq!(there.collect::<Vec<_>>(), [1, 3, 4]);
    }
}
