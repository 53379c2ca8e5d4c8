//! Taking over, making again, backing up, giving back: nothing is lost on anybody's server.

use std::path::Path;

use serde_json::Value;
use tempfile::TempDir;
use watershed_peers::{NatsServer, nats_servers};

use crate::server::{Running, run, succeed, write};

const FILE: &str = "watershed: 1\nname: shop\nstreams:\n  ORDERS: { subjects: [orders.>], storage: memory, max_age: 1d, consumers: { c: {} } }\n";

fn info(url: &str, stream: &str) -> Value {
    let status: Value = serde_json::from_str(&succeed(&["status", "--json", "-s", url])).unwrap();
    let streams = status["streams"].as_array().unwrap();
    let found = streams.iter().find(|one| one["stream"]["config"]["name"] == stream);
    found.cloned().unwrap_or_default()
}

/// The payloads of a stream, in order.
fn content(url: &str, stream: &str) -> Vec<String> {
    let text = succeed(&["view", "--json", "--last", "100", "-s", url, stream]);
    let read = |line: &str| -> Value { serde_json::from_str(line).unwrap() };
    let shown = |line: Value| format!("{} {}", line["subject"], line["data"]);
    text.lines().map(|line| shown(read(line))).collect()
}

struct Kept<'a> {
    url: &'a str,
    folder: TempDir,
    file: String,
}

impl<'a> Kept<'a> {
    fn new(url: &'a str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let file = write(&folder, FILE);
        Self { url, folder, file }
    }

    fn apply(&self, text: &str, flags: &[&str]) -> (Option<i32>, String) {
        write(&self.folder, text);
        let ran = run(&[&["apply", "--yes", "-s", self.url], flags, &[&self.file]].concat());
        (ran.code, format!("{}{}", ran.out, ran.err))
    }

    fn backups(&self) -> Vec<String> {
        let folder = self.folder.path().join(".watershed/shop/backups");
        let Ok(all) = std::fs::read_dir(folder) else { return Vec::new() };
        all.map(|entry| entry.unwrap().path().display().to_string()).collect()
    }
}

fn publish(url: &str, count: usize) {
    for number in 0..count {
        succeed(&["pub", "-s", url, &format!("orders.{number}"), &format!("m{number}")]);
    }
}

fn check(url: &str) {
    adopted_and_released(url);
    made_again(url);
    backed_up(url);
    queue_of_two(url);
    saved(url);
}

/// A work queue comes back with every consumer, however far each of them was.
fn queue_of_two(url: &str) {
    const QUEUE: &str = "watershed: 1\nname: shop\nstreams:\n  Q: { subjects: [q.a, q.b], retention: workqueue, consumers: { a: { filter_subject: q.a }, b: { filter_subject: q.b } } }\n";
    let shop = Kept::new(url);
    assert_eq!(shop.apply(QUEUE, &[]).0, Some(0));
    for subject in ["q.b", "q.a", "q.a"] {
        succeed(&["pub", "-s", url, subject, "x"]);
    }
    // Behind what `b` has to do.
    succeed(&["next", "-s", url, "Q", "a"]);
    let folder = shop.folder.path().join("backup").display().to_string();
    succeed(&["backup", "-s", url, &folder, "Q"]);
    succeed(&["destroy", "--yes", "-s", url, &shop.file]);
    succeed(&["restore", "-s", url, &folder]);
    for consumer in ["a", "b"] {
        let next = succeed(&["next", "-s", url, "Q", consumer]);
        assert!(next.contains(&format!("q.{consumer}")), "{next}");
    }
    assert!(content(url, "Q").is_empty());
    succeed(&["destroy", "--yes", "-s", url, &shop.file]);
}

/// A plan that was saved is carried out as it is, or not at all.
fn saved(url: &str) {
    let shop = Kept::new(url);
    let plan = shop.folder.path().join("plan.json").display().to_string();
    assert_eq!(run(&["plan", "--out", &plan, "-s", url, &shop.file]).code, Some(3));
    // Whatever the file says meanwhile.
    write(&shop.folder, "watershed: 1\nname: shop\n");
    let done = run(&["apply", "--yes", "-s", url, &plan]);
    assert!(done.code == Some(0) && done.err.ends_with("applied 2 steps\n"), "{}", done.err);
    let events = succeed(&["apply", "--json", "--yes", "-s", url, &plan]);
    let events = events.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let events: Vec<String> = events.map(|event| event["event"].as_str().unwrap().into()).collect();
    assert_eq!(events, ["plan", "step", "step", "end"]);
    // Doing it again changes nothing.
    assert_eq!(run(&["apply", "--yes", "-s", url, &plan]).code, Some(0));
    assert_eq!(run(&["apply", "--yes", "--prune", "-s", url, &plan]).code, Some(1));
    publish(url, 2);
    let memory = FILE.replace("storage: memory", "storage: file");
    write(&shop.folder, &memory);
    let refused = run(&["plan", "--out", &plan, "-s", url, &shop.file]);
    assert_eq!(refused.code, Some(5), "{}", refused.err);
    run(&["plan", "--out", &plan, "--recreate", "ORDERS", "-s", url, &shop.file]);
    publish(url, 1);
    let stale = run(&["apply", "--yes", "-s", url, &plan]);
    let said = "the plan is stale: stream `ORDERS`: 1 message was stored in it since";
    assert!(stale.code == Some(5) && stale.err.contains(said), "{}", stale.err);
    assert_eq!(content(url, "ORDERS").len(), 3);
    // What comes first is not done either.
    let edited = |age: &str, text: &str| {
        let file = FILE.replace("max_age: 1d", &format!("max_age: {age}"));
        write(
            &shop.folder,
            &format!("{file}  Z: {{ subjects: [z], max_age: 1d, description: {text} }}\n"),
        );
    };
    edited("1d", "first");
    succeed(&["apply", "--yes", "-s", url, &shop.file]);
    edited("2d", "second");
    run(&["plan", "--out", &plan, "-s", url, &shop.file]);
    edited("1d", "third");
    succeed(&["apply", "--yes", "-s", url, &shop.file]);
    let stale = run(&["apply", "--yes", "-s", url, &plan]);
    let said = "nothing was changed: the plan is stale: stream `Z`: `description` was changed";
    assert!(stale.code == Some(5) && stale.err.contains(said), "{}", stale.err);
    assert_eq!(run(&["plan", "-s", url, &shop.file]).code, Some(0));
    write(&shop.folder, FILE);
    succeed(&["destroy", "--yes", "-s", url, &shop.file]);
}

/// Somebody's streams become the topology's, and go back.
fn adopted_and_released(url: &str) {
    let theirs = tempfile::tempdir().unwrap();
    let file = write(&theirs, &FILE.replace("name: shop", "name: theirs"));
    succeed(&["apply", "--yes", "-s", url, &file]);
    publish(url, 3);
    let shop = Kept::new(url);
    let (code, said) = shop.apply(FILE, &["--adopt", "ORDERS"]);
    assert!(code == Some(5) && said.contains("belongs to the topology `theirs`"), "{said}");
    // What is given back is nobody's, and stays as it is.
    let other = run(&["release", "-s", url, "NONE"]);
    assert!(other.code == Some(1) && other.err.contains("belongs to no topology"), "{}", other.err);
    succeed(&["release", "-s", url, "ORDERS"]);
    let (code, said) = shop.apply(FILE, &[]);
    assert!(code == Some(0) && said.contains("take these 2 over with --adopt all"), "{said}");
    let longer = FILE.replace("max_age: 1d", "max_age: 2d");
    let (code, said) = shop.apply(&longer, &[]);
    assert!(code == Some(5) && said.contains("refused without --adopt ORDERS"), "{said}");
    let (code, said) = shop.apply(&longer, &["--adopt", "all"]);
    assert!(code == Some(0) && said.contains("applied 3 steps, verified"), "{said}");
    assert_eq!(info(url, "ORDERS")["owner"], "shop");
    assert_eq!(content(url, "ORDERS").len(), 3);
    succeed(&["destroy", "--yes", "-s", url, &shop.file]);
}

/// A stream that is made again can be had back from its backup.
fn made_again(url: &str) {
    let shop = Kept::new(url);
    assert_eq!(shop.apply(FILE, &[]).0, Some(0));
    publish(url, 5);
    let before = content(url, "ORDERS");
    let on_disk = FILE.replace("storage: memory", "storage: file");
    let (code, said) = shop.apply(&on_disk, &["--recreate", "ORDERS"]);
    assert!(code == Some(0) && said.contains("what it was is in"), "{said}");
    assert_eq!(info(url, "ORDERS")["stream"]["config"]["storage"], "file");
    let [backup] = &shop.backups()[..] else { panic!("{:?}", shop.backups()) };
    let taken = run(&["restore", "-s", url, backup]);
    assert!(taken.code == Some(1) && taken.err.contains("is there already"), "{}", taken.err);
    succeed(&["destroy", "--yes", "-s", url, &shop.file]);
    let file = Path::new(backup).join("messages.jsonl");
    let bytes = std::fs::read(&file).unwrap();
    // One bit is enough.
    let mut damaged = bytes.clone();
    damaged[20] ^= 1;
    std::fs::write(&file, damaged).unwrap();
    let ran = run(&["restore", "-s", url, backup]);
    assert!(ran.code == Some(1) && ran.err.contains("is damaged"), "{}", ran.err);
    assert_eq!(info(url, "ORDERS"), Value::Null);
    std::fs::write(&file, bytes).unwrap();
    // Whoever applies now is told of it.
    write(&shop.folder, FILE);
    let asked = run(&["apply", "-s", url, &shop.file]);
    assert!(
        asked.err.contains(&format!("run `watershed restore {backup}` instead")),
        "{}",
        asked.err
    );
    succeed(&["restore", "-s", url, backup]);
    assert_eq!(content(url, "ORDERS"), before);
    // With its mark: it is the topology's as before.
    let (code, said) = shop.apply(FILE, &[]);
    assert!(code == Some(0) && said.contains("nothing to do"), "{said}");
    succeed(&["destroy", "--yes", "-s", url, &shop.file]);
}

/// Messages, positions and repeated ids come back; a purge removes what it says.
fn backed_up(url: &str) {
    let shop = Kept::new(url);
    assert_eq!(shop.apply(FILE, &[]).0, Some(0));
    publish(url, 6);
    let next = succeed(&["next", "-s", url, "ORDERS", "c", "--count", "2"]);
    assert!(next.contains("m1"), "{next}");
    let purged = succeed(&["purge", "--yes", "-s", url, "ORDERS", "--subject", "orders.4"]);
    assert!(purged.ends_with("removed 1 messages of ORDERS\n"), "{purged}");
    let before = content(url, "ORDERS");
    let pending = info(url, "ORDERS")["consumers"][0]["num_pending"].clone();
    let folder = shop.folder.path().join("backup").display().to_string();
    succeed(&["backup", "-s", url, &folder, "ORDERS"]);
    assert_eq!(run(&["backup", "-s", url, &folder, "ORDERS"]).code, Some(1));
    succeed(&["destroy", "--yes", "-s", url, &shop.file]);
    let waited = run(&["wait", "--wait", "10ms", "-s", url, &shop.file]);
    assert!(
        waited.code == Some(6) && waited.err.contains("stream ORDERS is missing"),
        "{}",
        waited.err
    );
    succeed(&["restore", "-s", url, &folder]);
    assert_eq!(content(url, "ORDERS"), before);
    assert_eq!(info(url, "ORDERS")["consumers"][0]["num_pending"], pending);
    // That it goes on where it was is no difference to what is declared.
    let (code, said) = shop.apply(FILE, &[]);
    assert!(code == Some(0) && said.contains("nothing to do"), "{said}");
    succeed(&["purge", "--yes", "-s", url, "ORDERS"]);
    assert!(content(url, "ORDERS").is_empty());
    let protected = FILE.replace("max_age: 1d", "max_age: 1d, protect: true");
    shop.apply(&protected, &["--recreate", "all"]);
    assert_eq!(run(&["purge", "--yes", "-s", url, "ORDERS"]).code, Some(5));
    assert_eq!(shop.apply(FILE, &["--recreate", "all"]).0, Some(0));
    succeed(&["destroy", "--yes", "-s", url, &shop.file]);
}

#[test]
fn nothing_is_lost_on_this_server() {
    let folder = tempfile::tempdir().unwrap();
    let server = Running::start(&folder.path().join("store"));
    check(&server.url());
}

#[test]
#[cfg_attr(not(peer = "nats-server"), ignore = "needs nats-server: see .ci/peers")]
fn nothing_is_lost_on_real_servers() {
    for program in nats_servers() {
        check(&NatsServer::start(&program).url);
    }
}
