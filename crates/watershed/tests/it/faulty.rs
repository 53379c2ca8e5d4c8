//! Something between a program and a server that lets one thing happen at one call.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::process::{Command, Output, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

use crate::server::PATIENCE;

/// What happens at a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    /// The program is killed before the server gets it.
    KilledBefore,
    /// The program is killed when the server has it.
    KilledAfter,
    /// The connection is cut before the server gets it.
    CutBefore,
    /// The connection is cut when the server has answered.
    CutAfter,
    /// The answer is lost.
    Unanswered,
    /// The user may not do it: the server does not get it.
    Denied,
    /// The account is full, as the server would say: it does not get it.
    Full,
    /// Another client changes something right before it.
    Changed,
}

impl Fault {
    /// Whether the connection ends with it.
    fn ends(self) -> bool {
        !matches!(self, Self::Unanswered | Self::Denied | Self::Full | Self::Changed)
    }
}

/// What a server says that has no room left.
const FULL: &str = r#"{"error":{"code":500,"err_code":10047,"description":"insufficient storage resources available"}}"#;

/// Something in the way to a server that lets one thing happen, at the publish of this number.
pub(crate) struct Faulty {
    pub(crate) url: String,
    state: Arc<State>,
}

struct State {
    fault: Fault,
    at: usize,
    publishes: AtomicUsize,
    /// Pieces with an answer that the server has sent.
    answers: AtomicUsize,
    /// Whether it happened.
    happened: Mutex<bool>,
    news: Condvar,
    /// What another client does.
    other: Box<dyn Fn() + Send + Sync>,
}

impl Faulty {
    pub(crate) fn start(server: SocketAddr, fault: Fault, at: usize) -> Self {
        Self::start_with(server, fault, at, || {})
    }

    /// The same, with what another client does.
    pub(crate) fn start_with(
        server: SocketAddr,
        fault: Fault,
        at: usize,
        other: impl Fn() + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("nats://{}", listener.local_addr().unwrap());
        let state = Arc::new(State {
            fault,
            at,
            publishes: AtomicUsize::new(0),
            answers: AtomicUsize::new(0),
            happened: Mutex::new(false),
            news: Condvar::new(),
            other: Box::new(other),
        });
        let shared = Arc::clone(&state);
        std::thread::spawn(move || {
            for client in listener.incoming() {
                let (client, server) = (client.unwrap(), TcpStream::connect(server).unwrap());
                let held = Arc::new(AtomicUsize::new(0));
                let (from, to) = (client.try_clone().unwrap(), server.try_clone().unwrap());
                let (state, holding) = (Arc::clone(&shared), Arc::clone(&held));
                std::thread::spawn(move || state.pass(from, to, &holding));
                let state = Arc::clone(&shared);
                std::thread::spawn(move || state.answer(server, client, &held));
            }
        });
        Self { url, state }
    }

    /// Runs a program against the server until it ends, or, where that is the fault, is killed. What it
    /// printed, and whether the fault did not happen because it ended before.
    pub(crate) fn run(&self, mut command: Command) -> (Output, bool) {
        let mut child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        let mut happened = self.state.happened.lock().unwrap();
        while !*happened && child.try_wait().unwrap().is_none() {
            let wait = Duration::from_millis(5);
            happened = self.state.news.wait_timeout(happened, wait).unwrap().0;
        }
        let all = !*happened;
        drop(happened);
        if matches!(self.state.fault, Fault::KilledBefore | Fault::KilledAfter) {
            let _ = child.kill();
        }
        (child.wait_with_output().unwrap(), all)
    }
}

impl State {
    /// From the server to the client, until an answer is held: that one is lost.
    fn answer(&self, mut from: TcpStream, mut to: TcpStream, held: &AtomicUsize) {
        let mut buffer = vec![0; 1 << 16];
        while let Ok(length @ 1..) = from.read(&mut buffer) {
            let answers = buffer[..length].windows(4).any(|four| four == b"MSG ");
            self.answers.fetch_add(usize::from(answers), Ordering::SeqCst);
            if held.load(Ordering::SeqCst) > 0 && answers {
                held.store(0, Ordering::SeqCst);
            } else if to.write_all(&buffer[..length]).is_err() {
                break;
            }
        }
        let _ = to.shutdown(Shutdown::Both);
    }

    /// Refuses a publish in the server's place. Says whether anybody hears it.
    fn refuse(&self, words: &[&str], inboxes: &[(String, String)], to: &mut TcpStream) -> bool {
        let said = match (self.fault, words) {
            (Fault::Denied, [_, subject, ..]) => {
                format!("-ERR 'Permissions Violation for Publish to \"{subject}\"'\r\n")
            }
            (_, ["PUB", _, reply, _] | ["HPUB", _, reply, _, _]) => {
                let takes = |filter: &str| {
                    filter == *reply
                        || filter.strip_suffix('*').is_some_and(|start| reply.starts_with(start))
                };
                let Some((_, id)) = inboxes.iter().find(|(filter, _)| takes(filter)) else {
                    return false;
                };
                format!("MSG {reply} {id} {}\r\n{FULL}\r\n", FULL.len())
            }
            _ => return false,
        };
        to.write_all(said.as_bytes()).is_ok()
    }

    /// From the client to the server, command by command.
    fn pass(&self, from: TcpStream, mut to: TcpStream, held: &AtomicUsize) {
        let mut client = from.try_clone().unwrap();
        let mut reader = BufReader::new(from);
        let mut line = Vec::new();
        let mut inboxes: Vec<(String, String)> = Vec::new();
        while matches!(reader.read_until(b'\n', &mut line), Ok(1..)) {
            let text = String::from_utf8_lossy(&line).into_owned();
            let words: Vec<&str> = text.split_whitespace().collect();
            if let ["SUB", subject, .., id] = words[..] {
                inboxes.push((subject.to_owned(), id.to_owned()));
            }
            let publishes = text.starts_with("PUB ") || text.starts_with("HPUB ");
            if publishes {
                let size: usize = text.trim_end().rsplit(' ').next().unwrap().parse().unwrap();
                let mut payload = vec![0; size + 2];
                if reader.read_exact(&mut payload).is_err() {
                    break;
                }
                line.extend(payload);
            }
            let now = publishes && self.publishes.fetch_add(1, Ordering::SeqCst) + 1 == self.at;
            let refused = matches!(self.fault, Fault::Denied | Fault::Full);
            let before = refused || matches!(self.fault, Fault::KilledBefore | Fault::CutBefore);
            if now && self.fault == Fault::Unanswered {
                held.store(1, Ordering::SeqCst);
            }
            if now && self.fault == Fault::Changed {
                (self.other)();
            }
            if now && refused && !self.refuse(&words, &inboxes, &mut client) {
                // Nobody waits for an answer.
                let _ = to.write_all(&line);
            }
            let answers = self.answers.load(Ordering::SeqCst);
            if !(now && before) && to.write_all(&line).is_err() {
                break;
            }
            line.clear();
            if now {
                if self.fault.ends() {
                    // What is not a call is not answered.
                    if !before && text.contains(" $JS.API.") {
                        let deadline = Instant::now() + PATIENCE;
                        while self.answers.load(Ordering::SeqCst) == answers
                            && Instant::now() < deadline
                        {
                            std::thread::yield_now();
                        }
                    }
                    let _ = client.shutdown(Shutdown::Both);
                }
                *self.happened.lock().unwrap() = true;
                self.news.notify_all();
                if self.fault.ends() {
                    // What has come meanwhile could still be read.
                    break;
                }
            }
        }
        let _ = to.shutdown(Shutdown::Both);
        let _ = client.flush();
    }
}
