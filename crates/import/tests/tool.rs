//! Scripts run by bash with the real tool on a fresh server, beside what the import makes of them.
//!
//! `tool.txt` is the table. A script is `same` if every stream and consumer is equal field by field
//! and nothing was left out, `refused` if the tool fails and the import says so as an error, and
//! `announced` if the import says what it could not read.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::collections::BTreeMap;
use std::process::{Command, Stdio};

use serde_json::Value;
use watershed_import::{Imported, import};
use watershed_peers::{NatsServer, nats};
use watershed_topology::source::SourceMap;
use watershed_wire::jetstream::{ConsumerConfig, StreamConfig};

/// Configurations by asset.
type Assets = BTreeMap<String, Value>;

/// Runs a script. Returns whether every command succeeded, and what the server has afterwards.
fn ran(script: &str) -> (bool, Assets) {
    let server = NatsServer::reference();
    let folder = tempfile::tempdir().unwrap();
    let tools = nats().parent().unwrap().to_owned();
    let path = format!("{}:{}", tools.display(), std::env::var("PATH").unwrap());
    let run = |program: &str, arguments: &[&str]| {
        let mut command = Command::new(program);
        for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("NATS_")) {
            command.env_remove(name);
        }
        command.env("PATH", &path).env("HOME", folder.path()).env("NATS_URL", &server.url);
        command.args(arguments).current_dir(folder.path()).stdin(Stdio::null());
        let output = command.output().unwrap();
        (output.status.success(), String::from_utf8_lossy(&output.stdout).into_owned())
    };
    let (worked, _) = run("bash", &["-e", "-c", script]);
    let names = |arguments: &[&str]| -> Vec<String> {
        let (_, out) = run("nats", arguments);
        out.lines().map(str::trim).filter(|line| !line.is_empty()).map(str::to_owned).collect()
    };
    let config = |arguments: &[&str]| -> Value {
        let (_, out) = run("nats", arguments);
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
    (worked, assets)
}

/// Without what the server adds of its own.
fn plain(mut config: Value) -> Value {
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

fn read(script: &str) -> (Imported, Assets, bool) {
    let mut sources = SourceMap::default();
    let file = sources.add("script.sh", &format!("#!/bin/bash\n{script}"));
    let (imported, _) = import(&sources, &[file]);
    let mut assets = Assets::new();
    for stream in &imported.topology.streams {
        let name = stream.name.value.clone();
        for consumer in &stream.consumers {
            let config = serde_json::to_value(&consumer.config).unwrap();
            assets.insert(format!("{name}/{}", consumer.name.value), plain(config));
        }
        assets.insert(name, plain(serde_json::to_value(&stream.config).unwrap()));
    }
    let refused = imported.findings.iter().any(|one| one.code == "I004");
    (imported, assets, refused)
}

/// What differs, field by field.
fn differences(live: &Assets, read: &Assets) -> Vec<String> {
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

#[test]
#[cfg_attr(not(all(peer = "nats", peer = "nats-server")), ignore = "needs nats and nats-server")]
fn scripts_are_read_as_the_tool_runs_them() {
    let table = include_str!("tool.txt");
    let mut wrong = Vec::new();
    let mut count = 0;
    for block in table.split("\n=== ").skip(1) {
        let (verdict, script) = block.split_once('\n').unwrap();
        count += 1;
        let (worked, live) = ran(script);
        let (imported, made, refused) = read(script);
        let whole = imported.partial.is_empty() && !imported.incomplete;
        let differs = differences(&live, &made);
        let told: Vec<&str> = imported.findings.iter().map(|one| one.message.as_str()).collect();
        let fine = match verdict.trim() {
            "same" => worked && !live.is_empty() && differs.is_empty() && whole && !refused,
            "refused" => !worked && refused && !whole,
            "announced" => !whole || told.iter().any(|one| one.contains("not read")),
            other => panic!("unknown verdict `{other}`"),
        };
        if !fine {
            wrong.push(format!(
                "{verdict}: {script}\n  worked: {worked}, whole: {whole}, refused: {refused}\n  {}\n  {}",
                differs.join("\n  "),
                told.join("\n  ")
            ));
        }
    }
    assert!(wrong.is_empty(), "{} of {count}:\n{}", wrong.len(), wrong.join("\n"));
}
