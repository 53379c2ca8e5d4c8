//! A connection that says what it is told to, and what comes back for each step.

use std::io::{BufRead as _, BufReader, ErrorKind, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::normal::normal;

/// How long an answer is waited for that comes by itself.
#[derive(Clone, Copy)]
pub(super) struct Patience {
    /// For what a server says at once.
    at_once: Duration,
    /// For the answer to a request.
    pub(super) answer: Duration,
    /// For more of it.
    pub(super) rest: Duration,
}

impl Patience {
    /// For a call on which everything else depends.
    const CALL: Self =
        Self { at_once: AT_ONCE, answer: Duration::from_secs(4), rest: Duration::ZERO };
    /// Enough on a machine that does nothing else.
    pub(super) const SHORT: Self = Self {
        at_once: Duration::from_millis(250),
        answer: Duration::from_millis(150),
        rest: Duration::ZERO,
    };
    /// Enough to be sure.
    pub(super) const LONG: Self = Self {
        at_once: AT_ONCE,
        answer: Duration::from_millis(700),
        rest: Duration::from_millis(20),
    };
}

/// Longest wait for what a server says at once.
const AT_ONCE: Duration = Duration::from_millis(1_500);

/// What a step came to: lines of the protocol, and messages.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(super) struct Answers {
    pub(super) lines: Vec<String>,
    pub(super) messages: Vec<Message>,
}

/// A message that came, without what is never the same twice.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Message {
    /// Subject, subscription and reply subject.
    pub(super) head: String,
    pub(super) headers: Vec<String>,
    pub(super) payload: Value,
}

/// A server, and the connection to it.
pub(super) struct Peer {
    address: SocketAddr,
    connection: Option<BufReader<TcpStream>>,
}

enum Came {
    Line(String),
    Message(Message),
    Nothing,
    End,
}

impl Peer {
    pub(super) fn new(address: SocketAddr) -> Self {
        Self { address, connection: None }
    }

    /// Connects as a conversation wants it.
    pub(super) fn connect(&mut self, options: &str) {
        let stream = TcpStream::connect(self.address).unwrap();
        stream.set_nodelay(true).unwrap();
        let mut connection = BufReader::new(stream);
        let hello = format!("CONNECT {options}\r\nSUB _I.> 1\r\nPING\r\n");
        connection.get_mut().write_all(hello.as_bytes()).unwrap();
        self.connection = Some(connection);
        loop {
            match self.next(AT_ONCE) {
                Came::Line(line) if line == "PONG" => break,
                Came::Line(_) | Came::Message(_) => {}
                Came::Nothing | Came::End => panic!("{} refuses {options}", self.address),
            }
        }
    }

    pub(super) fn hang_up(&mut self) {
        self.connection = None;
    }

    pub(super) fn is_connected(&self) -> bool {
        self.connection.is_some()
    }

    pub(super) fn send(&mut self, bytes: &[u8]) {
        if let Some(connection) = &mut self.connection {
            // A server that has closed already is seen when its answer is read.
            let _ = connection.get_mut().write_all(&[bytes, b"PING\r\n"].concat());
        }
    }

    /// Everything that comes for what was sent, and the answer under `reply` if there is to be one.
    pub(super) fn answers(&mut self, reply: Option<&str>, patience: Patience) -> Answers {
        let mut answers = Answers::default();
        let (mut synced, mut answered) = (false, reply.is_none());
        let mut deadline = Instant::now() + patience.at_once;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            match self.next(left) {
                Came::Line(line) if line == "PONG" => {
                    synced = true;
                    deadline =
                        Instant::now() + if answered { patience.rest } else { patience.answer };
                }
                Came::Line(line) => answers.lines.push(line),
                Came::Message(message) => {
                    answered |= reply.is_some_and(|reply| message.head.starts_with(reply));
                    answers.messages.push(message);
                    if synced && answered {
                        deadline = Instant::now() + patience.rest;
                    }
                }
                Came::Nothing => {
                    if !synced {
                        // It waits for the rest of something.
                        answers.lines.push("<silence>".to_owned());
                        self.hang_up();
                    }
                    break;
                }
                Came::End => {
                    answers.lines.push("<end>".to_owned());
                    self.hang_up();
                    break;
                }
            }
            if synced && answered && patience.rest.is_zero() {
                break;
            }
        }
        answers
    }

    /// A request of the API outside of a conversation.
    pub(super) fn call(&mut self, call: &str, body: &str) -> Value {
        let bytes = format!("PUB $JS.API.{call} _I.call {}\r\n{body}\r\n", body.len());
        self.send(bytes.as_bytes());
        let answers = self.answers(Some("_I.call"), Patience::CALL);
        let mut messages = answers.messages.into_iter();
        let answer = messages.find(|message| message.head.starts_with("_I.call"));
        answer.map_or(Value::Null, |message| message.payload)
    }

    /// Deletes all streams.
    pub(super) fn clean(&mut self) {
        self.connect(&json!({"verbose": false, "headers": true}).to_string());
        let names = self.call("STREAM.NAMES", "");
        for name in names["streams"].as_array().into_iter().flatten().filter_map(Value::as_str) {
            self.call(&format!("STREAM.DELETE.{name}"), "");
        }
        self.hang_up();
    }

    fn next(&mut self, patience: Duration) -> Came {
        let Some(connection) = &mut self.connection else { return Came::End };
        let patience = patience.max(Duration::from_micros(1));
        if connection.buffer().is_empty() {
            connection.get_ref().set_read_timeout(Some(patience)).unwrap();
        }
        let mut line = Vec::new();
        match connection.read_until(b'\n', &mut line) {
            Ok(0) => return Came::End,
            Ok(_) => {}
            Err(error) if [ErrorKind::WouldBlock, ErrorKind::TimedOut].contains(&error.kind()) => {
                return Came::Nothing;
            }
            Err(_) => return Came::End,
        }
        let text = String::from_utf8_lossy(&line).trim_end().to_owned();
        let words: Vec<&str> = text.split_ascii_whitespace().collect();
        let sizes = match words.as_slice() {
            ["PING"] => {
                let _ = connection.get_mut().write_all(b"PONG\r\n");
                return self.next(patience);
            }
            ["INFO", ..] => return self.next(patience),
            ["MSG", .., all] => (0, all.parse().unwrap()),
            ["HMSG", .., header, all] => (header.parse().unwrap(), all.parse::<usize>().unwrap()),
            _ => return Came::Line(text),
        };
        let mut body = vec![0; sizes.1 + 2];
        connection.get_ref().set_read_timeout(Some(AT_ONCE)).unwrap();
        if connection.read_exact(&mut body).is_err() {
            return Came::End;
        }
        let (header, payload) = body[..sizes.1].split_at(sizes.0);
        let sizes = if sizes.0 > 0 { 2 } else { 1 };
        let head = words[1..words.len() - sizes].join(" ");
        Came::Message(normal(&head, header, payload))
    }
}
