//! Configurations as JSON: where two differ, and one with fields of the other.

use std::collections::BTreeSet;

use serde_json::{Map, Value as Json};

use super::mark::DECLARED;
use super::step::Change;
use crate::observe::RESERVED;

/// The fields that differ, with their values; metadata key by key.
pub(super) fn changes(fields: &[&str], before: &Json, after: &Json) -> Vec<Change> {
    let value = |json: &Json, field: &str| json.get(field).cloned().unwrap_or_default();
    let mut changes = Vec::new();
    for field in fields {
        let (before, after) = (value(before, field), value(after, field));
        if *field == METADATA {
            changes.extend(changed_keys(&before, &after));
        } else {
            changes.push(Change { field: (*field).to_owned(), before, after });
        }
    }
    changes
}

fn changed_keys(before: &Json, after: &Json) -> Vec<Change> {
    let names = |json: &Json| json.as_object().into_iter().flat_map(Map::keys).cloned().collect();
    let mut all: BTreeSet<String> = names(before);
    all.append(&mut names(after));
    let value = |json: &Json, key: &str| json.get(key).cloned().unwrap_or_default();
    let changed = all.into_iter().filter_map(|key| {
        let (before, after) = (value(before, &key), value(after, &key));
        let field = format!("{METADATA}.{key}");
        (before != after).then_some(Change { field, before, after })
    });
    let mut changed: Vec<Change> = changed.collect();
    // Which keys were declared follows from the others.
    if changed.len() > 1 {
        changed.retain(|change| change.field != format!("{METADATA}.{DECLARED}"));
    }
    changed
}

/// The live configuration with some fields replaced: what this program does not know stays. Of the
/// metadata, only the keys change in which `seen` and `after` differ.
pub(crate) fn merged(live: &Json, seen: &Json, after: &Json, fields: &[String]) -> Json {
    let mut merged = live.clone();
    let Json::Object(object) = &mut merged else { return after.clone() };
    for field in fields.iter().filter(|field| *field != METADATA) {
        match after.get(field) {
            Some(value) => object.insert(field.clone(), value.clone()),
            None => object.remove(field),
        };
    }
    let mut metadata = keys(live);
    metadata.retain(|key, _| !key.starts_with(RESERVED));
    if fields.iter().any(|field| field == METADATA) {
        let (seen, after) = (keys(seen), keys(after));
        metadata.retain(|key, _| after.contains_key(key) || !seen.contains_key(key));
        let changed = after.into_iter().filter(|(key, value)| seen.get(key) != Some(value));
        metadata.extend(changed);
    }
    object.remove(METADATA);
    if !metadata.is_empty() {
        object.insert(METADATA.to_owned(), Json::Object(metadata));
    }
    merged
}

/// Name of the field whose keys are merged one by one.
pub(crate) const METADATA: &str = "metadata";

fn keys(config: &Json) -> Map<String, Json> {
    config.get(METADATA).and_then(Json::as_object).cloned().unwrap_or_default()
}

pub(crate) fn json(config: &impl serde::Serialize) -> Json {
    serde_json::to_value(config).expect("configurations have no keys but texts")
}
