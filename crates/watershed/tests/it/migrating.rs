//! Moving a stream over to what no server changes in place: its messages, sequences and times stay, and its
//! consumers go on where they were. While the worst happens at every call, too.

use std::io::{BufRead as _, BufReader, Read as _};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::Instant;

use serde_json::{Value, json};
use tempfile::TempDir;
use watershed_peers::{NatsServer, nats_server, nats_servers};

use crate::alone::interrupt;
use crate::faulty::{Fault, Faulty};
use crate::proxy::{Gate, Proxy};
use crate::raw::Raw;
use crate::server::{PATIENCE, Running, run, succeed, watershed, write};

/// A stream `S` of this storage and retention.
fn file(storage: &str, retention: &str) -> String {
    format!(
        "watershed: 1\nname: x\nstreams:\n  S:\n    subjects: [s.c, s.d]\n    max_age: 1d\n    storage: {storage}\n    retention: {retention}\n    consumers: {{ c: {{ filter_subject: s.c }}, d: {{ filter_subject: s.d }} }}\n"
    )
}

/// An account with a stream on which work goes on.
struct Shop {
    raw: Raw,
    url: String,
    folder: TempDir,
    /// Its messages before it was migrated.
    before: Vec<Value>,
}

impl Shop {
    fn new(url: &str, storage: &str, retention: &str) -> Self {
        Self::of(url, &file(storage, retention))
    }

    /// What is made of a file.
    fn of(url: &str, text: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = write(&folder, text);
        let mut raw = Raw::connect(url);
        for name in ["S", TRANSIT] {
            raw.call(&format!("STREAM.DELETE.{name}"), &json!({}));
        }
        // Some servers still clear away what was deleted.
        let deadline = Instant::now() + PATIENCE;
        let mut ran = run(&["apply", "--yes", "-s", url, &path]);
        while ran.code != Some(0) {
            assert!(ran.code == Some(1) && Instant::now() < deadline, "{}{}", ran.out, ran.err);
            ran = run(&["apply", "--yes", "-s", url, &path]);
        }
        for number in 0..12_u8 {
            let subject = if number % 2 == 0 { "s.c" } else { "s.d" };
            let block = format!("NATS/1.0\r\nNats-Msg-Id: {number}\r\nX-Own: a b\r\n\r\n");
            raw.store(subject, block.as_bytes(), &[b'a' + number]);
        }
        // A gap, and a consumer that has acknowledged two.
        if text.contains("retention: limits") {
            raw.done("STREAM.MSG.DELETE.S", &json!({"seq": 6}));
        }
        succeed(&["next", "-s", url, "S", "c", "--count", "2"]);
        let before = raw.messages("S").unwrap();
        Self { raw, url: url.to_owned(), folder, before }
    }

    fn apply(&self, storage: &str, retention: &str, flags: &[&str]) -> (Option<i32>, String) {
        let path = write(&self.folder, &file(storage, retention));
        let ran = run(&[&["apply", "--yes", "-s", &self.url], flags, &[&path]].concat());
        (ran.code, format!("{}{}", ran.out, ran.err))
    }

    /// What is there after a migration; `place` is what led to it.
    fn check(&mut self, storage: &str, retention: &str, place: &str) {
        let config = self.raw.done("STREAM.INFO.S", &json!({}))["config"].take();
        assert_eq!(
            (&config["storage"], &config["retention"]),
            (&json!(storage), &json!(retention))
        );
        assert_eq!(config["subjects"], json!(["s.c", "s.d"]), "{place}");
        let marks = config["metadata"].as_object().unwrap();
        let ours: Vec<&String> = marks.keys().filter(|key| key.starts_with("watershed.")).collect();
        assert_eq!(ours, ["watershed.topology"], "{place}");
        let after = self.raw.messages("S").unwrap();
        let mut left = self.before.clone();
        if retention != "limits" {
            // What was done is gone, and nothing else.
            left.retain(|one| !is_done(one));
        }
        assert_eq!(self.raw.lasting(&after), self.raw.lasting(&left), "{place}");
        self.raw.store("s.c", &[], b"new");
        for (consumer, first) in [("c", "e"), ("d", "b")] {
            let next = succeed(&["next", "-s", &self.url, "S", consumer, "--count", "5"]);
            let first = next.lines().any(|line| line.ends_with(first));
            let done = next.lines().any(|line| line.ends_with(" a") || line.ends_with(" c"));
            assert!(first && !done, "{place}: {consumer}: {next}");
        }
        let plan = run(&["plan", "-s", &self.url, &write(&self.folder, &file(storage, retention))]);
        assert!(plan.out.contains("nothing to do"), "{place}: {}", plan.out);
    }
}

/// Whether the consumer had acknowledged it.
fn is_done(message: &Value) -> bool {
    message["subject"] == "s.c" && message["seq"].as_u64() <= Some(3)
}

const TRANSIT: &str = "watershed_migrates_S";

/// What a migration keeps.
fn keeps(url: &str) {
    for [from, to] in [
        [("memory", "limits"), ("file", "limits")],
        [("file", "limits"), ("memory", "workqueue")],
        [("file", "workqueue"), ("file", "interest")],
    ] {
        let mut shop = Shop::new(url, from.0, from.1);
        let (code, said) = shop.apply(to.0, to.1, &[]);
        let refused = said.contains("refused without --migrate S");
        assert!(code == Some(5) && refused, "{said}");
        let mut flags = vec!["--migrate", "S"];
        if (from.1, to.1) == ("limits", "workqueue") {
            let (code, said) = shop.apply(to.0, to.1, &flags);
            let loss =
                "loses what `c` has passed, done or given up (`max_deliver`), of 11 messages";
            assert!(code == Some(5) && said.contains(loss), "{said}");
            flags.extend(["--allow-loss", "S"]);
        }
        let (code, said) = shop.apply(to.0, to.1, &flags);
        assert!(code == Some(0) && said.contains("migrated stream S"), "{said}");
        shop.check(to.0, to.1, &said);
        // What was is still there, and goes when somebody says so.
        assert_eq!(shop.raw.messages(TRANSIT).unwrap().len(), shop.before.len());
        let (code, said) = shop.apply(to.0, to.1, &["--drop-old", "S"]);
        assert!(code == Some(0) && said.contains(&format!("dropped stream {TRANSIT}")), "{said}");
        let gone = shop.raw.call(&format!("STREAM.INFO.{TRANSIT}"), &json!({}));
        assert_eq!(gone["error"]["err_code"], 10059);
    }
}

/// What a stream keeps that gets another name.
fn renamed(url: &str) {
    let mut shop = Shop::new(url, "file", "limits");
    let text = file("file", "limits").replace("  S:\n", "  T:\n    was: S\n");
    let path = write(&shop.folder, &text);
    let apply = |flags: &[&str]| run(&[&["apply", "--yes", "-s", url], flags, &[&path]].concat());
    let ran = apply(&[]);
    assert!(ran.code == Some(5) && ran.out.contains("refused without --migrate T"), "{}", ran.out);
    let ran = apply(&["--migrate", "T"]);
    assert_eq!(ran.code, Some(0), "{}{}", ran.out, ran.err);
    let there = shop.raw.messages("T").unwrap();
    assert_eq!(shop.raw.lasting(&there), shop.raw.lasting(&shop.before));
    let next = succeed(&["next", "-s", url, "T", "c"]);
    assert!(next.trim_end().ends_with(" e"), "{next}");
    let ran = apply(&["--drop-old", "T"]);
    assert!(ran.err.contains("dropped stream S"), "{}{}", ran.out, ran.err);
    assert_eq!(shop.raw.messages("S"), None);
    shop.raw.done("STREAM.DELETE.T", &json!({}));
}

/// A consumer that no update changes goes on where it was, on every server.
fn replaced(url: &str) {
    let mut shop = Shop::new(url, "file", "limits");
    let text = file("file", "limits").replace("s.c }", "s.c, max_waiting: 7 }");
    let path = write(&shop.folder, &text);
    let apply = |flags: &[&str]| run(&[&["apply", "--yes", "-s", url], flags, &[&path]].concat());
    let ran = apply(&[]);
    assert!(ran.code == Some(5) && ran.out.contains("without --migrate S/c"), "{}", ran.out);
    let ran = apply(&["--migrate", "S/c"]);
    assert_eq!(ran.code, Some(0), "{}{}", ran.out, ran.err);
    let names = shop.raw.done("CONSUMER.NAMES.S", &json!({}))["consumers"].take();
    assert_eq!(names, json!(["c", "d"]), "{}{}", ran.out, ran.err);
    let config = shop.raw.done("CONSUMER.INFO.S.c", &json!({}))["config"].take();
    assert_eq!((&config["max_waiting"], &config["pause_until"]), (&json!(7), &Value::Null));
    let next = succeed(&["next", "-s", url, "S", "c"]);
    assert!(next.trim_end().ends_with(" e"), "{next}");
    let plan = run(&["plan", "-s", url, &path]);
    assert!(plan.out.contains("nothing to do"), "{}", plan.out);
}

/// What no consumer of a work queue takes is there after a migration, and after one that was undone.
fn untaken(url: &str) {
    let text = |storage: &str, subjects: &str| {
        let text = file(storage, "workqueue").replace(", d: { filter_subject: s.d }", "");
        text.replace("[s.c, s.d]", &format!("{subjects} # allow X007: it is kept"))
    };
    let server: SocketAddr = url.trim_start_matches("nats://").parse().unwrap();
    let mut undone = 0;
    for at in (14..60).step_by(stride().unwrap_or(9)) {
        let Shop { mut raw, before, folder, .. } = Shop::of(url, &text("memory", "[s.c, s.d]"));
        let path = write(&folder, &text("file", "[s.c, s.d]"));
        let proxy = Faulty::start(server, Fault::KilledAfter, at);
        proxy.run(watershed(&["apply", "--yes", "--migrate", "S", "-s", &proxy.url, &path]));
        let plan = run(&["plan", "-s", url, &path]);
        let is_begun = plan.out.contains("--back S undoes it instead");
        undone += usize::from(is_begun);
        let way = if is_begun { "--back" } else { "--migrate" };
        let ran = run(&["apply", "--yes", "-s", url, way, "S", &path]);
        let said = format!("at {at}: {}{}{}", plan.out, ran.out, ran.err);
        assert_eq!(ran.code, Some(0), "{said}");
        let names = raw.done("CONSUMER.NAMES.S", &json!({}))["consumers"].take();
        assert_eq!(names, json!(["c"]), "{said}");
        let there = raw.messages("S").unwrap();
        assert_eq!(raw.lasting(&there), raw.lasting(&before), "{said}");
    }
    assert!(undone > 0);
    // What is left of a wildcard cannot be held.
    let shop = Shop::of(url, &text("memory", "['s.*']"));
    let path = write(&shop.folder, &text("file", "['s.*']"));
    let ran = run(&["plan", "-s", url, "--migrate", "S", &path]);
    let why = "is a work queue, and no durable consumer takes `s.x`";
    assert!(ran.out.contains(why), "{}{}", ran.out, ran.err);
}

/// What is nobody's is adopted and migrated by one run, with its consumers.
fn adopted(url: &str) {
    let mut shop = Shop::new(url, "memory", "limits");
    succeed(&["release", "-s", url, "S", "S/c", "S/d"]);
    let (code, said) = shop.apply("file", "limits", &["--adopt", "all", "--migrate", "S"]);
    assert!(code == Some(0) && said.contains("adopted stream S"), "{said}");
    shop.check("file", "limits", &said);
    succeed(&["release", "-s", url, "S", "S/c", "S/d"]);
    let text = file("file", "limits").replace("s.c }", "s.c, max_waiting: 7 }");
    let path = write(&shop.folder, &text);
    let flags = ["--adopt", "all", "--migrate", "S/c", "--drop-old", "S"];
    succeed(&[&["apply", "--yes", "-s", url], &flags[..], &[&path]].concat());
    succeed(&["release", "-s", url, "S", "S/c", "S/d"]);
    let path = write(&shop.folder, &file("memory", "limits"));
    let flags = ["--adopt", "all", "--recreate", "S", "--allow-loss", "all"];
    succeed(&[&["apply", "--yes", "-s", url], &flags[..], &[&path]].concat());
    succeed(&["verify", "-s", url, &path]);
}

/// Ctrl-C where publishers have no stream stops where they have one.
fn interrupted(url: &str) {
    let server: SocketAddr = url.trim_start_matches("nats://").parse().unwrap();
    let mut shop = Shop::new(url, "memory", "limits");
    let path = write(&shop.folder, &file("file", "limits"));
    let gate = Gate { request: "_watershed.park.S", count: usize::MAX };
    let proxy = Proxy::gated(server, gate);
    let mut command = watershed(&["apply", "--yes", "--migrate", "S", "-s", &proxy.url, &path]);
    let mut running = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    while proxy.count(gate.request) == 0 {
        assert_eq!(running.try_wait().unwrap(), None);
        std::thread::yield_now();
    }
    interrupt(&running);
    let mut told = BufReader::new(running.stderr.take().unwrap());
    let mut said = String::new();
    while !said.contains("interrupted: stops as soon as others have their stream again") {
        assert!(told.read_line(&mut said).unwrap() > 0, "{said}");
    }
    proxy.open();
    told.read_to_string(&mut said).unwrap();
    assert_eq!(running.wait().unwrap().code(), None, "{said}");
    assert!(said.contains("interrupted; what was done stays: apply again to go on"), "{said}");
    shop.raw.store("s.d", &[], b"x");
    let (code, again) = shop.apply("file", "limits", &["--migrate", "S"]);
    assert_eq!(code, Some(0), "{said}{again}");
    assert_eq!(shop.raw.messages("S").unwrap().len(), shop.before.len() + 1, "{said}{again}");
}

/// A pause is not what an update does: it is asked for by itself.
fn paused(url: &str) {
    let mut shop = Shop::new(url, "file", "limits");
    let text = file("file", "limits").replace("s.c }", "s.c, pause_until: 2090-01-01T00:00:00Z }");
    let path = write(&shop.folder, &text);
    succeed(&["apply", "--yes", "-s", url, &path]);
    let info = shop.raw.done("CONSUMER.INFO.S.c", &json!({}));
    assert_eq!(info["paused"], true, "{info}");
    let plan = run(&["plan", "-s", url, &path]);
    assert!(plan.out.contains("nothing to do"), "{}", plan.out);
}

#[test]
fn a_migration_keeps_everything_on_this_server() {
    let folder = tempfile::tempdir().unwrap();
    let server = Running::start(&folder.path().join("store"));
    keeps(&server.url());
    renamed(&server.url());
    paused(&server.url());
    replaced(&server.url());
}

#[test]
#[cfg_attr(not(peer = "nats-server"), ignore = "needs nats-server: see .ci/peers")]
fn a_migration_keeps_everything_on_real_servers() {
    for program in nats_servers().iter().filter(|program| promotes(program)) {
        let server = NatsServer::start(program);
        replaced(&server.url);
        keeps(&server.url);
        renamed(&server.url);
        paused(&server.url);
    }
}

/// Servers that make no stream of its own of a mirror, and copy by sources.
fn old_servers() -> Vec<PathBuf> {
    nats_servers().into_iter().filter(|program| !promotes(program)).collect()
}

#[test]
#[cfg_attr(not(peer = "nats-server"), ignore = "needs nats-server: see .ci/peers")]
fn a_migration_keeps_everything_on_old_servers() {
    for program in old_servers() {
        let server = NatsServer::start(&program);
        replaced(&server.url);
        keeps(&server.url);
        renamed(&server.url);
    }
}

#[test]
#[cfg_attr(not(peer = "nats-server"), ignore = "needs nats-server: see .ci/peers")]
fn what_old_servers_do_not_keep_is_said_before() {
    for program in old_servers() {
        let server = NatsServer::start(&program);
        not_kept(&server.url);
    }
}

/// What a copy by sources changes is in the plan; what it would lose is refused.
fn not_kept(url: &str) {
    let mut shop = Shop::new(url, "memory", "limits");
    let (_, said) = shop.apply("file", "limits", &[]);
    let one_line = said.split_whitespace().collect::<Vec<_>>().join(" ");
    for note in [
        "copies by sources: 11 messages get new times and a header `Nats-Stream-Source`",
        "sequences change by the gaps (1 message gone in between)",
        "what would have gone by `max_age` stays up to 1d longer",
        "consumers go on at the same messages (`c` at 4, `d` at 1 now)",
        "message ids: those of 11 messages are looked at first",
    ] {
        assert!(one_line.contains(note), "{note}: {one_line}");
    }
    assert_eq!(said.contains("its consumers end"), shop.raw.version.starts_with("2.10."), "{said}");
    // Others that copy it would miss something.
    let mirror = json!({"name": "M", "mirror": {"name": "S"}});
    shop.raw.done("STREAM.CREATE.M", &mirror);
    let (code, said) = shop.apply("file", "limits", &["--migrate", "S"]);
    assert!(code == Some(5) && said.contains("`M` copies `S`"), "{said}");
    shop.raw.done("STREAM.DELETE.M", &json!({}));
    // The same id twice, as no window remembers the first one.
    let mut config = shop.raw.done("STREAM.INFO.S", &json!({}))["config"].take();
    config["duplicate_window"] = json!(100_000_000);
    shop.raw.done("STREAM.UPDATE.S", &config);
    let deadline = Instant::now() + PATIENCE;
    let count = |raw: &mut Raw| raw.messages("S").unwrap().len();
    while count(&mut shop.raw) == shop.before.len() {
        shop.raw.store("s.c", b"NATS/1.0\r\nNats-Msg-Id: 3\r\n\r\n", b"again");
        assert!(Instant::now() < deadline);
    }
    config["duplicate_window"] = json!(120_000_000_000_u64);
    shop.raw.done("STREAM.UPDATE.S", &config);
    let (code, said) = shop.apply("file", "limits", &["--migrate", "S"]);
    let why = "`S` has messages with the same id (`3` at 4 and 13), of which this server would copy only the first";
    assert!(code == Some(5) && said.contains(why), "{said}");
    let there = shop.raw.call(&format!("STREAM.INFO.{TRANSIT}"), &json!({}));
    assert_eq!(there["error"]["err_code"], 10059);
}

/// Whether a server makes streams of mirrors.
pub(crate) fn promotes(program: &Path) -> bool {
    let version = program.parent().and_then(Path::file_name).unwrap_or_default();
    !["2.10.", "2.11."].iter().any(|old| version.to_string_lossy().starts_with(old))
}

/// Every call of a migration belongs to one of so many parts.
const PARTS: usize = 32;

/// Whether every call is tried, and on every server, and not only some: `.ci/long migrations`, `.ci/long faults`.
pub(crate) fn every_call() -> bool {
    stride().is_some()
}

/// How far apart the calls are that are tried then.
pub(crate) fn stride() -> Option<usize> {
    let said = std::env::var("WATERSHED_EVERY_CALL").ok()?;
    Some(said.parse().unwrap_or(1).max(1))
}

fn faults(url: &str, fault: Fault, part: usize) {
    let (first, step) = stride().map_or((1 + part, PARTS), |stride| (1 + part % stride, stride));
    for at in (first..).step_by(step) {
        if faulty(url, fault, at) {
            assert!(at > 60, "{fault:?} at {at}: that was all");
            break;
        }
    }
}

/// One fault at one call, and the next run. Whether the call did not come.
fn faulty(url: &str, fault: Fault, at: usize) -> bool {
    let server: SocketAddr = url.trim_start_matches("nats://").parse().unwrap();
    let mut shop = Shop::new(url, "memory", "limits");
    let path = write(&shop.folder, &file("file", "limits"));
    let other = url.to_owned();
    let stored = Arc::new(AtomicBool::new(false));
    let told = Arc::clone(&stored);
    let meddle = move || {
        let answer = Raw::connect(&other).ask("s.d", &json!("meanwhile"));
        told.store(answer["seq"].is_u64(), Relaxed);
    };
    let proxy = Faulty::start_with(server, fault, at, meddle);
    let arguments = ["apply", "--yes", "--migrate", "S", "--timeout", "400ms", "-s"];
    let (output, all) = proxy.run(watershed(&[&arguments[..], &[&proxy.url, &path]].concat()));
    let said = String::from_utf8_lossy(&output.stderr);
    let place = format!("{fault:?} at {at}: {said}");
    // Whoever comes next goes on.
    let (code, again) = shop.apply("file", "limits", &["--migrate", "S"]);
    assert_eq!(code, Some(0), "{place}: {again}");
    if fault == Fault::Changed {
        // What another client was told is stored is there, too.
        let there = shop.raw.messages("S").unwrap();
        let is_more = |one: &&Value| one["data"] == json!("Im1lYW53aGlsZSI=");
        let more: Vec<Value> = there.iter().filter(is_more).cloned().collect();
        assert_eq!(more.len(), usize::from(stored.load(Relaxed)), "{place}");
        assert_eq!(there.len(), shop.before.len() + more.len(), "{place}");
        shop.before.extend(more);
    }
    shop.check("file", "limits", &place);
    all
}

/// A migration that was cut off at some calls is undone, with what was published meanwhile.
fn undone(url: &str) {
    let server: SocketAddr = url.trim_start_matches("nats://").parse().unwrap();
    let mut times = 0;
    for at in (12..60).step_by(stride().unwrap_or(9)) {
        let mut shop = Shop::new(url, "memory", "limits");
        let path = write(&shop.folder, &file("file", "limits"));
        let proxy = Faulty::start(server, Fault::KilledAfter, at);
        let arguments = ["apply", "--yes", "--migrate", "S", "-s"];
        proxy.run(watershed(&[&arguments[..], &[&proxy.url, &path]].concat()));
        let plan = run(&["plan", "-s", url, &path]);
        if !plan.out.contains("--back S undoes it instead") {
            continue;
        }
        times += 1;
        let ran = run(&["verify", "-s", url, &path]);
        let said = format!("{}{}", ran.out, ran.err);
        assert!(ran.code == Some(3) && said.contains("stream S is half migrated: "), "{said}");
        let between = plan.out.contains("get \"no responders\" now");
        if !between {
            shop.raw.store("s.c", &[], b"meanwhile");
        }
        let (code, said) = shop.apply("file", "limits", &["--back", "S"]);
        assert_eq!(code, Some(0), "at {at}: {}{said}", plan.out);
        let config = shop.raw.done("STREAM.INFO.S", &json!({}))["config"].take();
        let place = format!("at {at}: {}{said}: {config}", plan.out);
        assert_eq!(
            (&config["storage"], &config["subjects"]),
            (&json!("memory"), &json!(["s.c", "s.d"])),
            "{place}"
        );
        assert_eq!(config.get("sources"), None, "{place}");
        let after = shop.raw.messages("S").unwrap();
        assert_eq!(after.len(), shop.before.len() + usize::from(!between), "{place}");
        assert_eq!(after[..shop.before.len()], shop.before, "{place}");
        let next = succeed(&["next", "-s", url, "S", "c"]);
        assert!(next.trim_end().ends_with(" e"), "{place}: {next}");
    }
    assert!(times > 1);
}

#[test]
fn a_migration_adopts_and_may_be_interrupted_on_this_server() {
    let folder = tempfile::tempdir().unwrap();
    let server = Running::start(&folder.path().join("store"));
    adopted(&server.url());
    interrupted(&server.url());
}

#[test]
#[cfg_attr(not(peer = "nats-server"), ignore = "needs nats-server: see .ci/peers")]
fn a_migration_adopts_and_may_be_interrupted_on_a_real_server() {
    let server = NatsServer::start(&nats_server());
    adopted(&server.url);
    interrupted(&server.url);
}

#[test]
fn what_nobody_takes_stays_on_this_server() {
    let folder = tempfile::tempdir().unwrap();
    untaken(&Running::start(&folder.path().join("store")).url());
}

#[test]
#[cfg_attr(not(peer = "nats-server"), ignore = "needs nats-server: see .ci/peers")]
fn what_nobody_takes_stays_on_a_real_server() {
    untaken(&NatsServer::start(&nats_server()).url);
}

#[test]
#[cfg_attr(not(peer = "nats-server"), ignore = "needs nats-server: see .ci/peers")]
fn a_migration_is_undone_on_old_servers() {
    for program in old_servers() {
        undone(&NatsServer::start(&program).url);
    }
}

#[test]
#[cfg_attr(not(peer = "nats-server"), ignore = "needs nats-server: see .ci/peers")]
fn a_migration_may_be_interrupted_on_old_servers() {
    for program in old_servers() {
        let server = NatsServer::start(&program);
        interrupted(&server.url);
        untaken(&server.url);
    }
}

#[test]
fn a_migration_is_undone_on_this_server() {
    let folder = tempfile::tempdir().unwrap();
    let server = Running::start(&folder.path().join("store"));
    undone(&server.url());
}

#[test]
#[cfg_attr(not(peer = "nats-server"), ignore = "needs nats-server: see .ci/peers")]
fn a_migration_is_undone_on_a_real_server() {
    undone(&NatsServer::start(&nats_server()).url);
}

macro_rules! tests {
    ($($name:ident: $fault:ident, $part:literal;)*) => {$(
        mod $name {
            use super::*;

            #[test]
            fn goes_on_on_this_server() {
                let folder = tempfile::tempdir().unwrap();
                let server = Running::start(&folder.path().join("store"));
                faults(&server.url(), Fault::$fault, $part);
            }

            #[test]
            #[cfg_attr(not(peer = "nats-server"), ignore = "needs nats-server: see .ci/peers")]
            fn goes_on_on_a_real_server() {
                let reference = [nats_server()];
                let mut every = nats_servers();
                every.retain(|program| promotes(program));
                for program in if every_call() { &every[..] } else { &reference[..] } {
                    faults(&NatsServer::start(program).url, Fault::$fault, $part);
                }
            }

            #[test]
            #[cfg_attr(not(peer = "nats-server"), ignore = "needs nats-server: see .ci/peers")]
            fn goes_on_on_old_servers() {
                for program in old_servers() {
                    faults(&NatsServer::start(&program).url, Fault::$fault, $part);
                }
            }
        }
    )*};
}

tests! {
    killed_before: KilledBefore, 3;
    killed_after: KilledAfter, 9;
    cut_before: CutBefore, 15;
    cut_after: CutAfter, 21;
    unanswered: Unanswered, 27;
    denied: Denied, 5;
    full: Full, 12;
    changed: Changed, 19;
}
