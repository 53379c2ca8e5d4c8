//! The live page at the address of monitoring: who gets it, what it shows, what it may do.

use std::fmt::Write as _;
use std::io::{BufRead as _, BufReader, Read as _};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Command, Output};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde_json::{Value, json};
use watershed_peers::browser;

use crate::server::{PATIENCE, Running, example, run, succeed, up, write};

const SHOP: &str = "\
watershed: 1
name: shop
streams:
  ORDERS: { subjects: [orders.>], max_age: 1d, consumers: { billing: { filter_subject: orders.*.paid, max_deliver: 3, backoff: [1m] } } }
services:
  shop: { publishes: [orders.eu.paid] }
  billing: { consumes: [ORDERS/billing] }
";

const USERS: &str = "\
users:
  admin: { password: { env: SHOP_ADMIN }, role: admin }
  shop: { password: { env: SHOP_SHOP }, service: shop }
";

/// What is no one's markup, wherever it stands.
const HOSTILE: &str =
    r#"<img src=x onerror="document.title='taken'"><script>document.title='taken'</script>"#;

struct Answer {
    status: u16,
    head: String,
    body: String,
}

impl Answer {
    fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|_| panic!("{}", self.body))
    }
}

/// Where the page of a server is.
fn http(server: &Running) -> String {
    server.report["http"].as_str().unwrap().trim_start_matches("http://").to_owned()
}

fn send(address: &str, request: &str, headers: &[(&str, &str)], body: &str) -> TcpStream {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut text = format!("{request} HTTP/1.1\r\nConnection: close\r\n");
    if !headers.iter().any(|(name, _)| *name == "Host") {
        let _ = write!(text, "Host: {address}\r\n");
    }
    for (name, value) in headers {
        let _ = write!(text, "{name}: {value}\r\n");
    }
    std::io::Write::write_fmt(
        &mut stream,
        format_args!("{text}Content-Length: {}\r\n\r\n{body}", body.len()),
    )
    .unwrap();
    stream
}

fn ask(address: &str, request: &str, headers: &[(&str, &str)], body: &str) -> Answer {
    let mut text = String::new();
    send(address, request, headers, body).read_to_string(&mut text).unwrap();
    let (head, body) = text.split_once("\r\n\r\n").unwrap();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    Answer { status, head: head.to_lowercase(), body: body.to_owned() }
}

/// The first event of this name that a page is sent, `message` for those without.
fn event(address: &str, name: &str, headers: &[(&str, &str)]) -> Value {
    let stream = send(address, "GET /page/api/events", headers, "");
    let mut current = "message".to_owned();
    for line in BufReader::new(stream).lines() {
        let line = line.unwrap();
        if let Some(own) = line.strip_prefix("event: ") {
            own.clone_into(&mut current);
        } else if let Some(data) = line.strip_prefix("data: ") {
            if current == name {
                return serde_json::from_str(data).unwrap();
            }
            "message".clone_into(&mut current);
        }
    }
    panic!("no event `{name}`");
}

#[test]
fn it_is_for_this_browser_and_no_other_page() {
    let (data, folder) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let server = Running::up(data.path(), &[&write(&folder, SHOP)]);
    let address = http(&server);
    let port = address.rsplit(':').next().unwrap();
    let check = |path: &str, headers: &[(&str, &str)], expected: u16| {
        let answer = ask(&address, &format!("GET {path}"), headers, "");
        assert_eq!(answer.status, expected, "{path} {headers:?}: {}", answer.body);
        // Nothing is kept in the browser by which it would be known again.
        assert!(!answer.head.contains("set-cookie"), "{}", answer.head);
        if !path.ends_with('z') {
            let policy =
                answer.head.lines().find(|line| line.starts_with("content-security-policy"));
            let policy = policy.unwrap();
            assert!(policy.contains("default-src 'none'") && policy.contains("script-src 'self'"));
            assert!(!policy.contains("unsafe"), "{policy}");
            assert!(answer.head.contains("x-content-type-options: nosniff"));
        }
    };
    let api = "/page/api/connections";
    let local = format!("localhost:{port}");
    let own = format!("http://{address}");
    for path in ["/", "/page/main.js", api] {
        check(path, &[], 200);
        check(path, &[("Host", &local)], 200);
        check(path, &[("Origin", &own), ("Sec-Fetch-Site", "same-origin")], 200);
        // A name that leads here today, and another page that asks.
        check(path, &[("Host", "rebound.example")], 403);
        check(path, &[("Host", &format!("rebound.example:{port}"))], 403);
        check(path, &[("Origin", "http://other.example")], 403);
        check(path, &[("Origin", "null")], 403);
        check(path, &[("Origin", &format!("http://{local}"))], 403);
    }
    check(api, &[("Sec-Fetch-Site", "cross-site")], 403);
    check(api, &[("Sec-Fetch-Site", "same-site")], 403);
    check("/", &[("Sec-Fetch-Site", "cross-site")], 200);
    check("/page/none.js", &[], 404);
    // Monitoring is asked by the names of machines.
    check("/varz", &[("Host", "nats.internal:8222")], 200);
}

#[test]
fn it_shows_what_there_is_and_what_is_declared() {
    let (data, folder) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let file = write(&folder, SHOP);
    let server = Running::up(data.path(), &[&file]);
    let address = http(&server);
    succeed(&["pub", "-s", &server.url(), "orders.eu.paid", HOSTILE]);
    // The file is compared as it is now.
    write(&folder, &SHOP.replace("max_age: 1d", "max_age: 2d"));
    let event = event(&address, "message", &[]);
    let stream = &event["streams"][0];
    assert_eq!((&stream["name"], &stream["messages"]), (&json!("ORDERS"), &json!(1)));
    assert_eq!(stream["consumers"][0]["pending"], 1);
    let service = &event["declared"]["topologies"][0]["services"][0];
    assert_eq!(service["publishes"], json!([{"subject": "orders.eu.paid", "streams": ["ORDERS"]}]));
    let change = json!([{"field": "max_age", "before": "1d", "after": "2d"}]);
    assert_eq!(event["drift"]["plans"][0]["steps"][0]["changes"], change);
    let messages = ask(&address, "GET /page/api/messages?stream=ORDERS", &[], "");
    assert!(messages.head.contains("content-type: application/json"), "{}", messages.head);
    assert_eq!(messages.json()["messages"][0]["text"], HOSTILE);
    let path = "GET /page/api/outstanding?stream=ORDERS&consumer=billing";
    assert_eq!(ask(&address, path, &[], "").json()["messages"][0]["sequence"], 1);
    let connections = ask(&address, "GET /page/api/connections", &[], "").json();
    assert_eq!(connections["connections"][0]["name"], "watershed page");
    for wrong in ["stream=A.B", "stream=ORDERS&subject=a..b", "stream=%3E"] {
        let answer = ask(&address, &format!("GET /page/api/messages?{wrong}"), &[], "");
        assert_eq!(answer.status, 400, "{wrong}: {}", answer.body);
    }
}

#[test]
fn whoever_looks_is_a_user_of_the_server() {
    let (data, folder) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let file = write(&folder, &format!("{SHOP}{USERS}"));
    let mut command = up(data.path(), &[&file]);
    command.env("SHOP_ADMIN", "a:secret").env("SHOP_SHOP", "other");
    let server = Running::ready(command.stderr(std::process::Stdio::null()).spawn().unwrap());
    let address = http(&server);
    let check = |path: &str, said: Option<&str>, expected: u16| {
        let said = said.map(|text| format!("Basic {}", BASE64.encode(text)));
        let headers: Vec<(&str, &str)> =
            said.iter().map(|text| ("Authorization", text.as_str())).collect();
        let answer = ask(&address, &format!("GET {path}"), &headers, "");
        assert_eq!(answer.status, expected, "{path} {said:?}: {}", answer.body);
        assert_eq!(answer.head.contains("www-authenticate: basic"), expected == 401);
        answer
    };
    let api = "/page/api/messages?stream=ORDERS";
    for path in ["/", api, "/page/api/events", "/page/api/dead", "/page/api/connections"] {
        check(path, None, 401);
        check(path, Some("admin:wrong"), 401);
    }
    check("/", Some("admin:a:secret"), 200);
    check(api, Some("admin:a:secret"), 200);
    // Who may not read messages does not read them here either.
    check("/", Some("shop:other"), 200);
    let denied = check(api, Some("shop:other"), 403);
    assert!(denied.body.contains("may not publish to"), "{}", denied.body);
}

#[test]
fn it_publishes_only_where_that_is_allowed() {
    let (data, folder) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let file = write(&folder, SHOP);
    let body =
        json!({"subject": "orders.eu.paid", "headers": [["A", "b"]], "payload": "x"}).to_string();
    let json_type = ("Content-Type", "application/json");
    let publish = "POST /page/api/publish";
    let server = Running::up(data.path(), &[&file]);
    let address = http(&server);
    assert_eq!(event(&address, "hello", &[])["publish"], Value::Null);
    let off = ask(&address, publish, &[json_type, ("X-Watershed-Token", "")], &body);
    assert!(off.status == 403 && off.body.contains("--page-publish"), "{}", off.body);
    assert_eq!(server.interrupt(), Some(0));

    let server = Running::up(data.path(), &[&file, "--page-publish"]);
    let address = http(&server);
    let token = event(&address, "hello", &[])["publish"].as_str().unwrap().to_owned();
    let token = ("X-Watershed-Token", token.as_str());
    let check = |headers: &[(&str, &str)], body: &str, expected: u16| {
        let answer = ask(&address, publish, headers, body);
        assert_eq!(answer.status, expected, "{headers:?} {body}: {}", answer.body);
        answer.json()
    };
    check(&[json_type], &body, 403);
    check(&[json_type, ("X-Watershed-Token", "x")], &body, 403);
    check(&[json_type, token, ("Origin", "http://other.example")], &body, 403);
    check(&[token, ("Content-Type", "text/plain")], &body, 415);
    for subject in ["$JS.API.STREAM.DELETE.ORDERS", "orders.>", "", "nobody.stores.it"] {
        check(&[json_type, token], &body.replace("orders.eu.paid", subject), 400);
    }
    let headers = body.replace(r#""b""#, r#""b\r\nC: d""#);
    check(&[json_type, token], &headers, 400);
    let stored = check(&[json_type, token], &body, 200);
    assert_eq!((&stored["stream"], &stored["sequence"]), (&json!("ORDERS"), &json!(1)));
    let status = succeed(&["status", "--json", "-s", &server.url()]);
    let status: Value = serde_json::from_str(&status).unwrap();
    assert_eq!(status["streams"][0]["stream"]["state"]["messages"], 1);
}

/// `serve` has it, too; where its clients need TLS, there is the list of what monitoring says.
#[test]
fn a_server_alone_has_it() {
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("log");
    let store = folder.path().join("store").display().to_string();
    let server =
        Running::serve(&["-m", "-1", "--store_dir", &store, "--log", log.to_str().unwrap()], &[]);
    // The ports are written before it is said.
    let text = crate::operating::wait_for(&log, "Live page: http://");
    let line = text.lines().find_map(|line| line.split_once("Live page: http://")).unwrap();
    let address = line.1.trim_end_matches('/');
    let event = event(address, "message", &[]);
    assert_eq!((&event["names"], event.get("declared")), (&json!([]), None));
    assert!(ask(address, "GET /", &[], "").body.contains("<title>Watershed</title>"));
    drop(server);
}

/// Runs one of the scripts in `tests/page` with node.
#[track_caller]
fn node(script: &str, arguments: &[&str]) -> Output {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/page").join(script);
    let mut command = Command::new("node");
    command.arg(path).args(arguments).env("NODE_PATH", browser().join("node_modules"));
    command.output().unwrap()
}

#[test]
#[cfg_attr(not(peer = "browser"), ignore = "needs a browser: see .ci/peers")]
fn in_a_browser() {
    let data = tempfile::tempdir().unwrap();
    let server = Running::up(data.path(), &[&example("persistent-events"), "--page-publish"]);
    let url = server.url();
    let hostile =
        json!({"name": HOSTILE, "number": 0}).to_string().replace("0}", "12345678901234567890}");
    succeed(&[
        "pub",
        "-s",
        &url,
        "planning.plan.approved",
        &hostile,
        "-H",
        &format!("X-Evil: {HOSTILE}"),
    ]);
    assert_eq!(run(&["pub", "-s", &url, "planning.story.transitioned", HOSTILE]).code, Some(0));
    let address = server.report["http"].as_str().unwrap();
    let output = node("browser.mjs", &[address]);
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{}{said}", String::from_utf8_lossy(&output.stdout));
}

#[test]
#[cfg_attr(not(peer = "browser"), ignore = "needs a browser: see .ci/peers")]
fn its_scripts_are_typed() {
    let web = Path::new(env!("CARGO_MANIFEST_DIR")).join("../page/web");
    let tsc = browser().join("node_modules/.bin/tsc");
    let output = Command::new(tsc).arg("-p").arg(web).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
}
