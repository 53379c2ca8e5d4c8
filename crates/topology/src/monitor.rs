//! Thresholds for checks, as metadata: the keys that `nats server check` looks for on streams and
//! consumers.

use serde_json::{Map, Value as Json};
use watershed_wire::time::go_duration;

use crate::schema::{Field, Kind};

/// Begins every such key.
pub const MONITOR: &str = "io.nats.monitor.";

/// The key of the threshold `name`.
pub fn key(name: &str) -> String {
    format!("{MONITOR}{}", name.replace('_', "-"))
}

/// What stands behind the key: a number, a word, or a duration in Go's units.
pub fn value(said: &Json, kind: Kind) -> String {
    match (kind, said.as_i64()) {
        (Kind::Duration, Some(nanos)) => go_duration(nanos),
        _ => said.to_string(),
    }
}

/// The thresholds among an asset's metadata, taken out of it: what the language can say, and says
/// in the same words.
pub(crate) fn take(metadata: &mut Map<String, Json>, thresholds: &[Field]) -> Map<String, Json> {
    let mut found = Map::new();
    for field in thresholds {
        let key = key(field.name);
        let Some(text) = metadata.get(&key).and_then(Json::as_str) else { continue };
        let said = match field.kind {
            Kind::Flag => text.parse::<bool>().ok().map(Json::from),
            Kind::Duration => crate::quantity::duration(text).ok().map(Json::from),
            _ => text.parse::<i64>().ok().map(Json::from),
        };
        if let Some(said) = said.filter(|said| value(said, field.kind) == text) {
            found.insert(field.name.to_owned(), said);
        }
    }
    // Without it, the language would add it.
    if !found.contains_key("enabled") {
        return Map::new();
    }
    for name in found.keys() {
        metadata.remove(&key(name));
    }
    if found.len() > 1 {
        found.retain(|name, said| name != "enabled" || *said != Json::Bool(true));
    }
    found
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::schema::CONSUMER_MONITOR;

    #[test]
    fn only_what_would_come_back_the_same_is_taken_out() {
        let metadata = |value: Json| value.as_object().unwrap().clone();
        let mut all = metadata(json!({
            "io.nats.monitor.enabled": "true",
            "io.nats.monitor.waiting-critical": "10",
            "io.nats.monitor.last-ack-critical": "90s",
            "team": "a",
        }));
        let found = take(&mut all, CONSUMER_MONITOR);
        assert_eq!(Json::from(found), json!({"waiting_critical": 10}));
        let left = json!({"io.nats.monitor.last-ack-critical": "90s", "team": "a"});
        assert_eq!(Json::from(all), left);
        let mut not_looked_at = metadata(json!({"io.nats.monitor.waiting-critical": "10"}));
        assert_eq!(take(&mut not_looked_at, CONSUMER_MONITOR), Map::new());
        assert_eq!(not_looked_at.len(), 1);
    }
}
