//! Taking messages from a stream, each acknowledged.

use std::net::SocketAddr;
use std::time::Instant;

use anyhow::bail;
use serde_json::{Value, json};
use watershed_wire::op::Publish;
use watershed_wire::{ServerOp, encode};

use super::Clock;
use super::jetstream::fill;
use crate::api::{Api, Kept, STREAM, frame};
use crate::client::Client;
use crate::latency::Latency;
use crate::measure::Sample;
use crate::plan::Place;

/// Messages of one request.
const BATCH: u64 = 500;

/// Fetches everything that was stored, one request at a time, and acknowledges each message. An
/// answer is a batch.
pub(crate) fn fetch(place: &Place<'_>, retention: &str) -> anyhow::Result<Sample> {
    let server = place.start()?;
    let mut api = Api::connect(server.address)?;
    api.create_stream(Kept::File, &json!({ "retention": retention }))?;
    fill(server.address, place.scale.stored, 128)?;
    api.create_consumer(STREAM, "C", &json!({ "max_ack_pending": 10_000 }))?;
    let mut fetcher = Fetcher::connect(server.address, STREAM, "C", &json!({ "batch": BATCH }))?;
    let mut latency = Latency::new();
    let clock = Clock::start(&server)?;
    let mut received = 0;
    while received < place.scale.stored {
        let start = Instant::now();
        let batch = fetcher.fetch(BATCH.min(place.scale.stored - received))?;
        if batch == 0 {
            bail!("{received} of {} messages came", place.scale.stored);
        }
        latency.record(start.elapsed());
        received += batch;
    }
    // Until the server has heard every acknowledgement.
    while api.outstanding("C")? > 0 {}
    clock.stop(received, &latency)
}

/// A connection that fetches and acknowledges.
pub(crate) struct Fetcher {
    client: Client,
    request: Vec<u8>,
}

impl Fetcher {
    /// Connects; `request` is the body of each request for messages.
    pub(crate) fn connect(
        address: SocketAddr,
        stream: &str,
        consumer: &str,
        request: &Value,
    ) -> anyhow::Result<Self> {
        let mut client = Client::connect(address)?;
        let inbox = format!("_INBOX.next.{consumer}");
        client.subscribe(&inbox, "1")?;
        client.round_trip()?;
        let subject = format!("$JS.API.CONSUMER.MSG.NEXT.{stream}.{consumer}");
        Ok(Self { client, request: frame(&subject, Some(&inbox), request.to_string().as_bytes()) })
    }

    /// Asks once, and acknowledges up to this many messages; how many came before the server said that no
    /// more would.
    pub(crate) fn fetch(&mut self, count: u64) -> anyhow::Result<u64> {
        self.client.send(&self.request)?;
        let (mut received, mut over) = (0, false);
        while received < count && !over {
            let mut acks = Vec::new();
            self.client.read(|op| match op {
                ServerOp::Message { reply: Some(reply), .. } => {
                    received += 1;
                    let payload = b"+ACK";
                    let ack = Publish {
                        subject: reply,
                        reply: None,
                        header: b"",
                        payload,
                        has_header: false,
                    };
                    encode::publish(&mut acks, &ack);
                }
                ServerOp::Message { header, .. } => over |= header.starts_with(b"NATS/1.0 4"),
                _ => {}
            })?;
            self.client.send(&acks)?;
        }
        Ok(received)
    }
}
