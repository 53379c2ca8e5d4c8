//! Streams.

use std::collections::BTreeMap;

use super::super::error::table;
use super::super::stream::{
    Discard, PersistMode, Placement, Retention, Storage, StreamConfig, SubjectTransform,
};
use super::apart::{Apart, problem, too_many};
use super::bounds::real;
use super::{Bounds, DURATION_MIN, SECOND, Violation, origins};
use crate::ident::{NameError, name_problem};
use crate::limits::{DESCRIPTION_BYTES_MAX, METADATA_BYTES_MAX, NAME_BYTES_MAX, SEQUENCE_MAX};
use crate::subject::transform::Transform;
use crate::subject::{self, Relation};

/// How long message ids are remembered unless the configuration says otherwise.
const DUPLICATE_WINDOW: i64 = 120 * SECOND;

/// Most copies of a stream in a cluster.
const REPLICAS_MAX: i64 = 5;

/// Fills in what an absent field means within `bounds`.
pub fn fill_stream(config: &mut StreamConfig, bounds: &Bounds) {
    for limit in [
        &mut config.max_consumers,
        &mut config.max_msgs,
        &mut config.max_bytes,
        &mut config.max_msgs_per_subject,
    ] {
        if *limit <= 0 {
            *limit = -1;
        }
    }
    config.placement.take_if(|placement| *placement == Placement::default());
    if config.max_msg_size <= 0 {
        config.max_msg_size = -1;
    }
    if config.num_replicas == 0 {
        config.num_replicas = 1;
    }
    let origin = config.mirror.is_some() || !config.sources.is_empty();
    if config.subjects.is_empty() && !origin {
        config.subjects.push(config.name.clone());
    }
    if config.duplicate_window == 0 && config.mirror.is_none() && config.sources.is_empty() {
        let window =
            real(bounds.duplicate_window).unwrap_or(DUPLICATE_WINDOW).min(DUPLICATE_WINDOW);
        config.duplicate_window =
            if config.max_age > 0 { window.min(config.max_age) } else { window };
    }
    // A marker is a message with a time to live that replaces what it marks.
    if config.subject_delete_marker_ttl > 0 {
        config.allow_msg_ttl = true;
    }
    let replaces = config.subject_delete_marker_ttl > 0 || config.allow_msg_schedules;
    if replaces && !config.allow_rollup_hdrs {
        // Whoever asks for roll-ups by name and denies purges is refused.
        config.allow_rollup_hdrs = true;
        config.deny_purge = false;
    }
    if config.sealed {
        config.max_age = 0;
        config.discard = Discard::New;
        config.deny_delete = true;
        config.deny_purge = true;
        config.allow_rollup_hdrs = false;
    }
}

/// Fills in what a mirror takes over from its origin in the same account, whatever it says itself:
/// it answers direct gets for the origin if the origin answers them.
pub fn fill_mirror(config: &mut StreamConfig, origin: &StreamConfig) {
    if config.mirror.is_some() {
        config.mirror_direct = origin.allow_direct;
    }
}

/// The rules that an existing stream breaks with its new configuration, which was
/// [filled](fill_stream). A stream that is no mirror any more may keep `mirror_direct`.
pub fn stream_update(config: &StreamConfig) -> Vec<Violation> {
    let mut found = stream(config);
    found.retain(|violation| violation.field != "mirror_direct");
    found
}

/// The rules that a new stream breaks by itself; `config` was [filled](fill_stream).
pub fn stream(config: &StreamConfig) -> Vec<Violation> {
    let mut found = Vec::new();
    texts(config, &mut found);
    limits(config, &mut found);
    subjects(&config.subjects, config.no_ack, &mut found);
    origins::origins(config, &mut found);
    features(config, &mut found);
    found
}

fn texts(config: &StreamConfig, found: &mut Vec<Violation>) {
    match name_problem(&config.name) {
        None => {}
        Some(NameError::TooLong) => {
            let text = format!("stream name is too long, maximum allowed is {NAME_BYTES_MAX}");
            found.push(Violation::invalid("name", text));
        }
        Some(NameError::Empty | NameError::Character) => {
            found.push(Violation::invalid(
                "name",
                "stream name is required and can not contain '.', '*', '>', '\\', '/'",
            ));
        }
    }
    if config.description.len() > DESCRIPTION_BYTES_MAX {
        let text =
            format!("stream description is too long, maximum allowed is {DESCRIPTION_BYTES_MAX}");
        found.push(Violation::invalid("description", text));
    }
    if metadata_bytes(&config.metadata) > METADATA_BYTES_MAX {
        let text = format!("stream metadata exceeds maximum size of {METADATA_BYTES_MAX} bytes");
        found.push(Violation::invalid("metadata", text));
    }
}

pub(super) fn metadata_bytes(metadata: &BTreeMap<String, String>) -> usize {
    metadata.iter().map(|(key, value)| key.len() + value.len()).sum()
}

fn limits(config: &StreamConfig, found: &mut Vec<Violation>) {
    if config.num_replicas < 0 {
        found.push(Violation::new("num_replicas", table::REPLICAS_COUNT_CANNOT_BE_NEGATIVE));
    }
    if config.num_replicas > REPLICAS_MAX {
        found.push(Violation::invalid(
            "num_replicas",
            format!("maximum replicas is {REPLICAS_MAX}"),
        ));
    }
    if config.first_seq > SEQUENCE_MAX {
        // nats-server takes any, and counts on from 0 behind the highest.
        let text = format!("first sequence can not be larger than {SEQUENCE_MAX}");
        found.push(Violation::invalid("first_seq", text));
    }
    let age = config.max_age;
    if age < 0 {
        found.push(Violation::invalid("max_age", "max age can not be negative"));
    } else if age > 0 && age < DURATION_MIN {
        found.push(Violation::invalid("max_age", "max age needs to be >= 100ms"));
    }
    let window = config.duplicate_window;
    if window < 0 {
        found.push(Violation::invalid("duplicate_window", "duplicates window can not be negative"));
    } else if config.max_age > 0 && window > config.max_age {
        let text = "duplicates window can not be larger then max age";
        found.push(Violation::invalid("duplicate_window", text));
    } else if window > 0 && window < DURATION_MIN && config.max_age == 0 {
        found
            .push(Violation::invalid("duplicate_window", "duplicates window needs to be >= 100ms"));
    }
    if config.discard_new_per_subject {
        if config.discard != Discard::New {
            let text = "discard new per subject requires discard new policy to be set";
            found.push(Violation::invalid("discard", text));
        } else if config.max_msgs_per_subject <= 0 {
            let text = "discard new per subject requires max msgs per subject > 0";
            found.push(Violation::invalid("max_msgs_per_subject", text));
        }
    }
}

fn subjects(list: &[String], no_ack: bool, found: &mut Vec<Violation>) {
    if let Some(violation) = too_many(list.len(), "subjects", table::STREAM_INVALID_CONFIG) {
        found.push(violation);
        return;
    }
    let mut apart = Apart::new(list.iter().map(String::as_str));
    // The linter shows all pairs by itself; a server refuses with the first.
    let mut searching = true;
    for (index, filter) in list.iter().enumerate() {
        if let Some(text) = problem(filter) {
            found.push(Violation::invalid("subjects", text));
            continue;
        }
        if searching {
            let overlap = apart.first_behind(index, filter, &[Relation::Overlaps]);
            searching = overlap == Ok(None);
            found.extend(match overlap {
                Ok(None) => None,
                Ok(Some(other)) => {
                    let text = format!("subject \"{filter}\" overlaps with \"{other}\"");
                    Some(Violation::invalid("subjects", text))
                }
                Err(error) => Some(Violation::invalid("subjects", error)),
            });
        }
        if !no_ack && let Some(text) = reserved(filter) {
            found.push(Violation::invalid("subjects", text));
        }
    }
}

/// Why a stream that answers publishes cannot take `filter`: it would answer the server itself.
fn reserved(filter: &str) -> Option<&'static str> {
    let overlaps = |reserved: &str| subject::overlaps(filter.as_bytes(), reserved.as_bytes());
    let inside = |open: &str| subject::contains(open.as_bytes(), filter.as_bytes());
    if filter == ">" {
        return Some("capturing all subjects requires no-ack to be true");
    }
    let jetstream = ["$JS.>", "$JSC.>", "$NRG.>"].into_iter().any(overlaps);
    if jetstream && !inside("$JS.EVENT.>") {
        return Some("subjects that overlap with jetstream api require no-ack to be true");
    }
    if overlaps("$SYS.>") && !inside("$SYS.ACCOUNT.>") {
        return Some("subjects that overlap with system api require no-ack to be true");
    }
    None
}

fn features(config: &StreamConfig, found: &mut Vec<Violation>) {
    persistence(config, found);
    let mut refuse = |field, conflict: bool, text: &str| {
        if conflict {
            found.push(Violation::invalid(field, text));
        }
    };
    let marker = config.subject_delete_marker_ttl;
    refuse(
        "subject_delete_marker_ttl",
        marker < 0,
        "subject delete marker TTL must not be negative",
    );
    refuse(
        "subject_delete_marker_ttl",
        marker > 0 && marker < SECOND,
        "subject delete marker TTL must be at least 1 second",
    );
    refuse(
        "subject_delete_marker_ttl",
        marker > 0 && config.mirror.is_some(),
        "subject delete markers forbidden on mirrors",
    );
    refuse(
        "allow_rollup_hdrs",
        config.deny_purge && config.allow_rollup_hdrs,
        "roll-ups require the purge permission",
    );
    if config.allow_msg_counter {
        refuse("discard", config.discard == Discard::New, "counter stream cannot use discard new");
        refuse("allow_msg_ttl", config.allow_msg_ttl, "counter stream cannot use message TTLs");
        refuse(
            "retention",
            config.retention != Retention::Limits,
            "counter stream can only use limits retention",
        );
    }
    if config.allow_msg_schedules {
        refuse(
            "discard",
            config.discard == Discard::New,
            "message scheduling cannot use discard new",
        );
        refuse(
            "allow_msg_schedules",
            config.allow_msg_counter,
            "counter stream cannot use message schedules",
        );
    }
    let preferred = config.placement.as_ref().is_some_and(|place| !place.preferred.is_empty());
    refuse("placement", preferred, "preferred server not permitted in placement");
    transforms(config, found);
}

fn transforms(config: &StreamConfig, found: &mut Vec<Violation>) {
    let republish = config.republish.as_ref().filter(|republish| !republish.dest.is_empty());
    if let Some(republish) = republish {
        let cycle = config.subjects.iter().any(|own| {
            subject::is_valid(republish.dest.as_bytes())
                && subject::overlaps(own.as_bytes(), republish.dest.as_bytes())
        });
        let source = if republish.src.is_empty() { ">" } else { &republish.src };
        if cycle {
            let text = "stream configuration for republish destination forms a cycle";
            found.push(Violation::invalid("republish.dest", text));
        } else if Transform::new(source, &republish.dest).is_err() {
            let text = format!(
                "stream configuration for republish with transform from '{source}' to '{}' not valid",
                republish.dest
            );
            found.push(Violation::invalid("republish.dest", text));
        }
    }
    let Some(SubjectTransform { src, dest }) = &config.subject_transform else { return };
    if !src.is_empty() && !subject::is_valid(src.as_bytes()) {
        let error = table::STREAM_TRANSFORM_INVALID_SOURCE.with(format!("invalid subject {src}"));
        found.push(Violation::new("subject_transform.src", error));
    } else if !dest.is_empty()
        && let Err(error) = Transform::new(src, dest)
    {
        let error = table::STREAM_TRANSFORM_INVALID_DESTINATION.with(error);
        found.push(Violation::new("subject_transform.dest", error));
    }
}

fn persistence(config: &StreamConfig, found: &mut Vec<Violation>) {
    if config.persist_mode != PersistMode::Async {
        return;
    }
    let conflicts = [
        (config.storage == Storage::Memory, "async persist mode is only supported on file storage"),
        (config.num_replicas > 1, "async persist mode is not supported on replicated streams"),
        (config.allow_atomic, "async persist mode is not supported with atomic batch publish"),
    ];
    for (_, text) in conflicts.into_iter().filter(|(conflict, _)| *conflict) {
        found.push(Violation::invalid("persist_mode", text));
    }
}
