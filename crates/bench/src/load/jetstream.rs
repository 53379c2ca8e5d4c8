//! Publishing to a stream, each message acknowledged.

use std::net::SocketAddr;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::anyhow;
use serde_json::json;

use super::Clock;
use super::publisher::{Frames, Publisher, Until, subject};
use crate::api::{Api, Kept, STREAM};
use crate::latency::Latency;
use crate::measure::Sample;
use crate::plan::Place;

/// What a load publishes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Load {
    pub(crate) kept: Kept,
    pub(crate) connections: usize,
    /// Messages of one connection that wait for their acknowledgement.
    pub(crate) window: u64,
    pub(crate) bytes: usize,
}

impl Load {
    /// Messages of 128 bytes.
    pub(crate) fn of(kept: Kept, connections: usize, window: u64) -> Self {
        Self { kept, connections, window, bytes: 128 }
    }
}

/// Publishes on each connection under a subject of its own.
pub(crate) fn publish(place: &Place<'_>, load: Load) -> anyhow::Result<Sample> {
    let server = place.start()?;
    Api::connect(server.address)?.create_stream(load.kept, &json!({}))?;
    let connect = |index| {
        let reply = format!("_INBOX.bench{index}");
        let frames = Frames::one(&format!("bench.{index}"), &reply, load.bytes);
        Publisher::connect(server.address, &reply, frames, load.window)
    };
    let publishers: Vec<Publisher> =
        (0..load.connections).map(connect).collect::<anyhow::Result<_>>()?;
    let clock = Clock::start(&server)?;
    let end = Instant::now() + Duration::from_secs_f64(place.scale.seconds);
    let threads: Vec<_> = publishers
        .into_iter()
        .map(|mut publisher| {
            thread::spawn(move || Ok((publisher.run(Until::Time(end))?, publisher.latency)))
        })
        .collect();
    let (mut messages, mut latency) = (0, Latency::new());
    for thread in threads {
        let ended: anyhow::Result<(u64, Latency)> =
            thread.join().map_err(|_| anyhow!("a publisher panicked"))?;
        let (count, times) = ended?;
        messages += count;
        latency.add(&times);
    }
    clock.stop(messages, &latency)
}

/// Publishes to a file stream with consumers that nobody asks for messages. If they are `filtered`,
/// each message is for one of them.
pub(crate) fn publish_to_consumers(
    place: &Place<'_>,
    retention: &str,
    consumers: u64,
    filtered: bool,
) -> anyhow::Result<Sample> {
    let server = place.start()?;
    let mut api = Api::connect(server.address)?;
    api.create_stream(Kept::File, &json!({ "retention": retention }))?;
    for number in 0..consumers {
        let filter = if filtered { subject("bench", number) } else { String::new() };
        let more = if filtered { json!({ "filter_subject": filter }) } else { json!({}) };
        api.create_consumer(STREAM, &format!("C{number}"), &more)?;
    }
    let frames = Frames::numbered("bench", consumers, "_INBOX.bench", 128);
    let mut publisher = Publisher::connect(server.address, "_INBOX.bench", frames, 256)?;
    let clock = Clock::start(&server)?;
    let end = Instant::now() + Duration::from_secs_f64(place.scale.seconds);
    let messages = publisher.run(Until::Time(end))?;
    clock.stop(messages, &publisher.latency)
}

/// Publishes this many messages under `bench.one`.
pub(crate) fn fill(address: SocketAddr, count: u64, bytes: usize) -> anyhow::Result<()> {
    fill_with(address, count, Frames::one("bench.one", "_INBOX.fill", bytes))
}

/// Publishes this many messages; acknowledgements come to `_INBOX.fill`.
pub(crate) fn fill_with(address: SocketAddr, count: u64, frames: Frames) -> anyhow::Result<()> {
    Publisher::connect(address, "_INBOX.fill", frames, 1000)?.run(Until::Count(count)).map(drop)
}
