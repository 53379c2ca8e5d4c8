//! Who loads the server: publishers, consumers, a bucket; all as fast as they can.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use anyhow::{Context as _, anyhow};
use serde_json::json;

use super::Seen;
use crate::api::{Api, Kept};
use crate::latency::Latency;
use crate::load::Fetcher;
use crate::load::kv::{KEYS, bucket};
use crate::load::publisher::{Frames, Publisher, Until};
use crate::scale::Scale;

/// Messages of one request of a consumer.
const BATCH: u64 = 500;

/// What all workers did together.
#[derive(Debug)]
pub(super) struct Shared(Mutex<Seen>);

impl Shared {
    /// What was done since this was called last.
    pub(super) fn take(&self) -> Seen {
        std::mem::replace(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner), Seen::new())
    }

    fn add(&self, change: impl FnOnce(&mut Seen)) {
        change(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner));
    }
}

/// Threads that run until they are stopped.
pub(super) struct Workers {
    pub(super) seen: Arc<Shared>,
    over: Arc<AtomicBool>,
    /// Between two reports of a publisher: it waits for everything in flight before.
    slice: Duration,
    threads: Vec<(&'static str, JoinHandle<anyhow::Result<()>>)>,
}

impl Workers {
    /// Creates what they need and lets them go.
    pub(super) fn start(
        address: SocketAddr,
        scale: &Scale,
        slice: Duration,
    ) -> anyhow::Result<Self> {
        create(address, scale)?;
        let mut workers = Self {
            seen: Arc::new(Shared(Mutex::new(Seen::new()))),
            over: Arc::default(),
            slice,
            threads: Vec::new(),
        };
        for (name, subject) in [("file", "soak.file"), ("work", "soak.work")] {
            let frames = Frames::one(subject, inbox(name), 128);
            workers.publish(name, true, Publisher::connect(address, inbox(name), frames, 256)?);
        }
        let frames = Frames::one("soak.memory", inbox("memory"), 128);
        workers.publish(
            "memory",
            false,
            Publisher::connect(address, inbox("memory"), frames, 256)?,
        );
        let frames = Frames::numbered(KEYS, scale.keys, inbox("bucket"), 128);
        workers.publish("bucket", true, Publisher::connect(address, inbox("bucket"), frames, 256)?);
        // A request that nothing comes for is over soon, so that a worker hears that it is.
        let request = json!({ "batch": BATCH, "expires": 50_000_000 });
        for (stream, consumer) in [("FILE", "file"), ("MEMORY", "memory"), ("WORK", "work")] {
            let fetcher = Fetcher::connect(address, stream, consumer, &request)?;
            workers.consume(consumer, fetcher);
        }
        Ok(workers)
    }

    fn publish(&mut self, name: &'static str, durable: bool, mut publisher: Publisher) {
        let (seen, slice) = (Arc::clone(&self.seen), self.slice);
        self.spawn(name, move || {
            let published = publisher.run(Until::Time(Instant::now() + slice))?;
            let latency = std::mem::replace(&mut publisher.latency, Latency::new());
            seen.add(|seen| {
                seen.published += published;
                if durable {
                    seen.latency.add(&latency);
                }
            });
            Ok(())
        });
    }

    fn consume(&mut self, name: &'static str, mut fetcher: Fetcher) {
        let seen = Arc::clone(&self.seen);
        self.spawn(name, move || {
            let consumed = fetcher.fetch(BATCH)?;
            seen.add(|seen| seen.consumed += consumed);
            Ok(())
        });
    }

    fn spawn(
        &mut self,
        name: &'static str,
        mut again: impl FnMut() -> anyhow::Result<()> + Send + 'static,
    ) {
        let over = Arc::clone(&self.over);
        let thread = thread::spawn(move || {
            while !over.load(Ordering::Acquire) {
                again()?;
            }
            Ok(())
        });
        self.threads.push((name, thread));
    }

    /// Whether none has failed.
    pub(super) fn all_run(&self) -> bool {
        self.threads.iter().all(|(_, thread)| !thread.is_finished())
    }

    pub(super) fn stop(self) -> anyhow::Result<()> {
        self.over.store(true, Ordering::Release);
        let end = |(name, thread): (&str, JoinHandle<anyhow::Result<()>>)| {
            let ended = thread.join().map_err(|_| anyhow!("the worker `{name}` panicked"))?;
            ended.with_context(|| format!("the worker `{name}`"))
        };
        // All of them are waited for; the first error is the one that counts.
        let ended: Vec<anyhow::Result<()>> = self.threads.into_iter().map(end).collect();
        ended.into_iter().collect()
    }
}

fn inbox(name: &str) -> &'static str {
    match name {
        "file" => "_INBOX.file",
        "work" => "_INBOX.work",
        "memory" => "_INBOX.memory",
        _ => "_INBOX.bucket",
    }
}

/// Streams that would grow without a limit have one of each kind.
fn create(address: SocketAddr, scale: &Scale) -> anyhow::Result<()> {
    let mut api = Api::connect(address)?;
    let stored = scale.stored;
    api.create(&json!({
        "name": "FILE", "subjects": ["soak.file"], "storage": "file", "max_msgs": stored,
    }))?;
    api.create(&json!({
        "name": "MEMORY", "subjects": ["soak.memory"], "storage": "memory",
        "max_bytes": stored * 200, "max_age": 5_000_000_000_u64,
        "duplicate_window": 1_000_000_000_u64,
    }))?;
    api.create(&json!({
        "name": "WORK", "subjects": ["soak.work"], "storage": "file", "retention": "workqueue",
        "max_msgs": stored,
    }))?;
    api.create(&bucket(Kept::File))?;
    for (stream, consumer) in [("FILE", "file"), ("MEMORY", "memory"), ("WORK", "work")] {
        api.create_consumer(stream, consumer, &json!({ "max_ack_pending": 10_000 }))?;
    }
    Ok(())
}
