//! The same histories, without faults, on this server's engine and on nats-server: every answer, every
//! delivery and everything that the API shows in the end is the same, or is in `docs/differences.md`.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use fastrand::Rng;
use serde_json::Value;
use watershed_peers::NatsServer;
use watershed_sim::disk::SimDisk;
use watershed_sim::node::Node;
use watershed_wire::{ServerDecoder, ServerOp};

use super::api::{self, Server, StreamView};
use super::client::{Client, Pace, Step};
use super::consumer::Delivery;
use super::operation::{Operation, STREAMS, Taste};
use super::past::Past;

/// Longest wait for an answer.
const PATIENCE: Duration = Duration::from_secs(5);

/// How long nothing must come where nothing should.
const SILENCE: Duration = Duration::from_millis(50);

/// How long a stream that was deleted may be on disk.
const LINGER: Duration = Duration::from_millis(200);

/// Operations of a history.
const OPERATIONS: u64 = 220;

/// A connection to nats-server.
struct Peer<'s> {
    server: &'s NatsServer,
    stream: TcpStream,
    decoder: ServerDecoder,
    buffer: Vec<u8>,
    requests: u64,
    deliveries: Vec<Delivery>,
}

/// A message as it came.
struct Came {
    subject: String,
    reply: Option<String>,
    status: bool,
    payload: String,
}

impl<'s> Peer<'s> {
    fn connect(server: &'s NatsServer) -> Self {
        let mut stream = TcpStream::connect(server.address).unwrap();
        stream.set_nodelay(true).unwrap();
        stream
            .write_all(
                b"CONNECT {\"verbose\":false,\"headers\":true,\"no_responders\":true}\r\n\
                  SUB r.> 1\r\n",
            )
            .unwrap();
        let (decoder, buffer) = (ServerDecoder::default(), Vec::new());
        Self { server, stream, decoder, buffer, requests: 0, deliveries: Vec::new() }
    }

    /// The next message, if one comes in time.
    fn next(&mut self, patience: Duration) -> Option<Came> {
        let deadline = Instant::now() + patience;
        loop {
            let (mut came, mut ping) = (None, false);
            let mut taken = 0;
            if let Some((op, length)) = self.decoder.next(&self.buffer).unwrap() {
                let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
                match op {
                    ServerOp::Message { subject, reply, header, payload, .. } => {
                        came = Some(Came {
                            subject: text(subject),
                            reply: reply.map(text),
                            status: header.starts_with(b"NATS/1.0 "),
                            payload: text(payload),
                        });
                    }
                    ServerOp::Ping => ping = true,
                    _ => {}
                }
                taken = length;
            } else {
                let left = deadline.saturating_duration_since(Instant::now());
                if left.is_zero() {
                    return None;
                }
                self.stream.set_read_timeout(Some(left)).unwrap();
                let mut bytes = [0; 16 * 1024];
                match self.stream.read(&mut bytes) {
                    Ok(0) => panic!("nats-server has closed the connection"),
                    Ok(count) => self.buffer.extend_from_slice(&bytes[..count]),
                    Err(_) => return None,
                }
            }
            self.buffer.drain(..taken);
            if ping {
                self.stream.write_all(b"PONG\r\n").unwrap();
            }
            if came.is_some() {
                return came;
            }
        }
    }

    /// Deletes what another history left.
    fn delete(&mut self, stream: &str) -> Result<(), String> {
        for _ in 0..10 {
            let answer = self.ask(&format!("$JS.API.STREAM.DELETE.{stream}"), "");
            let answer = answer.and_then(|text| serde_json::from_str::<Value>(&text).ok());
            if answer.as_ref().and_then(api::code) == Some(10059) {
                self.forget(stream);
                return Ok(());
            }
        }
        Err(format!("{stream} cannot be deleted"))
    }

    /// Sees to it that nothing is left of a stream that was deleted. nats-server removes it behind its answer, and sometimes
    /// writes some of it again: a stream that is made anew then begins with the sequences of the old one.
    fn forget(&self, stream: &str) {
        let folder = self.server.stream_folder(stream);
        let deadline = Instant::now() + LINGER;
        while folder.exists() && Instant::now() < deadline {
            std::thread::yield_now();
        }
        // It may go at this moment.
        let _ = std::fs::remove_dir_all(folder);
    }

    /// Does what was done before elsewhere. Says what came of it.
    fn follow(&mut self, step: &Step) -> (Option<Value>, Vec<Delivery>) {
        self.requests += 1;
        let reply = format!("r.{}", self.requests);
        let mut operation = step.operation.clone();
        if let Operation::Answer { delivery, confirm, .. } = &mut operation {
            let own = self.deliveries.iter().find(|own| {
                (&own.stream, &own.consumer, own.sequence, own.count)
                    == (&delivery.stream, &delivery.consumer, delivery.sequence, delivery.count)
            });
            if let Some(own) = own {
                *delivery = own.clone();
            }
            *confirm = true;
        }
        let frame = api::encode(&operation, step.stream, &reply);
        self.stream.write_all(frame.as_bytes()).unwrap();
        let mut got = Vec::new();
        let wanted = match operation {
            Operation::Pull { batch, .. } => batch,
            _ => 0,
        };
        let heard = !matches!(operation, Operation::Answer { .. }) || step.heard;
        let answer = loop {
            if wanted > 0 && got.len() as u64 == wanted {
                break None;
            }
            let Some(came) = self.next(if heard { PATIENCE } else { SILENCE }) else { break None };
            if let Some(delivery) =
                api::delivery(&came.subject, came.reply.as_deref(), &came.payload)
            {
                self.deliveries.push(delivery.clone());
                got.push(delivery);
            } else if came.subject == reply || came.subject.starts_with(&format!("{reply}.")) {
                break (!came.status)
                    .then(|| serde_json::from_str(&came.payload).unwrap_or_default());
            }
        };
        if matches!(operation, Operation::DeleteStream) {
            self.forget(step.stream);
        }
        (answer, got)
    }
}

impl Server for Peer<'_> {
    fn ask(&mut self, subject: &str, body: &str) -> Option<String> {
        self.requests += 1;
        let reply = format!("r.{}", self.requests);
        let frame = format!("PUB {subject} {reply} {}\r\n{body}\r\n", body.len());
        self.stream.write_all(frame.as_bytes()).unwrap();
        loop {
            let came = self.next(PATIENCE)?;
            if came.subject == reply {
                return Some(came.payload);
            }
        }
    }
}

/// What of an answer both must say.
fn essence(operation: &Operation, answer: Option<&Value>) -> String {
    let Some(answer) = answer else { return "nothing".into() };
    if let Some(code) = api::code(answer) {
        return format!("error {code}");
    }
    match operation {
        Operation::Publish(_) => format!("{:?}", api::told(answer)),
        Operation::Purge { .. } => format!("purged {}", answer["purged"]),
        _ => "done".into(),
    }
}

fn deliveries(all: &[Delivery]) -> Vec<(String, u64, u64, u64, String)> {
    let one = |own: &Delivery| {
        (own.consumer.clone(), own.sequence, own.count, own.consumer_seq, own.payload.clone())
    };
    all.iter().map(one).collect()
}

/// Compares all that the API shows; what nats-server does behind its answers has a moment for it.
fn compare(client: &mut Client<'_>, peer: &mut Peer<'_>) -> Result<(), String> {
    client.compare()?;
    for stream in STREAMS {
        let ours = StreamView::seen(&mut client.node, stream)?.map(StreamView::comparable);
        let deadline = Instant::now() + Duration::from_secs(2);
        loop {
            let theirs = StreamView::seen(peer, stream)?.map(StreamView::comparable);
            if ours == theirs {
                break;
            }
            if Instant::now() > deadline {
                return Err(match (&ours, &theirs) {
                    (Some(ours), Some(theirs)) => format!("{stream}: {}", ours.differs(theirs)),
                    _ => format!("{stream}: {ours:?}, not {theirs:?}"),
                });
            }
            std::thread::yield_now();
        }
    }
    Ok(())
}

fn check(seed: u64, server: &NatsServer) -> Result<(), String> {
    let mut peer = Peer::connect(server);
    for stream in STREAMS {
        peer.delete(stream)?;
    }
    let mut rng = Rng::with_seed(seed);
    let node = Node::start(&SimDisk::default(), super::settings(), seed)?;
    let world = STREAMS.map(|name| (name, Past::of(0, None))).into();
    // Nothing grows old: two clocks are never at the same point.
    let taste = Taste { time: false, payload: 200, bursts: true, push: false, apart: false };
    let mut client = Client::new(node, &mut rng, taste, Pace::Stepwise, false, world, 0);
    let mut steps = Vec::new();
    client.journal = Some(Vec::new());
    while client.operations < OPERATIONS {
        client.act()?;
        for step in client.journal.replace(Vec::new()).unwrap_or_default() {
            let (answer, got) = peer.follow(&step);
            let own = essence(&step.operation, step.answer.as_ref());
            let right = essence(&step.operation, answer.as_ref());
            let what = format!("{:?} at {}", step.operation, step.stream);
            steps.push(format!("{what}: {own}"));
            let trace = || steps[steps.len().saturating_sub(12)..].join("\n");
            let plain = matches!(step.operation, Operation::Pull { .. } | Operation::Answer { .. });
            if own != right && !plain {
                return Err(format!("{}\nanswered {own}, nats-server {right}", trace()));
            }
            if deliveries(&step.got) != deliveries(&got) {
                let (own, right) = (deliveries(&step.got), deliveries(&got));
                return Err(format!("{}\ndelivers {own:?}, nats-server {right:?}", trace()));
            }
        }
        if client.operations.is_multiple_of(10) {
            let trace = || steps[steps.len().saturating_sub(25)..].join("\n");
            compare(&mut client, &mut peer).map_err(|error| format!("{}\n{error}", trace()))?;
        }
    }
    compare(&mut client, &mut peer)
}

#[test]
#[cfg_attr(not(peer = "nats-server"), ignore = "needs nats-server")]
fn nats_server_says_the_same() {
    let server = NatsServer::reference();
    let first: u64 = std::env::var("WATERSHED_SEED").ok().and_then(|s| s.parse().ok()).unwrap_or(0);
    for seed in first..first + crate::seeds(20) {
        // What nats-server does behind its answers may come late: a difference is there every time.
        let mut tries = (0..3).map(|_| check(seed, &server));
        let different = tries.try_fold(String::new(), |_, found| found.err().ok_or(()));
        if let Ok(found) = different {
            panic!("seed {seed}: {found}");
        }
    }
}
