//! Publishing to a stream, each message acknowledged.

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
        .map(|index| thread::spawn(move || publisher(address, index, Until::Time(end), load)))
        .collect();
    let mut messages = 0;
    for publisher in publishers {
        messages += publisher.join().map_err(|_| anyhow!("a publisher panicked"))??;
    }
    Ok((messages as f64, start.elapsed().as_secs_f64()))
}

/// Publishes so many messages, on one connection.
pub(crate) fn publish_count(address: SocketAddr, count: u64, load: Load) -> anyhow::Result<()> {
    publisher(address, 0, Until::Count(count), load).map(|_| ())
}

pub(crate) fn create(address: SocketAddr, kept: Kept) -> anyhow::Result<()> {
    let storage = if kept == Kept::File { "file" } else { "memory" };
    let body =
        format!("{{\"name\":\"BENCH\",\"subjects\":[\"bench.>\"],\"storage\":\"{storage}\"}}");
    let mut client = Client::connect(address)?;
    client.send(b"SUB api 1\r\n")?;
    request(&mut client, "$JS.API.STREAM.CREATE.BENCH", &body).map(|_| ())
}

/// Calls the API; the client listens to `api`.
pub(crate) fn request(client: &mut Client, subject: &str, body: &str) -> anyhow::Result<String> {
    client.send(&frame(subject.as_bytes(), b"api", body.as_bytes()))?;
    let mut answer = None;
    while answer.is_none() {
        client.read(|op| {
            if let ServerOp::Message { payload, .. } = op {
                answer = Some(payload.escape_ascii().to_string().replace("\\\"", "\""));
            }
        })?;
    }
    let answer = answer.unwrap_or_default();
    if answer.contains("\"error\"") {
        bail!("{subject} was refused: {answer}");
    }
    Ok(answer)
}

/// When a publisher stops.
#[derive(Clone, Copy)]
enum Until {
    Time(Instant),
    Count(u64),
}

impl Until {
    fn reached(self, sent: u64) -> bool {
        match self {
            Self::Time(end) => Instant::now() >= end,
            Self::Count(count) => sent >= count,
        }
    }

    /// How many more may be sent before the question is asked again.
    fn left(self, sent: u64) -> u64 {
        match self {
            Self::Time(_) => u64::MAX,
            Self::Count(count) => count.saturating_sub(sent),
        }
    }
}

fn publisher(address: SocketAddr, index: usize, until: Until, load: Load) -> anyhow::Result<u64> {
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
    let mut inflight = 0;
    loop {
        out.clear();
        if !until.reached(sent) {
            let mut left = until.left(sent);
            while inflight < load.window && left > 0 {
                left -= 1;
                out.extend_from_slice(&one);
                inflight += 1;
                sent += 1;
            }
        } else if inflight == 0 {
            break;
        }
        if !out.is_empty() {
            client.send(&out)?;
        }
        client.read(|op| {
            if let ServerOp::Message { payload, .. } = op {
                acknowledged += 1;
                inflight -= 1;
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
