//! A stream that is made again while the worst happens at every single call: it is there afterwards, as the
//! old one or as the new one, and the next run goes on.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::Stdio;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use watershed_peers::{NatsServer, nats_servers};

use crate::raw::Raw;
use crate::server::{PATIENCE, Running, run, succeed, watershed, write};

/// What happens at a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fault {
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
}

/// Something in the way to a server that lets one thing happen, at the publish of this number.
struct Faulty {
    url: String,
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
}

impl Faulty {
    fn start(server: SocketAddr, fault: Fault, at: usize) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("nats://{}", listener.local_addr().unwrap());
        let state = Arc::new(State {
            fault,
            at,
            publishes: AtomicUsize::new(0),
            answers: AtomicUsize::new(0),
            happened: Mutex::new(false),
            news: Condvar::new(),
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

    /// From the client to the server, command by command.
    fn pass(&self, from: TcpStream, mut to: TcpStream, held: &AtomicUsize) {
        let mut client = from.try_clone().unwrap();
        let mut reader = BufReader::new(from);
        let mut line = Vec::new();
        while matches!(reader.read_until(b'\n', &mut line), Ok(1..)) {
            let text = String::from_utf8_lossy(&line).into_owned();
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
            let before = matches!(self.fault, Fault::KilledBefore | Fault::CutBefore);
            if now && self.fault == Fault::Unanswered {
                held.store(1, Ordering::SeqCst);
            }
            let answers = self.answers.load(Ordering::SeqCst);
            if !(now && before) && to.write_all(&line).is_err() {
                break;
            }
            line.clear();
            if now {
                if self.fault != Fault::Unanswered {
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
                if self.fault != Fault::Unanswered {
                    // What has come meanwhile could still be read.
                    break;
                }
            }
        }
        let _ = to.shutdown(Shutdown::Both);
        let _ = client.flush();
    }
}

const FILE: &str = "watershed: 1\nname: x\nstreams: { S: { subjects: [s.>], max_age: 1d, storage: file, consumers: { c: {} } } }\n";

/// What the old stream and its consumer are, as the program makes them.
fn old(raw: &mut Raw, url: &str) -> [Value; 2] {
    let folder = tempfile::tempdir().unwrap();
    let file = write(&folder, &FILE.replace("storage: file", "storage: memory"));
    succeed(&["apply", "--yes", "-s", url, &file]);
    let mut config = |call: &str| {
        let mut config = raw.done(call, &json!({}))["config"].take();
        let metadata = config["metadata"].as_object_mut().unwrap();
        metadata.retain(|key, _| !key.starts_with("_nats"));
        config
    };
    [config("STREAM.INFO.S"), config("CONSUMER.INFO.S.c")]
}

/// The backups that were made.
fn backups(folder: &Path) -> Vec<String> {
    let Ok(all) = std::fs::read_dir(folder.join(".watershed/x/backups")) else { return Vec::new() };
    let all = all.map(|entry| entry.unwrap().path());
    let whole = all.filter(|path| path.join("backup.json").is_file());
    whole.map(|path| path.display().to_string()).collect()
}

fn check(url: &str, fault: Fault, part: usize) {
    let server: SocketAddr = url.trim_start_matches("nats://").parse().unwrap();
    let mut raw = Raw::connect(url);
    let [stream, consumer] = old(&mut raw, url);
    for at in (1 + part..).step_by(PARTS) {
        let folder = tempfile::tempdir().unwrap();
        let file = write(&folder, FILE);
        raw.call("STREAM.DELETE.S", &json!({}));
        while raw.call("STREAM.CREATE.S", &stream).get("error").is_some() {}
        raw.done("CONSUMER.CREATE.S.c", &json!({"stream_name": "S", "config": consumer}));
        for number in 0..3_u8 {
            raw.store("s.x", &[], &[number]);
        }
        let proxy = Faulty::start(server, fault, at);
        let arguments = ["apply", "--yes", "--recreate", "S", "--timeout", "400ms", "-s"];
        let mut command = watershed(&[&arguments[..], &[&proxy.url, &file]].concat());
        let mut child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        let killed = matches!(fault, Fault::KilledBefore | Fault::KilledAfter);
        let mut happened = proxy.state.happened.lock().unwrap();
        while !*happened && child.try_wait().unwrap().is_none() {
            let wait = Duration::from_millis(5);
            happened = proxy.state.news.wait_timeout(happened, wait).unwrap().0;
        }
        let all = !*happened;
        drop(happened);
        if killed {
            let _ = child.kill();
        }
        let output = child.wait_with_output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        let place = format!("{fault:?} at {at}: {said}");
        let there = raw.call("STREAM.INFO.S", &json!({}));
        // A server may still be at what it was told.
        let content = raw.content("S");
        match (there["config"]["storage"].as_str(), content) {
            (Some("memory"), Some(content)) => assert_eq!(content.len(), 3, "{place}"),
            (Some("file"), Some(_)) => assert!(!backups(folder.path()).is_empty(), "{place}"),
            _ => {
                // Nobody is there to make it again but the next run; what it was is in a file.
                assert!(killed, "neither is there: {place}");
                let all = backups(folder.path());
                succeed(&["restore", &all[0], "-s", url]);
                assert_eq!(raw.content("S").unwrap().len(), 3, "{place}");
            }
        }
        let again = run(&["apply", "--yes", "--recreate", "S", "-s", url, &file]);
        assert_eq!(again.code, Some(0), "{place}: {}{}", again.out, again.err);
        let proof = raw.call("STREAM.INFO.watershed_proof_S", &json!({}));
        assert_eq!(proof["error"]["err_code"], 10059, "{place}");
        if all {
            assert!(at > 15, "{place}");
            break;
        }
    }
}

/// Every call of a recreate belongs to one of so many tests: none takes long.
const PARTS: usize = 5;

macro_rules! tests {
    ($($name:ident: $fault:ident, $part:literal;)*) => {$(
        mod $name {
            use super::*;

            #[test]
            fn leaves_one_of_both_on_this_server() {
                let folder = tempfile::tempdir().unwrap();
                let server = Running::start(&folder.path().join("store"));
                check(&server.url(), Fault::$fault, $part);
            }

            #[test]
            #[cfg_attr(not(peer = "nats-server"), ignore = "needs nats-server: see .ci/peers")]
            fn leaves_one_of_both_on_a_real_server() {
                // Each part on another one.
                let servers = nats_servers();
                let program = &servers[($part + Fault::$fault as usize) % servers.len()];
                check(&NatsServer::start(program).url, Fault::$fault, $part);
            }
        }
    )*};
}

tests! {
    killed_before_0: KilledBefore, 0;
    killed_before_1: KilledBefore, 1;
    killed_before_2: KilledBefore, 2;
    killed_before_3: KilledBefore, 3;
    killed_before_4: KilledBefore, 4;
    killed_after_0: KilledAfter, 0;
    killed_after_1: KilledAfter, 1;
    killed_after_2: KilledAfter, 2;
    killed_after_3: KilledAfter, 3;
    killed_after_4: KilledAfter, 4;
    cut_before_0: CutBefore, 0;
    cut_before_1: CutBefore, 1;
    cut_before_2: CutBefore, 2;
    cut_before_3: CutBefore, 3;
    cut_before_4: CutBefore, 4;
    cut_after_0: CutAfter, 0;
    cut_after_1: CutAfter, 1;
    cut_after_2: CutAfter, 2;
    cut_after_3: CutAfter, 3;
    cut_after_4: CutAfter, 4;
    unanswered_0: Unanswered, 0;
    unanswered_1: Unanswered, 1;
    unanswered_2: Unanswered, 2;
    unanswered_3: Unanswered, 3;
    unanswered_4: Unanswered, 4;
}
