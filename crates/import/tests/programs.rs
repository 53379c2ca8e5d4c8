//! Programs run with the real client library on a fresh server, beside what the import makes of them.
//!
//! The table of each library is a text. A program is `same` if every stream and consumer is equal
//! field by field and nothing was left out, `refused` if it fails and the import says so as an error.
#![cfg(feature = "code")]
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod assets;

use std::path::Path;

use watershed_import::{Imported, import};
use watershed_peers::{NatsServer, python};
use watershed_topology::diagnostic::Severity;
use watershed_topology::source::SourceMap;

use self::assets::{Assets, differences, inboxes};

fn read(file: &str, program: &str) -> (Imported, Assets, bool) {
    let mut sources = SourceMap::default();
    let file = sources.add(file, program);
    let (imported, _) = import(&sources, &[file]);
    let assets = assets::imported(&imported);
    let refused = imported.findings.iter().any(|one| one.severity == Severity::Error);
    (imported, assets, refused)
}

/// Runs every program of a table, and compares.
fn compare(table: &str, file: &str, run: impl Fn(&NatsServer, &Path, &str) -> (bool, String)) {
    let mut blocks = table.split("\n=== ");
    let frame = blocks.next().unwrap();
    let (mut wrong, mut count) = (Vec::new(), 0);
    for block in blocks {
        let (verdict, body) = block.split_once('\n').unwrap();
        count += 1;
        let lines: Vec<String> = body.lines().map(|line| format!("    {line}")).collect();
        let program = frame.replace("    BODY", &lines.join("\n"));
        let server = NatsServer::reference();
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join(file), &program).unwrap();
        let (worked, out) = run(&server, folder.path(), file);
        let mut live = assets::live(&server, folder.path());
        inboxes(&mut live);
        let (imported, made, refused) = read(file, &program);
        let whole = imported.partial.is_empty() && !imported.incomplete;
        let differs = differences(&live, &made);
        let fine = match verdict.trim() {
            "same" => worked && !live.is_empty() && differs.is_empty() && whole && !refused,
            "refused" => !worked && refused,
            other => panic!("unknown verdict `{other}`"),
        };
        if !fine {
            let told: Vec<&str> =
                imported.findings.iter().map(|one| one.message.as_str()).collect();
            wrong.push(format!(
                "{verdict}: {body}\n  worked: {worked}, whole: {whole}, refused: {refused}\n  {}\n  {}\n{out}",
                differs.join("\n  "),
                told.join("\n  ")
            ));
        }
    }
    assert!(wrong.is_empty(), "{} of {count}:\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
#[cfg_attr(
    not(all(peer = "nats", peer = "nats-server", peer = "python")),
    ignore = "needs nats, nats-server and a Python with nats-py: see .ci/peers"
)]
fn programs_with_nats_py_are_read_as_they_run() {
    compare(include_str!("nats_py.txt"), "program.py", |server, folder, file| {
        assets::run(server, folder, &python(), &[file])
    });
}
