//! Streams into files and back: the same subjects, headers, payloads and positions, or nothing at all.

use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde_json::{Value, json};
use tempfile::TempDir;
use watershed_peers::{NatsServer, nats_servers};

use crate::raw::Raw;
use crate::server::{Running, run, succeed};

/// A header block of these lines.
fn block(lines: &[&str]) -> Vec<u8> {
    format!("NATS/1.0\r\n{}\r\n\r\n", lines.join("\r\n")).into_bytes()
}

/// Names and values of a header block, sorted by name: clients keep the order within a name only.
fn headers(base64: &str) -> Vec<(String, String)> {
    let text = String::from_utf8(BASE64.decode(base64).unwrap()).unwrap();
    let lines = text.split("\r\n").filter_map(|line| line.split_once(':'));
    let mut all: Vec<(String, String)> =
        lines.map(|(name, value)| (name.to_owned(), value.trim().to_owned())).collect();
    all.sort_by(|one, other| one.0.cmp(&other.0));
    all
}

fn create(raw: &mut Raw, name: &str, more: &Value) {
    let mut config = json!({"name": name, "subjects": [format!("{name}.>")], "storage": "file"});
    config.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    raw.done(&format!("STREAM.CREATE.{name}"), &config);
}

/// Backs a stream up, deletes it and restores it: out of the archive, where everything is as it was, and message by message.
/// Its content after the latter, and what was said.
#[track_caller]
fn there_and_back(raw: &mut Raw, url: &str, name: &str) -> (Vec<[String; 3]>, String) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("new/folder").display().to_string();
    let before = raw.content(name).unwrap();
    let config = |raw: &mut Raw| {
        let info = raw.done(&format!("STREAM.INFO.{name}"), &json!({}));
        let mut config = info["config"].clone();
        config.as_object_mut().unwrap().remove("metadata");
        config
    };
    let (old, messages) = (config(raw), raw.messages(name));
    succeed(&["backup", &path, name, "-s", url]);
    raw.done(&format!("STREAM.DELETE.{name}"), &json!({}));
    let ran = run(&["restore", &path, "-s", url]);
    assert_eq!(ran.code, Some(0), "{name}: {}{}", ran.out, ran.err);
    assert!(ran.err.contains("out of the archive, as it is"), "{name}: {}", ran.err);
    assert_eq!(config(raw), old, "{name}");
    assert_eq!(raw.messages(name), messages, "{name}");
    raw.done(&format!("STREAM.DELETE.{name}"), &json!({}));
    let ran = run(&["restore", &path, "--publish", "-s", url]);
    assert_eq!(ran.code, Some(0), "{name}: {}{}", ran.out, ran.err);
    let after = raw.content(name).unwrap();
    assert_eq!(config(raw), old, "{name}");
    assert_eq!(before.len(), after.len(), "{name}");
    for (before, after) in before.iter().zip(&after) {
        assert_eq!([&before[0], &before[2]], [&after[0], &after[2]], "{name}");
    }
    (after, ran.err)
}

fn check(url: &str) {
    let mut raw = Raw::connect(url);
    contents(&mut raw, url);
    policies(&mut raw, url);
    positions(&mut raw, url);
}

/// What a message can consist of.
fn contents(raw: &mut Raw, url: &str) {
    create(raw, "odd", &json!({"duplicate_window": 100_000_000}));
    let every: Vec<u8> = (0..=255).collect();
    raw.store("odd.a", &block(&["K: v", "K: w", "k: low", "A:tight", "B:  two", "C:"]), &every);
    raw.store("odd.ü.日本", &[], b"");
    raw.store("odd.b", &block(&["Grün: x", "Bad Name: x", "no colon", "Good: grün"]), b"1");
    raw.store("odd.c", b"NATS/1.0\r\nLines: a\nb\r\n\r\n", b"2");
    raw.store("odd.d", &block(&[&format!("Long: {}", "y".repeat(60_000))]), b"3");
    // One id again and again, as often as the server had forgotten it.
    for _ in 0..2 {
        while raw.content("odd").unwrap().last().unwrap()[0] != "odd.id" {
            raw.store("odd.id", &block(&["Nats-Msg-Id: same"]), b"");
        }
        raw.store("odd.e", &[], b"");
    }
    let before = raw.content("odd").unwrap();
    let (after, said) = there_and_back(raw, url, "odd");
    assert!(said.contains("2 messages had a header that no client can send"), "{said}");
    for (before, after) in before.iter().zip(&after) {
        let (before, after) = (headers(&before[1]), headers(&after[1]));
        if before.iter().any(|(name, _)| name == "Good" || name == "Lines") {
            assert_eq!(after.len(), 1);
        } else {
            assert_eq!(before, after);
        }
    }
}

/// What the stream's configuration says would be in the way.
fn policies(raw: &mut Raw, url: &str) {
    // A subject that it does not store any more.
    create(raw, "gone", &json!({"subjects": ["gone.>", "former.>"]}));
    raw.store("former.x", &[], b"1");
    raw.store("gone.x", &[], b"2");
    raw.done(
        "STREAM.UPDATE.gone",
        &json!({"name": "gone", "subjects": ["gone.>"], "storage": "file"}),
    );
    // Another stores it now.
    there_and_back(raw, url, "gone");
    create(raw, "mute", &json!({"no_ack": true}));
    raw.publish("mute.x", &[], b"1");
    raw.settle();
    there_and_back(raw, url, "mute");
    create(raw, "small", &json!({}));
    raw.store("small.x", &[], &[b'x'; 200]);
    let small =
        json!({"name": "small", "subjects": ["small.>"], "storage": "file", "max_msg_size": 20});
    raw.done("STREAM.UPDATE.small", &small);
    there_and_back(raw, url, "small");
    create(raw, "roll", &json!({"allow_rollup_hdrs": true, "max_msgs_per_subject": 2}));
    raw.store("roll.a", &[], b"1");
    raw.store("roll.a", &block(&["Nats-Rollup: sub"]), b"2");
    raw.store("roll.a", &[], b"3");
    raw.store("roll.b", &[], b"4");
    let before = raw.content("roll").unwrap();
    assert_eq!(there_and_back(raw, url, "roll").0, before);
    // What it copies comes again, and what it stores itself is kept.
    let sources = json!([{"name": "gone"}]);
    create(raw, "both", &json!({"sources": sources}));
    while raw.content("both").unwrap().len() < 2 {}
    for number in 0..3_u8 {
        raw.store("both.x", &[], &[number]);
    }
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("b").display().to_string();
    succeed(&["backup", &path, "both", "-s", url]);
    raw.done("STREAM.DELETE.both", &json!({}));
    succeed(&["restore", &path, "-s", url]);
    assert_eq!(raw.content("both").unwrap().len(), 5);
    raw.done("STREAM.DELETE.both", &json!({}));
    let said = run(&["restore", &path, "--publish", "-s", url]);
    assert!(said.err.contains("further messages are copied again from gone"), "{}", said.err);
    while raw.content("both").unwrap().len() < 5 {}
    assert_eq!(raw.content("both").unwrap().len(), 5);
}

/// Consumers go on behind what they had finished, whatever the sequences are now.
fn positions(raw: &mut Raw, url: &str) {
    for (name, retention) in [("gaps", "limits"), ("wanted", "interest"), ("work", "workqueue")] {
        create(raw, name, &json!({"retention": retention}));
        let consumer = |raw: &mut Raw, consumer: &str, more: Value| {
            let mut config =
                json!({"durable_name": consumer, "name": consumer, "ack_policy": "explicit"});
            config.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            let body = json!({"stream_name": name, "config": config});
            raw.done(&format!("CONSUMER.CREATE.{name}.{consumer}"), &body);
        };
        consumer(raw, "c", json!({"filter_subject": format!("{name}.x")}));
        consumer(
            raw,
            "idle",
            json!({"deliver_policy": if name == "work" { "all" } else { "new" }, "filter_subject": format!("{name}.y")}),
        );
        for number in 0..20_u8 {
            let subject = if number == 9 { "y" } else { "x" };
            raw.store(&format!("{name}.{subject}"), &[], &[number]);
        }
        for gone in [2, 3, 5, 12] {
            raw.done(&format!("STREAM.MSG.DELETE.{name}"), &json!({"seq": gone}));
        }
        succeed(&["next", "-s", url, name, "c", "--count", "5"]);
        let (left, _) = there_and_back(raw, url, name);
        for (consumer, payload) in [("c", 8), ("idle", 9)] {
            let got = succeed(&["next", "-s", url, name, consumer, "--json"]);
            let got: Value = serde_json::from_str(&got).unwrap();
            let sequence = usize::try_from(got["sequence"].as_u64().unwrap()).unwrap();
            assert_eq!(left[sequence - 1][2], BASE64.encode([payload]), "{name} {consumer}: {got}");
        }
    }
}

#[test]
fn everything_that_is_stored_comes_back_on_this_server() {
    let folder = tempfile::tempdir().unwrap();
    check(&Running::start(&folder.path().join("store")).url());
}

#[test]
#[cfg_attr(not(peer = "nats-server"), ignore = "needs nats-server: see .ci/peers")]
fn everything_that_is_stored_comes_back_on_real_servers() {
    for program in nats_servers() {
        check(&NatsServer::start(&program).url);
    }
}

/// A server with a stream of some messages, and a backup of it.
fn backed_up() -> (Running, Raw, TempDir, String) {
    let folder = tempfile::tempdir().unwrap();
    let server = Running::start(&folder.path().join("store"));
    let mut raw = Raw::connect(&server.url());
    create(&mut raw, "A", &json!({}));
    for number in 0..5_u8 {
        raw.store("A.x", &[], &[number]);
    }
    let path = folder.path().join("b").display().to_string();
    succeed(&["backup", &path, "-s", &server.url()]);
    (server, raw, folder, path)
}

#[test]
fn a_backup_with_any_byte_changed_restores_nothing() {
    let (server, mut raw, folder, path) = backed_up();
    raw.done("STREAM.DELETE.A", &json!({}));
    let restore = || run(&["restore", &path, "-s", &server.url()]);
    for name in ["backup.json", "messages.jsonl", "stream.tar.s2"] {
        let file = folder.path().join("b/A").join(name);
        let whole = std::fs::read(&file).unwrap();
        for place in (0..whole.len()).step_by(whole.len() / 7) {
            let mut damaged = whole.clone();
            damaged[place] ^= 1;
            std::fs::write(&file, damaged).unwrap();
            let ran = restore();
            assert_eq!(ran.code, Some(1), "{name} {place}: {}", ran.out);
            std::fs::write(&file, &whole[..place]).unwrap();
            assert_eq!(restore().code, Some(1), "{name} cut at {place}");
            assert_eq!(raw.content("A"), None, "{name} {place}");
        }
        std::fs::write(&file, whole).unwrap();
    }
    assert_eq!(restore().code, Some(0));
}

#[test]
fn what_is_in_the_way_of_a_restore_stays_and_is_named() {
    let (server, mut raw, _folder, path) = backed_up();
    let (url, one) = (server.url(), format!("{path}/A"));
    let there = run(&["restore", &one, "-s", &url]);
    assert_eq!(there.code, Some(1));
    assert!(there.err.contains("stream `A` is there already"), "{}", there.err);
    let taken = run(&["restore", &one, "--as", "B", "-s", &url]);
    assert_eq!(taken.code, Some(1));
    assert!(taken.err.contains("`A.>` is stored by the stream `A`"), "{}", taken.err);
    assert!(taken.err.contains("restore onto another server"), "{}", taken.err);
    assert_eq!(raw.content("B"), None);
    assert_eq!(raw.content("A").unwrap().len(), 5);
    // What a restore has left behind that was killed, is no obstacle.
    raw.done("STREAM.DELETE.A", &json!({}));
    create(&mut raw, "A", &json!({"metadata": {"watershed.restoring": "A"}}));
    raw.store("A.half", &[], b"");
    succeed(&["restore", &one, "-s", &url]);
    assert_eq!(raw.content("A").unwrap().len(), 5);
    assert!(raw.content("A").unwrap().iter().all(|message| message[0] == "A.x"));
}

/// Several streams are restored when all of them can be, or none is.
#[test]
fn what_cannot_be_restored_as_a_whole_is_not_begun() {
    let folder = tempfile::tempdir().unwrap();
    let server = Running::start(&folder.path().join("store"));
    let (url, mut raw) = (server.url(), Raw::connect(&server.url()));
    for name in ["A", "B"] {
        create(&mut raw, name, &json!({}));
        raw.store(&format!("{name}.x"), &[], &vec![b'x'; 700_000]);
    }
    let path = folder.path().join("backups").display().to_string();
    succeed(&["backup", &path, "-s", &url]);
    raw.done("STREAM.DELETE.A", &json!({}));
    let there = run(&["restore", &path, "-s", &url]);
    assert_eq!(there.code, Some(1));
    assert!(there.err.contains("stream `B` is there already"), "{}", there.err);
    assert_eq!(raw.content("A"), None);

    let config = folder.path().join("small.conf");
    let small = "accounts { A { jetstream { max_file: 1M }, users: [{ user: a, password: b }] } }\njetstream {}\n";
    std::fs::write(&config, small).unwrap();
    let (config, store) = (config.display().to_string(), folder.path().join("small"));
    let small = Running::serve(&["-c", &config, "--store_dir", store.to_str().unwrap()], &[]);
    let (url, one) = (small.url(), format!("{path}/A"));
    let server = ["-s", &url, "--user", "a", "--password", "b"];
    let full = run(&[&["restore", &path][..], &server].concat());
    assert_eq!(full.code, Some(1));
    assert!(full.err.contains("the account may store 1000000 bytes more on disk"), "{}", full.err);
    assert!(full.err.contains("; nothing was restored"), "{}", full.err);
    succeed(&[&["restore", &one][..], &server].concat());
}

#[test]
fn half_a_backup_does_not_stay_behind() {
    const CONFIG: &str = r#"
jetstream {}
authorization { users: [
  { user: admin, password: secret }
  { user: reader, password: secret, permissions: { publish: { deny: ["$JS.API.STREAM.MSG.GET.>", "$JS.API.STREAM.SNAPSHOT.>"] } } }
] }
"#;
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("server.conf");
    std::fs::write(&config, CONFIG).unwrap();
    let (config, store) = (config.display().to_string(), folder.path().join("store"));
    let arguments = ["--config", &config, "--store_dir", &store.display().to_string()];
    let server = Running::serve(&arguments, &[]);
    let user = |name: &str| server.url().replace("nats://", &format!("nats://{name}:secret@"));
    let mut raw = Raw::connect(&user("admin"));
    create(&mut raw, "A", &json!({}));
    raw.store("A.x", &[], b"");
    let path = folder.path().join("b");
    let ran = run(&["backup", &path.display().to_string(), "-s", &user("reader")]);
    assert_eq!(ran.code, Some(1));
    assert!(
        ran.err.contains("user `reader` may not publish to `$JS.API.STREAM.MSG.GET.A`"),
        "{}",
        ran.err
    );
    assert!(!path.join("A").exists());
    let modes = |path: &Path| {
        use std::os::unix::fs::PermissionsExt as _;
        std::fs::metadata(path).unwrap().permissions().mode() & 0o777
    };
    succeed(&["backup", &path.display().to_string(), "-s", &user("admin")]);
    assert_eq!([modes(&path.join("A")), modes(&path.join("A/backup.json"))], [0o700, 0o600]);
    assert_eq!(modes(&path.join("A/messages.jsonl")), 0o600);
    assert_eq!(modes(&path.join("A/stream.tar.s2")), 0o600);
}
