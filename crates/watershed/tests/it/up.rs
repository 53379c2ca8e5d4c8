//! `up`: one command, and a system runs.

use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::net::TcpStream;
use std::os::unix::fs::MetadataExt as _;

use futures_util::StreamExt as _;
use serde_json::Value;

use crate::server::{EXAMPLES, Running, example, run, succeed, up, write};

const SMALL: &str = "watershed: 1\nname: small\nstreams:\n  A: { subjects: [a.>], max_age: 1d, consumers: { c: {} } }\n";

#[test]
fn it_comes_back_with_everything_and_changes_nothing() {
    let data = tempfile::tempdir().unwrap();
    let topology = example("persistent-events");
    let subject = "planning.plan.approved";
    let read = |url: &str, consumer: &str| {
        run(&["next", "-s", url, "--wait", "200ms", "PLANNING_EVENTS", consumer])
    };
    let server = Running::up(data.path(), &[&topology]);
    let url = server.url();
    assert_eq!(succeed(&["pub", "-s", &url, subject, "one"]), "stored in PLANNING_EVENTS as 1\n");
    succeed(&["pub", "-s", &url, subject, "two"]);
    assert!(read(&url, "context-planning-plan-approved").out.contains("  one\n"));
    assert_eq!(server.interrupt(), Some(0));

    let server = Running::up(data.path(), &[&topology]);
    let url = server.url();
    // The position of who read is where it was, and so is that of who did not.
    assert!(read(&url, "context-planning-plan-approved").out.contains("  two\n"));
    assert!(read(&url, "orch-planning-plan-approved").out.contains("  one\n"));
    let again = read(&url, "context-planning-plan-approved");
    assert_eq!((again.code, again.out.as_str()), (Some(1), ""));
    let plan: Value =
        serde_json::from_str(&succeed(&["plan", "--json", "-s", &url, &topology])).unwrap();
    assert_eq!(plan["steps"], Value::Array(Vec::new()));
    assert_eq!(plan["unchanged"].as_array().unwrap().len(), 15);
    succeed(&["verify", "-s", &url, &topology]);
    let view = succeed(&["view", "-s", &url, "PLANNING_EVENTS"]);
    assert!(view.contains("#1 planning.plan.approved") && view.contains("#2 "), "{view}");
}

#[test]
fn all_examples_live_side_by_side() {
    let data = tempfile::tempdir().unwrap();
    let files: Vec<String> = EXAMPLES.iter().map(|name| example(name)).collect();
    let files: Vec<&str> = files.iter().map(String::as_str).collect();
    let server = Running::up(data.path(), &files);
    let secrets = data.path().join("secrets.json");
    assert_eq!(std::fs::metadata(&secrets).unwrap().mode() & 0o777, 0o600);
    let kept: Value = serde_json::from_str(&std::fs::read_to_string(&secrets).unwrap()).unwrap();
    let url = server.url();
    // Nobody gets in without a password, and nobody into another's account.
    assert_eq!(run(&["status", "-s", &url]).code, Some(1));
    for (name, user) in
        EXAMPLES.iter().zip(["20-streams", "admin", "observability-agent", "persistent-events"])
    {
        let password = kept[name][user].as_str().unwrap();
        let mut verify = crate::server::watershed(&["verify", "-s", &url, "--user", user]);
        verify.arg(example(name)).env("NATS_PASSWORD", password);
        assert!(verify.status().unwrap().success(), "{name}");
    }
    assert_eq!(std::fs::read_to_string(data.path().join(".gitignore")).unwrap(), "*\n");
    assert_eq!(server.interrupt(), Some(0));
}

#[test]
fn monitoring_answers() {
    let data = tempfile::tempdir().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let server = Running::up(data.path(), &[&write(&folder, SMALL)]);
    let http = server.report["http"].as_str().unwrap().trim_start_matches("http://").to_owned();
    let get = |path: &str| {
        let mut stream = TcpStream::connect(&http).unwrap();
        write!(stream, "GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        assert!(head.starts_with("HTTP/1.1 200"), "{path}: {head}");
        serde_json::from_str::<Value>(body).unwrap()
    };
    assert_eq!(get("/healthz")["status"], "ok");
    assert_eq!(get("/varz")["jetstream"]["stats"]["accounts"], 1);
    let jsz = get("/jsz?consumers=true&config=true");
    assert_eq!((&jsz["streams"], &jsz["consumers"]), (&1.into(), &1.into()));
    let stream = &jsz["account_details"][0]["stream_detail"][0];
    assert_eq!(stream["config"]["subjects"][0], "a.>");
    assert_eq!(stream["consumer_detail"][0]["name"], "c");
}

/// What a start that fails says and ends with.
#[track_caller]
fn fails(data: &std::path::Path, files: &[&str], code: i32, expected: &str) {
    let output = up(data, files).output().unwrap();
    let text = String::from_utf8_lossy(&output.stderr).into_owned()
        + &String::from_utf8_lossy(&output.stdout);
    assert_eq!(output.status.code(), Some(code), "{text}");
    assert!(text.contains(expected), "{text}");
}

#[test]
fn an_edit_that_would_lose_messages_changes_nothing() {
    let (data, folder) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let file = write(&folder, SMALL);
    let server = Running::up(data.path(), &[&file]);
    for number in 0..5 {
        succeed(&["pub", "-s", &server.url(), "a.x", &number.to_string()]);
    }
    assert_eq!(server.interrupt(), Some(0));
    write(&folder, &SMALL.replace("max_age: 1d", "max_age: 1d, max_msgs: 2, description: x"));
    fails(data.path(), &[&file], 5, "loses the oldest 3 messages");
    let ran = up(data.path(), &[&file, "--allow-loss", "OTHER"]).output().unwrap();
    assert_eq!(ran.status.code(), Some(2));
    let server = Running::up(data.path(), &[&file, "--allow-loss", "A"]);
    let status: Value =
        serde_json::from_str(&succeed(&["status", "--json", "-s", &server.url()])).unwrap();
    assert_eq!(status["streams"][0]["stream"]["state"]["messages"], 2);
}

#[test]
fn what_is_in_the_way_is_named() {
    let (data, folder) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let file = write(&folder, SMALL);
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let arguments = ["up", "--listen", &address, "--data", data.path().to_str().unwrap(), &file];
    let ran = run(&arguments);
    let expected = format!("error: cannot listen on {address}: Address already in use");
    assert!(ran.code == Some(1) && ran.err.starts_with(&expected), "{}", ran.err);
    write(&folder, &SMALL.replace("[a.>]", "[a..b]"));
    fails(data.path(), &[&file], 4, "an empty token");
    write(&folder, SMALL);
    let other = tempfile::tempdir().unwrap();
    let twin = write(&other, SMALL);
    fails(data.path(), &[&file, &twin], 4, "two topologies live in the account `small`");
}

#[test]
fn other_machines_need_passwords() {
    let (data, folder) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let file = write(&folder, SMALL);
    let data = data.path().to_str().unwrap();
    let ran = run(&["up", "--listen", "0.0.0.0:0", "--data", data, &file]);
    assert!(ran.code == Some(1) && ran.err.contains("declares no users"), "{}", ran.err);
    let users = "users: { a: { password: { env: WATERSHED_TEST_UNSET }, role: admin } }\n";
    let file = write(&folder, &format!("{SMALL}{users}"));
    let ran = run(&["up", "--listen", "0.0.0.0:0", "--data", data, &file]);
    let expected = "error: no password for user `a`: set the environment variable \
                    WATERSHED_TEST_UNSET (passwords are only generated on loopback)\n";
    assert_eq!((ran.code, ran.err.as_str()), (Some(1), expected));
    // A file that cannot be read is named, and nothing is left behind.
    let users = "users: { a: { password: { file: none }, role: admin } }\n";
    let file = write(&folder, &format!("{SMALL}{users}"));
    let nowhere = folder.path().join("data");
    let ran = run(&["up", "--listen", "127.0.0.1:0", "--data", nowhere.to_str().unwrap(), &file]);
    let text = ran.err.replace(&folder.path().display().to_string(), "FOLDER");
    let expected = "error: no password for user `a`: cannot read the secret in FOLDER/none: \
                    No such file or directory (os error 2)\n";
    assert_eq!((ran.code, text.as_str()), (Some(1), expected));
    assert!(!nowhere.exists());
}

const SHOP: &str = "\
watershed: 1
name: SHOP
streams: { ORDERS: { subjects: [orders.>], max_age: 1d, consumers: { c: { max_deliver: 3, backoff: [1m] } } } }
exports:
  - { stream: orders.>, accounts: [AUDIT] }
  - { service: quote.*, accounts: [AUDIT] }
  - { service: $JS.API.CONSUMER.MSG.NEXT.>, response: stream }
";

const AUDIT: &str = "\
watershed: 1
name: AUDIT
streams: { ALL: { subjects: [shop.>], max_age: 1d, consumers: { reader: { max_deliver: 3, backoff: [1m] } } } }
imports:
  - { stream: { account: SHOP, subject: orders.> }, prefix: shop }
  - { service: { account: SHOP, subject: quote.* }, to: ask.shop.* }
  - { service: { account: SHOP, subject: $JS.API.CONSUMER.MSG.NEXT.> }, to: JS.shop.NEXT.> }
";

/// What a pull request to `subject` brings first.
async fn pulled(client: &async_nats::Client, subject: &str) -> async_nats::Message {
    let inbox = client.new_inbox();
    let mut answers = client.subscribe(inbox.clone()).await.unwrap();
    let wanted = r#"{"batch": 1, "expires": 20000000000}"#;
    client.publish_with_reply(subject.to_owned(), inbox, wanted.into()).await.unwrap();
    answers.next().await.unwrap()
}

/// Waits until the server has seen everything that this client sent. (A flush only writes.)
async fn settled(client: &async_nats::Client) {
    client.request("$JS.API.INFO", "".into()).await.unwrap();
}

#[tokio::test]
async fn accounts_share_what_they_say() {
    let data = tempfile::tempdir().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.display().to_string()
    };
    let (shop, audit) = (file("shop.yaml", SHOP), file("audit.yaml", AUDIT));
    fails(data.path(), &[&audit], 1, "the account `SHOP` is none of these topologies");
    let server = Running::up(data.path(), &[&shop, &audit]);
    let kept = std::fs::read_to_string(data.path().join("secrets.json")).unwrap();
    let kept: Value = serde_json::from_str(&kept).unwrap();
    let connect = async |name: &str| {
        let password = kept[name][name].as_str().unwrap().to_owned();
        let options = async_nats::ConnectOptions::with_user_and_password(name.into(), password);
        options.connect(server.url()).await.unwrap()
    };
    let (shop, audit) = (connect("SHOP").await, connect("AUDIT").await);

    // A request goes over, and its reply comes back.
    let mut asked = shop.subscribe("quote.*").await.unwrap();
    settled(&shop).await;
    let answering = async {
        let request = asked.next().await.unwrap();
        assert_eq!(request.subject.as_str(), "quote.7");
        let reply = request.reply.unwrap();
        // Only the account that was asked can reply, whoever knows where.
        audit.publish(reply.clone(), "forged".into()).await.unwrap();
        settled(&audit).await;
        shop.publish(reply, "12 Euro".into()).await.unwrap();
    };
    // A request that fails must not leave the other side waiting.
    let asking = async { audit.request("ask.shop.7", "".into()).await.unwrap() };
    let (reply, ()) = tokio::join!(asking, answering);
    assert_eq!(reply.payload, "12 Euro");

    // A message is stored in both accounts, and acknowledged to who published it.
    let ack = shop.request("orders.1", "an order".into()).await.unwrap();
    let ack: Value = serde_json::from_slice(&ack.payload).unwrap();
    assert_eq!((&ack["stream"], &ack["seq"]), (&"ORDERS".into(), &1.into()));
    let copy = pulled(&audit, "$JS.API.CONSUMER.MSG.NEXT.ALL.reader").await;
    assert_eq!(
        (copy.subject.as_str(), copy.payload.as_ref()),
        ("shop.orders.1", b"an order".as_slice())
    );
    // The other account's consumer is read through its API.
    let order = pulled(&audit, "JS.shop.NEXT.ORDERS.c").await;
    assert_eq!(
        (order.subject.as_str(), order.payload.as_ref()),
        ("orders.1", b"an order".as_slice())
    );
    // Nothing else of the one is seen in the other.
    let error = audit.request("orders.1", "".into()).await.unwrap_err();
    assert_eq!(error.kind(), async_nats::RequestErrorKind::NoResponders);
}
