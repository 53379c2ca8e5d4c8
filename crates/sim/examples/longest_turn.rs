//! How long one call of the engine takes at most, while it does something large: what everybody else
//! waits for. The disk is a map; what is counted is the processor's time, so that other programs on
//! the machine do not count.
//!
//! ```text
//! cargo run --release -p watershed-sim --example longest_turn [MESSAGES [OPERATION]]
//! ```
#![allow(clippy::print_stdout, clippy::unwrap_used)] // an example is a program

use std::collections::{BTreeMap, HashMap};
use std::fmt::Write as _;
use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};
use watershed_engine::{
    Completion, ConnId, CoreSettings, DiskOutput, Engine, Identity, JetStreamSettings, Now, Peer,
    Settings, Tick,
};
use watershed_store::LogId;
use watershed_store::keeper::{Job, Placed};
use watershed_wire::handshake::Info;
use watershed_wire::time::UnixNanos;
use watershed_wire::{ClientDecoder, ServerDecoder, ServerOp};

/// Bytes that are handed to the engine between two looks at what there is to do.
const PIECE: usize = 16 * 1024;

fn processor_time() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(u64::try_from(time.tv_sec).unwrap(), u32::try_from(time.tv_nsec).unwrap())
}

struct Node {
    engine: Engine,
    conn: ConnId,
    now: Now,
    decoder: ServerDecoder,
    blocks: HashMap<(LogId, u32), Vec<u8>>,
    /// How long each call took, by its kind.
    calls: BTreeMap<&'static str, Vec<Duration>>,
    answer: String,
    /// Acknowledgements of what was delivered.
    acknowledgements: Vec<u8>,
    more: bool,
}

impl Node {
    fn start() -> Self {
        let info = Info { headers: true, max_payload: 1 << 20, ..Info::default() };
        let jetstream = Some(JetStreamSettings::new(1 << 40, 1 << 40));
        let core = CoreSettings { info, ..CoreSettings::default() };
        let mut engine = Engine::new(Settings { core, jetstream });
        let account = engine.account("$G");
        let now = Now { tick: Tick(0), wall: UnixNanos(1_000_000_000_000) };
        let identity = Identity::new(account, "", None);
        let conn = engine.opened(
            now,
            Peer { ip: "here".into(), port: 1, anonymous: Some(identity), ..Peer::default() },
        );
        let mut node = Self {
            engine,
            conn,
            now,
            decoder: ServerDecoder::default(),
            blocks: HashMap::new(),
            calls: BTreeMap::new(),
            answer: String::new(),
            acknowledgements: Vec::new(),
            more: false,
        };
        node.send(b"CONNECT {\"verbose\":false,\"headers\":true}\r\nSUB r.> 1\r\n");
        node
    }

    fn timed<T>(&mut self, kind: &'static str, call: impl FnOnce(&mut Engine) -> T) -> T {
        let start = processor_time();
        let result = call(&mut self.engine);
        let took = processor_time().saturating_sub(start);
        self.calls.entry(kind).or_default().push(took);
        result
    }

    /// Sends bytes, and does whatever there is to do.
    fn send(&mut self, bytes: &[u8]) {
        for piece in Pieces(bytes) {
            let mut decoder = ClientDecoder::default();
            let mut rest = piece;
            let (now, conn) = (self.now, self.conn);
            self.timed("a piece of what was received", |engine| {
                while let Ok(Some((op, taken))) = decoder.next(rest) {
                    engine.received(now, conn, op);
                    rest = &rest[taken..];
                }
            });
            self.turn();
        }
        self.settle();
    }

    fn settle(&mut self) {
        self.more = true;
        while self.more {
            self.turn();
        }
    }

    fn turn(&mut self) {
        self.now.tick.0 += 1_000;
        self.now.wall.0 += 1_000;
        let (now, mut outputs, mut disk) = (self.now, Vec::new(), Vec::new());
        if self.engine.next_deadline().is_some_and(|deadline| deadline <= now.tick) {
            self.timed("what is due", |engine| engine.timeout(now));
        }
        self.timed("what there is to do", |engine| engine.drain(now, &mut outputs, &mut disk));
        self.more = !disk.is_empty()
            || self.engine.next_deadline().is_some_and(|deadline| deadline <= now.tick);
        for output in disk {
            self.perform(output);
        }
        self.read();
    }

    fn perform(&mut self, output: DiskOutput) {
        let now = self.now;
        let done = match output {
            DiskOutput::Commit(round) => {
                Completion::Durable { round: round.number(), room: u64::MAX }
            }
            DiskOutput::Keep(Job::Place(placed)) => self.place(&placed),
            DiskOutput::Keep(Job::Drop(blocks)) => {
                for block in &blocks {
                    self.blocks.remove(block);
                }
                return;
            }
            DiskOutput::Damaged(_)
            | DiskOutput::Forgotten(_)
            | DiskOutput::Keep(Job::Seal(_) | Job::CompressLater(_)) => return,
            DiskOutput::Keep(Job::Checkpoint(_)) => Completion::Checkpointed { made: true },
            DiskOutput::Read { ticket, log, block, offset, length } => {
                let block = self.blocks.get(&(log, block)).map_or(&[][..], Vec::as_slice);
                let bytes = block.get(offset as usize..).unwrap_or_default();
                let bytes = bytes[..bytes.len().min(length)].to_vec();
                Completion::Read { ticket, bytes: Some(bytes) }
            }
        };
        self.timed("what the disk has done", |engine| engine.completed(now, done));
    }

    fn place(&mut self, placed: &Placed) -> Completion {
        for placement in &placed.placements {
            let bytes = placed.round.slice(placement.place);
            let at = placement.position.offset as usize;
            let block = self.blocks.entry((placement.log, placement.position.block)).or_default();
            block.resize(block.len().max(at + bytes.len()), 0);
            block[at..at + bytes.len()].copy_from_slice(bytes);
        }
        for block in &placed.dropped {
            self.blocks.remove(block);
        }
        Completion::Placed { round: placed.round.number() }
    }

    /// The client reads what there is for it.
    fn read(&mut self) {
        let mut taken = 0;
        if let Some(outbox) = self.engine.outbox(self.conn) {
            let bytes = outbox.waiting();
            while let Ok(Some((op, count))) = self.decoder.next(&bytes[taken..]) {
                match op {
                    ServerOp::Message { reply: Some(reply), .. } => {
                        let line = [b"PUB ", reply, b" 4\r\n+ACK\r\n"].concat();
                        self.acknowledgements.extend(line);
                    }
                    ServerOp::Message { subject: b"r.call", payload, .. } => {
                        self.answer = String::from_utf8_lossy(payload).into_owned();
                    }
                    _ => {}
                }
                taken += count;
            }
        }
        let conn = self.conn;
        self.timed("what was written", |engine| engine.sent(conn, taken));
    }

    fn call(&mut self, subject: &str, body: &str) {
        self.answer.clear();
        self.send(format!("PUB {subject} r.call {}\r\n{body}\r\n", body.len()).as_bytes());
        let answer = &self.answer;
        assert!(!answer.is_empty() && !answer.contains("\"error\""), "{subject}: {answer}");
    }

    fn create(&mut self, more: &str) {
        let config = format!("{{\"name\":\"S\",\"subjects\":[\"s.>\"]{more}}}");
        self.call("$JS.API.STREAM.CREATE.S", &config);
    }

    /// Messages under `subjects` subjects.
    fn fill(&mut self, messages: u64, subjects: u64) {
        let mut lines = String::new();
        for number in 0..messages {
            let own = number % subjects;
            let _ = write!(lines, "PUB s.{}.{:03} 64\r\n{number:064}\r\n", own / 1000, own % 1000);
        }
        self.send(lines.as_bytes());
    }

    fn consumer(&mut self, name: &str, more: &str) {
        let body =
            format!("{{\"stream_name\":\"S\",\"config\":{{\"durable_name\":\"{name}\"{more}}}}}");
        self.call(&format!("$JS.API.CONSUMER.DURABLE.CREATE.S.{name}"), &body);
    }

    fn fetch(&mut self, batch: u64) {
        let body = format!("{{\"batch\":{batch}}}");
        let line = format!("PUB $JS.API.CONSUMER.MSG.NEXT.S.C r.next {}\r\n{body}\r\n", body.len());
        self.send(line.as_bytes());
    }

    fn wait(&mut self, time: Duration) {
        self.now.tick = self.now.tick.after(time);
        self.now.wall.0 += i64::try_from(time.as_nanos()).unwrap();
        self.settle();
    }
}

/// Bytes in pieces of whole lines, a message's two together.
struct Pieces<'a>(&'a [u8]);

impl<'a> Iterator for Pieces<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        let mut decoder = ClientDecoder::default();
        let mut taken = 0;
        while taken < PIECE
            && let Ok(Some((_, count))) = decoder.next(&self.0[taken..])
        {
            taken += count;
        }
        let (piece, rest) = self.0.split_at(taken);
        self.0 = rest;
        (taken > 0).then_some(piece)
    }
}

/// What is done before the operation, and the operation.
type Operation = (&'static str, fn(&mut Node, u64), fn(&mut Node, u64));

fn own_subjects(node: &mut Node, messages: u64) {
    node.create("");
    node.fill(messages, messages);
}

fn one_subject(node: &mut Node, messages: u64) {
    node.create("");
    node.fill(messages, 1);
    node.consumer("C", &format!(",\"max_ack_pending\":{},\"ack_wait\":1000000000", messages / 10));
}

/// Every message is delivered and none acknowledged.
fn outstanding(node: &mut Node, messages: u64, retention: &str, wait: u64) {
    node.create(&format!(",\"retention\":\"{retention}\""));
    let more = ",\"ack_policy\":\"all\"";
    node.consumer("C", &format!("{more},\"max_ack_pending\":{messages},\"ack_wait\":{wait}"));
    node.fill(messages, 1);
    node.fetch(messages);
}

/// A publish with headers.
fn with_headers(subject: &str, headers: &str) -> String {
    let header = format!("NATS/1.0\r\n{headers}\r\n");
    let (start, all) = (header.len(), header.len() + 1);
    format!("HPUB {subject} r.call {start} {all}\r\n{header}x\r\n")
}

/// A publish that expects this to be the last message that a filter takes.
fn expecting(filter: &str, last: u64) -> String {
    let name = "Nats-Expected-Last-Subject-Sequence";
    with_headers("s.0.000", &format!("{name}: {last}\r\n{name}-Subject: {filter}\r\n"))
}

/// A message that has an id, and lives for two hours.
fn with_id(number: u64) -> String {
    let headers = format!("Nats-Msg-Id: id-{number}\r\nNats-TTL: 2h\r\n");
    with_headers("s.x", &headers)
}

fn with_ids(node: &mut Node, messages: u64) {
    node.create(",\"duplicate_window\":3600000000000,\"allow_msg_ttl\":true");
    let lines: String = (0..messages).map(with_id).collect();
    node.send(lines.as_bytes());
}

/// The last of the acknowledgements is sent, and confirmed.
fn acknowledge_all(node: &mut Node, _: u64) {
    let all = std::mem::take(&mut node.acknowledgements);
    let start = all[..all.len() - 1].windows(4).rposition(|own| own == b"PUB ").unwrap();
    let subject = all[start + 4..].split(|byte| *byte == b' ').next().unwrap();
    node.send(&[b"PUB ", subject, b" r.call 4\r\n+ACK\r\n"].concat());
    node.call("$JS.API.CONSUMER.INFO.S.C", "");
    assert!(node.answer.contains("\"num_ack_pending\":0"), "{}", node.answer);
}

const HOUR: u64 = 3_600_000_000_000;

const OPERATIONS: &[Operation] = &[
    ("store messages", |node, _| node.create(""), |node, count| node.fill(count, count)),
    ("purge all", own_subjects, |node, _| node.call("$JS.API.STREAM.PURGE.S", "")),
    ("purge half", own_subjects, |node, count| {
        node.call("$JS.API.STREAM.PURGE.S", &format!("{{\"seq\":{}}}", count / 2));
    }),
    ("delete the stream", own_subjects, |node, _| node.call("$JS.API.STREAM.DELETE.S", "")),
    (
        "everything expires",
        |node, count| {
            node.create(",\"max_age\":100000000000,\"duplicate_window\":100000000");
            node.fill(count, count);
        },
        |node, _| node.wait(Duration::from_secs(200)),
    ),
    ("create a consumer, last per subject", own_subjects, |node, _| {
        node.consumer("C", ",\"deliver_policy\":\"last_per_subject\",\"filter_subject\":\"s.>\"");
    }),
    ("create a consumer with a wildcard", own_subjects, |node, _| {
        node.consumer("C", ",\"filter_subject\":\"s.*.007\"");
    }),
    ("deliver", one_subject, |node, count| node.fetch(count / 10)),
    (
        "acknowledge",
        |node, count| {
            one_subject(node, count);
            node.fetch(count / 10);
        },
        |node, _| {
            let all = std::mem::take(&mut node.acknowledgements);
            node.send(&all);
        },
    ),
    (
        "deliver again",
        |node, count| {
            one_subject(node, count);
            node.fetch(count / 10);
        },
        |node, count| {
            node.wait(Duration::from_secs(2));
            node.fetch(count / 10);
        },
    ),
    (
        "acknowledge everything at once",
        |node, count| outstanding(node, count, "limits", HOUR),
        acknowledge_all,
    ),
    (
        "acknowledge everything at once, and it goes",
        |node, count| outstanding(node, count, "interest", HOUR),
        acknowledge_all,
    ),
    (
        "look at a consumer with much outstanding",
        |node, count| outstanding(node, count, "limits", HOUR),
        |node, _| node.call("$JS.API.CONSUMER.INFO.S.C", ""),
    ),
    (
        "wait for another time with much outstanding",
        |node, count| outstanding(node, count, "limits", HOUR),
        |node, count| {
            let more = ",\"ack_policy\":\"all\",\"filter_subject\":\"s.>\"";
            node.consumer(
                "C",
                &format!("{more},\"max_ack_pending\":{count},\"ack_wait\":1000000000"),
            );
        },
    ),
    (
        "everything is due at once",
        |node, count| outstanding(node, count, "limits", 1_000_000_000),
        |node, count| {
            node.wait(Duration::from_secs(2));
            node.fetch(count);
        },
    ),
    (
        "purge with much outstanding",
        |node, count| outstanding(node, count, "limits", HOUR),
        |node, _| node.call("$JS.API.STREAM.PURGE.S", ""),
    ),
    (
        "delete a consumer with much outstanding",
        |node, count| outstanding(node, count, "limits", HOUR),
        |node, _| node.call("$JS.API.CONSUMER.DELETE.S.C", ""),
    ),
    ("create a consumer, last of a wildcard", own_subjects, |node, _| {
        node.consumer("C", ",\"deliver_policy\":\"last\",\"filter_subject\":\"s.0.*\"");
    }),
    (
        "deliver what is far behind",
        |node, count| {
            own_subjects(node, count);
            let filter = format!("s.{}.*", (count - 1) / 1000);
            node.consumer("C", &format!(",\"filter_subject\":\"{filter}\""));
        },
        |node, _| node.fetch(1000),
    ),
    ("get the last of a wildcard", own_subjects, |node, _| {
        node.call("$JS.API.STREAM.MSG.GET.S", "{\"last_by_subj\":\"s.0.*\"}");
    }),
    ("get the next of a wildcard", own_subjects, |node, count| {
        let filter = format!("s.{}.*", (count - 1) / 1000);
        node.call(
            "$JS.API.STREAM.MSG.GET.S",
            &format!("{{\"seq\":1,\"next_by_subj\":\"{filter}\"}}"),
        );
    }),
    ("purge what a wildcard takes", own_subjects, |node, _| {
        node.call("$JS.API.STREAM.PURGE.S", "{\"filter\":\"s.0.*\"}");
    }),
    ("purge all but the last that a wildcard takes", own_subjects, |node, _| {
        node.call("$JS.API.STREAM.PURGE.S", "{\"filter\":\"s.*.007\",\"keep\":10000}");
    }),
    ("look at the subjects", own_subjects, |node, _| {
        node.call("$JS.API.STREAM.INFO.S", "{\"subjects_filter\":\">\"}");
    }),
    (
        "purge a stream in memory",
        |node, count| {
            node.create(",\"storage\":\"memory\"");
            node.fill(count, count);
        },
        |node, _| node.call("$JS.API.STREAM.PURGE.S", ""),
    ),
    (
        "delete a stream in memory",
        |node, count| {
            node.create(",\"storage\":\"memory\"");
            node.fill(count, count);
        },
        |node, _| node.call("$JS.API.STREAM.DELETE.S", ""),
    ),
    ("publish what expects the last of a wildcard", own_subjects, |node, _| {
        let expects = expecting("s.0.*", 0);
        node.send(expects.repeat(4).as_bytes());
    }),
    ("a window of message ids passes", with_ids, |node, _| {
        node.wait(Duration::from_secs(4000));
        node.send(b"PUB s.x 1\r\nx\r\n");
        node.send(with_id(0).as_bytes());
    }),
    ("purge with ids and deadlines", with_ids, |node, _| node.call("$JS.API.STREAM.PURGE.S", "")),
    ("delete a stream with ids and deadlines", with_ids, |node, _| {
        node.call("$JS.API.STREAM.DELETE.S", "");
    }),
    (
        "delete a stream with much outstanding",
        |node, count| outstanding(node, count, "limits", HOUR),
        |node, _| node.call("$JS.API.STREAM.DELETE.S", ""),
    ),
    (
        "store beside many streams",
        |node, count| {
            node.create("");
            for number in 0..count / 200 {
                let config = format!("{{\"name\":\"T{number}\",\"subjects\":[\"t.{number}\"]}}");
                node.call(&format!("$JS.API.STREAM.CREATE.T{number}"), &config);
            }
        },
        |node, _| (0..1000).for_each(|_| node.send(b"PUB s.x 1\r\nx\r\n")),
    ),
    (
        "subscriptions come and go",
        |node, count| {
            one_subject(node, count);
            for number in 0..1000 {
                node.consumer(
                    &format!("P{number}"),
                    &format!(",\"deliver_subject\":\"d.{number}\""),
                );
            }
        },
        |node, _| {
            let mut lines = String::new();
            for number in 0..20_000 {
                let _ = write!(lines, "SUB i.{number} i{number}\r\nUNSUB i{number}\r\n");
            }
            node.send(lines.as_bytes());
        },
    ),
];

fn main() {
    let mut arguments = std::env::args().skip(1);
    let messages: u64 = arguments.next().map_or(1_000_000, |text| text.parse().unwrap());
    let only = arguments.next();
    for (name, prepare, operation) in OPERATIONS {
        if only.as_ref().is_some_and(|only| !name.contains(only.as_str())) {
            continue;
        }
        let mut node = Node::start();
        prepare(&mut node, messages);
        node.calls.clear();
        operation(&mut node, messages);
        let total: Duration = node.calls.values().flatten().sum();
        println!("{name}: {total:.1?} in all");
        for (kind, calls) in &node.calls {
            let longest = calls.iter().max().copied().unwrap_or_default();
            let above = calls.iter().filter(|took| **took > Duration::from_millis(1)).count();
            let count = calls.len();
            println!("    {kind}: {longest:.1?} at most, {above} of {count} above 1 ms");
        }
    }
}
