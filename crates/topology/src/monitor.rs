//! Thresholds for checks, as metadata: the keys that `nats server check` looks for on streams and
//! consumers.

use std::fmt::Write as _;

use serde_json::{Map, Value as Json};

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
        (Kind::Duration, Some(nanos)) => duration(nanos),
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

/// A duration as Go reads it: there is no unit above the hour.
fn duration(nanos: i64) -> String {
    const UNITS: [(&str, i64); 6] = [
        ("h", 3_600_000_000_000),
        ("m", 60_000_000_000),
        ("s", 1_000_000_000),
        ("ms", 1_000_000),
        ("us", 1_000),
        ("ns", 1),
    ];
    let mut text = String::new();
    let mut left = nanos;
    for (unit, size) in UNITS {
        if left >= size {
            let _ = write!(text, "{}{unit}", left / size);
            left %= size;
        }
    }
    if text.is_empty() { "0s".into() } else { text }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::schema::CONSUMER_MONITOR;

    #[test]
    fn durations_are_in_units_that_go_knows() {
        for (nanos, text) in [
            (0, "0s"),
            (90_000_000_000, "1m30s"),
            (7 * 86_400_000_000_000, "168h"),
            (1_500_000, "1ms500us"),
        ] {
            assert_eq!(duration(nanos), text);
        }
    }

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
