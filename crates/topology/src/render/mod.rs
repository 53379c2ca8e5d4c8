//! A topology as the text of a file.
//!
//! Only what differs from what an absent field means is written, in the order of the tables. Whoever
//! renders reads the result again: what comes back differently is said in a comment, not passed over.

mod people;
mod value;

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde_json::{Map, Value as Json, json};
use watershed_wire::jetstream::check::Bounds;
use watershed_wire::jetstream::stream::StreamConfig;
use watershed_wire::jetstream::{ConsumerConfig, check};

use crate::diagnostic::NOT_READ;
use crate::diagnostic::Severity;
use crate::lower::{BUCKET_FIELDS, bucket_fields};
use crate::model::{Consumer, ServerSettings, Stream, Topology};
use crate::monitor;
use crate::observe::{OURS, RESERVED};
use crate::quantity::show_size;
use crate::schema::{
    BUCKET_OWN, CONSUMER, CONSUMER_MONITOR, CONSUMER_OWN, EXPORT, Field, IMPORT, JETSTREAM,
    KEY_VALUE, MAPPING, OBJECT_STORE, SERVICE, STREAM, STREAM_MONITOR, STREAM_OWN,
};
use crate::source::{SourceMap, Spanned};

pub use self::people::about_user;
pub use self::value::Comments;
pub(crate) use self::value::shown;
use self::value::{comment, inline, quoted};

/// The text of a topology with these comments. What would come back from it differently is said above
/// the asset.
pub fn render_checked(topology: &Topology, comments: &Comments) -> String {
    let mut sources = SourceMap::default();
    let text = render(topology, comments);
    let file = sources.add("rendered", &text);
    let read = crate::read::read(
        &sources,
        vec![crate::read::Document::new(&sources, file)],
        Vec::new(),
        None,
    );
    let mut comments = comments.clone();
    let mut differs = false;
    let mut say = |name: String| {
        differs = true;
        let text = "this is not all of it: the file cannot say what it was".to_owned();
        comments.entry(name).or_default().push(text);
    };
    for stream in topology.streams.iter().filter(|stream| !stream.is_placeholder()) {
        let name = &stream.name.value;
        let back = read.topology.stream(name);
        if back.is_none_or(|back| stream_fields(&back.config) != stream_fields(&stream.config)) {
            say(name.clone());
        }
        for consumer in &stream.consumers {
            let back = back.and_then(|back| back.consumer(&consumer.name.value));
            let fields = |config| consumer_fields(config, &stream.config);
            if back.is_none_or(|back| fields(&back.config) != fields(&consumer.config)) {
                say(format!("{name}/{}", consumer.name.value));
            }
        }
    }
    if differs { render(topology, &comments) } else { text }
}

/// The text of a topology with these comments.
pub fn render(topology: &Topology, comments: &Comments) -> String {
    let mut out = String::from("watershed: 1\n");
    let _ = writeln!(out, "name: {}", quoted(&topology.name.value));
    comment(&mut out, 0, comments, "");
    if let Some(account) = &topology.account {
        let _ = writeln!(out, "account: {}", quoted(&account.value));
    }
    section(&mut out, topology, comments);
    services(&mut out, topology);
    people::users(&mut out, topology, comments);
    sharing(&mut out, topology);
    server(&mut out, topology);
    levels(&mut out, topology);
    out
}

/// A stream that is a bucket, its name as one, and what differs from any bucket.
type Bucket<'t> = (&'t Stream, &'t str, Map<String, Json>);

fn section(out: &mut String, topology: &Topology, comments: &Comments) {
    let mut buckets: BTreeMap<&str, Vec<Bucket<'_>>> = BTreeMap::new();
    let mut first = true;
    for one in &topology.streams {
        if let Some((section, name, fields)) = bucket(one) {
            buckets.entry(section).or_default().push((one, name, fields));
            continue;
        }
        out.push_str(if first { "\nstreams:\n" } else { "\n" });
        first = false;
        stream(out, one, comments);
    }
    for (section, all) in buckets {
        let _ = writeln!(out, "\n{section}:");
        let table = if section == "key_values" { KEY_VALUE } else { OBJECT_STORE };
        for (stream, name, mut fields) in all {
            own(&mut fields, stream.protect, STREAM_MONITOR);
            comment(out, 2, comments, &stream.name.value);
            let _ = writeln!(out, "  {}: {}", quoted(name), inline(&fields, &[table, BUCKET_OWN]));
        }
    }
}

/// A stream that is a bucket: where it is declared, its name there, and what differs from any bucket.
/// `None` if it has anything that a bucket cannot say.
fn bucket(stream: &Stream) -> Option<(&'static str, &str, Map<String, Json>)> {
    let name = stream.name.value.as_str();
    let (section, bucket, table) = match (name.strip_prefix("KV_"), name.strip_prefix("OBJ_")) {
        (Some(bucket), _) => ("key_values", bucket, KEY_VALUE),
        (_, Some(bucket)) => ("object_stores", bucket, OBJECT_STORE),
        _ => return None,
    };
    if !stream.consumers.is_empty() {
        return None;
    }
    let mut fields = stream_fields(&stream.config);
    if fields.get("max_age") == Some(&Json::from(0)) {
        fields.remove("max_age");
    }
    let whole = object(&stream.config);
    for (field, value) in bucket_fields(bucket, section == "key_values").1 {
        let own = whole.get(&field);
        let known = BUCKET_FIELDS.iter().any(|(_, stream)| *stream == field)
            || table.iter().any(|own| own.name == field);
        match own {
            Some(own) if *own == value => drop(fields.remove(&field)),
            Some(own) if known => drop(fields.insert(field, own.clone())),
            _ => return None,
        }
    }
    for (own, field) in BUCKET_FIELDS {
        if let Some(value) = fields.remove(*field) {
            fields.insert((*own).to_owned(), value);
        }
    }
    if fields.contains_key("limit_marker_ttl") {
        fields.remove("allow_msg_ttl");
    }
    let known = |name: &String| table.iter().any(|field| field.name == name);
    fields.keys().all(known).then_some((section, bucket, fields))
}

fn stream(out: &mut String, stream: &Stream, comments: &Comments) {
    let name = &stream.name.value;
    comment(out, 2, comments, name);
    let mut fields = stream_fields(&stream.config);
    own(&mut fields, stream.protect, STREAM_MONITOR);
    if let Some(was) = &stream.was {
        fields.insert("was".into(), was.value.clone().into());
    }
    let _ = writeln!(out, "  {}:", quoted(name));
    // What was not read may be the limit.
    if comments.get(name).is_some_and(|all| all.iter().any(|one| one.starts_with(NOT_READ)))
        && fields.get("max_age") == Some(&json!(0))
    {
        fields.remove("max_age");
    }
    for field in STREAM.iter().chain(STREAM_OWN) {
        if let Some(value) = fields.get(field.name) {
            let _ = writeln!(out, "    {}: {}", field.name, shown(value, field.kind));
        }
    }
    if !stream.consumers.is_empty() {
        out.push_str("    consumers:\n");
    }
    for one in &stream.consumers {
        consumer(out, name, one, &stream.config, comments);
    }
    if fields.is_empty() && stream.consumers.is_empty() {
        // A key without a value would be `null`.
        out.truncate(out.trim_end().len());
        out.push_str(" {}\n");
    }
}

fn consumer(
    out: &mut String,
    stream: &str,
    consumer: &Consumer,
    of: &StreamConfig,
    comments: &Comments,
) {
    comment(out, 6, comments, &format!("{stream}/{}", consumer.name.value));
    let mut fields = consumer_fields(&consumer.config, of);
    own(&mut fields, consumer.protect, CONSUMER_MONITOR);
    let name = quoted(&consumer.name.value);
    let _ = writeln!(out, "      {name}: {}", inline(&fields, &[CONSUMER, CONSUMER_OWN]));
}

/// What the language has for something that a server keeps as metadata.
fn own(fields: &mut Map<String, Json>, protect: bool, thresholds: &[Field]) {
    if protect {
        fields.insert("protect".into(), true.into());
    }
    let Some(Json::Object(metadata)) = fields.get_mut("metadata") else { return };
    let monitor = monitor::take(metadata, thresholds);
    if metadata.is_empty() {
        fields.remove("metadata");
    }
    if !monitor.is_empty() {
        fields.insert("monitor".into(), monitor.into());
    }
}

/// Who publishes and reads what.
fn services(out: &mut String, topology: &Topology) {
    for (index, service) in topology.services.iter().enumerate() {
        if index == 0 {
            out.push_str("\nservices:\n");
        }
        let subjects =
            |all: &[Spanned<String>]| -> Json { all.iter().map(|one| one.value.clone()).collect() };
        let consumes: Json =
            service.consumes.iter().map(|consumer| consumer.value.to_string()).collect();
        let mut fields = Map::new();
        let lists = [
            ("publishes", subjects(&service.publishes)),
            ("consumes", consumes),
            ("reads", subjects(&service.reads)),
            ("writes", subjects(&service.writes)),
            ("requests", subjects(&service.requests)),
            ("replies", subjects(&service.replies)),
        ];
        for (name, list) in lists {
            if list.as_array().is_some_and(|list| !list.is_empty()) {
                fields.insert(name.to_owned(), list);
            }
        }
        if service.replicas.value > 1 {
            fields.insert("replicas".to_owned(), service.replicas.value.into());
        }
        let name = quoted(&service.name.value);
        let _ = writeln!(out, "  {name}: {}", inline(&fields, &[SERVICE]));
    }
}

fn sharing(out: &mut String, topology: &Topology) {
    let text = |said: &Option<Spanned<String>>| said.as_ref().map(|said| said.value.clone());
    let exports = topology.exports.iter().map(|export| {
        let accounts: Vec<&str> = export.accounts.iter().map(|one| one.value.as_str()).collect();
        let accounts = (!accounts.is_empty()).then_some(accounts);
        json!({
            export.passage.word(): export.subject.value,
            "accounts": accounts,
            "response": export.response,
        })
    });
    let imports = topology.imports.iter().map(|import| {
        json!({
            import.passage.word(): {
                "account": import.account.value, "subject": import.subject.value,
            },
            "to": text(&import.to),
            "prefix": text(&import.prefix),
        })
    });
    let mappings = topology.mappings.iter().map(|mapping| {
        json!({
            "subject": mapping.subject.value,
            "to": mapping.to.value,
            "weight": mapping.weight,
            "cluster": mapping.cluster,
        })
    });
    list(out, "exports", exports, EXPORT);
    list(out, "imports", imports, IMPORT);
    list(out, "mappings", mappings, MAPPING);
}

/// A list of mappings, a line each; what is null is absent.
fn list(out: &mut String, key: &str, items: impl Iterator<Item = Json>, table: &[Field]) {
    for (index, mut item) in items.enumerate() {
        if index == 0 {
            let _ = writeln!(out, "\n{key}:");
        }
        if let Some(fields) = item.as_object_mut() {
            fields.retain(|_, value| !value.is_null());
            let _ = writeln!(out, "  - {}", inline(fields, &[table]));
        }
    }
}

fn levels(out: &mut String, topology: &Topology) {
    if topology.lint.levels.is_empty() {
        return;
    }
    let levels = topology
        .lint
        .levels
        .iter()
        .map(|(code, level)| format!("{code}: {}", level.map_or("off", Severity::word)));
    let levels = levels.collect::<Vec<_>>().join(", ");
    let _ = writeln!(out, "\nlint:\n  levels: {{ {levels} }}");
}

fn server(out: &mut String, topology: &Topology) {
    let server = &topology.server;
    let size = |size: u64| show_size(i64::try_from(size).unwrap_or(i64::MAX));
    let mut lines = Vec::new();
    lines.extend(server.listen.as_ref().map(|at| format!("  listen: {}", at.value)));
    lines.extend(server.http.as_ref().map(|at| format!("  http: {}", at.value)));
    lines
        .extend(server.max_payload.as_ref().map(|at| format!("  max_payload: {}", size(at.value))));
    lines.extend(
        server.no_auth_user.as_ref().map(|name| format!("  no_auth_user: {}", quoted(&name.value))),
    );
    lines.extend(
        server.token.as_ref().map(|at| format!("  token: {}", people::reference(&at.value))),
    );
    lines.extend(server.tls.as_ref().map(|tls| format!("  tls: {}", people::tls(&tls.value))));
    let jetstream = inline(&jetstream(server), &[JETSTREAM]);
    if jetstream != "{}" {
        lines.push(format!("  jetstream: {jetstream}"));
    }
    if !lines.is_empty() {
        let _ = writeln!(out, "\nserver:\n{}", lines.join("\n"));
    }
}

/// The fields of `server.jetstream`.
fn jetstream(server: &ServerSettings) -> Map<String, Json> {
    let numbers = |bounds: &Bounds| {
        let some = |(name, number): (&str, Option<i64>)| Some((name.to_owned(), number?.into()));
        bounds.numbers().into_iter().filter_map(some).collect::<Map<String, Json>>()
    };
    let mut fields = numbers(&server.account);
    let mut limits = numbers(&server.limits);
    let put = |fields: &mut Map<String, Json>, name: &str, value: Option<Json>| {
        fields.extend(value.map(|value| (name.to_owned(), value)));
    };
    let size = |size: &Option<Spanned<u64>>| size.as_ref().map(|size| size.value.into());
    let folder = server.store_dir.as_ref().map(|folder| folder.value.as_str().into());
    put(&mut limits, "max_ha_assets", server.max_ha_assets.map(Json::from));
    put(&mut fields, "store_dir", folder);
    let domain = server.domain.as_ref().map(|domain| domain.value.as_str().into());
    put(&mut fields, "domain", domain);
    put(&mut fields, "max_file_store", size(&server.max_file_store));
    put(&mut fields, "max_memory_store", size(&server.max_memory_store));
    let required = server.account.max_bytes_required;
    put(&mut fields, "max_bytes_required", required.then_some(true.into()));
    put(&mut fields, "limits", (!limits.is_empty()).then_some(limits.into()));
    fields
}

/// Fields of a stream on which it depends what others mean that are absent.
const DECIDES: &[&str] =
    &["mirror", "sources", "max_age", "subject_delete_marker_ttl", "allow_msg_schedules", "sealed"];

/// The fields of a stream that an absent field does not mean.
fn stream_fields(config: &StreamConfig) -> Map<String, Json> {
    let mut absent = StreamConfig { name: config.name.clone(), ..StreamConfig::default() };
    // As DECIDES lists them.
    absent.mirror.clone_from(&config.mirror);
    absent.sources.clone_from(&config.sources);
    absent.max_age = config.max_age;
    absent.subject_delete_marker_ttl = config.subject_delete_marker_ttl;
    absent.allow_msg_schedules = config.allow_msg_schedules;
    absent.sealed = config.sealed;
    check::fill_stream(&mut absent, &Bounds::default());
    let mut fields = object(config);
    for (name, meant) in object(&absent) {
        if !DECIDES.contains(&name.as_str()) && fields.get(&name) == Some(&meant) {
            fields.remove(&name);
        }
    }
    for (name, nothing) in object(&StreamConfig::default()) {
        if fields.get(&name) == Some(&nothing) {
            fields.remove(&name);
        }
    }
    if config.max_age == 0 && config.max_bytes < 0 && config.max_msgs < 0 {
        // Written, it is a decision and no oversight.
        fields.insert("max_age".into(), 0.into());
    }
    fields.remove("name");
    own_metadata(&mut fields);
    fields
}

/// The same for a consumer; an absent `ack_policy` is `explicit` here.
fn consumer_fields(config: &ConsumerConfig, of: &StreamConfig) -> Map<String, Json> {
    let mut absent = ConsumerConfig {
        name: config.name.clone(),
        durable_name: config.durable_name.clone(),
        deliver_subject: config.deliver_subject.clone(),
        ..ConsumerConfig::default()
    };
    absent.ack_policy = watershed_wire::jetstream::consumer::AckPolicy::Explicit;
    check::fill_consumer(&mut absent, of, &Bounds::default());
    let mut fields = object(config);
    for (name, meant) in object(&absent) {
        if name != "deliver_subject" && fields.get(&name) == Some(&meant) {
            fields.remove(&name);
        }
    }
    let nothing = object(&ConsumerConfig::default());
    let is_nothing = |(name, value): &(&String, &Json)| nothing.get(*name) == Some(*value);
    let empty: Vec<String> = fields
        .iter()
        .filter(is_nothing)
        .filter(|(name, _)| *name != "ack_policy")
        .map(|(name, _)| name.clone())
        .collect();
    for name in &empty {
        fields.remove(name);
    }
    for name in ["name", "durable_name", "direct"] {
        fields.remove(name);
    }
    if fields.contains_key("backoff") {
        // Its first value is the ack wait.
        fields.remove("ack_wait");
    }
    own_metadata(&mut fields);
    fields
}

/// What is not the server's, and marks no owner.
fn own_metadata(fields: &mut Map<String, Json>) {
    let Some(Json::Object(metadata)) = fields.get_mut("metadata") else { return };
    metadata.retain(|key, _| !key.starts_with(OURS) && !key.starts_with(RESERVED));
    if metadata.is_empty() {
        fields.remove("metadata");
    }
}

fn object(config: &impl serde::Serialize) -> Map<String, Json> {
    match serde_json::to_value(config) {
        Ok(Json::Object(fields)) => fields,
        _ => Map::new(),
    }
}
