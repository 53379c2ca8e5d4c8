//! `kill -9` under load loses nothing that was acknowledged.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;

use watershed_wire::{ServerDecoder, ServerOp};

use crate::server::Running;

/// Kills: `WATERSHED_KILLS` if it is set, for a long run.
fn kills() -> u64 {
    std::env::var("WATERSHED_KILLS").ok().and_then(|text| text.parse().ok()).unwrap_or(4)
}

/// A connection that reads messages.
struct Client {
    stream: TcpStream,
    decoder: ServerDecoder,
    buffer: Vec<u8>,
}

impl Client {
    fn connect(server: &Running) -> Self {
        let mut stream = server.connect();
        stream.write_all(b"CONNECT {\"verbose\":false}\r\nSUB r 1\r\n").unwrap();
        Self { stream, decoder: ServerDecoder::default(), buffer: Vec::new() }
    }

    fn request(&mut self, subject: &str, body: &str) -> String {
        self.publish(subject, body);
        self.next().unwrap()
    }

    fn publish(&mut self, subject: &str, body: &str) {
        let frame = format!("PUB {subject} r {}\r\n{body}\r\n", body.len());
        self.stream.write_all(frame.as_bytes()).unwrap();
    }

    /// The payload of the next message; `None` when the server is gone.
    fn next(&mut self) -> Option<String> {
        loop {
            let mut found = None;
            let mut taken = 0;
            if let Some((op, length)) = self.decoder.next(&self.buffer).unwrap() {
                if let ServerOp::Message { payload, .. } = op {
                    found = Some(String::from_utf8_lossy(payload).into_owned());
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

#[test]
fn nothing_acknowledged_is_lost() {
    let folder = tempfile::tempdir().unwrap();
    let store = folder.path().join("store");
    let mut acknowledged: Vec<(u64, String)> = Vec::new();
    for round in 0..kills() {
        let server = Running::start(&store);
        let mut client = Client::connect(&server);
        if round == 0 {
            let create = "{\"name\":\"S\",\"subjects\":[\"s.>\"]}";
            assert!(client.request("$JS.API.STREAM.CREATE.S", create).contains("did_create"));
        }
        // Everything that was ever acknowledged is there, with its content.
        let step = (acknowledged.len() / 200).max(1);
        for (sequence, payload) in acknowledged.iter().step_by(step) {
            let request = format!("{{\"seq\":{sequence}}}");
            let answer = client.request("$JS.API.STREAM.MSG.GET.S", &request);
            let subject = format!("\"subject\":\"s.{payload}\"");
            assert!(answer.contains(&subject), "{sequence} should be {payload}: {answer}");
        }
        let last = acknowledged.last().map_or(0, |(sequence, _)| *sequence);
        let info = client.request("$JS.API.STREAM.INFO.S", "");
        let stored = info.split("\"last_seq\":").nth(1).unwrap();
        let stored: u64 = stored.split(',').next().unwrap().parse().unwrap();
        assert!(stored >= last, "{last} were acknowledged, {stored} are there");
        // Many in flight, and the end comes somewhere in the middle.
        for index in 0..3_000 {
            client.publish(&format!("s.{round}-{index}"), "payload");
        }
        let until = 200 + round * 97 % 2_000;
        for index in 0..until {
            let ack = client.next().unwrap();
            acknowledged.push((sequence(&ack).unwrap(), format!("{round}-{index}")));
        }
        server.kill();
        // What was on its way to the client counts too.
        for index in until.. {
            let Some(ack) = client.next() else { break };
            acknowledged.push((sequence(&ack).unwrap(), format!("{round}-{index}")));
        }
    }
    assert!(acknowledged.len() as u64 >= 200 * kills());
}
