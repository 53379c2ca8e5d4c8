//! Backups in the form of the `nats` tool, both ways: what it wrote is restored, and it restores what was written
//! for it. Sequences, times and positions stay.

use std::path::Path;

use futures_util::StreamExt as _;
use serde_json::{Value, json};
use watershed_peers::{NatsServer, nats_servers};

use crate::nats_tool::Tool;
use crate::raw::Raw;
use crate::server::{Running, run, succeed};

/// What must come back of a stream: its messages, where it begins and ends, where its consumer is.
fn seen(raw: &mut Raw, stream: &str) -> Vec<Value> {
    let mut all = raw.messages(stream).unwrap();
    let info = raw.done(&format!("STREAM.INFO.{stream}"), &json!({}));
    all.extend(["messages", "first_seq", "last_seq"].map(|field| info["state"][field].clone()));
    let info = raw.done(&format!("CONSUMER.INFO.{stream}.worker"), &json!({}));
    for at in ["delivered", "ack_floor"] {
        all.extend(["consumer_seq", "stream_seq"].map(|field| info[at][field].clone()));
    }
    all.extend(
        ["num_ack_pending", "num_redelivered", "num_pending"].map(|field| info[field].clone()),
    );
    all
}

fn created(raw: &mut Raw, stream: &str) -> Value {
    raw.done(&format!("STREAM.INFO.{stream}"), &json!({}))["created"].clone()
}

/// A stream with gaps, headers and bytes of all kinds, and a consumer that has acknowledged some of what it got, in
/// another order.
async fn fill(url: &str, stream: &str, retention: &str) {
    let mut raw = Raw::connect(url);
    let config = json!({"name": stream, "subjects": [format!("{stream}.>")], "retention": retention,
        "storage": "file", "description": "ü"});
    raw.done(&format!("STREAM.CREATE.{stream}"), &config);
    let config = json!({"durable_name": "worker", "name": "worker", "ack_policy": "explicit",
        "ack_wait": 3_600_000_000_000_u64});
    let body = json!({"stream_name": stream, "config": config});
    raw.done(&format!("CONSUMER.CREATE.{stream}.worker"), &body);
    let every: Vec<u8> = (0..=255).collect();
    for number in 0..24_usize {
        let block = format!("NATS/1.0\r\nNats-Msg-Id: {number}\r\nA:  b\r\na: ü\r\n\r\n");
        let block = if number % 3 == 0 { block.as_bytes() } else { b"" };
        raw.store(&format!("{stream}.{}", number % 5), block, &every[..number * 10]);
    }
    for sequence in [2, 7, 24] {
        raw.done(&format!("STREAM.MSG.DELETE.{stream}"), &json!({"seq": sequence}));
    }
    let client = async_nats::connect(url).await.unwrap();
    let inbox = client.new_inbox();
    let mut messages = client.subscribe(inbox.clone()).await.unwrap();
    let subject = format!("$JS.API.CONSUMER.MSG.NEXT.{stream}.worker");
    client.publish_with_reply(subject, inbox, r#"{"batch": 9}"#.into()).await.unwrap();
    let got: Vec<async_nats::Message> = messages.by_ref().take(9).collect().await;
    for (number, message) in got.into_iter().enumerate().filter(|(number, _)| number % 3 != 1).rev()
    {
        // The answer says that it counts.
        client
            .request(message.reply.unwrap(), "+ACK".into())
            .await
            .unwrap_or_else(|error| panic!("{stream} {number}: {error}"));
    }
}

/// Restores what `restore` restores onto a server, and takes it away again.
#[track_caller]
fn check_restored(to: &str, stream: &str, expected: &[Value], restore: &dyn Fn()) {
    // Where it is the same server. All connections hear the same answers.
    Raw::connect(to).call(&format!("STREAM.DELETE.{stream}"), &json!({}));
    restore();
    let mut raw = Raw::connect(to);
    assert_eq!(seen(&mut raw, stream), expected, "{stream} on {to}");
    raw.done(&format!("STREAM.DELETE.{stream}"), &json!({}));
}

/// Each `of` servers' streams on all of them.
async fn check(urls: &[String], of: &[String], tool: bool) {
    for (number, from) in of.iter().enumerate() {
        let (stream, retention) = [("LOG", "limits"), ("WORK", "workqueue")][number % 2];
        fill(from, stream, retention).await;
        let mut raw = Raw::connect(from);
        let (expected, before) = (seen(&mut raw, stream), created(&mut raw, stream));
        drop(raw);
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name).display().to_string();
        let (ours, theirs) = (path("ours"), path("theirs"));
        succeed(&["backup", &ours, stream, "-s", from]);
        let ours = format!("{ours}/{stream}");
        if tool {
            Tool::new(from).run(&[
                "stream",
                "backup",
                stream,
                &theirs,
                "--consumers",
                "--no-progress",
            ]);
        }
        for to in urls {
            let restored = |path: &str| {
                let said = run(&["restore", path, "-s", to]);
                assert_eq!(said.code, Some(0), "{}", said.err);
                assert!(said.err.contains("out of the archive"), "{}", said.err);
            };
            check_restored(to, stream, &expected, &|| {
                restored(&ours);
                assert_eq!(created(&mut Raw::connect(to), stream), before);
            });
            if tool {
                check_restored(to, stream, &expected, &|| restored(&theirs));
                let tool = Tool::new(to);
                check_restored(to, stream, &expected, &|| {
                    tool.run(&["stream", "restore", &ours, "--no-progress"]);
                });
            }
        }
    }
}

#[tokio::test]
async fn everything_stays_as_it_was_on_this_server() {
    let folder = tempfile::tempdir().unwrap();
    let servers = ["a", "b"].map(|name| Running::start(&folder.path().join(name)));
    let urls = servers.each_ref().map(Running::url);
    check(&urls, &urls, false).await;
}

/// Streams of some of the servers that are at hand, which are of several versions, on all of them.
async fn check_some(some: std::ops::Range<usize>) {
    let folder = tempfile::tempdir().unwrap();
    let here = Running::start(&folder.path().join("store"));
    let others: Vec<NatsServer> =
        nats_servers().iter().map(|program| NatsServer::start(program)).collect();
    let mut urls: Vec<String> = others.iter().map(|server| server.url.clone()).collect();
    urls.insert(0, here.url());
    let some = some.start.min(urls.len())..some.end.min(urls.len());
    check(&urls, &urls[some], true).await;
}

#[tokio::test]
#[cfg_attr(
    not(all(peer = "nats", peer = "nats-server")),
    ignore = "needs the nats tool and nats-server: see .ci/peers"
)]
async fn backups_of_the_nats_tool_pass_from_here_and_the_reference() {
    check_some(0..2).await;
}

#[tokio::test]
#[cfg_attr(
    not(all(peer = "nats", peer = "nats-server")),
    ignore = "needs the nats tool and nats-server: see .ci/peers"
)]
async fn backups_of_the_nats_tool_pass_from_older_servers() {
    check_some(2..4).await;
}

#[tokio::test]
#[cfg_attr(
    not(all(peer = "nats", peer = "nats-server")),
    ignore = "needs the nats tool and nats-server: see .ci/peers"
)]
async fn backups_of_the_nats_tool_pass_from_newer_servers() {
    check_some(4..9).await;
}

#[tokio::test]
#[cfg_attr(not(peer = "nats"), ignore = "needs the nats tool: see .ci/peers")]
async fn backups_of_accounts_pass_both_ways() {
    let folder = tempfile::tempdir().unwrap();
    let server = Running::start(&folder.path().join("store"));
    let (url, tool) = (server.url(), Tool::new(&server.url()));
    fill(&url, "LOG", "limits").await;
    fill(&url, "WORK", "workqueue").await;
    let all = || ["LOG", "WORK"].map(|stream| seen(&mut Raw::connect(&url), stream));
    let delete = || {
        let mut raw = Raw::connect(&url);
        for stream in ["LOG", "WORK"] {
            raw.done(&format!("STREAM.DELETE.{stream}"), &json!({}));
        }
    };
    let expected = all();
    let path = |name: &str| folder.path().join(name).display().to_string();
    tool.run(&["account", "backup", "--force", "--consumers", &path("theirs")]);
    succeed(&["backup", &path("ours"), "-s", &url]);
    delete();
    succeed(&["restore", &path("theirs"), "-s", &url]);
    assert_eq!(all(), expected);
    delete();
    tool.run(&["account", "restore", &path("ours")]);
    assert_eq!(all(), expected);
}

/// A server, and a backup in the form of the tool of a stream that was on it.
async fn backed_up(folder: &Path) -> (Running, String, Vec<Value>) {
    let server = Running::start(&folder.join("store"));
    fill(&server.url(), "LOG", "limits").await;
    let expected = seen(&mut Raw::connect(&server.url()), "LOG");
    let path = folder.join("b").display().to_string();
    succeed(&["backup", &path, "-s", &server.url()]);
    Raw::connect(&server.url()).done("STREAM.DELETE.LOG", &json!({}));
    let path = folder.join("b/LOG");
    let json: Value =
        serde_json::from_slice(&std::fs::read(path.join("backup.json")).unwrap()).unwrap();
    let tool = json!({"config": json["config"], "state": json["state"]});
    std::fs::write(path.join("backup.json"), tool.to_string()).unwrap();
    std::fs::remove_file(path.join("messages.jsonl")).unwrap();
    (server, path.display().to_string(), expected)
}

#[tokio::test]
async fn a_damaged_archive_restores_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let (server, path, expected) = backed_up(folder.path()).await;
    let (url, mut raw) = (server.url(), Raw::connect(&server.url()));
    let file = Path::new(&path).join("stream.tar.s2");
    let whole = std::fs::read(&file).unwrap();
    // What unpacks to the same is not damaged: a copy of zeros may begin anywhere among them.
    let mut same = 0;
    let mut refused = |what: String| {
        let ran = run(&["restore", &path, "-s", &url]);
        if ran.code == Some(0) {
            assert_eq!(seen(&mut raw, "LOG"), expected, "{what}");
            raw.done("STREAM.DELETE.LOG", &json!({}));
            same += 1;
            return;
        }
        assert!(ran.err.contains("is damaged"), "{what}: {}", ran.err);
        assert_eq!(raw.messages("LOG"), None, "{what}");
    };
    for place in (0..whole.len()).step_by(whole.len() / 23) {
        let mut damaged = whole.clone();
        damaged[place] ^= 1;
        std::fs::write(&file, damaged).unwrap();
        refused(format!("byte {place}"));
        std::fs::write(&file, &whole[..place]).unwrap();
        refused(format!("cut at {place}"));
    }
    std::fs::remove_file(&file).unwrap();
    refused("without an archive".to_owned());
    assert!(same < 5, "{same} of 47");
    std::fs::write(&file, whole).unwrap();
    check_restored(&url, "LOG", &expected, &|| {
        succeed(&["restore", &path, "-s", &url]);
    });
}

#[tokio::test]
async fn another_name_gets_an_archive_of_its_own() {
    let folder = tempfile::tempdir().unwrap();
    let (server, path, expected) = backed_up(folder.path()).await;
    check_restored(&server.url(), "OTHER", &expected, &|| {
        let said = run(&["restore", &path, "--as", "OTHER", "-s", &server.url()]);
        assert!(said.err.contains("made anew for this server or name"), "{}", said.err);
    });
}

#[test]
fn what_no_archive_is_taken_of_is_published_and_it_says_so() {
    const CONFIG: &str = r#"
jetstream {}
authorization { users: [
  { user: admin, password: secret }
  { user: writer, password: secret, permissions: { publish: { deny: ["$JS.API.STREAM.RESTORE.>"] } } }
] }
"#;
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("server.conf");
    std::fs::write(&config, CONFIG).unwrap();
    let (config, store) = (config.display().to_string(), folder.path().join("store"));
    let server =
        Running::serve(&["--config", &config, "--store_dir", &store.display().to_string()], &[]);
    let user = |name: &str| server.url().replace("nats://", &format!("nats://{name}:secret@"));
    let mut raw = Raw::connect(&user("admin"));
    let check = |raw: &mut Raw, storage: &str, user: &str, because: &str| {
        raw.done("STREAM.CREATE.A", &json!({"name": "A", "subjects": ["a"], "storage": storage}));
        raw.store("a", b"", b"1");
        let path = folder.path().join(storage).display().to_string();
        succeed(&["backup", &path, "-s", user]);
        raw.done("STREAM.DELETE.A", &json!({}));
        let said = run(&["restore", &path, "-s", user]);
        assert_eq!(said.code, Some(0), "{}", said.err);
        assert!(said.err.contains("published again: sequences and times are new"), "{}", said.err);
        assert!(said.err.contains(because), "{}", said.err);
        assert_eq!(raw.content("A").unwrap().len(), 1);
        raw.done("STREAM.DELETE.A", &json!({}));
    };
    check(&mut raw, "memory", &user("admin"), "no server makes a stream in memory of an archive");
    check(&mut raw, "file", &user("writer"), "may not publish to `$JS.API.STREAM.RESTORE.A`");
}
