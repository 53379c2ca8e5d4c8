//! What the server's API says and takes: configurations, answers to INFO, lists of either.

use serde_json::Value as Json;

use super::importer::Importer;
use super::value::{Dialect, fields, plain};
use watershed_topology::lower::{Fields, bucket_fields, rename_bucket_fields};
use watershed_topology::model::{Consumer, Places, Stream, StreamKind};
use watershed_topology::observe::RESERVED;
use watershed_topology::schema::{CONSUMER, STREAM};
use watershed_topology::source::Spanned;
use watershed_topology::yaml::{Entry, Node, Value};

/// Keys of answers that say how things are, not what they are to be.
const STATE: &[&str] = &["type", "created", "state", "cluster", "ts", "total", "offset", "limit"];

/// Keys of a stream's configuration that are not its fields.
const STREAM_OTHERS: &[&str] = &["name", "consumers", "template_owner"];

/// The same for a consumer.
const CONSUMER_OTHERS: &[&str] = &["name", "durable_name", "stream_name", "direct"];

/// Whatever of the API a value is, or holds.
pub(super) fn value(importer: &mut Importer, node: &Node) {
    match &node.value {
        Value::Sequence(items) => items.iter().for_each(|item| value(importer, item)),
        Value::Mapping(entries) => mapping(importer, node, entries),
        Value::Scalar(_) => {}
    }
}

fn mapping(importer: &mut Importer, node: &Node, entries: &[Entry]) {
    let has = |key: &str| node.get(key).is_some();
    let text = |key: &str| node.get(key).and_then(|entry| plain(&entry.node)).map(str::to_owned);
    let config = node.get("config").filter(|entry| matches!(entry.node.value, Value::Mapping(_)));
    if let Some(config) = config {
        // An answer to INFO, which says when it was made, or a request.
        let before = std::mem::replace(&mut importer.answer, has("created"));
        match text("stream_name") {
            Some(stream) => consumer(importer, &config.node, &stream, text("name")),
            None => value(importer, &config.node),
        }
        importer.answer = before;
    } else if has("stream_name") && (has("durable_name") || has("ack_policy") || has("name")) {
        let stream = text("stream_name").unwrap_or_default();
        consumer(importer, node, &stream, text("name"));
    } else if has("name") && is_stream(node) {
        stream(importer, node, entries);
    } else {
        // A list under some key: `streams`, `consumers`, or whatever its author called it.
        for entry in entries.iter().filter(|entry| !STATE.contains(&entry.key.as_str())) {
            value(importer, &entry.node);
        }
    }
}

/// Whether a mapping with a name is a stream.
fn is_stream(node: &Node) -> bool {
    ["subjects", "retention", "storage", "max_age", "mirror", "sources", "max_bytes", "max_msgs"]
        .iter()
        .any(|key| node.get(key).is_some())
}

fn stream(importer: &mut Importer, node: &Node, entries: &[Entry]) {
    let Some(name) = node.get("name") else { return };
    let Some(text) = plain(&name.node) else { return };
    let name = Spanned::new(text.to_owned(), name.node.span);
    let found = fields(entries, STREAM, STREAM_OTHERS, Dialect::Api, &mut importer.findings);
    let stream = made(importer, name, found);
    importer.stream(stream);
    if let Some(consumers) = node.get("consumers") {
        let items = match &consumers.node.value {
            Value::Sequence(items) => items.as_slice(),
            _ => &[],
        };
        for item in items {
            let config = item.get("config").map_or(item, |config| &config.node);
            let name = item.get("name").and_then(|name| plain(&name.node)).map(str::to_owned);
            consumer(importer, config, text, name);
        }
    }
}

/// A stream of what was found.
pub(super) fn made(importer: &mut Importer, name: Spanned<String>, mut found: Fields) -> Stream {
    found.json.insert("name".into(), name.value.clone().into());
    own_metadata(&mut found);
    let config = serde_json::from_value(Json::Object(found.json)).unwrap_or_else(|error| {
        importer.findings.skipped(name.span, format!("`{}`: {error}", name.value));
        watershed_wire::jetstream::StreamConfig { name: name.value.clone(), ..Default::default() }
    });
    let places = Places { name: name.span, fields: found.places };
    Stream { name, config, places, ..Stream::default() }
}

/// What the server itself wrote is not the author's.
fn own_metadata(found: &mut Fields) {
    if let Some(Json::Object(metadata)) = found.json.get_mut("metadata") {
        metadata.retain(|key, _| !key.starts_with(RESERVED));
    }
}

fn consumer(importer: &mut Importer, node: &Node, stream: &str, name: Option<String>) {
    let Value::Mapping(entries) = &node.value else { return };
    let found = fields(entries, CONSUMER, CONSUMER_OTHERS, Dialect::Api, &mut importer.findings);
    let key = ["durable_name", "name"].into_iter().find_map(|key| node.get(key));
    let own = key.and_then(|entry| Some((plain(&entry.node)?.to_owned(), entry.node.span)));
    let (name, span) = match (own, name) {
        (Some(own), _) => own,
        (None, Some(name)) => (name, node.span),
        (None, None) => {
            let message =
                format!("a consumer of `{stream}` without a name lasts as long as its client");
            return importer.findings.skipped(node.span, message);
        }
    };
    let both = (node.get("durable_name"), node.get("name"));
    if let (Some(durable), Some(other)) = both
        && plain(&durable.node) != plain(&other.node)
    {
        let message =
            "a durable consumer has one name: `name` and `durable_name` differ".to_owned();
        importer.findings.two_names(other.node.span, message);
    }
    if node.get("ack_policy").is_none() {
        let message = format!(
            "`{name}` without `ack_policy` acknowledges nothing: to the API, absent is `none`"
        );
        importer.findings.guess(span, message);
    }
    let durable = node.get("durable_name").is_some();
    if !durable && node.get("name").is_some() {
        let message = format!("`{name}` is not durable: it goes when its clients do");
        importer.findings.guess(span, message);
    }
    attach(importer, stream, Spanned::new(name, span), found);
}

/// A consumer of what was found, at its stream.
pub(super) fn attach(
    importer: &mut Importer,
    stream: &str,
    name: Spanned<String>,
    mut found: Fields,
) {
    own_metadata(&mut found);
    let ack_wait = found.json.get("ack_wait").and_then(Json::as_i64);
    for key in ["name", "durable_name"] {
        found.json.insert(key.into(), name.value.clone().into());
    }
    let config = serde_json::from_value(Json::Object(found.json)).unwrap_or_else(|error| {
        importer.findings.skipped(name.span, format!("`{}`: {error}", name.value));
        watershed_wire::jetstream::ConsumerConfig::default()
    });
    let places = Places { name: name.span, fields: found.places };
    let of = importer.stream_of(stream, name.span);
    if of.consumer(&name.value).is_none() {
        of.consumers.push(Consumer { name, ack_wait, config, places, ..Consumer::default() });
        return;
    }
    let message = format!("consumer `{stream}/{}` is defined twice", name.value);
    importer.findings.guess(name.span, message);
}

impl Importer {
    /// Changes a stream that is there; one that is not is made of what is known of it.
    pub(super) fn edit(&mut self, name: Spanned<String>, found: Fields) {
        let stream = match self.known(&name.value) {
            Some(known) if !known.is_placeholder() => known,
            _ => {
                let stream = made(self, name, found);
                return self.stream(stream);
            }
        };
        let Ok(Json::Object(mut fields)) = serde_json::to_value(&stream.config) else { return };
        fields.extend(found.json);
        if let Ok(config) = serde_json::from_value(Json::Object(fields)) {
            stream.config = config;
            stream.places.fields.extend(found.places);
        }
        self.recognized = true;
    }
}

/// Takes in a bucket, as the stream that it is.
pub(super) fn bucket(
    importer: &mut Importer,
    values: bool,
    name: &Spanned<String>,
    mut found: Fields,
) {
    rename_bucket_fields(&mut found);
    let (prefix, own) = bucket_fields(&name.value, values);
    for (field, value) in own {
        found.json.entry(field).or_insert(value);
    }
    let name = Spanned::new(format!("{prefix}{}", name.value), name.span);
    let kind = if values { StreamKind::KeyValue } else { StreamKind::ObjectStore };
    let stream = made(importer, name, found);
    importer.stream(Stream { kind, ..stream });
}
