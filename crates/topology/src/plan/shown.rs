//! Changes as people read them.

use serde_json::Value as Json;

use super::step::Change;
use crate::quantity::{show_duration, show_size};

impl Change {
    /// The values before and afterwards, with the units that the field has.
    pub fn shown(&self) -> (String, String) {
        (value(&self.field, &self.before), value(&self.field, &self.after))
    }
}

/// A value with the unit that its field has.
fn value(field: &str, value: &Json) -> String {
    let duration = matches!(
        field,
        "max_age"
            | "duplicate_window"
            | "ack_wait"
            | "idle_heartbeat"
            | "inactive_threshold"
            | "max_expires"
            | "priority_timeout"
            | "subject_delete_marker_ttl"
    );
    let size = matches!(field, "max_bytes" | "max_msg_size");
    match (value, value.as_i64()) {
        (Json::Null, _) => "nothing".into(),
        (_, Some(0)) if field == "max_age" => "unlimited".into(),
        (_, Some(-1)) => "unlimited".into(),
        (_, Some(number)) if duration => show_duration(number),
        (_, Some(number)) if size => show_size(number),
        (Json::Array(items), _) if field == "backoff" => {
            let items = items.iter().filter_map(Json::as_i64).map(show_duration);
            format!("[{}]", items.collect::<Vec<_>>().join(", "))
        }
        (Json::String(text), _) => text.clone(),
        (Json::Array(items), _) if items.iter().all(Json::is_string) => {
            let items: Vec<&str> = items.iter().filter_map(Json::as_str).collect();
            format!("[{}]", items.join(", "))
        }
        _ => value.to_string(),
    }
}
