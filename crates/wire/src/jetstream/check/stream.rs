//! Streams.

use std::collections::BTreeMap;

use super::super::error::table;
use super::super::stream::{Discard, PersistMode, Retention, Storage, StreamConfig, StreamSource};
use super::{DURATION_MIN, SECOND, Violation};
use crate::ident::{NameError, name_problem};
use crate::limits::{DESCRIPTION_BYTES_MAX, METADATA_BYTES_MAX, NAME_BYTES_MAX};
use crate::subject;

/// How long message ids are remembered unless the configuration says otherwise.
const DUPLICATE_WINDOW: i64 = 120 * SECOND;

/// Most copies of a stream in a cluster.
const REPLICAS_MAX: i64 = 5;

/// Fills in what an absent field means.
pub fn fill_stream(config: &mut StreamConfig) {
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
        config.duplicate_window = match config.max_age {
            1..DUPLICATE_WINDOW => config.max_age,
            _ => DUPLICATE_WINDOW,
        };
    }
    // A marker is a message with a time to live that replaces what it marks.
    if config.subject_delete_marker_ttl > 0 {
        config.allow_msg_ttl = true;
        config.allow_rollup_hdrs = true;
    }
    if config.allow_msg_schedules {
        config.allow_rollup_hdrs = true;
    }
    if config.sealed {
        config.max_age = 0;
        config.discard = Discard::New;
        config.deny_delete = true;
        config.deny_purge = true;
        config.allow_rollup_hdrs = false;
    }
}

/// The rules that a stream breaks by itself; `config` was [filled](fill_stream).
pub fn stream(config: &StreamConfig) -> Vec<Violation> {
    let mut found = Vec::new();
    texts(config, &mut found);
    limits(config, &mut found);
    subjects(&config.subjects, config.no_ack, &mut found);
    origins(config, &mut found);
    features(config, &mut found);
    found
}

fn invalid(field: &'static str, text: impl std::fmt::Display) -> Violation {
    Violation::new(field, table::STREAM_INVALID_CONFIG.with(text))
}

fn texts(config: &StreamConfig, found: &mut Vec<Violation>) {
    match name_problem(&config.name) {
        None => {}
        Some(NameError::TooLong) => {
            let text = format!("stream name is too long, maximum allowed is {NAME_BYTES_MAX}");
            found.push(invalid("name", text));
        }
        Some(NameError::Empty | NameError::Character) => {
            found.push(invalid("name", "stream name is required and can not contain '.', '*', '>', path separators or white space"));
        }
    }
    if config.description.len() > DESCRIPTION_BYTES_MAX {
        let text =
            format!("stream description is too long, maximum allowed is {DESCRIPTION_BYTES_MAX}");
        found.push(invalid("description", text));
    }
    if metadata_bytes(&config.metadata) > METADATA_BYTES_MAX {
        let text = format!("stream metadata exceeds maximum size of {METADATA_BYTES_MAX} bytes");
        found.push(invalid("metadata", text));
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
        found.push(invalid("num_replicas", format!("maximum replicas is {REPLICAS_MAX}")));
    }
    let age = config.max_age;
    if age < 0 {
        found.push(invalid("max_age", "max age can not be negative"));
    } else if age > 0 && age < DURATION_MIN {
        found.push(invalid("max_age", "max age needs to be >= 100ms"));
    }
    let window = config.duplicate_window;
    if window < 0 {
        found.push(invalid("duplicate_window", "duplicates window can not be negative"));
    } else if config.max_age > 0 && window > config.max_age {
        let text = "duplicates window can not be larger then max age";
        found.push(invalid("duplicate_window", text));
    } else if window > 0 && window < DURATION_MIN && config.max_age == 0 {
        found.push(invalid("duplicate_window", "duplicates window needs to be >= 100ms"));
    }
    if config.discard_new_per_subject {
        if config.discard != Discard::New {
            let text = "discard new per subject requires discard new policy to be set";
            found.push(invalid("discard", text));
        } else if config.max_msgs_per_subject <= 0 {
            let text = "discard new per subject requires max msgs per subject > 0";
            found.push(invalid("max_msgs_per_subject", text));
        }
    }
}

fn subjects(list: &[String], no_ack: bool, found: &mut Vec<Violation>) {
    for (index, filter) in list.iter().enumerate() {
        if !subject::is_valid(filter.as_bytes()) {
            found.push(invalid("subjects", "invalid subject"));
            continue;
        }
        let others = list.iter().skip(index + 1);
        for other in others.filter(|other| subject::is_valid(other.as_bytes())) {
            if subject::overlaps(filter.as_bytes(), other.as_bytes()) {
                let text = format!("subject \"{filter}\" overlaps with \"{other}\"");
                found.push(invalid("subjects", text));
            }
        }
        if !no_ack && let Some(text) = reserved(filter) {
            found.push(invalid("subjects", text));
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

fn origins(config: &StreamConfig, found: &mut Vec<Violation>) {
    if let Some(mirror) = &config.mirror {
        let conflicts = [
            (!config.subjects.is_empty(), "subjects", table::MIRROR_WITH_SUBJECTS),
            (!config.sources.is_empty(), "sources", table::MIRROR_WITH_SOURCES),
            (config.first_seq > 0, "first_seq", table::MIRROR_WITH_FIRST_SEQ),
            (config.allow_msg_counter, "allow_msg_counter", table::MIRROR_WITH_COUNTERS),
            (config.allow_atomic, "allow_atomic", table::MIRROR_WITH_ATOMIC_PUBLISH),
            (config.allow_msg_schedules, "allow_msg_schedules", table::MIRROR_WITH_MSG_SCHEDULES),
        ];
        for (_, field, error) in conflicts.into_iter().filter(|(conflict, ..)| *conflict) {
            found.push(Violation::new(field, error));
        }
        if name_problem(&mirror.name).is_some() {
            found.push(Violation::new("mirror", table::MIRROR_INVALID_STREAM_NAME));
        }
        if !mirror.filter_subject.is_empty() && !mirror.subject_transforms.is_empty() {
            found.push(Violation::new("mirror", table::MIRROR_MULTIPLE_FILTERS_NOT_ALLOWED));
        }
        filter(mirror, "mirror", found);
    } else if config.mirror_direct {
        let text = "stream has no mirror but does have mirror direct";
        found.push(invalid("mirror_direct", text));
    }
    if config.allow_msg_schedules && !config.sources.is_empty() {
        found.push(Violation::new("sources", table::SOURCE_WITH_MSG_SCHEDULES));
    }
    for (index, source) in config.sources.iter().enumerate() {
        if name_problem(&source.name).is_some() {
            found.push(Violation::new("sources", table::SOURCE_INVALID_STREAM_NAME));
        }
        let same = |other: &StreamSource| {
            (&other.name, &other.filter_subject, &other.subject_transforms, &other.external)
                == (
                    &source.name,
                    &source.filter_subject,
                    &source.subject_transforms,
                    &source.external,
                )
        };
        if config.sources.iter().take(index).any(same) {
            found.push(Violation::new("sources", table::SOURCE_DUPLICATE_DETECTED));
        }
        if !source.filter_subject.is_empty() && !source.subject_transforms.is_empty() {
            found.push(Violation::new("sources", table::SOURCE_MULTIPLE_FILTERS_NOT_ALLOWED));
        }
        filter(source, "sources", found);
    }
}

fn filter(source: &StreamSource, field: &'static str, found: &mut Vec<Violation>) {
    let filter = &source.filter_subject;
    if !filter.is_empty() && !subject::is_valid(filter.as_bytes()) {
        let text = format!("subject filter '{filter}' for the source: invalid subject");
        found.push(Violation::new(field, table::STREAM_CREATE.with(text)));
    }
}

fn features(config: &StreamConfig, found: &mut Vec<Violation>) {
    persistence(config, found);
    let mut refuse = |field, conflict: bool, text: &str| {
        if conflict {
            found.push(invalid(field, text));
        }
    };
    let marker = config.subject_delete_marker_ttl;
    refuse(
        "subject_delete_marker_ttl",
        marker != 0 && marker < SECOND,
        "subject delete marker TTL must be at least 1 second",
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
    if let Some(republish) = &config.republish {
        let cycle = config.subjects.iter().any(|own| {
            subject::is_valid(republish.dest.as_bytes())
                && subject::overlaps(own.as_bytes(), republish.dest.as_bytes())
        });
        refuse("republish", cycle, "stream configuration for republish destination forms a cycle");
    }
    if let Some(transform) = &config.subject_transform
        && !transform.src.is_empty()
        && !subject::is_valid(transform.src.as_bytes())
    {
        let text = format!("invalid subject {}", transform.src);
        found.push(Violation::new(
            "subject_transform",
            table::STREAM_TRANSFORM_INVALID_SOURCE.with(text),
        ));
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
        found.push(invalid("persist_mode", text));
    }
}
