//! Configurations as JSON: where two differ, and one with fields of the other.

use serde_json::Value as Json;

use super::step::Change;
use crate::observe::RESERVED;

/// The fields that differ, with their values.
pub(super) fn changes(fields: &[&str], before: &Json, after: &Json) -> Vec<Change> {
    let value = |json: &Json, field: &str| json.get(field).cloned().unwrap_or_default();
    let change = |field: &&str| Change {
        field: (*field).to_owned(),
        before: value(before, field),
        after: value(after, field),
    };
    fields.iter().map(change).collect()
}

/// The live configuration with some fields replaced: what this program does not know stays.
pub(super) fn merged(live: &Json, desired: &Json, fields: &[&str]) -> Json {
    let mut merged = live.clone();
    let Json::Object(object) = &mut merged else { return desired.clone() };
    for field in fields {
        match desired.get(field) {
            Some(value) => object.insert((*field).to_owned(), value.clone()),
            None => object.remove(*field),
        };
    }
    if let Some(Json::Object(metadata)) = object.get_mut("metadata") {
        metadata.retain(|key, _| !key.starts_with(RESERVED));
    }
    merged
}

pub(super) fn json(config: &impl serde::Serialize) -> Json {
    serde_json::to_value(config).expect("configurations have no keys but texts")
}
