//! Core NATS.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Instant;

use anyhow::anyhow;
use watershed_wire::op::Publish;
use watershed_wire::{ServerOp, encode};

use crate::client::Client;

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

/// Publishes without anybody listening, until the server has dealt with everything.
pub(super) fn publish(
    address: SocketAddr,
    seconds: f64,
    bytes: usize,
) -> anyhow::Result<(f64, f64)> {
    let mut client = Client::connect(address)?;
    let (frames, count) = frames(bytes);
    let start = Instant::now();
    let mut messages = 0;
    while start.elapsed().as_secs_f64() < seconds {
        client.send(&frames)?;
        messages += count;
    }
    client.round_trip()?;
    Ok((messages as f64, start.elapsed().as_secs_f64()))
}

/// Publishes to so many subscribers, until all have everything. Counts deliveries.
pub(super) fn fan_out(
    address: SocketAddr,
    seconds: f64,
    bytes: usize,
    subscribers: usize,
) -> anyhow::Result<(f64, f64)> {
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
    Ok(((messages * subscribers) as f64, start.elapsed().as_secs_f64()))
}

/// Requests, each sent when the one before is answered.
pub(super) fn request(address: SocketAddr, seconds: f64) -> anyhow::Result<(f64, f64)> {
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
    let start = Instant::now();
    let mut round_trips = 0_u64;
    while start.elapsed().as_secs_f64() < seconds {
        client.send(b"PUB bench.service bench.reply 2\r\nhi\r\n")?;
        let mut answered = false;
        while !answered {
            client.read(|op| answered |= matches!(op, ServerOp::Message { .. }))?;
        }
        round_trips += 1;
    }
    let elapsed = start.elapsed().as_secs_f64();
    client.send(b"PUB bench.service 3\r\nend\r\n")?;
    service.join().map_err(|_| anyhow!("the service panicked"))??;
    Ok((round_trips as f64, elapsed))
}
