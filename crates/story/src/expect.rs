//! Numbers that must be true.

use std::collections::BTreeSet;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value as Json;
use watershed_topology::Topology;
use watershed_topology::call::Request;
use watershed_topology::dead_letter::{GIVEN_UP, letters, record};
use watershed_topology::model::ConsumerName;
use watershed_topology::source::Spanned;
use watershed_wire::jetstream::call::Call;
use watershed_wire::jetstream::consumer::ConsumerInfo;
use watershed_wire::jetstream::message::StoredMessage;
use watershed_wire::jetstream::stream::StreamInfo;

use crate::server::{Broken, Link, Server, get};
use crate::story::What;
use crate::timeline::Timeline;

impl What {
    /// What it is called in a story.
    pub fn key(&self) -> &'static str {
        match self {
            Self::Messages(_) => "messages",
            Self::Delivered(_) => "delivered",
            Self::Done(_) => "done",
            Self::Unprocessed(_) => "unprocessed",
            Self::Dead(_) => "dead",
        }
    }

    /// Whether what is too much now stays so.
    pub(crate) fn only_grows(&self) -> bool {
        matches!(self, Self::Delivered(_) | Self::Done(_) | Self::Dead(_))
    }

    /// Stream, and consumer if it is about one.
    pub(crate) fn about(&self) -> (&str, Option<&str>) {
        match self {
            Self::Messages(stream) => (&stream.value, None),
            Self::Delivered(name)
            | Self::Done(name)
            | Self::Unprocessed(name)
            | Self::Dead(name) => (&name.value.stream, Some(&name.value.consumer)),
        }
    }
}

/// The name of the stream behind a stream or a bucket.
pub(crate) fn stream_of<'t>(topology: &'t Topology, name: &str) -> Option<&'t str> {
    let by_name = topology.streams.iter().find(|stream| stream.name.value == name);
    let bucket = || topology.streams.iter().find(|stream| stream.bucket() == Some(name));
    by_name.or_else(bucket).map(|stream| stream.name.value.as_str())
}

/// The number now.
pub(crate) fn number(
    server: &mut impl Server,
    link: Link,
    topology: &Topology,
    log: &mut Timeline,
    what: &What,
) -> Result<u64, Broken> {
    Ok(match what {
        What::Messages(name) => {
            let stream = stream_of(topology, &name.value).unwrap_or(&name.value);
            info(server, link, stream)?.state.messages
        }
        What::Delivered(name) => log.counts(&name.value).delivered,
        What::Done(name) => log.counts(&name.value).done,
        What::Unprocessed(Spanned { value: ConsumerName { stream, consumer }, .. }) => {
            let request = Request::bare(Call::ConsumerInfo { stream, consumer });
            let info = get::<ConsumerInfo>(server, link, &request)?.map_err(Broken::new)?;
            info.num_pending + info.num_ack_pending as u64
        }
        What::Dead(name) => dead(server, link, topology, &name.value)?.len() as u64,
    })
}

fn info(server: &mut impl Server, link: Link, stream: &str) -> Result<StreamInfo, Broken> {
    get(server, link, &Request::bare(Call::StreamInfo(stream)))?.map_err(Broken::new)
}

/// Sequences of the messages of a consumer that were given up: dead letters, and the server's records of those
/// of which there is none.
fn dead(
    server: &mut impl Server,
    link: Link,
    topology: &Topology,
    name: &ConsumerName,
) -> Result<BTreeSet<u64>, Broken> {
    let mut sequences = BTreeSet::new();
    let declared = topology.consumer(name).and_then(|(_, consumer)| consumer.dead_letter.as_ref());
    let Some(dead) = declared else { return Ok(sequences) };
    let letters = letters(&name.stream, &name.consumer);
    for (subject, _) in messages(server, link, &dead.value, &letters)? {
        sequences.extend(subject.rsplit('.').next().and_then(|last| last.parse::<u64>().ok()));
    }
    for what in GIVEN_UP {
        let subject = record(what, &name.stream, &name.consumer);
        for (_, body) in messages(server, link, &dead.value, &subject)? {
            sequences.extend(body.get("stream_seq").and_then(Json::as_u64));
        }
    }
    Ok(sequences)
}

/// The answer to `STREAM.MSG.GET`.
#[derive(serde::Deserialize)]
struct Got {
    message: StoredMessage,
}

/// Subjects and bodies of the messages of a stream that a filter takes.
fn messages(
    server: &mut impl Server,
    link: Link,
    stream: &str,
    filter: &str,
) -> Result<Vec<(String, Json)>, Broken> {
    let mut found = Vec::new();
    let mut from = 1;
    loop {
        let wanted = serde_json::json!({"seq": from, "next_by_subj": filter});
        let request = Request::new(Call::MessageGet(stream), &wanted);
        let Ok(answer) = get::<Got>(server, link, &request)? else { return Ok(found) };
        let StoredMessage { subject, seq, data, .. } = answer.message;
        let body = STANDARD.decode(data).unwrap_or_default();
        found.push((subject, serde_json::from_slice(&body).unwrap_or_default()));
        from = seq + 1;
    }
}
