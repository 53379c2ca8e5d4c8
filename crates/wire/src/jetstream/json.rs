//! Reading JSON: requests the way nats-server reads them (`null` is absence, an unknown field is an
//! error: strict mode, on by default since 2.12), and what a newer server says as far as it is known.

use std::collections::BTreeMap;

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde::{Deserialize as _, Deserializer};
use serde_json::Value;

use super::error::{ApiError, table};

/// Parses an object as Go does: `null` is absence, fields that the type does not have are ignored.
pub fn object<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, serde_json::Error> {
    let bytes = match bytes.trim_ascii() {
        b"null" => b"{}",
        b"" | [b'{', ..] => bytes,
        _ => return Err(serde::de::Error::custom("this is no object")),
    };
    // Few clients write `null`.
    serde_json::from_slice(bytes).or_else(|_| {
        let mut value: Value = serde_json::from_slice(bytes)?;
        strip_nulls(&mut value);
        serde_json::from_value(value)
    })
}

/// Parses a request. A field that the type does not have is refused by name. Nothing is an object without fields.
pub fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, ApiError> {
    let mut value = match bytes.trim_ascii() {
        b"" => Value::Null,
        bytes => serde_json::from_slice(bytes).map_err(invalid)?,
    };
    if value.is_null() {
        value = Value::Object(serde_json::Map::new());
    }
    if !value.is_object() {
        return Err(table::INVALID_JSON.with("this is no object"));
    }
    strip_nulls(&mut value);
    let mut unknown = None;
    let request = serde_ignored::deserialize(value, |path| {
        unknown.get_or_insert_with(|| path.to_string());
    })
    .map_err(invalid)?;
    match unknown {
        None => Ok(request),
        Some(path) => {
            let field = path.rsplit('.').next().unwrap_or_default();
            Err(table::INVALID_JSON.with(format_args!("json: unknown field \"{field}\"")))
        }
    }
}

/// Parses a request whose body may be anything that begins neither an object nor a list: that is ignored.
pub fn decode_optional<T: DeserializeOwned + Default>(bytes: &[u8]) -> Result<T, ApiError> {
    match bytes.trim_ascii_start() {
        [b'{' | b'[', ..] => decode(bytes),
        _ => Ok(T::default()),
    }
}

/// Whether a request is empty, or an object without fields.
pub fn asks_nothing(bytes: &[u8]) -> bool {
    let fields = || serde_json::from_slice::<serde_json::Map<String, Value>>(bytes);
    bytes.is_empty() || fields().is_ok_and(|fields| fields.is_empty())
}

/// Reads how many entries to pass over. Fewer than none are none.
pub(super) fn offset<'de, D: Deserializer<'de>>(reader: D) -> Result<usize, D::Error> {
    i64::deserialize(reader).map(|offset| usize::try_from(offset).unwrap_or(0))
}

/// Reads what a server of any version says, as far as this program understands it. Also the fields that
/// it does not know, or whose values it does not, by their path: they are absent in what was read.
pub fn understood<T: DeserializeOwned + Default>(json: &Value) -> (T, BTreeMap<String, Value>) {
    let mut json = json.clone();
    strip_nulls(&mut json);
    if let Ok(read) = known::<T>(&json) {
        return read;
    }
    // Something in it is of another kind than expected, such as a new word: which field, is found by
    // reading each alone.
    let mut left_out = BTreeMap::new();
    if let Value::Object(fields) = &mut json {
        fields.retain(|field, value| {
            let alone = serde_json::Map::from_iter([(field.clone(), value.clone())]);
            let fine = known::<T>(&Value::Object(alone)).is_ok();
            if !fine {
                left_out.insert(field.clone(), value.take());
            }
            fine
        });
    }
    let (read, mut others) = known(&json).unwrap_or_default();
    left_out.append(&mut others);
    (read, left_out)
}

/// Reads, and says which fields the type does not have.
fn known<T: DeserializeOwned>(
    json: &Value,
) -> Result<(T, BTreeMap<String, Value>), serde_json::Error> {
    let mut unknown = BTreeMap::new();
    let read = serde_ignored::deserialize(json, |path| {
        // What may be absent is a step of its own.
        let path = path.to_string();
        let steps: Vec<&str> = path.split('.').filter(|step| *step != "?").collect();
        let value = json.pointer(&format!("/{}", steps.join("/"))).cloned();
        unknown.insert(steps.join("."), value.unwrap_or_default());
    })?;
    Ok((read, unknown))
}

/// Serializes a reply. The types of this crate always can be.
pub fn encode<T: Serialize>(reply: &T) -> Vec<u8> {
    serde_json::to_vec(reply).unwrap_or_default()
}

fn invalid(error: serde_json::Error) -> ApiError {
    table::INVALID_JSON.with(error)
}

fn strip_nulls(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            fields.retain(|_, value| !value.is_null());
            fields.values_mut().for_each(strip_nulls);
        }
        Value::Array(items) => items.iter_mut().for_each(strip_nulls),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::super::consumer::SequencePair;
    use super::super::message::GetRequest;
    use super::super::stream::StreamSource;
    use super::super::{ConsumerConfig, StreamConfig};
    use super::*;
    use crate::time::UnixNanos;

    #[test]
    fn unknown_fields_are_refused_at_any_depth() {
        let text = |json: &str| decode::<StreamConfig>(json.as_bytes()).unwrap_err().description;
        assert_eq!(text(r#"{"replicas":1}"#), r#"invalid JSON: json: unknown field "replicas""#);
        let nested = r#"{"mirror":{"name":"A","nam":"B"}}"#;
        assert_eq!(text(nested), r#"invalid JSON: json: unknown field "nam""#);
        assert!(text("{x").starts_with("invalid JSON: "));
        assert!(text(r#"{"max_age":"7d"}"#).starts_with("invalid JSON: "));
    }

    /// Each field that holds a time, with Go's zero time in it; the meaning is nats-server 2.14.6's.
    #[test]
    fn gos_zero_time_is_no_time_where_nats_server_takes_it_for_none() {
        fn read<T: DeserializeOwned, R>(field: &str, time: &str, get: impl Fn(T) -> R) -> R {
            get(decode(format!(r#"{{"{field}":"{time}"}}"#).as_bytes()).unwrap())
        }
        let before_all = Some(UnixNanos(0));
        for zero in ["0001-01-01T00:00:00Z", "0001-01-01T00:00:00.0Z", "0001-01-01T01:00:00+01:00"]
        {
            let get = |consumer: ConsumerConfig| consumer.pause_until;
            assert_eq!(read("pause_until", zero, get), None, "{zero}");
            let get = |origin: StreamSource| origin.opt_start_time;
            assert_eq!(read("opt_start_time", zero, get), None, "{zero}");
            let get = |pair: SequencePair| pair.last_active;
            assert_eq!(read("last_active", zero, get), None, "{zero}");
            let get = |consumer: ConsumerConfig| consumer.opt_start_time;
            assert_eq!(read("opt_start_time", zero, get), before_all, "{zero}");
            let get = |request: GetRequest| request.start_time;
            assert_eq!(read("start_time", zero, get), before_all, "{zero}");
            let get = |request: GetRequest| request.up_to_time;
            assert_eq!(read("up_to_time", zero, get), before_all, "{zero}");
        }
        let get = |consumer: ConsumerConfig| consumer.pause_until.is_some();
        assert!(read("pause_until", "2100-01-01T00:00:00Z", get));
    }

    #[test]
    fn null_is_absence() {
        let config: StreamConfig =
            decode(br#"{"name":"A","subjects":null,"mirror":null}"#).unwrap();
        assert_eq!(config.name, "A");
        assert!(config.subjects.is_empty());
        assert_eq!(decode(b"null"), Ok(StreamConfig::default()));
    }

    /// What a newer server says is read as far as it can be.
    #[test]
    fn what_is_not_understood_is_left_out_and_told() {
        let json = serde_json::json!({
            "name": "A", "subjects": null, "compression": "zstd", "max_msgs": 5, "retention": 7,
            "mirror": {"name": "B", "pace": {"rate": 1}}, "tiers": ["cold"],
        });
        let (config, left_out) = understood::<StreamConfig>(&json);
        assert_eq!((config.name.as_str(), config.max_msgs), ("A", 5));
        assert_eq!(config.mirror.unwrap().name, "B");
        assert_eq!(
            serde_json::to_value(left_out).unwrap(),
            serde_json::json!({
                "compression": "zstd", "retention": 7, "mirror.pace": {"rate": 1}, "tiers": ["cold"],
            })
        );
        let (config, left_out) = understood::<StreamConfig>(&serde_json::json!("nonsense"));
        assert_eq!((config, left_out.len()), (StreamConfig::default(), 0));
        let known = serde_json::json!({"name": "A", "compression": "s2"});
        assert!(understood::<StreamConfig>(&known).1.is_empty());
    }

    #[test]
    fn what_is_no_object_is_no_request() {
        for json in ["[]", r#"["A"]"#, "5", r#""A""#, "true"] {
            let error = decode::<StreamConfig>(json.as_bytes()).unwrap_err();
            assert_eq!(error.err_code, 10025, "{json}");
        }
    }
}
