//! A client that says exactly what it is told to: bytes that no client library would send.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;

use serde_json::{Value, json};

use crate::server::PATIENCE;

/// A connection.
pub(crate) struct Raw {
    reader: BufReader<TcpStream>,
    writer: TcpStream,
}

impl Raw {
    /// Connects to a URL, which may name a user.
    pub(crate) fn connect(url: &str) -> Self {
        let rest = url.trim_start_matches("nats://");
        let (user, address) = rest.rsplit_once('@').unwrap_or(("", rest));
        let (user, pass) = user.split_once(':').unwrap_or_default();
        let writer = TcpStream::connect(address).unwrap();
        writer.set_read_timeout(Some(PATIENCE)).unwrap();
        let reader = BufReader::new(writer.try_clone().unwrap());
        let mut raw = Self { reader, writer };
        let connect = json!({"verbose": false, "headers": true, "no_responders": true, "user": user, "pass": pass});
        raw.send(format!("CONNECT {connect}\r\nSUB _INBOX.raw 1\r\n").as_bytes());
        raw
    }

    fn send(&mut self, bytes: &[u8]) {
        self.writer.write_all(bytes).unwrap();
    }

    /// Publishes with this header block, if it is not empty.
    pub(crate) fn publish(&mut self, subject: &str, block: &[u8], payload: &[u8]) {
        self.put(subject, "", block, payload);
    }

    fn put(&mut self, subject: &str, reply: &str, block: &[u8], payload: &[u8]) {
        let all = block.len() + payload.len();
        let first = match block {
            [] => format!("PUB {subject} {reply} {all}\r\n"),
            _ => format!("HPUB {subject} {reply} {} {all}\r\n", block.len()),
        };
        self.send(&[first.as_bytes(), block, payload, b"\r\n"].concat());
    }

    /// Publishes, and waits until it is stored.
    pub(crate) fn store(&mut self, subject: &str, block: &[u8], payload: &[u8]) {
        self.put(subject, "_INBOX.raw", block, payload);
        let answer = self.answer();
        assert!(answer["seq"].as_u64() > Some(0), "{subject}: {answer}");
    }

    /// Publishes and subscribes; whether each was allowed.
    pub(crate) fn may(&mut self, subject: &str) -> (bool, bool) {
        let mut may = |bytes: String| {
            self.send(format!("{bytes}PING\r\n").as_bytes());
            let mut allowed = true;
            loop {
                let line = self.line();
                allowed &= !line.starts_with("-ERR");
                if line == "PONG" {
                    return allowed;
                }
            }
        };
        let publish = may(format!("PUB {subject} 0\r\n\r\n"));
        (publish, may(format!("SUB {subject} 99\r\nUNSUB 99\r\n")))
    }

    /// Waits until the server has everything that was sent.
    pub(crate) fn settle(&mut self) {
        self.send(b"PING\r\n");
        while self.line() != "PONG" {}
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        assert!(self.reader.read_line(&mut line).unwrap() > 0, "the server has closed");
        line.trim_end().to_owned()
    }

    /// Calls the JetStream API.
    pub(crate) fn call(&mut self, call: &str, body: &Value) -> Value {
        self.ask(&format!("$JS.API.{call}"), body)
    }

    /// Asks a question, and waits for its answer.
    pub(crate) fn ask(&mut self, subject: &str, body: &Value) -> Value {
        self.put(subject, "_INBOX.raw", &[], body.to_string().as_bytes());
        self.answer()
    }

    /// Calls the JetStream API, which must do it.
    #[track_caller]
    pub(crate) fn done(&mut self, call: &str, body: &Value) -> Value {
        let answer = self.call(call, body);
        assert!(answer.get("error").is_none(), "{call} {body}: {answer}");
        answer
    }

    fn answer(&mut self) -> Value {
        loop {
            let line = self.line();
            if line == "PING" {
                self.send(b"PONG\r\n");
            }
            if line.starts_with("MSG ") || line.starts_with("HMSG ") {
                let all: usize = line.rsplit(' ').next().unwrap().parse().unwrap();
                let mut body = vec![0; all + 2];
                self.reader.read_exact(&mut body).unwrap();
                return serde_json::from_slice(&body).unwrap_or_default();
            }
            assert!(!line.starts_with("-ERR"), "{line}");
        }
    }

    /// Subject, header block and payload (both base64) of all messages of a stream; `None` if it is
    /// not there.
    pub(crate) fn content(&mut self, stream: &str) -> Option<Vec<[String; 3]>> {
        let text =
            |message: &Value, name: &str| message[name].as_str().unwrap_or_default().to_owned();
        let all = self.messages(stream)?;
        Some(
            all.iter().map(|one| ["subject", "hdrs", "data"].map(|name| text(one, name))).collect(),
        )
    }

    /// All messages of a stream, as the server gives them; `None` if it is not there.
    pub(crate) fn messages(&mut self, stream: &str) -> Option<Vec<Value>> {
        let info = self.call(&format!("STREAM.INFO.{stream}"), &json!({}));
        let state = info.get("state")?.clone();
        let mut all = Vec::new();
        for sequence in state["first_seq"].as_u64()?..=state["last_seq"].as_u64()? {
            let got = self.call(&format!("STREAM.MSG.GET.{stream}"), &json!({"seq": sequence}));
            all.extend(got.get("message").cloned());
        }
        Some(all)
    }
}
