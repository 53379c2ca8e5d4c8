//! Between a client and a server: says otherwise than the server, or keeps answers back.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Condvar, Mutex};

use crate::server::PATIENCE;

/// Something in the way to a server; it lasts as long as the test.
pub(crate) struct Proxy {
    pub(crate) url: String,
    asked: Arc<Asked>,
}

/// What clients have sent.
#[derive(Default)]
struct Asked {
    bytes: Mutex<Vec<u8>>,
    /// Whether nothing is kept back any more.
    open: AtomicBool,
    news: Condvar,
}

/// Answers are kept back from the first of these requests on, until there are so many.
#[derive(Clone, Copy)]
pub(crate) struct Gate {
    pub(crate) request: &'static str,
    pub(crate) count: usize,
}

fn count(bytes: &[u8], pattern: &str) -> usize {
    bytes.windows(pattern.len()).filter(|window| *window == pattern.as_bytes()).count()
}

impl Proxy {
    /// Puts other words of the same length in place of a server's.
    pub(crate) fn saying(
        server: SocketAddr,
        words: &'static [(&'static str, &'static str)],
    ) -> Self {
        Self::start(server, words, None)
    }

    /// Keeps answers back.
    pub(crate) fn gated(server: SocketAddr, gate: Gate) -> Self {
        Self::start(server, &[], Some(gate))
    }

    fn start(
        server: SocketAddr,
        words: &'static [(&'static str, &'static str)],
        gate: Option<Gate>,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("nats://{}", listener.local_addr().unwrap());
        let asked = Arc::new(Asked::default());
        let seen = Arc::clone(&asked);
        std::thread::spawn(move || {
            for client in listener.incoming() {
                let (client, server) = (client.unwrap(), TcpStream::connect(server).unwrap());
                let (from, to) = (client.try_clone().unwrap(), server.try_clone().unwrap());
                let up = Arc::clone(&seen);
                std::thread::spawn(move || up.pass(from, to));
                let down = Arc::clone(&seen);
                std::thread::spawn(move || down.answer(server, client, words, gate));
            }
        });
        Self { url, asked }
    }

    /// Keeps no answer back any more.
    pub(crate) fn open(&self) {
        self.asked.open.store(true, Relaxed);
        // Who waits has looked before, or looks after this.
        drop(self.asked.bytes.lock().unwrap());
        self.asked.news.notify_all();
    }

    /// How often this was sent.
    pub(crate) fn count(&self, request: &str) -> usize {
        count(&self.asked.bytes.lock().unwrap(), request)
    }
}

impl Asked {
    /// From the client to the server.
    fn pass(&self, mut from: TcpStream, mut to: TcpStream) {
        let mut buffer = vec![0; 1 << 16];
        while let Ok(length @ 1..) = from.read(&mut buffer) {
            self.bytes.lock().unwrap().extend(&buffer[..length]);
            self.news.notify_all();
            if to.write_all(&buffer[..length]).is_err() {
                break;
            }
        }
        let _ = to.shutdown(Shutdown::Both);
    }

    /// From the server to the client.
    fn answer(
        &self,
        mut from: TcpStream,
        mut to: TcpStream,
        words: &[(&str, &str)],
        gate: Option<Gate>,
    ) {
        let mut buffer = vec![0; 1 << 16];
        let mut held = Vec::new();
        while let Ok(length @ 1..) = from.read(&mut buffer) {
            held.extend(&buffer[..length]);
            for (before, after) in words {
                assert_eq!(before.len(), after.len());
                while let Some(at) =
                    held.windows(before.len()).position(|window| window == before.as_bytes())
                {
                    held[at..at + after.len()].copy_from_slice(after.as_bytes());
                }
            }
            // What may be the beginning of a word waits for its rest.
            let begun = |start: usize| {
                words.iter().any(|(before, _)| before.as_bytes().starts_with(&held[start..]))
            };
            let end = (0..held.len()).find(|start| begun(*start)).unwrap_or(held.len());
            if let Some(gate) = gate {
                self.wait(gate);
            }
            if to.write_all(&held[..end]).is_err() {
                break;
            }
            held.drain(..end);
        }
        let _ = to.shutdown(Shutdown::Both);
    }

    fn wait(&self, gate: Gate) {
        let waits = |bytes: &mut Vec<u8>| {
            let seen = count(bytes, gate.request);
            seen > 0 && seen < gate.count && !self.open.load(Relaxed)
        };
        let bytes = self.bytes.lock().unwrap();
        let (_guard, result) = self.news.wait_timeout_while(bytes, PATIENCE, waits).unwrap();
        assert!(!result.timed_out(), "the requests do not come together");
    }
}
