//! A client that says exactly what it is told to: bytes that no client library would send.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde_json::{Value, json};

use crate::server::PATIENCE;

/// A connection.
pub(crate) struct Raw {
    reader: BufReader<TcpStream>,
    writer: TcpStream,
    /// Version of the server.
    pub(crate) version: String,
    /// Where answers come, and only those to this client.
    inbox: String,
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
        let inbox = format!("_INBOX.raw.{}", writer.local_addr().unwrap().port());
        let mut raw = Self { reader, writer, version: String::new(), inbox };
        let info = raw.line();
        let info: Value = serde_json::from_str(info.trim_start_matches("INFO ")).unwrap();
        info["version"].as_str().unwrap().clone_into(&mut raw.version);
        let connect = json!({"verbose": false, "headers": true, "no_responders": true, "user": user, "pass": pass});
        raw.send(format!("CONNECT {connect}\r\nSUB {} 1\r\n", raw.inbox).as_bytes());
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
        let inbox = self.inbox.clone();
        self.put(subject, &inbox, block, payload);
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
        let inbox = self.inbox.clone();
        self.put(subject, &inbox, &[], body.to_string().as_bytes());
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

    /// What stays of messages when the server moves them to another stream: everything, but on servers that copy by sources
    /// neither sequences nor times, and beside a header that says where they were.
    pub(crate) fn lasting(&self, messages: &[Value]) -> Vec<Value> {
        if !["2.10.", "2.11."].iter().any(|old| self.version.starts_with(old)) {
            return messages.to_vec();
        }
        let lasting = |message: &Value| {
            let block = BASE64.decode(message["hdrs"].as_str().unwrap_or_default()).unwrap();
            let block = String::from_utf8(block).unwrap();
            let own = block.lines().filter(|line| !line.starts_with("Nats-Stream-Source: "));
            let own: Vec<&str> = own.filter(|line| !line.is_empty()).collect();
            json!({"subject": message["subject"], "data": message["data"], "headers": own})
        };
        messages.iter().map(lasting).collect()
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
