//! Nodes to a [`Topology`], with everything that is wrong on the way.
//!
//! What the format decides where the API is treacherous is decided here: an absent `ack_policy` is
//! `explicit` (the API's own default is none), a consumer is durable under its key.

mod bucket;
mod defaults;
mod fields;
mod judgement;
mod own;
mod people;
mod sharing;

pub(crate) use self::bucket::BUCKET_FIELDS;
pub use self::bucket::{bucket_fields, of_bucket, rename_bucket_fields};
pub use self::fields::{Fields, Reader};
pub use self::people::{BCRYPT_COST_MIN, CONNECTION_TYPES, bcrypt_cost, is_public_nkey, weak_hash};
use serde_json::{Value as Json, json};
use watershed_wire::jetstream::check::Bounds;
use watershed_wire::jetstream::{ConsumerConfig, StreamConfig};

use self::defaults::Defaults;
use self::fields::typed;
use self::own::Own;
use crate::diagnostic::{Diagnostic, Severity};
use crate::model::{Consumer, Places, Stream, Topology};
use crate::schema::{CONSUMER, CONSUMER_OWN, STREAM, STREAM_OWN};
use crate::source::Spanned;
use crate::yaml::{Entry, Node};

/// The version of the format that is read here.
const FORMAT: &str = "1";

/// The topology that a tree of nodes is, as far as it can be read, and what is wrong with it.
pub fn lower(root: &Node) -> (Topology, Vec<Diagnostic>) {
    let mut reader = Reader::default();
    let mut topology = topology(&mut reader, root);
    topology.secrets = reader.secrets;
    (topology, reader.diagnostics)
}

const KEYS: &[&str] = &[
    "watershed",
    "name",
    "account",
    "defaults",
    "streams",
    "key_values",
    "object_stores",
    "services",
    "users",
    "exports",
    "imports",
    "mappings",
    "server",
    "lint",
];

fn topology(reader: &mut Reader, root: &Node) -> Topology {
    let entries = reader.mapping(root, "a topology");
    let find = |key: &str| entries.iter().find(|entry| entry.key == key);
    for entry in entries.iter().filter(|entry| !KEYS.contains(&entry.key.as_str())) {
        reader.unknown(entry, KEYS, "a topology");
    }
    if let Some(entry) = find("watershed") {
        version(reader, entry);
    }
    let mut topology = Topology::default();
    if let Some(entry) = find("name") {
        topology.name = name(reader, &entry.node, "name").unwrap_or_default();
    } else {
        let message = "a topology has a `name`, which marks what it owns";
        reader.error("F006", root.span, message);
    }
    topology.account = find("account").and_then(|entry| name(reader, &entry.node, "account"));
    if let Some(entry) = find("server") {
        people::server(reader, &entry.node, &mut topology.server);
    }
    let bounds = topology.server.bounds();
    let defaults = find("defaults").map(|entry| Defaults::read(reader, &entry.node));
    let defaults = defaults.unwrap_or_default();
    if let Some(entry) = find("streams") {
        for entry in reader.mapping(&entry.node, "`streams`") {
            topology.streams.push(stream(reader, entry, &defaults, &bounds));
        }
    }
    if let Some(entry) = find("key_values") {
        for entry in reader.mapping(&entry.node, "`key_values`") {
            topology.streams.push(bucket::key_value(reader, entry, &defaults, &bounds));
        }
    }
    if let Some(entry) = find("object_stores") {
        for entry in reader.mapping(&entry.node, "`object_stores`") {
            topology.streams.push(bucket::object_store(reader, entry, &defaults, &bounds));
        }
    }
    own::renames(reader, &topology);
    own::dead_letters(&mut topology);
    if let Some(entry) = find("services") {
        people::services(reader, &entry.node, &mut topology);
    }
    if let Some(entry) = find("users") {
        people::users(reader, &entry.node, &mut topology);
    }
    sharing::sharing(reader, entries, &mut topology);
    if let Some(entry) = find("lint") {
        topology.lint = judgement::lint(reader, &entry.node);
    }
    topology
}

fn version(reader: &mut Reader, entry: &Entry) {
    let text = reader.text(&entry.node, "watershed");
    if text.as_deref().is_some_and(|text| text != FORMAT) {
        let message = "this is a format that this program does not know";
        let diagnostic = Diagnostic::new("F004", Severity::Error, entry.node.span, message.into());
        reader.push(diagnostic.fix(format!("write `watershed: {FORMAT}`")));
    }
}

/// Whether a text can be the name of a topology: an account, a folder and a value in metadata.
pub fn is_name(text: &str) -> bool {
    let fits = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    !text.is_empty() && text.len() <= 64 && text.chars().all(fits)
}

fn name(reader: &mut Reader, node: &Node, what: &str) -> Option<Spanned<String>> {
    let text = reader.text(node, what)?;
    if !is_name(&text) {
        let message =
            format!("`{what}` is up to 64 letters, digits, `-` and `_`, and this is `{text}`");
        reader.error("F004", node.span, message);
    }
    Some(Spanned::new(text, node.span))
}

fn stream(reader: &mut Reader, entry: &Entry, defaults: &Defaults, bounds: &Bounds) -> Stream {
    let what = format!("stream `{}`", entry.key);
    let entries = reader.mapping(&entry.node, &what);
    let fields = reader.fields(entries, &[STREAM, STREAM_OWN], &["consumers"], &what);
    let mut fields = fields.or(&defaults.stream);
    let Own { protect, was, probe, .. } = Own::of_stream(reader, &mut fields);
    let name = Spanned::new(entry.key.clone(), entry.key_span);
    let config: StreamConfig = typed(reader, &fields, &[("name", &name.value)], name.span);
    let places = Places { name: name.span, fields: fields.places };
    let mut stream = Stream { name, protect, was, probe, config, places, ..Stream::default() };
    if let Some(consumers) = entries.iter().find(|entry| entry.key == "consumers") {
        for entry in reader.mapping(&consumers.node, "`consumers`") {
            let consumer = consumer(reader, entry, &stream.name.value, defaults);
            stream.consumers.push(consumer);
        }
    }
    stream.fill(bounds);
    stream
}

fn consumer(reader: &mut Reader, entry: &Entry, stream: &str, defaults: &Defaults) -> Consumer {
    let what = format!("consumer `{}`", entry.key);
    let entries = reader.mapping(&entry.node, &what);
    let mut own = reader.fields(entries, &[CONSUMER, CONSUMER_OWN], &[], &what);
    // An ack wait of its own is what the consumer says; the defaults' backoff would replace it.
    let mut defaults = defaults.consumer.clone();
    if own.json.contains_key("ack_wait") && !own.json.contains_key("backoff") {
        defaults.json.remove("backoff");
    }
    // The two ways to say a filter are one field.
    if own.json.contains_key("filter_subject") || own.json.contains_key("filter_subjects") {
        defaults.json.remove("filter_subject");
        defaults.json.remove("filter_subjects");
    }
    // The stream that keeps all dead letters keeps none of its own, unless it says so.
    if defaults.json.get("dead_letter").and_then(Json::as_str) == Some(stream) {
        defaults.json.remove("dead_letter");
    }
    own = own.or(&defaults);
    let Own { protect, dead_letter, .. } = Own::of_consumer(reader, &mut own);
    own.json.entry("ack_policy").or_insert_with(|| json!("explicit"));
    let name = Spanned::new(entry.key.clone(), entry.key_span);
    let names = [("name", name.value.as_str()), ("durable_name", name.value.as_str())];
    let config: ConsumerConfig = typed(reader, &own, &names, name.span);
    let ack_wait = own.json.get("ack_wait").and_then(Json::as_i64);
    Consumer {
        places: Places { name: name.span, fields: own.places },
        name,
        ack_wait,
        protect,
        dead_letter,
        config,
    }
}

#[cfg(test)]
mod tests;
