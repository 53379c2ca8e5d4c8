//! Buckets, as clients make and use them.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use watershed_wire::ServerOp;

use super::Clock;
use super::jetstream::fill_with;
use super::publisher::{Frames, Publisher, Until, subject};
use crate::api::{Api, Kept, frame};
use crate::client::Client;
use crate::measure::{Measure, Sample};
use crate::plan::Place;
use crate::stats::median;

/// Subjects of the keys begin with it.
pub(crate) const KEYS: &str = "$KV.x";

/// The stream of a bucket `x`, as clients create it.
pub(crate) fn bucket(kept: Kept) -> Value {
    json!({
        "name": "KV_x", "subjects": ["$KV.x.>"], "storage": kept.name(), "discard": "new",
        "max_msgs_per_subject": 1, "max_bytes": -1, "max_age": 0, "max_msg_size": -1,
        "num_replicas": 1, "duplicate_window": 120_000_000_000_u64,
        "deny_delete": true, "allow_rollup_hdrs": true, "allow_direct": true,
    })
}

/// Puts values of 128 bytes; every key is there already.
pub(crate) fn put(place: &Place<'_>, kept: Kept, keys: u64) -> anyhow::Result<Sample> {
    let server = place.start()?;
    create(server.address, kept, keys)?;
    let frames = Frames::numbered(KEYS, keys, "_INBOX.bench", 128);
    let mut publisher = Publisher::connect(server.address, "_INBOX.bench", frames, 256)?;
    let clock = Clock::start(&server)?;
    let end = Instant::now() + Duration::from_secs_f64(place.scale.seconds);
    let messages = publisher.run(Until::Time(end))?;
    clock.stop(messages, &publisher.latency)
}

/// Creates the bucket, with this many keys.
fn create(address: SocketAddr, kept: Kept, keys: u64) -> anyhow::Result<()> {
    Api::connect(address)?.create(&bucket(kept))?;
    fill_with(address, keys, Frames::numbered(KEYS, keys, "_INBOX.fill", 128))
}

/// Watches, each of another key.
const WATCHES: u64 = 15;

/// Begins to watch a key: from asking for the consumer until the value is there.
pub(crate) fn watch(place: &Place<'_>) -> anyhow::Result<Sample> {
    let server = place.start()?;
    let keys = place.scale.stored;
    create(server.address, Kept::File, keys)?;
    let mut client = Client::connect(server.address)?;
    client.subscribe("_INBOX.api", "1")?;
    client.round_trip()?;
    let mut times = Vec::new();
    for index in 0..WATCHES {
        let key = subject(KEYS, keys / WATCHES * index);
        let request = watch_request(&key, index);
        let start = Instant::now();
        client.send(&request)?;
        let (mut value, mut refused) = (false, None);
        while !value && refused.is_none() {
            client.read(|op| match op {
                ServerOp::Message { sid: [b'2', ..], subject, .. } => {
                    value |= *subject == key.as_bytes();
                }
                ServerOp::Message { payload, .. } if contains(payload, b"\"error\"") => {
                    refused = Some(payload.escape_ascii().to_string());
                }
                _ => {}
            })?;
        }
        if let Some(answer) = refused {
            anyhow::bail!("a watch was refused: {answer}");
        }
        times.push(start.elapsed().as_secs_f64());
    }
    Ok(median(&times).map(|seconds| (Measure::Seconds, seconds)).into_iter().collect())
}

/// What a client sends for an ordered consumer of the last value of a key. Its inbox is a subject of its
/// own: nats-server sees no interest in a delivery subject that only a wildcard covers.
fn watch_request(key: &str, index: u64) -> Vec<u8> {
    let name = format!("watch{index}");
    let config = json!({
        "name": name, "deliver_subject": format!("_INBOX.watch.{index}"), "filter_subject": key,
        "deliver_policy": "last_per_subject", "ack_policy": "none", "max_deliver": 1,
        "ack_wait": 79_200_000_000_000_u64, "flow_control": true, "num_replicas": 1,
        "idle_heartbeat": 5_000_000_000_u64, "mem_storage": true,
    });
    let body = json!({ "stream_name": "KV_x", "config": config, "action": "create" }).to_string();
    let subject = format!("$JS.API.CONSUMER.CREATE.KV_x.{name}.{key}");
    let mut bytes = format!("SUB _INBOX.watch.{index} 2{index}\r\n").into_bytes();
    bytes.extend(frame(&subject, Some("_INBOX.api"), body.as_bytes()));
    bytes
}

fn contains(text: &[u8], part: &[u8]) -> bool {
    text.windows(part.len()).any(|window| window == part)
}
