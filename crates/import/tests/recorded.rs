//! What programs made on nats-server 2.14.6 when they ran with the real client libraries, beside what
//! the import makes of them, field by field.
//!
//! Each was run once with its library (nats.go 1.55.0, @nats-io/jetstream 3.4.0, nats 2.29.3, async-nats 0.51.0,
//! jnats 2.25.0) on a fresh server, and the configurations that the server then had are beside it.
#![cfg(feature = "code")]
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod assets;

use serde_json::Value;
use watershed_import::import;
use watershed_topology::diagnostic::Severity;
use watershed_topology::source::SourceMap;
use watershed_wire::jetstream::{ConsumerConfig, StreamConfig};

use self::assets::{Assets, differences, inboxes, plain};

fn check(name: &str, program: &str, recorded: &str) {
    let all: std::collections::BTreeMap<String, Value> = serde_json::from_str(recorded).unwrap();
    // Consumers without a durable name go with their clients, and are no part of a topology.
    let lasts =
        |name: &String, config: &Value| !name.contains('/') || config["durable_name"].is_string();
    let mut live: Assets = all
        .into_iter()
        .filter(|(name, config)| lasts(name, config))
        .map(|(name, config)| {
            let typed = if name.contains('/') {
                serde_json::to_value(serde_json::from_value::<ConsumerConfig>(config).unwrap())
            } else {
                serde_json::to_value(serde_json::from_value::<StreamConfig>(config).unwrap())
            };
            (name, plain(typed.unwrap()))
        })
        .collect();
    inboxes(&mut live);
    let mut sources = SourceMap::default();
    let file = sources.add(name, program);
    let (imported, _) = import(&sources, &[file]);
    let differs = differences(&live, &assets::imported(&imported));
    let told = imported.findings.iter().filter(|one| one.severity > Severity::Info);
    let told: Vec<&str> = told.map(|one| one.message.as_str()).collect();
    assert!(differs.is_empty(), "{}\n{}", differs.join("\n"), told.join("\n"));
    assert!(!imported.incomplete && imported.partial.is_empty(), "{}", told.join("\n"));
}

#[test]
fn nats_go() {
    check("main.go", include_str!("recorded/nats.go"), include_str!("recorded/nats.go.json"));
}

#[test]
fn nats_js() {
    check("main.ts", include_str!("recorded/nats.ts"), include_str!("recorded/nats.ts.json"));
}

#[test]
fn nats_js_before() {
    let recorded = include_str!("recorded/nats-before.js.json");
    check("main.js", include_str!("recorded/nats-before.js"), recorded);
}

#[test]
fn async_nats() {
    let recorded = include_str!("recorded/async_nats.rs.json");
    check("main.rs", include_str!("recorded/async_nats.rs"), recorded);
}

#[test]
fn jnats() {
    check(
        "Jnats.java",
        include_str!("recorded/Jnats.java"),
        include_str!("recorded/Jnats.java.json"),
    );
}
