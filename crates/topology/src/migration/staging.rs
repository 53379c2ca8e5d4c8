//! The configurations that a stream has on its way. They are made of what the server gave, so that
//! fields which this program does not know stay.

use serde_json::{Map, Value as Json, json};
use watershed_wire::jetstream::change::stream_changes;
use watershed_wire::jetstream::stream::{Retention, Storage, StreamConfig};

use super::mark::{Copied, Parked, park_subject};
use crate::observe::{OURS, plain};
use crate::plan::difference::{METADATA, json as config_json, merged};

/// Fields that no mirror has, and that are given to the copy when it is made a stream of its own.
const LATER: [&str; 7] = [
    "subject_transform",
    "republish",
    "subject_delete_marker_ttl",
    "allow_atomic",
    "allow_batched",
    "no_ack",
    "max_consumers",
];

/// Fields that a copy does without: other streams' messages, marks of its own, and what would keep it from
/// being changed.
const NEVER: [&str; 9] = [
    "subjects",
    "sources",
    "mirror_direct",
    "first_seq",
    "allow_msg_counter",
    "allow_msg_schedules",
    "deny_purge",
    "deny_delete",
    "consumer_limits",
];

/// Fields that say how much a stream takes, and what it does then.
const BOUNDS: [&str; 5] =
    ["discard", "discard_new_per_subject", "max_msgs", "max_bytes", "max_msgs_per_subject"];

pub(super) fn object(config: &Json) -> Map<String, Json> {
    plain(config).as_object().cloned().unwrap_or_default()
}

pub(super) fn set_mark(config: &mut Map<String, Json>, (key, value): (&str, Json)) {
    let metadata = config.entry(METADATA).or_insert_with(|| json!({}));
    if let Some(metadata) = metadata.as_object_mut() {
        metadata.insert(key.to_owned(), value);
    }
}

fn take_marks(config: &mut Map<String, Json>, which: impl Fn(&str) -> bool) {
    if let Some(metadata) = config.get_mut(METADATA).and_then(Json::as_object_mut) {
        metadata.retain(|key, _| !which(key));
    }
}

/// A mirror `name` of a stream that is configured so, with its mark.
pub(crate) fn copy(
    name: &str,
    origin: &Json,
    copied: &Copied,
    storage: Storage,
    retention: Retention,
    limited: bool,
) -> Json {
    let mut config = object(origin);
    for field in LATER.iter().chain(&NEVER) {
        config.remove(*field);
    }
    if !limited {
        for field in ["max_msgs", "max_bytes", "max_msgs_per_subject"] {
            config.insert(field.to_owned(), json!(-1));
        }
        config.insert("max_age".to_owned(), json!(0));
        config.insert("discard".to_owned(), json!("old"));
        config.remove("discard_new_per_subject");
        config.remove("duplicate_window");
    }
    config.insert("name".to_owned(), json!(name));
    config.insert("storage".to_owned(), json!(storage));
    config.insert("retention".to_owned(), json!(retention));
    if copied.sources {
        // It gets its source when it counts as its origin does. Each message gets a header more.
        config.insert("subjects".to_owned(), json!([park_subject(name)]));
        config.insert("max_msg_size".to_owned(), json!(-1));
        if let Some(window) = plain(origin).get("duplicate_window") {
            config.insert("duplicate_window".to_owned(), window.clone());
        }
    } else {
        config.insert("mirror".to_owned(), followed(copied));
    }
    take_marks(&mut config, |key| key.starts_with(OURS));
    set_mark(&mut config, copied.entry());
    Json::Object(config)
}

/// A copy by sources that begins to follow its origin.
pub(crate) fn following(copy: &Json, copied: &Copied) -> Json {
    let mut config = object(copy);
    config.insert("sources".to_owned(), json!([followed(copied)]));
    Json::Object(config)
}

/// What a copy follows. A filter keeps the sequences of a mirror as they are.
fn followed(copied: &Copied) -> Json {
    match copied.moves.as_slice() {
        [] => json!({"name": copied.of}),
        [filter] => json!({"name": copied.of, "filter_subject": filter}),
        filters => {
            let same = |filter: &String| json!({"src": filter, "dest": ""});
            let all: Vec<Json> = filters.iter().map(same).collect();
            json!({"name": copied.of, "subject_transforms": all})
        }
    }
}

/// A copy as it is, with another mark.
pub(crate) fn marked(copy: &Json, copied: &Copied) -> Json {
    let mut config = object(copy);
    set_mark(&mut config, copied.entry());
    Json::Object(config)
}

/// A stream without its subjects, which it notes.
pub(crate) fn parked(stream: &Json, name: &str) -> Json {
    handing(stream, name, Parked::default(), &[])
}

/// A stream that keeps these of its subjects, and notes which it had.
pub(crate) fn handing(stream: &Json, name: &str, note: Parked, keeps: &[String]) -> Json {
    let mut config = object(stream);
    let subjects = config.get("subjects").and_then(Json::as_array).into_iter().flatten();
    let subjects = subjects.filter_map(Json::as_str).map(str::to_owned).collect();
    let sources = config.remove("sources").unwrap_or_default();
    let note = Parked { subjects, sources, ..note };
    let keeps = if keeps.is_empty() { &[park_subject(name)] } else { keeps };
    config.insert("subjects".to_owned(), json!(keeps));
    set_mark(&mut config, note.entry());
    Json::Object(config)
}

/// A stream that has handed something over, and goes on with what it kept.
pub(crate) fn settled(stream: &Json, note: &Parked) -> Json {
    let mut config = object(stream);
    let (key, _) = note.entry();
    take_marks(&mut config, |other| other == key);
    Json::Object(config)
}

/// A parked stream that also takes in what another one has from a sequence on.
pub(crate) fn merging(stream: &Json, other: &str, first: u64) -> Json {
    let mut config = object(stream);
    config.insert("sources".to_owned(), json!([{"name": other, "opt_start_seq": first}]));
    Json::Object(config)
}

/// A stream that was parked, as it was before.
pub(crate) fn unparked(stream: &Json, note: &Parked) -> Json {
    let mut config = object(stream);
    claim(&mut config, note);
    let (key, _) = note.entry();
    take_marks(&mut config, |other| other == key);
    Json::Object(config)
}

fn claim(config: &mut Map<String, Json>, note: &Parked) {
    config.insert("subjects".to_owned(), json!(note.subjects));
    match &note.sources {
        Json::Null => config.remove("sources"),
        sources => config.insert("sources".to_owned(), sources.clone()),
    };
}

/// A copy that is to be a stream of its own, and to take over the subjects of its parked origin. What no
/// mirror has, it gets from `later`.
pub(crate) fn promoted(copy: &Json, copied: &Copied, later: &Json, note: &Parked) -> Json {
    let mut config = object(copy);
    config.remove("mirror");
    config.remove("mirror_direct");
    if copied.sources {
        config.remove("sources");
    }
    for field in LATER {
        match later.get(field) {
            Some(value) => config.insert(field.to_owned(), value.clone()),
            None => config.remove(field),
        };
    }
    // What refuses messages does so from the first one on: a limit that came later would remove some.
    if later.get("discard") == Some(&json!("new")) {
        for field in BOUNDS {
            if let Some(value) = later.get(field) {
                config.insert(field.to_owned(), value.clone());
            }
        }
    }
    if copied.claims.is_empty() {
        claim(&mut config, note);
    } else {
        config.insert("subjects".to_owned(), json!(copied.claims));
    }
    set_mark(&mut config, copied.entry());
    Json::Object(config)
}

/// A promoted copy as it is to be in the end.
pub(crate) fn finished(copy: &Json, now: &StreamConfig, end: &StreamConfig) -> Json {
    let fields: Vec<String> =
        stream_changes(now, end).into_iter().map(|(field, _)| field.to_owned()).collect();
    merged(copy, &config_json(now), &config_json(end), &fields)
}
