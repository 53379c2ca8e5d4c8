//! The idle client and who answers it.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, Sender};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use anyhow::{Context as _, anyhow};
use watershed_wire::ServerOp;

use crate::client::Client;

/// Between two requests. A server that is held up holds up all requests that are due meanwhile: each
/// of them counts from when it was due, as if every request came from a client of its own.
const PACE: Duration = Duration::from_micros(500);

/// One request and its answer.
#[derive(Debug, Clone, Copy)]
pub(super) struct Trip {
    pub(super) start: Instant,
    pub(super) end: Instant,
}

impl Trip {
    pub(super) fn time(&self) -> Duration {
        self.end - self.start
    }
}

/// Sends requests, one at a time, until it is stopped.
pub(super) struct Probe {
    over: Arc<AtomicBool>,
    idle: JoinHandle<anyhow::Result<Vec<Trip>>>,
    responder: JoinHandle<anyhow::Result<()>>,
}

impl Probe {
    pub(super) fn start(address: SocketAddr) -> anyhow::Result<Self> {
        let mut responder = Client::connect(address)?;
        responder.subscribe("probe.service", "1")?;
        responder.round_trip()?;
        let mut idle = Client::connect(address)?;
        idle.subscribe("probe.reply", "1")?;
        idle.round_trip()?;
        let (first, begun) = mpsc::channel();
        let over = Arc::new(AtomicBool::new(false));
        let until = Arc::clone(&over);
        let responder = thread::spawn(move || answer(&mut responder));
        let idle = thread::spawn(move || ask(&mut idle, &until, &first));
        let _ = begun.recv(); // an error is said by `stop`
        Ok(Self { over, idle, responder })
    }

    /// Everything that was asked.
    pub(super) fn stop(self) -> anyhow::Result<Vec<Trip>> {
        self.over.store(true, Ordering::Release);
        let trips = self.idle.join().map_err(|_| anyhow!("the idle client panicked"))?;
        let trips = trips.context("the idle client")?;
        let answered = self.responder.join().map_err(|_| anyhow!("the responder panicked"))?;
        answered.context("the responder")?;
        Ok(trips)
    }
}

/// Tells `first` of the first answer.
fn ask(client: &mut Client, over: &AtomicBool, first: &Sender<()>) -> anyhow::Result<Vec<Trip>> {
    let mut trips = Vec::new();
    let mut due = Instant::now();
    let mut last = false;
    while !last {
        // One more after the end, so that there is one even if this thread slept through it.
        last = over.load(Ordering::Acquire);
        due += PACE;
        // Who wakes up late was not held up by the server.
        let start = match due.checked_duration_since(Instant::now()) {
            Some(early) => {
                thread::sleep(early);
                due = Instant::now();
                due
            }
            None => due,
        };
        client.send(b"PUB probe.service probe.reply 2\r\nhi\r\n")?;
        let mut answered = false;
        while !answered {
            client.read(|op| answered |= matches!(op, ServerOp::Message { .. }))?;
        }
        trips.push(Trip { start, end: Instant::now() });
        if trips.len() == 1 {
            let _ = first.send(());
        }
    }
    client.send(b"PUB probe.service 3\r\nend\r\n")?;
    Ok(trips)
}

fn answer(client: &mut Client) -> anyhow::Result<()> {
    loop {
        let (mut requests, mut over) = (0, false);
        client.read(|op| match op {
            ServerOp::Message { payload: b"end", .. } => over = true,
            ServerOp::Message { .. } => requests += 1,
            _ => {}
        })?;
        for _ in 0..requests {
            client.send(b"PUB probe.reply 2\r\nok\r\n")?;
        }
        if over {
            return Ok(());
        }
    }
}
