//! The JetStream API, one call at a time.

use std::net::SocketAddr;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use serde_json::{Value, json};
use watershed_wire::op::Publish;
use watershed_wire::{ServerOp, encode};

use crate::client::Client;

/// The stream of every load.
pub(crate) const STREAM: &str = "BENCH";

/// How long something that was asked for may take to come about.
const PATIENCE: Duration = Duration::from_mins(5);

/// Between two looks whether it has.
const PAUSE: Duration = Duration::from_millis(5);

/// Where a stream is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kept {
    File,
    Memory,
}

impl Kept {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::File => "file",
            Self::Memory => "memory",
        }
    }
}

/// A connection for calls of the API.
pub(crate) struct Api {
    client: Client,
}

impl Api {
    pub(crate) fn connect(address: SocketAddr) -> anyhow::Result<Self> {
        let mut client = Client::connect(address)?;
        client.subscribe("_INBOX.api", "1")?;
        Ok(Self { client })
    }

    /// Calls and waits for the answer. An error in the answer is one here.
    pub(crate) fn call(&mut self, subject: &str, body: &Value) -> anyhow::Result<Value> {
        let body = if body.is_null() { String::new() } else { body.to_string() };
        self.client.send(&frame(subject, Some("_INBOX.api"), body.as_bytes()))?;
        let mut answer = None;
        while answer.is_none() {
            self.client.read(|op| {
                if let ServerOp::Message { payload, .. } = op {
                    answer = Some(payload.to_vec());
                }
            })?;
        }
        let answer: Value = serde_json::from_slice(&answer.unwrap_or_default())
            .with_context(|| format!("the answer to {subject} is not JSON"))?;
        if let Some(error) = answer.get("error") {
            bail!("{subject} was refused: {error}");
        }
        Ok(answer)
    }

    /// Creates [`STREAM`] on `bench.>`, with what `more` says.
    pub(crate) fn create_stream(&mut self, kept: Kept, more: &Value) -> anyhow::Result<()> {
        let mut config = json!({ "name": STREAM, "subjects": ["bench.>"], "storage": kept.name() });
        merge(&mut config, more);
        self.create(&config)
    }

    /// Creates a stream.
    pub(crate) fn create(&mut self, config: &Value) -> anyhow::Result<()> {
        let name = config["name"].as_str().context("a stream without a name")?;
        self.call(&format!("$JS.API.STREAM.CREATE.{name}"), config).map(drop)
    }

    /// Creates a durable consumer of a stream, or one without a durable name.
    pub(crate) fn create_consumer(
        &mut self,
        stream: &str,
        name: &str,
        more: &Value,
    ) -> anyhow::Result<()> {
        let mut config = json!({ "durable_name": name, "ack_policy": "explicit" });
        merge(&mut config, more);
        let body = json!({ "stream_name": stream, "config": config });
        self.call(&format!("$JS.API.CONSUMER.DURABLE.CREATE.{stream}.{name}"), &body).map(drop)
    }

    /// Messages that a stream says it has.
    pub(crate) fn messages(&mut self, stream: &str) -> anyhow::Result<u64> {
        let info = self.call(&format!("$JS.API.STREAM.INFO.{stream}"), &Value::Null)?;
        info["state"]["messages"].as_u64().context("no count of messages")
    }

    /// Deliveries of a consumer that wait for their acknowledgement.
    pub(crate) fn outstanding(&mut self, consumer: &str) -> anyhow::Result<u64> {
        let subject = format!("$JS.API.CONSUMER.INFO.{STREAM}.{consumer}");
        let info = self.call(&subject, &Value::Null)?;
        info["num_ack_pending"].as_u64().context("no count of outstanding messages")
    }

    /// Asks again and again until it is so.
    pub(crate) fn wait_until(
        &mut self,
        what: &str,
        mut so: impl FnMut(&mut Self) -> anyhow::Result<bool>,
    ) -> anyhow::Result<()> {
        let deadline = Instant::now() + PATIENCE;
        while !so(self)? {
            if Instant::now() > deadline {
                bail!("waited too long: {what}");
            }
            thread::sleep(PAUSE);
        }
        Ok(())
    }
}

/// A `PUB`.
pub(crate) fn frame(subject: &str, reply: Option<&str>, payload: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    let reply = reply.map(str::as_bytes);
    let message =
        Publish { subject: subject.as_bytes(), reply, header: b"", payload, has_header: false };
    encode::publish(&mut bytes, &message);
    bytes
}

/// Puts the fields of one object into another.
fn merge(config: &mut Value, more: &Value) {
    for (key, value) in more.as_object().into_iter().flatten() {
        config[key] = value.clone();
    }
}
