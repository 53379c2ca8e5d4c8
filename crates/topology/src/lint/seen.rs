//! What a server of some version makes of a configuration: fields that it does not know are not
//! there, and what later versions refuse it takes.
//!
//! [`check`](watershed_wire::jetstream::check) is nats-server 2.14's. What others do was seen by
//! asking them; a test asks them again.

use watershed_wire::jetstream::consumer::PriorityPolicy;
use watershed_wire::jetstream::stream::{Discard, PersistMode};
use watershed_wire::jetstream::{ConsumerConfig, StreamConfig};
use watershed_wire::subject::transform;

use crate::version::Version;

/// Fields of streams that came after 2.9, and with what.
pub(crate) const STREAM_FIELDS: &[(&str, Version)] = &[
    ("metadata", Version::newest(2, 10)),
    ("compression", Version::newest(2, 10)),
    ("first_seq", Version::newest(2, 10)),
    ("subject_transform", Version::newest(2, 10)),
    ("consumer_limits", Version::newest(2, 10)),
    ("allow_msg_ttl", Version::newest(2, 11)),
    ("subject_delete_marker_ttl", Version::newest(2, 11)),
    ("allow_msg_counter", Version::newest(2, 12)),
    ("allow_atomic", Version::newest(2, 12)),
    ("allow_msg_schedules", Version::newest(2, 12)),
    ("persist_mode", Version::newest(2, 12)),
    ("allow_batched", Version::newest(2, 14)),
];

/// What the consumer of a mirror or a source came with.
pub(crate) const ORIGIN_CONSUMER: Version = Version::newest(2, 14);

/// The same for consumers.
pub(crate) const CONSUMER_FIELDS: &[(&str, Version)] = &[
    ("metadata", Version::newest(2, 10)),
    ("filter_subjects", Version::newest(2, 10)),
    ("pause_until", Version::newest(2, 11)),
    ("priority_groups", Version::newest(2, 11)),
    ("priority_policy", Version::newest(2, 11)),
    ("priority_timeout", Version::newest(2, 11)),
];

/// Where a stream has destinations of transforms, what they are, and the code under which 2.14 refuses
/// one that is wrong.
pub(crate) fn destinations(config: &StreamConfig) -> Vec<(String, &str, u16)> {
    let mut found = Vec::new();
    if let Some(transform) = &config.subject_transform {
        found.push(("subject_transform.dest".to_owned(), transform.dest.as_str(), 10156));
    }
    if let Some(republish) = &config.republish {
        found.push(("republish.dest".to_owned(), republish.dest.as_str(), 10052));
    }
    let mirror = config.mirror.iter().map(|mirror| ("mirror".to_owned(), mirror, 10154));
    let sources = config.sources.iter().enumerate();
    let sources = sources.map(|(index, source)| (format!("sources.{index}"), source, 10146));
    for (place, origin, code) in mirror.chain(sources) {
        for (index, transform) in origin.subject_transforms.iter().enumerate() {
            let place = format!("{place}.subject_transforms.{index}.dest");
            found.push((place, &transform.dest, code));
        }
    }
    found
}

/// A function of a transform that a server of this version does not know, or not so.
pub(crate) fn lacks_function(destination: &str, target: Version) -> Option<String> {
    let lacks = |(name, arguments): &(String, usize)| match (name.as_str(), arguments) {
        ("random", _) | ("partition", 1) => !target.is_at_least(2, 12, 0),
        // They came late, and to the oldest as well.
        ("left" | "right", _) => target.is_at_least(2, 11, 0) && !target.is_at_least(2, 15, 0),
        _ => false,
    };
    let (name, arguments) = transform::functions(destination).find(lacks)?;
    Some(match name.as_str() {
        "partition" => format!("`partition` with {arguments} argument"),
        name => format!("`{name}`"),
    })
}

/// A stream as a server of this version judges it.
pub(crate) fn stream(config: &StreamConfig, target: Version) -> StreamConfig {
    let mut seen = config.clone();
    if !target.is_at_least(2, 10, 0) {
        seen.metadata.clear();
        seen.first_seq = 0;
        seen.subject_transform = None;
        seen.consumer_limits = StreamConfig::default().consumer_limits;
    }
    if !target.is_at_least(2, 11, 0) {
        seen.allow_msg_ttl = false;
        seen.subject_delete_marker_ttl = 0;
        // A wildcard in front was not held against the API's own subjects.
        seen.subjects.retain(|subject| !subject.starts_with('*'));
        if let Some(placement) = &mut seen.placement {
            placement.preferred.clear();
        }
        // A transform that took everything had to say so.
        for origin in seen.mirror.iter_mut().chain(&mut seen.sources) {
            for transform in origin.subject_transforms.iter_mut().filter(|one| one.src.is_empty()) {
                transform.src.push('.');
            }
        }
    }
    if !target.is_at_least(2, 12, 0) {
        seen.allow_msg_counter = false;
        seen.allow_atomic = false;
        seen.persist_mode = PersistMode::Default;
    }
    if !target.is_at_least(2, 14, 0) {
        // 2.12 has schedules, and looks at little of what goes with them.
        if seen.allow_msg_counter || !target.is_at_least(2, 12, 0) {
            seen.allow_msg_schedules = false;
        } else if seen.allow_msg_schedules {
            seen.discard = Discard::Old;
        }
        seen.allow_batched = false;
        for origin in seen.mirror.iter_mut().chain(&mut seen.sources) {
            origin.consumer = None;
        }
    }
    seen
}

/// The code under which a server of this version says what 2.14 says under `code`.
pub(crate) fn code(code: u16, target: Version) -> u16 {
    match code {
        10146 | 10154 | 10155 | 10156 if !target.is_at_least(2, 11, 0) => 10049,
        code => code,
    }
}

/// A consumer as a server of this version judges it.
pub(crate) fn consumer(config: &ConsumerConfig, target: Version) -> ConsumerConfig {
    let mut seen = config.clone();
    if !target.is_at_least(2, 10, 0) {
        seen.metadata.clear();
        seen.filter_subjects.clear();
    }
    if !target.is_at_least(2, 11, 0) {
        seen.priority_policy = PriorityPolicy::None;
        seen.priority_timeout = 0;
    }
    if !target.is_at_least(2, 12, 0) && seen.priority_policy == PriorityPolicy::None {
        seen.priority_groups.clear();
    }
    seen
}
