//! A stream that is made again while the worst happens at every single call: it is there afterwards, as the
//! old one or as the new one, and the next run goes on.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::Stdio;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use serde_json::json;
use watershed_peers::{NatsServer, nats_servers};

use crate::raw::Raw;
use crate::server::{Running, run, succeed, watershed, write};

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

const FAULTS: [Fault; 5] =
    [Fault::KilledBefore, Fault::KilledAfter, Fault::CutBefore, Fault::CutAfter, Fault::Unanswered];

/// Something in the way to a server that lets one thing happen, at the publish of this number.
struct Faulty {
    url: String,
    state: Arc<State>,
}

struct State {
    fault: Fault,
    at: usize,
    publishes: AtomicUsize,
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
                std::thread::spawn(move || answer(server, client, &held));
            }
        });
        Self { url, state }
    }
}

/// From the server to the client, until an answer is held: that one is lost.
fn answer(mut from: TcpStream, mut to: TcpStream, held: &AtomicUsize) {
    let mut buffer = vec![0; 1 << 16];
    while let Ok(length @ 1..) = from.read(&mut buffer) {
        let lost = held.load(Ordering::SeqCst) > 0 && buffer.windows(4).any(|four| four == b"MSG ");
        if lost {
            held.store(0, Ordering::SeqCst);
        } else if to.write_all(&buffer[..length]).is_err() {
            break;
        }
    }
    let _ = to.shutdown(Shutdown::Both);
}

impl State {
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
            if !(now && before) && to.write_all(&line).is_err() {
                break;
            }
            line.clear();
            if now {
                if self.fault != Fault::Unanswered {
                    if !before {
                        // The server has dealt with it when it answers this.
                        let mut byte = [0];
                        let _ = to.set_read_timeout(Some(Duration::from_millis(30)));
                        let _ = to.peek(&mut byte);
                    }
                    let _ = client.shutdown(Shutdown::Both);
                }
                *self.happened.lock().unwrap() = true;
                self.news.notify_all();
            }
        }
        let _ = to.shutdown(Shutdown::Both);
        let _ = client.flush();
    }
}

const FILE: &str = "watershed: 1\nname: x\nstreams: { S: { subjects: [s.>], max_age: 1d, storage: file, consumers: { c: {} } } }\n";

/// Puts the old stream there.
fn old(raw: &mut Raw, file: &str, url: &str, folder: &tempfile::TempDir) {
    raw.call("STREAM.DELETE.S", &json!({}));
    write(folder, &FILE.replace("storage: file", "storage: memory"));
    succeed(&["apply", "--yes", "-s", url, file]);
    for number in 0..3_u8 {
        raw.store("s.x", &[], &[number]);
    }
    write(folder, FILE);
}

/// The backups that were made.
fn backups(folder: &Path) -> Vec<String> {
    let Ok(all) = std::fs::read_dir(folder.join(".watershed/x/backups")) else { return Vec::new() };
    let all = all.map(|entry| entry.unwrap().path());
    let whole = all.filter(|path| path.join("backup.json").is_file());
    whole.map(|path| path.display().to_string()).collect()
}

fn check(url: &str, fault: Fault) {
    let server: SocketAddr = url.trim_start_matches("nats://").parse().unwrap();
    let mut raw = Raw::connect(url);
    for at in 1.. {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("watershed.yaml").display().to_string();
        old(&mut raw, &file, url, &folder);
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
        match there["config"]["storage"].as_str() {
            Some("memory") => assert_eq!(raw.content("S").unwrap().len(), 3, "{place}"),
            Some("file") => assert!(!backups(folder.path()).is_empty(), "{place}"),
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
        succeed(&["plan", "-s", url, &file]);
        let proof = raw.call("STREAM.INFO.watershed_proof_S", &json!({}));
        assert_eq!(proof["error"]["err_code"], 10059, "{place}");
        if all {
            assert!(at > 15, "{place}");
            break;
        }
    }
}

/// On this server, and on one of the real ones.
fn everywhere(fault: Fault) {
    let folder = tempfile::tempdir().unwrap();
    check(&Running::start(&folder.path().join("store")).url(), fault);
}

#[test]
fn killed_before_a_call() {
    everywhere(Fault::KilledBefore);
}

#[test]
fn killed_after_a_call() {
    everywhere(Fault::KilledAfter);
}

#[test]
fn cut_off_before_a_call() {
    everywhere(Fault::CutBefore);
}

#[test]
fn cut_off_after_a_call() {
    everywhere(Fault::CutAfter);
}

#[test]
fn without_an_answer() {
    everywhere(Fault::Unanswered);
}

#[test]
#[cfg_attr(not(peer = "nats-server"), ignore = "needs nats-server: see .ci/peers")]
fn real_servers_lose_nothing_either() {
    // Each of the faults on one of them.
    for (fault, program) in FAULTS.into_iter().zip(nats_servers().iter().cycle()) {
        check(&NatsServer::start(program).url, fault);
    }
}
