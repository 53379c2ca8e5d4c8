//! Conversations as text: what clients send, and what a server must answer.
//!
//! `> text` sends a line, `< text` expects one, `<json {…}` expects a line of JSON that holds at
//! least these fields, `<EOF` expects the end. A number before the arrow is the connection's; 1 if
//! absent. In an expected line `*` stands for any one word, after `<~` also for a part of one. `\xNN` is a byte and `\r`, `\n` are line
//! ends inside a line. `@+300ms` in what is sent stands for the time in 300 ms, in 30 bytes; `@FC` for the subject on which flow control was last asked for, `@ID` for the
//! server's id, `@CID2` for the number that the server has for connection 2, in six bytes. `INFO` lines are passed over. Lines that begin with `#` are comments. A file of the same name
//! that ends with `.conf` is the server's configuration.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, ErrorKind, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde_json::Value;
use watershed_wire::time::UnixNanos;

/// A conversation.
pub(crate) struct Transcript {
    name: String,
    /// What the server is told, if there is a file for it.
    pub(crate) conf: Option<PathBuf>,
    steps: Vec<Step>,
}

struct Step {
    line: usize,
    connection: u32,
    action: Action,
}

#[derive(Clone)]
enum Action {
    Send(Vec<u8>),
    Expect(String),
    ExpectJson(Value),
    ExpectEnd,
}

/// Longest wait for an answer.
const PATIENCE: Duration = Duration::from_secs(4);

pub(crate) fn load(folder: &Path) -> Vec<Transcript> {
    let mut paths: Vec<_> =
        std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    paths
        .iter()
        .filter(|path| path.extension().is_some_and(|extension| extension == "txt"))
        .map(|path| {
            let name = path.file_stem().unwrap().to_string_lossy().into_owned();
            let text = std::fs::read_to_string(path).unwrap();
            let steps = text.lines().enumerate();
            let steps = steps.filter_map(|(index, line)| parse(index + 1, line)).collect();
            let conf = Some(path.with_extension("conf")).filter(|conf| conf.exists());
            Transcript { name, conf, steps }
        })
        .collect()
}

fn parse(number: usize, line: &str) -> Option<Step> {
    if line.is_empty() || line.starts_with('#') {
        return None;
    }
    let digits = line.chars().take_while(char::is_ascii_digit).count();
    let connection = line[..digits].parse().unwrap_or(1);
    let rest = &line[digits..];
    let action = if let Some(text) = rest.strip_prefix('>') {
        let mut bytes = unescape(text.strip_prefix(' ').unwrap_or(text));
        bytes.extend_from_slice(b"\r\n");
        Action::Send(bytes)
    } else if let Some(json) = rest.strip_prefix("<json ") {
        Action::ExpectJson(serde_json::from_str(json).unwrap_or_else(|e| panic!("{number}: {e}")))
    } else if rest == "<EOF" {
        Action::ExpectEnd
    } else if let Some(text) = rest.strip_prefix("<~ ") {
        Action::Expect(text.to_owned())
    } else if let Some(text) = rest.strip_prefix('<') {
        Action::Expect(text.strip_prefix(' ').unwrap_or(text).to_owned())
    } else {
        panic!("line {number} is no step: {line}")
    };
    Some(Step { line: number, connection, action })
}

fn unescape(text: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut rest = text;
    while let Some(at) = rest.find('\\') {
        bytes.extend_from_slice(&rest.as_bytes()[..at]);
        rest = &rest[at + 1..];
        let taken = match rest.as_bytes()[0] {
            b'r' => {
                bytes.push(b'\r');
                1
            }
            b'n' => {
                bytes.push(b'\n');
                1
            }
            b'x' => {
                bytes.push(u8::from_str_radix(&rest[1..3], 16).unwrap());
                3
            }
            other => {
                bytes.push(other);
                1
            }
        };
        rest = &rest[taken..];
    }
    bytes.extend_from_slice(rest.as_bytes());
    bytes
}

impl Transcript {
    /// Whether something of this is said in it.
    pub(crate) fn says(&self, text: &str) -> bool {
        self.steps.iter().any(|step| match &step.action {
            Action::Send(bytes) => String::from_utf8_lossy(bytes).contains(text),
            _ => false,
        })
    }

    /// Holds the conversation. Says where the answers differ.
    pub(crate) fn run(&self, who: &str, address: SocketAddr) -> Option<String> {
        let mut connections = BTreeMap::new();
        for step in &self.steps {
            connections.entry(step.connection).or_insert_with(|| Connection::new(address));
            let step = Step { action: named(&step.action, &connections), ..*step };
            let connection = connections.get_mut(&step.connection).unwrap();
            if let Err(found) = perform(connection, &step.action) {
                let Self { name, .. } = self;
                return Some(format!("{who}: {name}.txt:{}: {found}", step.line));
            }
        }
        None
    }
}

/// What is sent, with what the server calls connections and itself in place of what stands for them.
fn named(action: &Action, connections: &BTreeMap<u32, Connection>) -> Action {
    let Action::Send(bytes) = action else { return action.clone() };
    let Ok(mut text) = String::from_utf8(bytes.clone()) else { return action.clone() };
    for (number, connection) in connections {
        let told = |key: &str| connection.told[key].to_string().replace('"', "");
        text = text.replace(&format!("@CID{number}"), &format!("{:>6}", told("client_id")));
        text = text.replace("@ID", &told("server_id"));
    }
    Action::Send(text.into_bytes())
}

struct Connection {
    stream: BufReader<TcpStream>,
    /// What the server said first.
    told: Value,
    /// The subject on which it was last asked for flow control.
    flow: String,
}

impl Connection {
    fn new(address: SocketAddr) -> Self {
        let mut stream = BufReader::new(connect(address));
        let mut info = String::new();
        let told = stream.read_line(&mut info).ok();
        let told = told.and_then(|_| serde_json::from_str(info.strip_prefix("INFO ")?).ok());
        Self { stream, told: told.unwrap_or_default(), flow: String::new() }
    }

    fn next_line(&mut self) -> Result<String, End> {
        let line = next_line(&mut self.stream)?;
        if let Some(subject) = line.split(' ').find(|word| word.starts_with("$JS.FC.")) {
            subject.clone_into(&mut self.flow);
        }
        Ok(line)
    }

    fn send(&mut self, bytes: &[u8]) {
        let bytes = with_times(bytes);
        let bytes = match std::str::from_utf8(&bytes) {
            Ok(text) => text.replace("@FC", &self.flow).into_bytes(),
            Err(_) => bytes,
        };
        // A server that has closed already is seen when its answer is expected.
        let _ = self.stream.get_mut().write_all(&bytes);
    }
}

/// What is sent, with times in place of what stands for them.
fn with_times(bytes: &[u8]) -> Vec<u8> {
    let Ok(text) = std::str::from_utf8(bytes) else { return bytes.to_vec() };
    let Some((before, rest)) = text.split_once("@+") else { return bytes.to_vec() };
    let (millis, behind) = rest.split_once("ms").unwrap();
    let then = SystemTime::now() + Duration::from_millis(millis.parse().unwrap());
    let nanos = i64::try_from(then.duration_since(UNIX_EPOCH).unwrap().as_nanos()).unwrap();
    // The last digit is written, so that the length is known.
    let time = UnixNanos(nanos | 1).to_string();
    format!("{before}{time}{behind}").into_bytes()
}

fn connect(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.set_nodelay(true).unwrap();
    stream
}

fn perform(connection: &mut Connection, action: &Action) -> Result<(), String> {
    match action {
        Action::Send(bytes) => {
            connection.send(bytes);
            Ok(())
        }
        Action::Expect(pattern) => {
            let line = connection.next_line()?;
            let same = matches(pattern, &line);
            same.then_some(()).ok_or_else(|| format!("expected `{pattern}`, got `{line}`"))
        }
        Action::ExpectJson(wanted) => {
            let line = connection.next_line()?;
            let found: Value = serde_json::from_str(&line).map_err(|e| format!("`{line}`: {e}"))?;
            let same = holds(&found, wanted);
            same.then_some(()).ok_or_else(|| format!("expected {wanted}, got `{line}`"))
        }
        Action::ExpectEnd => match connection.next_line() {
            Err(End::Closed) => Ok(()),
            Err(End::Failed(error)) => Err(format!("expected the end, got {error}")),
            Ok(line) => Err(format!("expected the end, got `{line}`")),
        },
    }
}

/// Why there is no next line.
enum End {
    Closed,
    Failed(String),
}

impl From<End> for String {
    fn from(end: End) -> Self {
        match end {
            End::Closed => "the connection ended".into(),
            End::Failed(error) => error,
        }
    }
}

/// The next line that belongs to the conversation.
fn next_line(connection: &mut BufReader<TcpStream>) -> Result<String, End> {
    loop {
        let mut line = Vec::new();
        match connection.read_until(b'\n', &mut line) {
            Ok(0) => return Err(End::Closed),
            Ok(_) => {}
            // A reset is an end too: the peer closed before it had read everything.
            Err(error) if error.kind() == ErrorKind::ConnectionReset => return Err(End::Closed),
            Err(error) => return Err(End::Failed(error.to_string())),
        }
        let text = String::from_utf8_lossy(&line);
        let text = text.trim_end_matches('\n').trim_end_matches('\r');
        match text {
            // nats-server measures the round trip soon after CONNECT.
            "PING" => {
                let _ = connection.get_mut().write_all(b"PONG\r\n");
            }
            text if text.starts_with("INFO ") => {}
            text => return Ok(text.to_owned()),
        }
    }
}

fn matches(pattern: &str, line: &str) -> bool {
    // nats-server writes two spaces where a message has come without a subject to answer to.
    let spaced = line.starts_with("MSG ").then(|| line.replace("  ", " "));
    let line = spaced.as_deref().unwrap_or(line);
    let (mut pattern, mut line) = (pattern.split(' '), line.split(' '));
    loop {
        match (pattern.next(), line.next()) {
            (None, None) => return true,
            (Some(left), Some(right)) if word_matches(left, right) => {}
            _ => return false,
        }
    }
}

/// A word with at most one `*` that stands for any part. (`*` alone is not a literal wildcard of a
/// subject: those have a dot beside it.)
fn word_matches(pattern: &str, word: &str) -> bool {
    if pattern == word || pattern == "*" {
        return true;
    }
    (pattern.starts_with("$JS.ACK.") || pattern.starts_with("$JS.FC.") || pattern.starts_with('{'))
        && pattern.split_once('*').is_some_and(|(before, after)| {
            word.len() >= before.len() + after.len()
                && word.starts_with(before)
                && word.ends_with(after)
        })
}

/// Whether `found` has at least the fields of `wanted`. The text `*` stands for any value.
fn holds(found: &Value, wanted: &Value) -> bool {
    match (found, wanted) {
        (_, Value::String(any)) if any == "*" => true,
        (Value::Object(found), Value::Object(wanted)) => {
            wanted.iter().all(|(key, wanted)| holds(found.get(key).unwrap_or(&Value::Null), wanted))
        }
        (Value::Array(found), Value::Array(wanted)) => {
            found.len() == wanted.len() && found.iter().zip(wanted).all(|(f, w)| holds(f, w))
        }
        _ => found == wanted,
    }
}
