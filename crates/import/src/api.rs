//! What the server's API says and takes: configurations, answers to INFO, lists of either.

use serde_json::Value as Json;

use super::drift;
use super::importer::Importer;
use super::value::{Dialect, fields, plain};
use super::word::Word;
use watershed_topology::diagnostic::{Diagnostic, Severity};
use watershed_topology::lower::{Fields, bucket_fields, is_name, rename_bucket_fields};
use watershed_topology::model::{Consumer, Places, Stream, StreamKind};
use watershed_topology::observe::RESERVED;
use watershed_topology::schema::{CONSUMER, KEY_VALUE, OBJECT_STORE, STREAM};
use watershed_topology::source::{Span, Spanned};
use watershed_topology::yaml::{Entry, Node, Value, parse_all};

/// What people call the key of a consumer's stream.
const STREAM_KEYS: &[&str] = &["stream_name", "stream", "streamName"];

/// Keys of answers that say how things are, not what they are to be.
const STATE: &[&str] = &["type", "created", "state", "cluster", "ts", "total", "offset", "limit"];

/// Keys of a stream's configuration that are not its fields.
const STREAM_OTHERS: &[&str] = &["name", "consumers", "template_owner"];

/// The same for a consumer.
const CONSUMER_OTHERS: &[&str] =
    &["name", "durable_name", "durable", "stream_name", "stream", "streamName", "direct"];

/// Whatever of the API a value is, or holds.
pub(super) fn value(importer: &mut Importer, node: &Node) {
    match &node.value {
        Value::Sequence(items) => items.iter().for_each(|item| value(importer, item)),
        Value::Mapping(entries) => mapping(importer, node, entries),
        Value::Scalar(_) => {}
    }
}

fn mapping(importer: &mut Importer, node: &Node, entries: &[Entry]) {
    importer.findings.forget();
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
    } else if let Some(stream) = STREAM_KEYS.iter().find_map(|key| text(key))
        && !has("subjects")
        && is_consumer(node, entries)
    {
        consumer(importer, node, &stream, text("name").or_else(|| text("durable")));
    } else if has("bucket") && !has("name") && is_bucket(entries) {
        json_bucket(importer, node, entries);
    } else if has("name") && is_stream(node) {
        stream(importer, node, entries);
    } else {
        // A list under some key: `streams`, `consumers`, or whatever its author called it.
        for entry in entries.iter().filter(|entry| !STATE.contains(&entry.key.as_str())) {
            if entry.key == "nats_jetstream" && entry.node.get("stream").is_some() {
                let message =
                    "a stream processor makes or takes this consumer by itself: it was not read";
                importer.recognized = true;
                importer.incomplete = true;
                importer.findings.skipped(entry.key_span, message.into());
                continue;
            }
            let before = importer.objects;
            importer.objects = entry.key.to_lowercase().contains("object");
            value(importer, &entry.node);
            importer.objects = before;
        }
    }
}

/// Whether a mapping with `bucket` has nothing but what a bucket has.
fn is_bucket(entries: &[Entry]) -> bool {
    let known = |key: &str| KEY_VALUE.iter().chain(OBJECT_STORE).any(|field| field.name == key);
    entries
        .iter()
        .all(|entry| matches!(entry.key.as_str(), "bucket" | "replicas") || known(&entry.key))
}

/// A bucket; one with nothing that only keys and values have may be an object store, and the list
/// that it stands in says which.
fn json_bucket(importer: &mut Importer, node: &Node, entries: &[Entry]) {
    let Some(name) = node
        .get("bucket")
        .and_then(|entry| Some(Spanned::new(plain(&entry.node)?.to_owned(), entry.node.span)))
    else {
        return;
    };
    let values = !importer.objects;
    let table = if values { KEY_VALUE } else { OBJECT_STORE };
    let found = fields(entries, table, &["bucket"], importer.dialect(), &mut importer.findings);
    bucket(importer, values, &name, found);
}

/// Whether a mapping that names a stream is a consumer of it: it says so, or has a name, a field of one, and little else.
fn is_consumer(node: &Node, entries: &[Entry]) -> bool {
    let has = |key: &str| node.get(key).is_some();
    if has("durable_name") || has("ack_policy") {
        return true;
    }
    let named = |entry: &&Entry| {
        CONSUMER_OTHERS.contains(&entry.key.as_str())
            || matches!(entry.key.as_str(), "description" | "metadata" | "name")
    };
    let fields: Vec<&Entry> = entries.iter().filter(|entry| !named(entry)).collect();
    let known = |entry: &&&Entry| CONSUMER.iter().any(|field| is_called(&entry.key, field.name));
    let known = fields.iter().filter(known).count();
    // `durable: true` is a switch of something else.
    let durable = node.get("durable").and_then(|entry| plain(&entry.node));
    let durable = durable.is_some_and(|text| !matches!(text, "true" | "false"));
    (durable || has("name") && known > 0) && known * 2 >= fields.len()
}

/// Whether a mapping with a name is a stream: it says what it stores, or has at least two fields of one and little else.
/// Many other things have a name and `sources`, or `storage`.
fn is_stream(node: &Node) -> bool {
    let Value::Mapping(entries) = &node.value else { return false };
    if ["apiVersion", "kind"].iter().any(|key| node.get(key).is_some()) {
        return false;
    }
    let subjects = node.get("subjects").is_some_and(|entry| is_texts(&entry.node));
    let mirror = node.get("mirror").is_some_and(|entry| is_origin(&entry.node));
    let sources = node.get("sources").is_some_and(|entry| match &entry.node.value {
        Value::Sequence(items) => items.iter().any(is_origin),
        _ => false,
    });
    let known = |entry: &&Entry| STREAM.iter().any(|field| is_called(&entry.key, field.name));
    let plain = ["name", "description", "metadata", "sources", "mirror", "placement"];
    let fields: Vec<&Entry> =
        entries.iter().filter(|entry| !plain.contains(&entry.key.as_str())).collect();
    let known = fields.iter().copied().filter(|entry| known(entry)).count();
    subjects
        || (mirror || sources) && known * 2 >= fields.len()
        || known > 1 && known * 2 > fields.len()
}

/// Whether a key is a field's name, or that with other signs between its words.
fn is_called(key: &str, name: &str) -> bool {
    let plain = |text: &str| text.replace(['_', '-'], "").to_lowercase();
    plain(key) == plain(name) || key == "replicas" && name == "num_replicas"
}

fn is_texts(node: &Node) -> bool {
    match &node.value {
        Value::Sequence(items) => items.iter().all(|item| matches!(item.value, Value::Scalar(_))),
        Value::Scalar(_) => true,
        Value::Mapping(_) => false,
    }
}

/// Whether something can be the stream that messages are copied from.
fn is_origin(node: &Node) -> bool {
    match &node.value {
        Value::Mapping(_) => node.get("name").is_some(),
        Value::Scalar(scalar) => is_name(&scalar.text),
        Value::Sequence(_) => false,
    }
}

fn stream(importer: &mut Importer, node: &Node, entries: &[Entry]) {
    let Some(name) = node.get("name") else { return };
    let Some(text) = plain(&name.node) else { return };
    let name = Spanned::new(text.to_owned(), name.node.span);
    let entries = &origins(entries);
    let found = fields(entries, STREAM, STREAM_OTHERS, importer.dialect(), &mut importer.findings);
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
    let unread = importer.findings.unread();
    importer.marks(&name.value, &unread);
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
    let dialect = importer.dialect();
    let found = fields(entries, CONSUMER, CONSUMER_OTHERS, dialect, &mut importer.findings);
    let key = ["durable_name", "durable", "name"].into_iter().find_map(|key| node.get(key));
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
    let durable = node.get("durable_name").or(node.get("durable")).is_some();
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
    let unread = importer.findings.unread();
    importer.marks(&format!("{stream}/{}", name.value), &unread);
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
    let known =
        of.consumer(&name.value).map(|known| (drift::consumers(known, &config), known.name.span));
    let Some((mut differences, first)) = known else { return };
    let asset = format!("{stream}/{}", name.value);
    // What was not read of the first is not known to differ.
    if importer.partial.contains_key(&asset) {
        differences.retain(|one| !matches!(one.first.as_str(), "absent" | "unlimited"));
    }
    let message = format!("consumer `{asset}` is defined twice");
    let (severity, message) = if differences.is_empty() {
        (Severity::Info, message)
    } else {
        let how = drift::sentence(&differences);
        (Severity::Error, format!("{message}, and not alike: {how}"))
    };
    let found = Diagnostic::new("I005", severity, name.span, message);
    importer.findings.take_all([found.other(first, "first defined here")]);
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

    /// Changes a consumer that is there.
    pub(super) fn edit_consumer(&mut self, stream: &str, name: &Spanned<String>, found: Fields) {
        let Some(stream) = self.known(stream) else { return };
        let same = |one: &&mut Consumer| one.name.value == name.value;
        let Some(consumer) = stream.consumers.iter_mut().find(same) else { return };
        let Ok(Json::Object(mut fields)) = serde_json::to_value(&consumer.config) else { return };
        // One kind of filter takes the place of the other.
        for (one, other) in
            [("filter_subject", "filter_subjects"), ("filter_subjects", "filter_subject")]
        {
            if found.json.contains_key(one) {
                fields.remove(other);
                consumer.places.fields.retain(|path, _| !path.starts_with(other));
            }
        }
        if let Some(wait) = found.json.get("ack_wait").and_then(Json::as_i64) {
            consumer.ack_wait = Some(wait);
        }
        fields.extend(found.json);
        if let Ok(config) = serde_json::from_value(Json::Object(fields)) {
            consumer.config = config;
            consumer.places.fields.extend(found.places);
        }
    }
}

/// A list of names is a list of origins, and a name is one.
fn origins(entries: &[Entry]) -> Vec<Entry> {
    let named = |node: &Node| match &node.value {
        Value::Scalar(_) if !node.is_null() => {
            let key_span = node.span;
            let name = Entry { key: "name".into(), key_span, node: node.clone() };
            Node { span: node.span, value: Value::Mapping(vec![name]) }
        }
        _ => node.clone(),
    };
    let entries = entries.iter().map(|entry| {
        let node = match (entry.key.as_str(), &entry.node.value) {
            ("mirror", _) => named(&entry.node),
            ("sources", Value::Sequence(items)) => {
                let items = items.iter().map(named).collect();
                Node { span: entry.node.span, value: Value::Sequence(items) }
            }
            _ => entry.node.clone(),
        };
        Entry { node, ..entry.clone() }
    });
    entries.collect()
}

/// Takes in the configuration that a command reads: a stream, or a consumer of `names`. Whether the
/// command works.
pub(super) fn configured(
    importer: &mut Importer,
    config: Option<&Word>,
    names: &[Word],
    span: Span,
    is_consumer: bool,
) -> Option<bool> {
    let text = config.and_then(|config| Some((config.get()?, config.span)));
    let Some((text, at)) = text else {
        importer.incomplete = true;
        let message = "the configuration that this reads is not known here: it was not read, unless its file is named too";
        importer.findings.skipped(span, message.to_owned());
        return None;
    };
    let (mut roots, faults) = parse_all(at.file, text);
    // A file begins where it begins; what a script wrote stands where that was written.
    let in_file = at.start == 0 && at.end == 0;
    let root = roots
        .first_mut()
        .filter(|root| matches!(root.value, Value::Mapping(_)) && faults.is_empty());
    let Some(root) = root else {
        importer.incomplete = true;
        importer
            .findings
            .skipped(span, "the configuration that this reads is not valid JSON".into());
        return None;
    };
    if in_file {
        importer.tool.used.push(at.file);
    } else {
        moved(root, at);
    }
    let inner = root.get("config").map(|entry| entry.node.clone());
    let root = inner.as_ref().filter(|_| is_consumer).unwrap_or(root);
    let known: Vec<(&str, Span)> =
        names.iter().filter_map(|word| Some((word.get()?, word.span))).collect();
    if !is_consumer {
        let Value::Mapping(entries) = &root.value else { return None };
        let own = root
            .get("name")
            .and_then(|entry| Some((plain(&entry.node)?.to_owned(), entry.node.span)));
        let name = known.first().map(|(name, span)| ((*name).to_owned(), *span)).or(own);
        let Some((name, name_span)) = name else {
            importer.findings.skipped(span, "a stream without a name".into());
            return None;
        };
        let found =
            fields(&origins(entries), STREAM, STREAM_OTHERS, Dialect::Api, &mut importer.findings);
        let stream = made(importer, Spanned::new(name, name_span), found);
        importer.stream(stream);
        return Some(true);
    }
    let Some((stream, _)) = known.first() else {
        importer.findings.skipped(span, "a consumer without a stream".into());
        return None;
    };
    consumer(importer, root, stream, known.get(1).map(|(name, _)| (*name).to_owned()));
    Some(true)
}

/// Puts a node and all in it at one place.
fn moved(node: &mut Node, to: Span) {
    node.span = to;
    match &mut node.value {
        Value::Mapping(entries) => {
            for entry in entries {
                entry.key_span = to;
                moved(&mut entry.node, to);
            }
        }
        Value::Sequence(items) => items.iter_mut().for_each(|item| moved(item, to)),
        Value::Scalar(_) => {}
    }
}

/// Takes in a bucket, as the stream that it is.
pub(super) fn bucket(importer: &mut Importer, values: bool, name: &Spanned<String>, found: Fields) {
    let stream = made_bucket(importer, values, name, found);
    importer.stream(stream);
}

/// A bucket as the stream that it is.
pub(super) fn made_bucket(
    importer: &mut Importer,
    values: bool,
    name: &Spanned<String>,
    mut found: Fields,
) -> Stream {
    rename_bucket_fields(&mut found);
    let (prefix, own) = bucket_fields(&name.value, values);
    for (field, value) in own {
        found.json.entry(field).or_insert(value);
    }
    let name = Spanned::new(format!("{prefix}{}", name.value), name.span);
    let kind = if values { StreamKind::KeyValue } else { StreamKind::ObjectStore };
    if found.json.contains_key("mirror") {
        found.json.remove("subjects");
    }
    let stream = made(importer, name, found);
    Stream { kind, ..stream }
}
