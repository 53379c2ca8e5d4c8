//! What the language has beside the API's fields: protection, thresholds for checks, a probe, dead
//! letters.

use std::collections::BTreeMap;

use serde_json::{Map, Value as Json};

use super::fields::{Fields, Reader};
use crate::dead_letter::{GIVEN_UP, letters, record};
use crate::model::{Stream, Topology};
use crate::monitor::{key, value};
use crate::schema::{CONSUMER_MONITOR, Field, STREAM_MONITOR};
use crate::source::{Span, Spanned};

/// What was said of an asset that is no field of the API.
#[derive(Debug, Default)]
pub(super) struct Own {
    /// Whether no flag may delete it.
    pub(super) protect: bool,
    /// Name that it had before.
    pub(super) was: Option<Spanned<String>>,
    /// Subject that may be tried out.
    pub(super) probe: Option<Spanned<String>>,
    /// Stream that keeps what is given up.
    pub(super) dead_letter: Option<Spanned<String>>,
}

impl Own {
    /// Takes it out of a stream's or a bucket's fields.
    pub(super) fn of_stream(reader: &mut Reader, fields: &mut Fields) -> Self {
        Self::take(reader, fields, STREAM_MONITOR)
    }

    /// Takes it out of a consumer's fields.
    pub(super) fn of_consumer(reader: &mut Reader, fields: &mut Fields) -> Self {
        Self::take(reader, fields, CONSUMER_MONITOR)
    }

    fn take(reader: &mut Reader, fields: &mut Fields, thresholds: &[Field]) -> Self {
        let protect = fields.json.remove("protect") == Some(Json::Bool(true));
        let was = text(fields, "was");
        let probe = text(fields, "probe");
        let dead_letter = text(fields, "dead_letter");
        if let Some(Json::Object(monitor)) = fields.json.remove("monitor") {
            into_metadata(reader, fields, monitor, thresholds);
        }
        Self { protect, was, probe, dead_letter }
    }
}

fn text(fields: &mut Fields, name: &str) -> Option<Spanned<String>> {
    let text = fields.json.remove(name)?.as_str()?.to_owned();
    Some(Spanned::new(text, fields.place(name)))
}

/// Thresholds as the metadata in which checks look for them.
fn into_metadata(
    reader: &mut Reader,
    fields: &mut Fields,
    mut monitor: Map<String, Json>,
    thresholds: &[Field],
) {
    // Whoever names a threshold wants it looked at.
    monitor.entry("enabled").or_insert(Json::Bool(true));
    let mut metadata = match fields.json.remove("metadata") {
        Some(Json::Object(metadata)) => metadata,
        _ => Map::new(),
    };
    for field in thresholds {
        let Some(said) = monitor.get(field.name) else { continue };
        let written = fields.places.get(&format!("monitor.{}", field.name)).copied();
        let span = written.unwrap_or_else(|| fields.place("monitor"));
        let key = key(field.name);
        if metadata.contains_key(&key) {
            let message = format!("`monitor.{}` and `metadata` both say `{key}`", field.name);
            reader.error("F004", span, message);
        }
        fields.places.insert(format!("metadata.{key}"), span);
        metadata.insert(key, value(said, field.kind).into());
    }
    fields.places.retain(|path, _| !path.starts_with("monitor"));
    fields.json.insert("metadata".into(), metadata.into());
}

/// Says which names that streams had before are still names of streams.
pub(super) fn renames(reader: &mut Reader, topology: &Topology) {
    for stream in &topology.streams {
        let Some(was) = &stream.was else { continue };
        let same = |other: &&Stream| {
            other.was.as_ref().is_some_and(|its| its.value == was.value && its.span != was.span)
        };
        let message = if topology.stream(&was.value).is_some() {
            format!("`{}` is declared: a stream that has got another name is not", was.value)
        } else if let Some(other) = topology.streams.iter().find(same) {
            format!("`{}` was `{}`, too", other.name.value, was.value)
        } else {
            continue;
        };
        reader.error("F004", was.span, message);
    }
}

/// Lets streams that keep dead letters store them, and what the server says of them: of each consumer
/// that names them, or of all of a stream's at once, where all of them do.
pub(super) fn dead_letters(topology: &mut Topology) {
    let mut wanted: BTreeMap<String, Vec<(String, Span)>> = BTreeMap::new();
    for stream in &topology.streams {
        let mut targets = stream.consumers.iter().map(|one| one.dead_letter.as_ref());
        let first = targets.next().flatten().filter(|_| !stream.is_placeholder());
        let shared = first
            .filter(|first| targets.all(|one| one.is_some_and(|one| one.value == first.value)));
        let each = stream.consumers.iter().filter_map(|consumer| {
            Some((consumer.name.value.as_str(), consumer.dead_letter.as_ref()?))
        });
        let said: Vec<_> = match shared {
            Some(target) => vec![("*", target)],
            None => each.collect(),
        };
        for (consumer, target) in said {
            let name = &stream.name.value;
            let records = GIVEN_UP.map(|what| record(what, name, consumer));
            let all = records.into_iter().chain([letters(name, consumer)]);
            let subjects = wanted.entry(target.value.clone()).or_default();
            subjects.extend(all.map(|subject| (subject, target.span)));
        }
    }
    for stream in topology.streams.iter_mut().filter(|stream| !stream.is_placeholder()) {
        if let Some(subjects) = wanted.remove(&stream.name.value) {
            stream.also_store(subjects);
        }
    }
}
