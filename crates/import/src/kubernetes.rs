//! Manifests: nack's resources, and what ConfigMaps and Jobs carry.

use super::api::{attach, bucket, made};
use super::importer::{Importer, Written};
use super::script::{has_extension, is_script, language, masked};
use super::shell::Files;
use super::value::{Dialect, fields, grouped, plain};
use super::{api, containers, shell};
use watershed_topology::schema::{CONSUMER, KEY_VALUE, OBJECT_STORE, STREAM};
use watershed_topology::source::Spanned;
use watershed_topology::yaml::{Entry, Node, Value, parse_all};

/// The group of nack's resources.
const NACK: &str = "jetstream.nats.io/";

/// Keys of nack's specs that say how to reach a server, or how the controller behaves.
const NACK_OTHERS: &[&str] = &[
    "name",
    "streamName",
    "durableName",
    "bucket",
    "servers",
    "creds",
    "nkey",
    "tls",
    "tlsFirst",
    "account",
    "preventDelete",
    "preventUpdate",
    "jsDomain",
];

/// Takes in a manifest. Whether the document is one.
pub(super) fn manifest(importer: &mut Importer, files: Files<'_>, node: &Node, text: &str) -> bool {
    let word = |key: &str| node.get(key).and_then(|entry| plain(&entry.node)).unwrap_or_default();
    let (kind, version) = (word("kind"), word("apiVersion"));
    if kind.is_empty() || version.is_empty() {
        return false;
    }
    if version.starts_with(NACK) {
        resource(importer, node, kind);
    } else if kind == "List" {
        for item in sequence(node, "items") {
            manifest(importer, files, item, text);
        }
    } else if kind == "ConfigMap" {
        for entry in node.get("data").map(|data| mapping(&data.node)).unwrap_or_default() {
            inner(importer, files, &entry.key, &entry.node, text);
        }
    } else {
        containers::commands(importer, files, node, text);
    }
    true
}

fn mapping(node: &Node) -> &[Entry] {
    match &node.value {
        Value::Mapping(entries) => entries,
        _ => &[],
    }
}

fn sequence<'n>(node: &'n Node, key: &str) -> &'n [Node] {
    match node.get(key).map(|entry| &entry.node.value) {
        Some(Value::Sequence(items)) => items,
        _ => &[],
    }
}

/// A file in a ConfigMap.
fn inner(importer: &mut Importer, files: Files<'_>, name: &str, node: &Node, text: &str) {
    let Some(own) = plain(node) else { return };
    let Some(inside) = masked(node, text) else {
        if own.contains("subjects") || own.contains("nats stream") {
            let message =
                format!("`{name}` has escapes in its quotes: write it behind `|` to have it read");
            importer.findings.skipped(node.span, message);
        }
        return;
    };
    if let Some(language) = language(name) {
        let file = node.span.file;
        importer.programs.push(Written { file, language, text: inside, block: true });
    } else if is_script(name, own) || own.contains("nats stream ") || own.contains("nats consumer ")
    {
        shell::script(importer, files, node.span.file, &inside);
    } else if has_extension(name, &["json", "yaml", "yml"]) {
        let (roots, mut found) = parse_all(node.span.file, &inside);
        let json = std::mem::replace(&mut importer.json, has_extension(name, &["json"]));
        let recognized = std::mem::take(&mut importer.recognized);
        for root in &roots {
            api::value(importer, root);
        }
        if importer.recognized {
            importer.findings.0.append(&mut found);
        }
        importer.recognized |= recognized;
        importer.json = json;
    }
}

/// Origins of other accounts, whose prefixes nack writes beside their names.
fn externals(entries: &[Entry]) -> Vec<Entry> {
    const PREFIXES: &[(&str, &str, &str)] = &[
        ("externalApiPrefix", "external", "api"),
        ("externalDeliverPrefix", "external", "deliver"),
    ];
    let one = |node: &Node| match &node.value {
        Value::Mapping(inner) => {
            Node { span: node.span, value: Value::Mapping(grouped(inner.clone(), PREFIXES)) }
        }
        _ => node.clone(),
    };
    let entries = entries.iter().map(|entry| {
        let node = match (entry.key.as_str(), &entry.node.value) {
            ("mirror", _) => one(&entry.node),
            ("sources", Value::Sequence(items)) => {
                let items = items.iter().map(one).collect();
                Node { span: entry.node.span, value: Value::Sequence(items) }
            }
            _ => entry.node.clone(),
        };
        Entry { node, ..entry.clone() }
    });
    entries.collect()
}

/// One of nack's resources. Absent fields are what nack sends for them: memory, for storage.
fn resource(importer: &mut Importer, node: &Node, kind: &str) {
    let Some(spec) = node.get("spec").map(|spec| &spec.node) else { return };
    let name = |key: &str| {
        let entry = spec.get(key)?;
        Some(Spanned::new(plain(&entry.node)?.to_owned(), entry.node.span))
    };
    let entries = mapping(spec);
    let table = match kind {
        "Stream" => STREAM,
        "Consumer" => CONSUMER,
        "KeyValue" => KEY_VALUE,
        "ObjectStore" => OBJECT_STORE,
        _ => return,
    };
    let entries = &externals(entries);
    importer.findings.forget();
    let mut found = fields(entries, table, NACK_OTHERS, Dialect::Nack, &mut importer.findings);
    match kind {
        "Stream" => {
            let Some(name) = name("name") else { return };
            if spec.get("storage").is_none() {
                let message = "nack keeps a stream without `storage` in memory".to_owned();
                importer.findings.guess(name.span, message);
                found.json.insert("storage".into(), "memory".into());
            }
            let stream = made(importer, name, found);
            importer.stream(stream);
        }
        "Consumer" => {
            let (Some(name), Some(stream)) = (name("durableName"), name("streamName")) else {
                let message = "a consumer without `durableName` and `streamName`".to_owned();
                return importer.findings.skipped(spec.span, message);
            };
            attach(importer, &stream.value, name, found);
        }
        _ => {
            let Some(name) = name("bucket") else { return };
            bucket(importer, kind == "KeyValue", &name, found);
        }
    }
}
