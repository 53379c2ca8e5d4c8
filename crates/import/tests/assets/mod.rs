//! Streams and consumers of a live server and of an import, to be compared field by field.
#![allow(dead_code, reason = "not every test compares everything")]

use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::Value;
use watershed_import::Imported;
use watershed_peers::{NatsServer, nats};
use watershed_wire::jetstream::{ConsumerConfig, StreamConfig};

/// Configurations by asset.
pub(crate) type Assets = BTreeMap<String, Value>;

/// Runs a program in a folder, with `nats` on its path, against a server. Returns whether it succeeded,
/// and what it printed.
pub(crate) fn run(
    server: &NatsServer,
    folder: &Path,
    program: &Path,
    arguments: &[&str],
) -> (bool, String) {
    let tools = nats().parent().unwrap().to_owned();
    let path = format!("{}:{}", tools.display(), std::env::var("PATH").unwrap());
    let mut command = Command::new(program);
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("NATS_")) {
        command.env_remove(name);
    }
    command.env("PATH", &path).env("HOME", folder).env("NATS_URL", &server.url);
    command.args(arguments).current_dir(folder).stdin(Stdio::null());
    let output = command.output().unwrap();
    let mut text = String::from_utf8_lossy(&output.stdout).into_owned();
    if !output.status.success() {
        text.push_str(&String::from_utf8_lossy(&output.stderr));
    }
    (output.status.success(), text)
}

/// What a server has.
pub(crate) fn live(server: &NatsServer, folder: &Path) -> Assets {
    let run = |arguments: &[&str]| run(server, folder, &nats(), arguments);
    let names = |arguments: &[&str]| -> Vec<String> {
        let (_, out) = run(arguments);
        out.lines().map(str::trim).filter(|line| !line.is_empty()).map(str::to_owned).collect()
    };
    let config = |arguments: &[&str]| -> Value {
        let (_, out) = run(arguments);
        let info: Value =
            serde_json::from_str(&out).unwrap_or_else(|error| panic!("{out}: {error}"));
        info["config"].clone()
    };
    let mut assets = Assets::new();
    for stream in names(&["stream", "ls", "--names", "--all"]) {
        if stream.contains("No Streams") {
            continue;
        }
        for consumer in names(&["consumer", "ls", "--names", &stream]) {
            if consumer.contains("No Consumers") {
                continue;
            }
            let live = config(&["consumer", "info", &stream, &consumer, "--json"]);
            let typed: ConsumerConfig = serde_json::from_value(live).unwrap();
            assets.insert(
                format!("{stream}/{consumer}"),
                plain(serde_json::to_value(typed).unwrap()),
            );
        }
        let live = config(&["stream", "info", &stream, "--json"]);
        let typed: StreamConfig = serde_json::from_value(live).unwrap();
        assets.insert(stream, plain(serde_json::to_value(typed).unwrap()));
    }
    assets
}

/// What was imported.
pub(crate) fn imported(imported: &Imported) -> Assets {
    let mut assets = Assets::new();
    for stream in &imported.topology.streams {
        let name = stream.name.value.clone();
        for consumer in &stream.consumers {
            let config = serde_json::to_value(&consumer.config).unwrap();
            assets.insert(format!("{name}/{}", consumer.name.value), plain(config));
        }
        assets.insert(name, plain(serde_json::to_value(&stream.config).unwrap()));
    }
    assets
}

/// Without what the server adds of its own.
pub(crate) fn plain(mut config: Value) -> Value {
    if let Some(metadata) = config.get_mut("metadata").and_then(Value::as_object_mut) {
        metadata.retain(|key, _| !key.starts_with("_nats."));
    }
    if let Some(fields) = config.as_object_mut() {
        let empty = |value: &Value| {
            value.is_null()
                || value == &Value::from(false)
                || value == &Value::from("")
                || value.as_object().is_some_and(serde_json::Map::is_empty)
        };
        fields.retain(|_, value| !empty(value));
        // Consumers take over the copies of their stream, and say it or not.
        if fields.get("num_replicas") == Some(&Value::from(0)) {
            fields.remove("num_replicas");
        }
    }
    config
}

/// What differs, field by field.
pub(crate) fn differences(live: &Assets, read: &Assets) -> Vec<String> {
    let mut all = Vec::new();
    for name in live.keys().chain(read.keys().filter(|name| !live.contains_key(*name))) {
        match (live.get(name), read.get(name)) {
            (Some(Value::Object(live)), Some(Value::Object(read))) => {
                let fields = live.keys().chain(read.keys().filter(|key| !live.contains_key(*key)));
                for field in fields {
                    if live.get(field) != read.get(field) {
                        let (live, read) = (live.get(field), read.get(field));
                        all.push(format!("{name}.{field}: real {live:?}, read {read:?}"));
                    }
                }
            }
            (live, read) => all.push(format!(
                "{name}: {} for real, {} read",
                if live.is_some() { "there" } else { "missing" },
                if read.is_some() { "there" } else { "missing" }
            )),
        }
    }
    all
}

/// A subject that a library made up, under the name that the import gives it.
pub(crate) fn inboxes(assets: &mut Assets) {
    for (asset, config) in assets {
        let Some((_, name)) = asset.split_once('/') else { continue };
        let made_up =
            config["deliver_subject"].as_str().is_some_and(|one| one.starts_with("_INBOX."));
        if made_up {
            config["deliver_subject"] = Value::from(format!("_INBOX.{name}"));
        }
    }
}
