//! What a copy by sources does not keep, on servers that make no stream of its own of a mirror (before nats-server 2.12).

use watershed_wire::jetstream::stream::{Discard, StreamConfig, StreamInfo};

use super::loss::follows;
use crate::migration::{Copied, position};
use crate::observe::{Observed, ObservedConsumer, ObservedStream};
use crate::quantity::{about, show_count, show_duration, show_messages};

/// Bytes of the header that says where a message was, besides the name of the stream that had it.
const HEADER: u64 = 64;

/// Most positions that are named.
const POSITIONS_MAX: usize = 3;

/// Why the stream `name` cannot become `after` in this way.
pub(super) fn obstacle(
    name: &str,
    before: &StreamConfig,
    after: &StreamConfig,
    observed: &Observed,
) -> Option<String> {
    let version = &observed.server.version;
    if !before.sources.is_empty() || !after.sources.is_empty() {
        return Some(format!(
            "`{name}` has sources, and nats-server {version} copies by sources, too: how far it has taken from its own \
             would be lost; 2.12 and later keep it"
        ));
    }
    // A copy of ours is on its way to be one of its own.
    let is_copy = |other: &ObservedStream| {
        Copied::of(&other.info.config.metadata).is_some_and(|copied| copied.of == name)
    };
    let follows = |other: &ObservedStream| follows(&other.info.config, name) && !is_copy(other);
    let follower = observed.streams.iter().find(|(_, other)| follows(other));
    follower.map(|(follower, _)| {
        format!(
            "`{follower}` copies `{name}`, whose sequences change on nats-server {version}: it would miss messages; 2.12 \
             and later keep them"
        )
    })
}

/// What does not fit any more, as each message gets a header.
pub(super) fn of_growing(after: &StreamConfig, info: &StreamInfo) -> Option<String> {
    let state = &info.state;
    let grown = state.bytes.saturating_add(growth(info));
    let most = u64::try_from(after.max_bytes).ok().filter(|most| *most > 0)?;
    // What is above it now is counted elsewhere.
    (after.discard == Discard::Old && state.bytes <= most && grown > most).then(|| {
        let over = about(grown - most);
        format!("the oldest messages, about {over}: each of them gets a header, and `max_bytes` is less then")
    })
}

fn growth(info: &StreamInfo) -> u64 {
    let name = info.config.name.len() as u64 + "watershed_migrates_".len() as u64;
    info.state.messages.saturating_mul(HEADER + name)
}

/// What there is to know.
pub(super) fn notes(
    after: &StreamConfig,
    info: &StreamInfo,
    durable: &[(&String, &ObservedConsumer)],
    version: &str,
) -> Vec<String> {
    let state = &info.state;
    let held = show_messages(state.messages);
    let gaps = state.num_deleted;
    let sequences = if gaps > 0 {
        format!("sequences change by the gaps ({} gone in between)", show_messages(gaps))
    } else {
        "sequences stay, unless something is deleted in between meanwhile".to_owned()
    };
    let mut notes = vec![format!(
        "nats-server {version} copies by sources: {held} get new times and a header `Nats-Stream-Source`, about {} in \
         all; {sequences}",
        about(growth(info))
    )];
    if after.max_age > 0 && state.messages > 0 {
        notes.push(format!(
            "their age counts from then on: what would have gone by `max_age` stays up to {} longer",
            show_duration(after.max_age)
        ));
    }
    if !durable.is_empty() && gaps > 0 {
        let named = durable.iter().take(POSITIONS_MAX);
        let mut at: Vec<String> =
            named.map(|(name, one)| format!("`{name}` at {}", position(&one.info))).collect();
        if let Some(more @ 1..) = durable.len().checked_sub(POSITIONS_MAX) {
            at.push(show_count(more, "other"));
        }
        notes.push(format!("consumers go on at the same messages ({} now)", at.join(", ")));
    }
    notes.push(format!(
        "message ids: those of {held} are looked at first, and where one is there twice, nothing is done; what was stored \
         before is known for the `duplicate_window` once more"
    ));
    if after.name.starts_with("KV_") {
        notes.push("revisions of keys are sequences: they change".into());
    }
    notes
}
