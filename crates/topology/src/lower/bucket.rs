//! Key-value buckets and object stores: streams with the fields that clients expect of them.
//!
//! What a bucket is as a stream is agreed among clients: ADR-8 for key-value buckets, ADR-20 for
//! object stores.

use serde_json::{Map, Value as Json, json};
use watershed_wire::jetstream::StreamConfig;
use watershed_wire::jetstream::check::Bounds;

use super::defaults::Defaults;
use super::fields::{Fields, Reader, typed};
use super::own::Own;
use crate::model::{Places, Stream, StreamKind};
use crate::schema::{BUCKET_OWN, KEY_VALUE, OBJECT_STORE};
use crate::source::Spanned;
use crate::yaml::Entry;

/// Most values of one key that a bucket keeps.
const HISTORY_MAX: i64 = 64;

/// What clients call a field, and what it is as a stream's.
pub(crate) const BUCKET_FIELDS: &[(&str, &str)] = &[
    ("history", "max_msgs_per_subject"),
    ("ttl", "max_age"),
    ("max_value_size", "max_msg_size"),
    ("limit_marker_ttl", "subject_delete_marker_ttl"),
];

pub(super) fn key_value(
    reader: &mut Reader,
    entry: &Entry,
    defaults: &Defaults,
    bounds: &Bounds,
) -> Stream {
    let what = format!("bucket `{}`", entry.key);
    let entries = reader.mapping(&entry.node, &what);
    let mut fields = reader.fields(entries, &[KEY_VALUE, BUCKET_OWN], &[], &what);
    if let Some(history) = fields.json.get("history").and_then(Json::as_i64)
        && !(1..=HISTORY_MAX).contains(&history)
    {
        let span = fields.places.get("history").copied().unwrap_or(entry.key_span);
        let message = format!("a bucket keeps 1 to {HISTORY_MAX} values of a key, not {history}");
        reader.error("F004", span, message);
        fields.json.remove("history");
    }
    rename_bucket_fields(&mut fields);
    let bucket = &entry.key;
    let (_, mut own) = bucket_fields(bucket, true);
    let marker = fields.json.contains_key("subject_delete_marker_ttl");
    own.insert("allow_msg_ttl".to_owned(), json!(marker));
    if let Some(mirror) = fields.json.get_mut("mirror") {
        of_bucket(mirror, None);
        own.insert("mirror_direct".to_owned(), json!(true));
        own.remove("subjects");
    }
    for source in fields.json.get_mut("sources").and_then(Json::as_array_mut).into_iter().flatten()
    {
        of_bucket(source, Some(bucket));
    }
    let mut stream = stream(reader, entry, StreamKind::KeyValue, fields, own, defaults);
    stream.fill(bounds);
    stream
}

pub(super) fn object_store(
    reader: &mut Reader,
    entry: &Entry,
    defaults: &Defaults,
    bounds: &Bounds,
) -> Stream {
    let what = format!("object store `{}`", entry.key);
    let entries = reader.mapping(&entry.node, &what);
    let mut fields = reader.fields(entries, &[OBJECT_STORE, BUCKET_OWN], &[], &what);
    rename_bucket_fields(&mut fields);
    let bucket = &entry.key;
    let (_, own) = bucket_fields(bucket, false);
    let mut stream = stream(reader, entry, StreamKind::ObjectStore, fields, own, defaults);
    stream.fill(bounds);
    stream
}

/// What clients call the stream of a bucket, and the fields that they give it.
pub fn bucket_fields(bucket: &str, key_value: bool) -> (&'static str, Map<String, Json>) {
    let field = |(name, value): (&str, Json)| (name.to_owned(), value);
    let shared = [
        ("discard", json!("new")),
        ("allow_rollup_hdrs", json!(true)),
        ("allow_direct", json!(true)),
    ];
    if !key_value {
        let subjects = json!([format!("$O.{bucket}.C.>"), format!("$O.{bucket}.M.>")]);
        return ("OBJ_", shared.into_iter().chain([("subjects", subjects)]).map(field).collect());
    }
    let own = [
        ("subjects", json!([format!("$KV.{bucket}.>")])),
        ("max_msgs_per_subject", json!(1)),
        ("deny_delete", json!(true)),
    ];
    ("KV_", shared.into_iter().chain(own).map(field).collect())
}

/// Fields under the names that a stream has for them.
pub fn rename_bucket_fields(fields: &mut Fields) {
    for (bucket, stream) in BUCKET_FIELDS {
        if let Some(value) = fields.json.remove(*bucket) {
            fields.json.insert((*stream).to_owned(), value);
        }
        if let Some(place) = fields.places.remove(*bucket) {
            fields.places.insert((*stream).to_owned(), place);
        }
    }
}

/// An origin that is a bucket: its stream, and its keys under the new bucket's name.
pub fn of_bucket(source: &mut Json, bucket: Option<&str>) {
    let Json::Object(source) = source else { return };
    let Some(name) = source.get("name").and_then(Json::as_str) else { return };
    let origin = name.strip_prefix("KV_").unwrap_or(name).to_owned();
    source.insert("name".to_owned(), format!("KV_{origin}").into());
    let plain = ["filter_subject", "subject_transforms", "external"];
    if let Some(bucket) = bucket
        && plain.iter().all(|field| !source.contains_key(*field))
    {
        let transform =
            json!({"src": format!("$KV.{origin}.>"), "dest": format!("$KV.{bucket}.>")});
        source.insert("subject_transforms".to_owned(), json!([transform]));
    }
}

/// The stream that a bucket is. Of the defaults only those count that lose nothing: an age that is
/// right for messages would take away settings.
fn stream(
    reader: &mut Reader,
    entry: &Entry,
    kind: StreamKind,
    fields: Fields,
    own: Map<String, Json>,
    defaults: &Defaults,
) -> Stream {
    let bucket = &entry.key;
    let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
    if bucket.is_empty() || !bucket.chars().all(fits) {
        let message = format!("invalid bucket name `{bucket}`: letters, digits, `-` and `_`");
        reader.error("F004", entry.key_span, message);
    }
    let prefix = if kind == StreamKind::KeyValue { "KV_" } else { "OBJ_" };
    let name = Spanned::new(format!("{prefix}{bucket}"), entry.key_span);
    let mut shared = defaults.stream.clone();
    shared.json.retain(|field, _| matches!(field.as_str(), "storage" | "num_replicas"));
    let mut fields = fields.or(&shared).or(&Fields { json: own, ..Fields::default() });
    let Own { protect, .. } = Own::of_stream(reader, &mut fields);
    let config: StreamConfig = typed(reader, &fields, &[("name", &name.value)], name.span);
    let places = Places { name: name.span, fields: fields.places };
    Stream { name, kind, protect, config, places, ..Stream::default() }
}
