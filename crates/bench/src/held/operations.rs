//! What may hold up everybody: each puts a million messages there, and says when it ran.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use anyhow::bail;
use serde_json::{Value, json};
use watershed_wire::ServerOp;

use super::{Operation, Span};
use crate::api::{Api, Kept, STREAM, frame};
use crate::client::Client;
use crate::load::publisher::{Frames, Publisher, Until};
use crate::load::{fill, fill_with};
use crate::scale::Scale;

const BYTES: usize = 64;

/// A file stream with a million messages under one subject.
fn filled(address: SocketAddr, scale: &Scale) -> anyhow::Result<Api> {
    let mut api = Api::connect(address)?;
    api.create_stream(Kept::File, &json!({}))?;
    fill(address, scale.million, BYTES)?;
    Ok(api)
}

/// A file stream with a million messages, each under a subject of its own.
fn filled_with_subjects(address: SocketAddr, scale: &Scale) -> anyhow::Result<Api> {
    let mut api = Api::connect(address)?;
    api.create_stream(Kept::File, &json!({}))?;
    fill_subjects(address, scale)?;
    Ok(api)
}

fn fill_subjects(address: SocketAddr, scale: &Scale) -> anyhow::Result<()> {
    let frames = Frames::numbered("bench", scale.million, "_INBOX.fill", BYTES);
    fill_with(address, scale.million, frames)
}

fn timed(action: impl FnOnce() -> anyhow::Result<()>) -> anyhow::Result<Span> {
    let start = Instant::now();
    action()?;
    Ok(Span { start, end: Instant::now() })
}

/// One call of the API.
fn call(mut api: Api, subject: String, body: Value) -> Operation {
    Box::new(move || timed(|| api.call(&subject, &body).map(drop)))
}

pub(super) fn purge_all(address: SocketAddr, scale: &Scale) -> anyhow::Result<Operation> {
    let api = filled_with_subjects(address, scale)?;
    Ok(call(api, format!("$JS.API.STREAM.PURGE.{STREAM}"), Value::Null))
}

pub(super) fn purge_half(address: SocketAddr, scale: &Scale) -> anyhow::Result<Operation> {
    let api = filled_with_subjects(address, scale)?;
    let request = json!({ "seq": scale.million / 2 });
    Ok(call(api, format!("$JS.API.STREAM.PURGE.{STREAM}"), request))
}

pub(super) fn delete(address: SocketAddr, scale: &Scale) -> anyhow::Result<Operation> {
    let api = filled_with_subjects(address, scale)?;
    Ok(call(api, format!("$JS.API.STREAM.DELETE.{STREAM}"), Value::Null))
}

/// Messages are older than the age that the stream is given: all of them expire at once.
pub(super) fn expire(address: SocketAddr, scale: &Scale) -> anyhow::Result<Operation> {
    let mut api = Api::connect(address)?;
    let window = nanoseconds(scale.max_age_seconds); // may not be longer
    api.create_stream(Kept::File, &json!({ "duplicate_window": window }))?;
    fill_subjects(address, scale)?;
    let newest = Instant::now();
    let age = Duration::from_secs_f64(scale.max_age_seconds);
    let config = json!({
        "name": STREAM, "subjects": ["bench.>"], "storage": "file",
        "duplicate_window": window, "max_age": nanoseconds(scale.max_age_seconds),
    });
    Ok(Box::new(move || {
        let young = age.saturating_sub(newest.elapsed());
        std::thread::sleep(young);
        timed(|| {
            api.call(&format!("$JS.API.STREAM.UPDATE.{STREAM}"), &config)?;
            api.wait_until("messages expire", |api| Ok(api.messages(STREAM)? == 0))
        })
    }))
}

fn create_consumer(mut api: Api, more: Value) -> Operation {
    Box::new(move || timed(|| api.create_consumer(STREAM, "C", &more)))
}

pub(super) fn last_per_subject(address: SocketAddr, scale: &Scale) -> anyhow::Result<Operation> {
    let api = filled_with_subjects(address, scale)?;
    Ok(create_consumer(
        api,
        json!({ "deliver_policy": "last_per_subject", "filter_subject": "bench.>" }),
    ))
}

/// A thousandth of all subjects.
pub(super) fn wildcard(address: SocketAddr, scale: &Scale) -> anyhow::Result<Operation> {
    let api = filled_with_subjects(address, scale)?;
    Ok(create_consumer(api, json!({ "filter_subject": "bench.*.007" })))
}

/// As many deliveries as the consumer may have wait for an acknowledgement until their time is over
/// for all at about the same moment.
pub(super) fn redeliver(address: SocketAddr, scale: &Scale) -> anyhow::Result<Operation> {
    let mut api = filled(address, scale)?;
    let (count, ack_wait) = (scale.outstanding, Duration::from_secs_f64(scale.ack_wait_seconds));
    let more = json!({
        "max_ack_pending": count, "ack_wait": nanoseconds(scale.ack_wait_seconds),
    });
    api.create_consumer(STREAM, "C", &more)?;
    let mut client = Client::connect(address)?;
    client.subscribe("_INBOX.next", "1")?;
    client.round_trip()?;
    let body = json!({ "batch": count }).to_string();
    let subject = format!("$JS.API.CONSUMER.MSG.NEXT.{STREAM}.C");
    let next = frame(&subject, Some("_INBOX.next"), body.as_bytes());
    Ok(Box::new(move || {
        client.send(&next)?;
        let first = receive(&mut client, 1)?;
        let received = Instant::now();
        receive(&mut client, count - first)?;
        let start = (received + ack_wait).max(Instant::now());
        client.send(&next)?;
        receive(&mut client, count)?;
        Ok(Span { start, end: Instant::now().max(start) })
    }))
}

/// Waits for at least this many messages; how many there were.
fn receive(client: &mut Client, count: u64) -> anyhow::Result<u64> {
    let (mut received, mut status) = (0, None);
    while received < count {
        client.read(|op| match op {
            ServerOp::Message { reply: Some(_), .. } => received += 1,
            ServerOp::Message { header, .. } => status = Some(header.escape_ascii().to_string()),
            _ => {}
        })?;
        if let Some(status) = status {
            bail!("{received} of {count} messages came, then {status}");
        }
    }
    Ok(received)
}

/// Interest in subjects changes again and again while there are consumers that wait for interest.
pub(super) fn interest(address: SocketAddr, scale: &Scale) -> anyhow::Result<Operation> {
    let mut api = filled(address, scale)?;
    for number in 0..scale.consumers {
        let more = json!({ "deliver_subject": format!("deliver.{number}") });
        api.create_consumer(STREAM, &format!("C{number}"), &more)?;
    }
    let mut client = Client::connect(address)?;
    let lines = |number: u64| format!("SUB interest.{number} {number}\r\nUNSUB {number}\r\n");
    let lines: String = (0..scale.interests).map(lines).collect();
    Ok(Box::new(move || {
        timed(|| {
            client.send(lines.as_bytes())?;
            client.round_trip()
        })
    }))
}

/// Long enough for several checkpoints.
pub(super) fn publish(address: SocketAddr, scale: &Scale) -> anyhow::Result<Operation> {
    filled(address, scale)?;
    let frames = Frames::one("bench.load", "_INBOX.load", 1024);
    let mut publisher = Publisher::connect(address, "_INBOX.load", frames, 256)?;
    let time = Duration::from_secs_f64(scale.seconds * 3.0);
    Ok(Box::new(move || timed(|| publisher.run(Until::Time(Instant::now() + time)).map(drop))))
}

fn nanoseconds(seconds: f64) -> u64 {
    u64::try_from(Duration::from_secs_f64(seconds).as_nanos()).unwrap_or(u64::MAX)
}
