//! A connection that publishes to streams: N messages in flight, each acknowledged.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::Instant;

use anyhow::bail;
use watershed_wire::ServerOp;

use crate::api::frame;
use crate::client::Client;
use crate::latency::Latency;

/// Numbers that a subject can have.
const NUMBERS_MAX: u64 = 10_000_000;

/// Numbers follow each other at this distance, so that neighbours in time are none in order. A prime:
/// every number comes once before any comes again.
const STRIDE: u64 = 7919;

/// Two tokens, so that a wildcard can choose a thousandth of all.
pub(crate) fn subject(prefix: &str, number: u64) -> String {
    format!("{prefix}.{:04}.{:03}", number / 1000 % 10_000, number % 1000)
}

/// What is published: one message, under one subject or under many.
#[derive(Debug, Clone)]
pub(crate) struct Frames {
    template: Vec<u8>,
    /// Where in it the number is.
    digits: usize,
    /// Subjects; 0 if there is one, without a number.
    count: u64,
}

impl Frames {
    /// Every message under the same subject.
    pub(crate) fn one(subject: &str, reply: &str, payload_bytes: usize) -> Self {
        let template = frame(subject, Some(reply), &vec![b'x'; payload_bytes]);
        Self { template, digits: 0, count: 0 }
    }

    /// Each message under the next of `count` subjects, as [`subject`] names them.
    pub(crate) fn numbered(prefix: &str, count: u64, reply: &str, payload_bytes: usize) -> Self {
        assert!(count <= NUMBERS_MAX && !count.is_multiple_of(STRIDE), "{count} subjects");
        let template = frame(&subject(prefix, 0), Some(reply), &vec![b'x'; payload_bytes]);
        Self { template, digits: "PUB ".len() + prefix.len() + 1, count }
    }

    fn append(&self, out: &mut Vec<u8>, index: u64) {
        let start = out.len() + self.digits;
        out.extend_from_slice(&self.template);
        if self.count == 0 {
            return;
        }
        let mut number = index % self.count * STRIDE % self.count;
        for place in [7, 6, 5, 3, 2, 1, 0] {
            out[start + place] = b"0123456789"[usize::try_from(number % 10).unwrap_or(0)];
            number /= 10;
        }
    }
}

/// When a publisher stops.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Until {
    Time(Instant),
    Count(u64),
}

impl Until {
    /// How many may be sent before the question is asked again.
    fn left(self, sent: u64) -> u64 {
        match self {
            Self::Time(end) if Instant::now() >= end => 0,
            Self::Time(_) => u64::MAX,
            Self::Count(count) => count.saturating_sub(sent),
        }
    }
}

/// See the module.
pub(crate) struct Publisher {
    client: Client,
    frames: Frames,
    window: u64,
    /// Of all runs.
    sent: u64,
    /// How long acknowledgements took; what was sent before the clock started is not in it.
    pub(crate) latency: Latency,
}

impl Publisher {
    /// Connects; acknowledgements come to `reply`, which is in the frames.
    pub(crate) fn connect(
        address: SocketAddr,
        reply: &str,
        frames: Frames,
        window: u64,
    ) -> anyhow::Result<Self> {
        let mut client = Client::connect(address)?;
        client.subscribe(reply, "1")?;
        client.round_trip()?;
        Ok(Self { client, frames, window, sent: 0, latency: Latency::new() })
    }

    /// Publishes, and waits for every acknowledgement; how many there were. Acknowledgements of one
    /// connection come in the order of its messages.
    pub(crate) fn run(&mut self, until: Until) -> anyhow::Result<u64> {
        let mut sent = 0;
        let mut inflight = 0;
        let mut batches: VecDeque<(Instant, u64)> = VecDeque::new();
        let mut out = Vec::new();
        loop {
            let count = until.left(sent).min(self.window - inflight);
            if count == 0 && inflight == 0 {
                return Ok(sent);
            }
            if count > 0 {
                out.clear();
                for _ in 0..count {
                    self.frames.append(&mut out, self.sent);
                    self.sent += 1;
                }
                batches.push_back((Instant::now(), count));
                self.client.send(&out)?;
                sent += count;
                inflight += count;
            }
            let acknowledged = self.acknowledged()?;
            if acknowledged > inflight {
                bail!("{acknowledged} acknowledgements for {inflight} messages");
            }
            inflight -= acknowledged;
            settle(&mut batches, acknowledged, &mut self.latency);
        }
    }

    /// Reads once; how many acknowledgements came.
    fn acknowledged(&mut self) -> anyhow::Result<u64> {
        let (mut count, mut bad) = (0, None);
        self.client.read(|op| {
            if let ServerOp::Message { payload, .. } = op {
                count += 1;
                if !payload.starts_with(b"{\"stream\"") {
                    bad = Some(payload.escape_ascii().to_string());
                }
            }
        })?;
        match bad {
            Some(bad) => bail!("a publish was refused: {bad}"),
            None => Ok(count),
        }
    }
}

/// Takes this many messages off the oldest batches.
fn settle(batches: &mut VecDeque<(Instant, u64)>, mut count: u64, latency: &mut Latency) {
    let now = Instant::now();
    while count > 0
        && let Some((start, left)) = batches.front_mut()
    {
        let taken = count.min(*left);
        latency.record_many(now - *start, taken);
        *left -= taken;
        count -= taken;
        if *left == 0 {
            batches.pop_front();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_subject_comes_once_before_any_comes_again() {
        let frames = Frames::numbered("bench", 2500, "r", 3);
        let text = |index| {
            let mut out = Vec::new();
            frames.append(&mut out, index);
            String::from_utf8(out).unwrap()
        };
        let expected = |number| format!("PUB {} r 3\r\nxxx\r\n", subject("bench", number));
        let seen: BTreeSet<String> = (0..2500).map(text).collect();
        assert_eq!(seen, (0..2500).map(expected).collect());
        assert_eq!(text(1), expected(STRIDE % 2500));
        assert_eq!(text(2501), text(1));
    }

    #[test]
    fn acknowledgements_settle_the_oldest_first() {
        let start = Instant::now();
        let mut batches = VecDeque::from([(start, 2), (start, 3)]);
        let mut latency = Latency::new();
        settle(&mut batches, 4, &mut latency);
        assert_eq!(batches, [(start, 1)]);
    }
}
