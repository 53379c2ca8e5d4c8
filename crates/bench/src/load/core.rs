//! Core NATS.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Instant;

use anyhow::anyhow;
use watershed_wire::op::Publish;
use watershed_wire::{ServerOp, encode};

use super::Clock;
use crate::client::Client;
use crate::latency::Latency;
use crate::measure::Sample;
use crate::plan::Place;

/// Bytes that are written at once.
const WRITE_BYTES: usize = 64 * 1024;

const SUBJECT: &[u8] = b"bench.subject";

/// Frames of one message, repeated to about [`WRITE_BYTES`], and how many there are.
fn frames(payload_bytes: usize) -> (Vec<u8>, usize) {
    let payload = vec![b'x'; payload_bytes];
    let message = Publish {
        subject: SUBJECT,
        reply: None,
        header: b"",
        payload: &payload,
        has_header: false,
    };
    let (mut bytes, mut count) = (Vec::new(), 0);
    while bytes.len() < WRITE_BYTES {
        encode::publish(&mut bytes, &message);
        count += 1;
    }
    (bytes, count)
}

/// Publishes without anybody listening, until the server has dealt with everything. Nothing is
/// answered, so there is no latency.
pub(super) fn publish(place: &Place<'_>, bytes: usize) -> anyhow::Result<Sample> {
    let server = place.start()?;
    let seconds = place.scale.seconds;
    let mut client = Client::connect(server.address)?;
    let (frames, count) = frames(bytes);
    let clock = Clock::start(&server)?;
    let start = Instant::now();
    let mut messages = 0;
    while start.elapsed().as_secs_f64() < seconds {
        client.send(&frames)?;
        messages += count;
    }
    client.round_trip()?;
    clock.stop(messages as u64, &Latency::new())
}

/// Publishes to this many subscribers, until all have everything. Counts deliveries.
pub(super) fn fan_out(
    place: &Place<'_>,
    bytes: usize,
    subscribers: usize,
) -> anyhow::Result<Sample> {
    let server = place.start()?;
    let (address, seconds) = (server.address, place.scale.seconds);
    let mut frame = Vec::new();
    encode::message(&mut frame, SUBJECT, b"1", None, b"", &vec![b'x'; bytes]);
    // How many bytes each subscriber gets; known when the publisher stops.
    let expected = Arc::new(AtomicUsize::new(usize::MAX));
    let mut threads = Vec::new();
    for _ in 0..subscribers {
        let mut client = Client::connect(address)?;
        let mut line = Vec::new();
        encode::subscribe(&mut line, SUBJECT, None, b"1");
        client.send(&line)?;
        client.round_trip()?;
        let expected = Arc::clone(&expected);
        threads.push(thread::spawn(move || -> anyhow::Result<()> {
            let mut received = 0;
            while received < expected.load(Ordering::Acquire) {
                received += client.skip()?;
            }
            Ok(())
        }));
    }
    let (mut publisher, (frames, count)) = (Client::connect(address)?, frames(bytes));
    let clock = Clock::start(&server)?;
    let start = Instant::now();
    let mut messages = 0;
    while start.elapsed().as_secs_f64() < seconds {
        publisher.send(&frames)?;
        messages += count;
    }
    // One more burst follows the number, so that nobody waits for a message that came before it.
    messages += count;
    expected.store(messages * frame.len(), Ordering::Release);
    publisher.send(&frames)?;
    for thread in threads {
        thread.join().map_err(|_| anyhow!("a subscriber panicked"))??;
    }
    clock.stop((messages * subscribers) as u64, &Latency::new())
}

/// Requests, each sent when the one before is answered.
pub(super) fn request(place: &Place<'_>) -> anyhow::Result<Sample> {
    let server = place.start()?;
    let (address, seconds) = (server.address, place.scale.seconds);
    let mut service = Client::connect(address)?;
    service.send(b"SUB bench.service 1\r\n")?;
    service.round_trip()?;
    let service = thread::spawn(move || -> anyhow::Result<()> {
        loop {
            let mut requests = 0;
            let mut over = false;
            service.read(|op| match op {
                ServerOp::Message { payload: b"end", .. } => over = true,
                ServerOp::Message { .. } => requests += 1,
                _ => {}
            })?;
            for _ in 0..requests {
                service.send(b"PUB bench.reply 2\r\nok\r\n")?;
            }
            if over {
                return Ok(());
            }
        }
    });
    let mut client = Client::connect(address)?;
    client.send(b"SUB bench.reply 1\r\n")?;
    client.round_trip()?;
    let (mut round_trips, mut latency) = (0, Latency::new());
    let clock = Clock::start(&server)?;
    let start = Instant::now();
    while start.elapsed().as_secs_f64() < seconds {
        let sent = Instant::now();
        client.send(b"PUB bench.service bench.reply 2\r\nhi\r\n")?;
        let mut answered = false;
        while !answered {
            client.read(|op| answered |= matches!(op, ServerOp::Message { .. }))?;
        }
        latency.record(sent.elapsed());
        round_trips += 1;
    }
    let sample = clock.stop(round_trips, &latency)?;
    client.send(b"PUB bench.service 3\r\nend\r\n")?;
    service.join().map_err(|_| anyhow!("the service panicked"))??;
    Ok(sample)
}
