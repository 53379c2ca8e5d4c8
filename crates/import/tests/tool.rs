//! Scripts run by bash with the real tool on a fresh server, beside what the import makes of them.
//!
//! `tool.txt` is the table. A script is `same` if every stream and consumer is equal field by field
//! and nothing was left out, `refused` if the tool fails and the import says so as an error, and
//! `announced` if the import says what it could not read.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod assets;

use std::path::Path;

use watershed_import::{Imported, import};
use watershed_peers::NatsServer;
use watershed_topology::source::SourceMap;

use self::assets::{Assets, differences};

/// Runs a script. Returns whether every command succeeded, and what the server has afterwards.
fn ran(script: &str) -> (bool, Assets) {
    let server = NatsServer::reference();
    let folder = tempfile::tempdir().unwrap();
    let (worked, _) = assets::run(&server, folder.path(), Path::new("bash"), &["-e", "-c", script]);
    (worked, assets::live(&server, folder.path()))
}

fn read(script: &str) -> (Imported, Assets, bool) {
    let mut sources = SourceMap::default();
    let file = sources.add("script.sh", &format!("#!/bin/bash\n{script}"));
    let (imported, _) = import(&sources, &[file]);
    let assets = assets::imported(&imported);
    let refused = imported.findings.iter().any(|one| one.code == "I004");
    (imported, assets, refused)
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
            "refused" => !worked && refused,
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
