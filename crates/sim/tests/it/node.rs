//! Whatever a client was told is true after a power cut at any call of the disk.

use std::collections::{BTreeMap, BTreeSet};

use fastrand::Rng;
use serde_json::Value;
use watershed_engine::JetStreamSettings;
use watershed_sim::disk::{SimDisk, Survival};
use watershed_sim::node::Node;

/// Small enough that a short workload seals blocks and makes checkpoints.
fn settings() -> JetStreamSettings {
    JetStreamSettings {
        journal_bytes_per_checkpoint: 6_000,
        block_bytes: 2_000,
        ..JetStreamSettings::new(1 << 40, 1 << 40)
    }
}

/// What a client knows of one stream.
#[derive(Debug, Default, Clone)]
struct Known {
    /// Messages that were acknowledged, by sequence.
    stored: BTreeMap<u64, String>,
    /// Sequences of which a removal was asked for; they may be gone.
    maybe_gone: BTreeSet<u64>,
    /// Sequences of which a removal was confirmed; they are gone.
    gone: BTreeSet<u64>,
    /// Message ids that were acknowledged.
    ids: BTreeMap<u64, u64>,
    /// Whether the stream's consumer was created.
    consumer: bool,
    /// Sequences whose acknowledgement was confirmed; they are never delivered again.
    confirmed: BTreeSet<u64>,
}

/// What a request asked for, by the number in its reply subject.
#[derive(Debug)]
enum Asked {
    Create(String),
    Publish { stream: String, payload: String, id: u64 },
    Delete { stream: String, sequence: u64 },
    Purge { stream: String, until: u64 },
    Consumer(String),
    Ack { stream: String, sequence: u64 },
}

/// A client that remembers what it was told.
#[derive(Debug, Default)]
struct Client {
    streams: BTreeMap<String, Known>,
    asked: BTreeMap<u64, Asked>,
    requests: u64,
    /// Deliveries that were not acknowledged: stream, sequence and where to say so.
    deliveries: Vec<(String, u64, String)>,
}

const STREAMS: [&str; 3] = ["A", "B", "C"];

impl Client {
    fn request(&mut self, node: &mut Node, subject: &str, header: &str, body: &str, asked: Asked) {
        self.requests += 1;
        let number = self.requests;
        let frame = if header.is_empty() {
            format!("PUB {subject} r.{number} {}\r\n{body}\r\n", body.len())
        } else {
            let total = header.len() + body.len();
            format!("HPUB {subject} r.{number} {} {total}\r\n{header}{body}\r\n", header.len())
        };
        self.asked.insert(number, asked);
        node.send(frame.as_bytes());
    }

    /// Asks for something, whatever comes to mind.
    fn act(&mut self, node: &mut Node, rng: &mut Rng) {
        let stream = STREAMS[rng.usize(..STREAMS.len())].to_owned();
        let last = self.streams.get(&stream).and_then(|known| known.stored.keys().last().copied());
        match (rng.u8(..20), last) {
            (0, Some(sequence)) => {
                let sequence = rng.u64(1..=sequence);
                self.known(&stream).maybe_gone.insert(sequence);
                let subject = format!("$JS.API.STREAM.MSG.DELETE.{stream}");
                let body = format!("{{\"seq\":{sequence}}}");
                self.request(node, &subject, "", &body, Asked::Delete { stream, sequence });
            }
            (1, Some(until)) if rng.bool() => {
                let known = self.known(&stream);
                known.maybe_gone.extend(1..until);
                let subject = format!("$JS.API.STREAM.PURGE.{stream}");
                let body = format!("{{\"seq\":{until}}}");
                self.request(node, &subject, "", &body, Asked::Purge { stream, until });
            }
            (2, Some(_)) if !self.known(&stream).consumer => {
                let subject = format!("$JS.API.CONSUMER.CREATE.{stream}.C");
                let config = "{\"durable_name\":\"C\",\"ack_policy\":\"explicit\"}";
                let body = format!("{{\"stream_name\":\"{stream}\",\"config\":{config}}}");
                self.request(node, &subject, "", &body, Asked::Consumer(stream));
            }
            (2 | 3, Some(_)) => {
                let body = "{\"batch\":3,\"no_wait\":true}";
                node.send(
                    format!(
                        "PUB $JS.API.CONSUMER.MSG.NEXT.{stream}.C r.pull {}\r\n{body}\r\n",
                        body.len()
                    )
                    .as_bytes(),
                );
            }
            (4..8, _) if !self.deliveries.is_empty() => {
                let index = rng.usize(..self.deliveries.len());
                let (stream, sequence, subject) = self.deliveries.swap_remove(index);
                // Some are confirmed, some just said.
                if rng.bool() {
                    self.request(node, &subject, "", "+ACK", Asked::Ack { stream, sequence });
                } else {
                    node.send(format!("PUB {subject} 4\r\n+ACK\r\n").as_bytes());
                }
            }
            _ if !self.streams.contains_key(&stream) || rng.u8(..30) == 0 => {
                let subject = format!("$JS.API.STREAM.CREATE.{stream}");
                let body = format!("{{\"name\":\"{stream}\",\"subjects\":[\"{stream}.>\"]}}");
                self.request(node, &subject, "", &body, Asked::Create(stream));
            }
            _ => {
                let id = rng.u64(..50);
                let filler = "x".repeat(rng.usize(..300));
                let payload = format!("{}-{filler}", self.requests);
                let header = format!("NATS/1.0\r\nNats-Msg-Id: {id}\r\n\r\n");
                let subject = format!("{stream}.{}", rng.u8(..4));
                let asked = Asked::Publish { stream, payload: payload.clone(), id };
                self.request(node, &subject, &header, &payload, asked);
            }
        }
    }

    fn known(&mut self, stream: &str) -> &mut Known {
        self.streams.entry(stream.to_owned()).or_default()
    }

    /// Takes note of what it was told.
    fn listen(&mut self, node: &mut Node) -> Result<(), String> {
        for message in node.received() {
            if let Some(reply) = &message.reply {
                self.delivered(reply)?;
                continue;
            }
            let Ok(number) = message.subject.trim_start_matches("r.").parse::<u64>() else {
                continue;
            };
            let Some(asked) = self.asked.remove(&number) else { continue };
            if let Asked::Ack { stream, sequence } = asked {
                self.known(&stream).confirmed.insert(sequence);
                continue;
            }
            let reply: Value = serde_json::from_str(&message.payload).unwrap();
            if !reply["error"].is_null() {
                continue;
            }
            match asked {
                Asked::Create(stream) => {
                    self.known(&stream);
                }
                Asked::Consumer(stream) => self.known(&stream).consumer = true,
                Asked::Ack { .. } => {}
                Asked::Publish { stream, payload, id } => {
                    let sequence = reply["seq"].as_u64().unwrap();
                    let known = self.known(&stream);
                    if reply["duplicate"] == true {
                        let first = known.ids.get(&id).copied();
                        if first.is_some_and(|first| first != sequence) {
                            return Err(format!("id {id} was {first:?}, now {sequence}"));
                        }
                    } else {
                        if let Some(old) = known.stored.insert(sequence, payload) {
                            return Err(format!("{stream} {sequence} was {old}"));
                        }
                        if let Some(first) = known.ids.insert(id, sequence) {
                            return Err(format!("id {id} is stored twice: {first} and {sequence}"));
                        }
                    }
                }
                Asked::Delete { stream, sequence } => {
                    self.known(&stream).gone.insert(sequence);
                }
                Asked::Purge { stream, until } => self.known(&stream).gone.extend(1..until),
            }
        }
        Ok(())
    }

    /// A delivery came, which names its message where it wants to be answered.
    fn delivered(&mut self, reply: &str) -> Result<(), String> {
        let mut tokens = reply.split('.').skip(2);
        let stream = tokens.next().unwrap().to_owned();
        let sequence: u64 = tokens.nth(2).unwrap().parse().unwrap();
        if self.known(&stream).confirmed.contains(&sequence) {
            return Err(format!("{stream} {sequence} was acknowledged and is delivered again"));
        }
        self.deliveries.push((stream, sequence, reply.to_owned()));
        Ok(())
    }

    /// Has everything delivered that is to be, and sees that nothing confirmed is among it.
    fn verify_deliveries(&mut self, node: &mut Node) -> Result<(), String> {
        let streams = self.streams.iter().filter(|(_, known)| known.consumer);
        let streams: Vec<String> = streams.map(|(name, _)| name.clone()).collect();
        // What was outstanding when the power went is delivered again after its ack wait.
        node.wait(31_000_000_000);
        for stream in streams {
            let body = "{\"batch\":500,\"no_wait\":true}";
            node.send(
                format!(
                    "PUB $JS.API.CONSUMER.MSG.NEXT.{stream}.C r.pull {}\r\n{body}\r\n",
                    body.len()
                )
                .as_bytes(),
            );
            let deliveries = node.received();
            if deliveries.is_empty() {
                return Err(format!("the consumer of {stream} does not answer"));
            }
            for reply in deliveries.iter().filter_map(|message| message.reply.as_ref()) {
                self.delivered(reply)?;
            }
        }
        self.deliveries.clear();
        Ok(())
    }

    /// Compares what it was told with what is there.
    fn verify(&self, node: &mut Node) -> Result<(), String> {
        for (stream, known) in &self.streams {
            for (sequence, payload) in &known.stored {
                let request = format!("{{\"seq\":{sequence}}}");
                node.send(
                    format!(
                        "PUB $JS.API.STREAM.MSG.GET.{stream} r.0 {}\r\n{request}\r\n",
                        request.len()
                    )
                    .as_bytes(),
                );
                let answer = node.received().pop().ok_or("no answer")?;
                let answer: Value = serde_json::from_str(&answer.payload).unwrap();
                let found = answer["message"]["data"].as_str().map(decode);
                let missing = found.is_none();
                if known.gone.contains(sequence) && !missing {
                    return Err(format!("{stream} {sequence} was deleted and is there again"));
                }
                if missing && !known.maybe_gone.contains(sequence) {
                    return Err(format!("{stream} {sequence} is lost: {answer}"));
                }
                if found.is_some_and(|found| found != *payload) {
                    return Err(format!("{stream} {sequence} has another content"));
                }
            }
        }
        Ok(())
    }
}

/// Base64, of what the tests publish.
fn decode(text: &str) -> String {
    let digits = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let value = |byte| digits.iter().position(|digit| *digit == byte);
    let values: Vec<usize> = text.bytes().filter_map(value).collect();
    let bytes = values.chunks(4).flat_map(|chunk| {
        let word = chunk.iter().fold(0, |word, value| word << 6 | value) << (6 * (4 - chunk.len()));
        (0..chunk.len() - 1)
            .map(move |index| u8::try_from(word >> (16 - 8 * index) & 0xff).unwrap())
    });
    String::from_utf8(bytes.collect()).unwrap()
}

const ACTIONS: usize = 70;

/// Starts a node and lets the client act until the disk stops or everything was done.
fn run(disk: &SimDisk, client: &mut Client, rng: &mut Rng) -> Result<(), String> {
    let Ok(mut node) = Node::start(disk, settings(), rng.u64(..)) else { return Ok(()) };
    client.asked.clear();
    client.deliveries.clear();
    for _ in 0..ACTIONS {
        client.act(&mut node, rng);
        // The disk is sometimes ahead and sometimes behind.
        for _ in 0..rng.u8(..3) {
            let done = if rng.bool() { node.commit() } else { node.keep() };
            if done.is_err() {
                return client.listen(&mut node);
            }
        }
        client.listen(&mut node)?;
    }
    let _ = node.settle();
    client.listen(&mut node)
}

fn check(seed: u64, call: Option<u64>, survival: Survival, restarts: usize) -> Result<(), String> {
    let mut rng = Rng::with_seed(seed);
    let (mut disk, mut client) = (SimDisk::default(), Client::default());
    for _ in 0..restarts {
        disk.kill_after(call.unwrap_or_else(|| rng.u64(..400)));
        run(&disk, &mut client, &mut rng)?;
        disk = disk.power_cut(survival, &mut rng);
        let mut node = Node::start(&disk, settings(), seed)?;
        client.verify(&mut node)?;
        // On a node of its own: what is delivered here is not told to the workload.
        client.verify_deliveries(&mut Node::start(&disk.after_kill(), settings(), seed)?)?;
    }
    Ok(())
}

#[test]
fn what_a_client_was_told_is_true_after_a_power_cut_at_any_call() {
    let disk = SimDisk::default();
    run(&disk, &mut Client::default(), &mut Rng::with_seed(7)).unwrap();
    let calls = disk.calls();
    assert!(calls > 100, "the workload is too small: {calls} calls");
    for call in 0..=calls {
        let survival = Survival::EVERY[usize::try_from(call % 4).unwrap()];
        check(7, Some(call), survival, 1)
            .unwrap_or_else(|found| panic!("seed 7, call {call}, {survival:?}: {found}"));
    }
}

#[test]
fn what_a_client_was_told_is_true_after_several_power_cuts() {
    for seed in 0..crate::seeds(150) {
        let survival = Survival::EVERY[usize::try_from(seed % 4).unwrap()];
        check(seed, None, survival, 4)
            .unwrap_or_else(|found| panic!("seed {seed}, {survival:?}: {found}"));
    }
}

/// Without the sync of the journal a client is told what is not so.
#[test]
fn a_missing_sync_is_noticed() {
    let seen = (2..40).any(|sync| {
        let (disk, mut client) = (SimDisk::default(), Client::default());
        disk.skip_sync(sync);
        disk.kill_after(60);
        let told = run(&disk, &mut client, &mut Rng::with_seed(3));
        let disk = disk.power_cut(Survival::None, &mut Rng::with_seed(3));
        let restarted = Node::start(&disk, settings(), 3);
        told.is_err() || restarted.and_then(|mut node| client.verify(&mut node)).is_err()
    });
    assert!(seen, "no skipped sync was noticed");
}
