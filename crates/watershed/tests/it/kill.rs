//! `kill -9` of `up` under load loses nothing that was acknowledged.

use std::collections::BTreeSet;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};

use watershed_wire::jetstream::ack::AckSubject;
use watershed_wire::{ServerDecoder, ServerOp};

use crate::server::{PATIENCE, Running, write};

/// Kills: `WATERSHED_KILLS` if it is set, for a long run.
fn kills() -> u64 {
    std::env::var("WATERSHED_KILLS").ok().and_then(|text| text.parse().ok()).unwrap_or(4)
}

const TOPOLOGY: &str = "watershed: 1
name: load
streams:
  S: { subjects: [s.>], max_age: 1d, consumers: { c: { max_ack_pending: 100_000 } } }
  COPY: { max_age: 1d, sources: [{ name: S }] }
";

/// A connection that reads messages.
pub(crate) struct Client {
    stream: TcpStream,
    decoder: ServerDecoder,
    buffer: Vec<u8>,
}

/// A message that came.
pub(crate) struct Message {
    pub(crate) subject: String,
    pub(crate) reply: String,
    pub(crate) payload: String,
}

impl Client {
    pub(crate) fn connect(server: &Running) -> Self {
        Self::connect_to(server.address)
    }

    pub(crate) fn connect_to(address: SocketAddr) -> Self {
        let mut stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.write_all(b"CONNECT {\"verbose\":false}\r\nSUB r.> 1\r\n").unwrap();
        Self { stream, decoder: ServerDecoder::default(), buffer: Vec::new() }
    }

    pub(crate) fn request(&mut self, subject: &str, body: &str) -> String {
        self.publish(subject, "r.request", body);
        self.next().unwrap().payload
    }

    pub(crate) fn publish(&mut self, subject: &str, reply: &str, body: &str) {
        let frame = format!("PUB {subject} {reply} {}\r\n{body}\r\n", body.len());
        self.stream.write_all(frame.as_bytes()).unwrap();
    }

    /// The next message; `None` when the server is gone.
    pub(crate) fn next(&mut self) -> Option<Message> {
        loop {
            let mut found = None;
            let mut taken = 0;
            if let Some((op, length)) = self.decoder.next(&self.buffer).unwrap() {
                if let ServerOp::Message { subject, reply, payload, .. } = op {
                    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
                    let reply = reply.map(text).unwrap_or_default();
                    found = Some(Message { subject: text(subject), reply, payload: text(payload) });
                }
                taken = length;
            } else {
                let mut bytes = [0; 16 * 1024];
                match self.stream.read(&mut bytes) {
                    Ok(0) | Err(_) => return None,
                    Ok(count) => self.buffer.extend_from_slice(&bytes[..count]),
                }
            }
            self.buffer.drain(..taken);
            if found.is_some() {
                return found;
            }
        }
    }
}

/// The sequence in an acknowledgement; `None` for an error.
fn sequence(ack: &str) -> Option<u64> {
    let digits = ack.strip_prefix("{\"stream\":\"S\",\"seq\":")?;
    digits.trim_end_matches('}').parse().ok()
}

/// What a client was told, over all lives of the server.
#[derive(Default)]
struct Told {
    /// Sequences with what was published under them.
    stored: Vec<(u64, String)>,
    /// Sequences whose acknowledgement was confirmed.
    confirmed: BTreeSet<u64>,
}

impl Told {
    /// Everything that was ever acknowledged is there, with its content.
    fn check(&self, client: &mut Client) {
        let step = (self.stored.len() / 200).max(1);
        for (sequence, payload) in self.stored.iter().step_by(step) {
            let request = format!("{{\"seq\":{sequence}}}");
            let answer = client.request("$JS.API.STREAM.MSG.GET.S", &request);
            let subject = format!("\"subject\":\"s.{payload}\"");
            assert!(answer.contains(&subject), "{sequence} should be {payload}: {answer}");
        }
        let last = self.stored.last().map_or(0, |(sequence, _)| *sequence);
        for stream in ["S", "COPY"] {
            let info = client.request(&format!("$JS.API.STREAM.INFO.{stream}"), "");
            let stored = info.split("\"last_seq\":").nth(1).unwrap();
            let stored: u64 = stored.split(',').next().unwrap().parse().unwrap();
            // What is copied follows what is stored, and was told to nobody.
            let least = if stream == "S" { last } else { 0 };
            assert!(stored >= least, "{last} were acknowledged, {stored} are in {stream}");
        }
    }

    /// Takes note of a message; answers a delivery.
    fn take(&mut self, client: &mut Client, round: u64, message: &Message) {
        let words: Vec<&str> = message.subject.split('.').collect();
        match words.as_slice() {
            ["r", "pub", index] => {
                let sequence = sequence(&message.payload).unwrap();
                self.stored.push((sequence, format!("{round}-{index}")));
            }
            ["r", "ack", sequence] => {
                self.confirmed.insert(sequence.parse().unwrap());
            }
            ["s", _] => {
                let delivered = AckSubject::parse(message.reply.as_bytes()).unwrap();
                let sequence = delivered.stream_seq;
                assert!(!self.confirmed.contains(&sequence), "{sequence} came after its ack");
                client.publish(&message.reply, &format!("r.ack.{sequence}"), "+ACK");
            }
            other => panic!("{other:?}: {}", message.payload),
        }
    }
}

#[test]
fn nothing_that_was_told_is_lost() {
    let (data, folder) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let topology = write(&folder, TOPOLOGY);
    let mut told = Told::default();
    for round in 0..kills() {
        let server = Running::up(data.path(), &[&topology]);
        let mut client = Client::connect(&server);
        told.check(&mut client);
        // Many in flight, in both directions, and the end comes somewhere in the middle.
        let before = (told.stored.len(), told.confirmed.len());
        client.publish("$JS.API.CONSUMER.MSG.NEXT.S.c", "r.pull", "{\"batch\":2000}");
        for index in 0..3_000 {
            client.publish(&format!("s.{round}-{index}"), &format!("r.pub.{index}"), "payload");
        }
        let until = usize::try_from(200 + round * 97 % 2_000).unwrap();
        while told.stored.len() < before.0 + until || told.confirmed.len() < before.1 + until / 4 {
            let message = client.next().unwrap();
            told.take(&mut client, round, &message);
        }
        server.kill();
        // What was on its way to the client counts too; what it asks for now is not heard.
        while let Some(message) = client.next() {
            if !message.subject.starts_with("s.") {
                told.take(&mut client, round, &message);
            }
        }
    }
    assert!(told.stored.len() as u64 >= 200 * kills());
}
