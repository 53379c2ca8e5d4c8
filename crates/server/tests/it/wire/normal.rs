//! A message without what is never the same twice.

use serde_json::Value;

use super::talk::Message;

/// Fields that say when something was, or are made up.
const FIELDS: [&str; 14] = [
    "created",
    "ts",
    "first_ts",
    "last_ts",
    "time",
    "timestamp",
    "last_active",
    "pinned_ts",
    "pause_remaining",
    "active",
    "_nats.ver",
    "pinned_client_id",
    "api",
    "leader",
];

pub(super) fn normal(head: &str, header: &[u8], payload: &[u8]) -> Message {
    let head: Vec<String> = head.split(' ').map(subject).collect();
    let header = String::from_utf8_lossy(header);
    let mut headers: Vec<String> = header.split("\r\n").map(field).collect();
    if let Some(rest) = headers.get_mut(1..) {
        rest.sort();
    }
    headers.retain(|line| !line.is_empty());
    let payload = match serde_json::from_slice::<Value>(payload) {
        Ok(mut json) if json.is_object() => {
            without(&mut json);
            json
        }
        _ => String::from_utf8_lossy(payload).into_owned().into(),
    };
    Message { head: head.join(" "), headers, payload }
}

/// The subject of an acknowledgement says when its message was stored.
fn subject(word: &str) -> String {
    let tokens: Vec<&str> = word.split('.').collect();
    match tokens.as_slice() {
        ["$JS", "ACK", stream, _, tries, sequence, own, _, pending] => {
            format!("$JS.ACK.{stream}.*.{tries}.{sequence}.{own}.*.{pending}")
        }
        _ => word.to_owned(),
    }
}

fn field(line: &str) -> String {
    match line.split_once(':') {
        Some((name @ ("Nats-Time-Stamp" | "Nats-Pin-Id"), _)) => format!("{name}: *"),
        _ => line.to_owned(),
    }
}

fn without(json: &mut Value) {
    match json {
        Value::Object(fields) => {
            for (name, value) in fields {
                if FIELDS.contains(&name.as_str()) {
                    *value = "*".into();
                } else if ["mirror", "sources", "config"].contains(&name.as_str()) {
                    known(value);
                    without(value);
                } else if (name == "name" || name == "deliver_subject") && is_made_up(value) {
                    *value = "*".into();
                } else {
                    without(value);
                }
            }
        }
        Value::Array(items) => {
            for item in items {
                if is_made_up(item) {
                    *item = "*".into();
                } else {
                    without(item);
                }
            }
        }
        _ => {}
    }
}

/// Takes out what is known to differ: how far a copy is, and the made-up name of a consumer in its configuration.
fn known(json: &mut Value) {
    match json {
        Value::Object(fields) => {
            for field in ["error", "lag"] {
                fields.remove(field);
            }
            if fields.get("name").is_some_and(is_made_up) {
                fields.remove("name");
            }
        }
        Value::Array(items) => items.iter_mut().for_each(known),
        _ => {}
    }
}

/// Whether a name was made up by the server: eight letters and digits.
fn is_made_up(name: &Value) -> bool {
    let Some(name) = name.as_str() else { return false };
    let last = name.rsplit('.').next().unwrap_or_default();
    [8, 22].contains(&last.len()) && last.bytes().all(|byte| byte.is_ascii_alphanumeric())
}
