//! Publishing to a stream, each message acknowledged.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{anyhow, bail};
use watershed_wire::ServerOp;
use watershed_wire::encode;
use watershed_wire::op::Publish;

use crate::client::Client;

/// Where the stream of a load is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kept {
    File,
    Memory,
}

/// What a load publishes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Load {
    pub(crate) kept: Kept,
    pub(crate) connections: usize,
    /// Messages of one connection that wait for their acknowledgement.
    pub(crate) window: usize,
    pub(crate) bytes: usize,
}

/// Publishes for so many seconds, and waits for every acknowledgement.
pub(crate) fn publish(address: SocketAddr, seconds: f64, load: Load) -> anyhow::Result<(f64, f64)> {
    create(address, load.kept)?;
    let start = Instant::now();
    let end = start + Duration::from_secs_f64(seconds);
    let publishers: Vec<_> = (0..load.connections)
        .map(|index| thread::spawn(move || publisher(address, index, end, load)))
        .collect();
    let mut messages = 0;
    for publisher in publishers {
        messages += publisher.join().map_err(|_| anyhow!("a publisher panicked"))??;
    }
    Ok((messages as f64, start.elapsed().as_secs_f64()))
}

fn create(address: SocketAddr, kept: Kept) -> anyhow::Result<()> {
    let storage = if kept == Kept::File { "file" } else { "memory" };
    let body =
        format!("{{\"name\":\"BENCH\",\"subjects\":[\"bench.>\"],\"storage\":\"{storage}\"}}");
    let mut client = Client::connect(address)?;
    client.send(b"SUB reply 1\r\n")?;
    let subject = b"$JS.API.STREAM.CREATE.BENCH";
    client.send(&frame(subject, b"reply", body.as_bytes()))?;
    let mut error = None;
    let mut answered = false;
    while !answered {
        client.read(|op| {
            if let ServerOp::Message { payload, .. } = op {
                answered = true;
                if memchr::memmem::find(payload, b"\"error\"").is_some() {
                    error = Some(payload.escape_ascii().to_string());
                }
            }
        })?;
    }
    error.map_or(Ok(()), |error| bail!("the stream was refused: {error}"))
}

fn publisher(address: SocketAddr, index: usize, end: Instant, load: Load) -> anyhow::Result<u64> {
    let mut client = Client::connect(address)?;
    let reply = format!("_INBOX.bench{index}");
    let mut line = Vec::new();
    encode::subscribe(&mut line, reply.as_bytes(), None, b"1");
    client.send(&line)?;
    client.round_trip()?;
    let subject = format!("bench.{index}");
    let one = frame(subject.as_bytes(), reply.as_bytes(), &vec![b'x'; load.bytes]);
    let (mut sent, mut acknowledged) = (0_u64, 0_u64);
    let mut bad = None;
    let mut out = Vec::new();
    let mut inflight: VecDeque<()> = VecDeque::new();
    loop {
        out.clear();
        if Instant::now() < end {
            while inflight.len() < load.window {
                out.extend_from_slice(&one);
                inflight.push_back(());
                sent += 1;
            }
        } else if inflight.is_empty() {
            break;
        }
        if !out.is_empty() {
            client.send(&out)?;
        }
        client.read(|op| {
            if let ServerOp::Message { payload, .. } = op {
                acknowledged += 1;
                inflight.pop_front();
                if !payload.starts_with(b"{\"stream\"") {
                    bad = Some(payload.escape_ascii().to_string());
                }
            }
        })?;
        if let Some(bad) = bad {
            bail!("a publish was refused: {bad}");
        }
    }
    if sent != acknowledged {
        bail!("{acknowledged} of {sent} messages were acknowledged");
    }
    Ok(acknowledged)
}

fn frame(subject: &[u8], reply: &[u8], payload: &[u8]) -> Vec<u8> {
    let message = Publish { subject, reply: Some(reply), header: b"", payload, has_header: false };
    let mut bytes = Vec::new();
    encode::publish(&mut bytes, &message);
    bytes
}
