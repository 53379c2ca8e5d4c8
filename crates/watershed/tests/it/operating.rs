//! How a server is told what to do while it runs, and what it says of itself.

use std::fmt::Write as _;
use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Instant;

use serde_json::Value;

use crate::server::{PATIENCE, Running, outcome, serve};

/// A client that speaks the protocol line by line.
struct Lines(BufReader<TcpStream>);

impl Lines {
    fn connect(address: SocketAddr, user: &str) -> Self {
        let stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let mut own = Self(BufReader::new(stream));
        assert!(own.line().starts_with("INFO "));
        let connect = format!(
            "CONNECT {{\"user\":\"{user}\",\"pass\":\"{user}\",\"verbose\":false,\"protocol\":1}}\r\nPING\r\n"
        );
        own.send(&connect);
        own
    }

    /// One that is let in.
    fn admitted(address: SocketAddr, user: &str) -> Self {
        let mut own = Self::connect(address, user);
        assert_eq!(own.line(), "PONG");
        assert!(own.line().starts_with("INFO "));
        own
    }

    fn send(&mut self, text: &str) {
        self.0.get_mut().write_all(text.as_bytes()).unwrap();
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        self.0.read_line(&mut line).unwrap();
        line.trim_end().to_owned()
    }
}

/// A program that ends when the test does, however that ends.
struct Ends(Child);

impl Drop for Ends {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Waits until a file says something.
#[track_caller]
pub(crate) fn wait_for(path: &Path, text: &str) -> String {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let said = fs::read_to_string(path).unwrap_or_default();
        if said.contains(text) {
            return said;
        }
        assert!(Instant::now() < deadline, "no `{text}` in {said}");
        std::thread::yield_now();
    }
}

/// A configuration with these users, whose names are their passwords, all in the account `A`.
fn configuration(users: &str, more: &str) -> String {
    let mut list = String::new();
    for user in users.split_whitespace() {
        let (name, permissions) = user.split_once('/').unwrap_or((user, ">"));
        writeln!(
            list,
            "{{ user: {name}, password: {name}, permissions {{ subscribe: \"{permissions}\" }} }}"
        )
        .unwrap();
    }
    format!("{more}\naccounts {{ A {{ users [\n{list}] }} }}\n")
}

#[test]
fn a_reload_ends_who_is_gone() {
    let folder = tempfile::tempdir().unwrap();
    let (conf, log) = (folder.path().join("nats.conf"), folder.path().join("log"));
    fs::write(&conf, configuration("a b c", "")).unwrap();
    let server = Running::serve(&["-c", conf.to_str().unwrap(), "-l", log.to_str().unwrap()], &[]);
    let [mut a, mut b, mut c] = ["a", "b", "c"].map(|user| Lines::admitted(server.address, user));
    c.send("SUB x 1\r\nSUB y 2\r\nPING\r\n");
    assert_eq!(c.line(), "PONG");
    fs::write(&conf, configuration("a c/x d", "")).unwrap();
    server.signal("HUP");
    assert_eq!(b.line(), "-ERR 'Authorization Violation'");
    assert_eq!(b.line(), "");
    assert_eq!(c.line(), "-ERR 'Permissions Violation for Subscription to \"y\"'");
    Lines::admitted(server.address, "d");
    a.send("PUB y 1\r\n1\r\nPUB x 1\r\n2\r\nPING\r\n");
    assert_eq!(a.line(), "PONG");
    assert_eq!([c.line(), c.line()], ["MSG x 1 1", "2"]);
    assert_eq!(Lines::connect(server.address, "b").line(), "-ERR 'Authorization Violation'");
    // All of it, or nothing.
    fs::write(&conf, configuration("a", "server_name: other")).unwrap();
    server.signal("HUP");
    wait_for(
        &log,
        "[ERR] Failed to reload server configuration: `server_name` cannot change without a restart",
    );
    fs::write(&conf, "port: x").unwrap();
    server.signal("HUP");
    wait_for(&log, "`port` is a whole number");
    Lines::admitted(server.address, "d");
}

#[test]
fn a_log_that_was_moved_is_opened_again() {
    let folder = tempfile::tempdir().unwrap();
    let [log, moved, pid] = ["log", "log.1", "pid"].map(|name| folder.path().join(name));
    let arguments = ["-l", log.to_str().unwrap(), "-P", pid.to_str().unwrap()];
    let server = Running::serve(&arguments, &[]);
    let number = fs::read_to_string(&pid).unwrap();
    let said = wait_for(&log, "[INF] Server is ready");
    let line = said.lines().find(|line| line.contains("Listening for client")).unwrap();
    let expected = format!("[INF] Listening for client connections on {}", server.address);
    assert!(line.starts_with(&format!("[{number}] 20")) && line.ends_with(&expected), "{line}");
    fs::rename(&log, &moved).unwrap();
    let signal = format!("reopen={}", pid.display());
    assert_eq!(outcome(&serve(&["--signal", &signal]).output().unwrap()), (Some(0), String::new()));
    wait_for(&log, "File log re-opened");
    assert_eq!(server.interrupt(), Some(0));
    assert!(!pid.exists());
}

#[test]
fn a_lame_duck_asks_clients_to_go() {
    let folder = tempfile::tempdir().unwrap();
    let conf = folder.path().join("nats.conf");
    fs::write(&conf, configuration("a b", "lame_duck_grace_period: 100ms")).unwrap();
    let server = Running::serve(&["-c", conf.to_str().unwrap()], &[]);
    let [mut a, b] = ["a", "b"].map(|user| Lines::admitted(server.address, user));
    server.signal("USR2");
    let info = a.line();
    assert!(info.starts_with("INFO ") && info.contains("\"ldm\":true"), "{info}");
    assert!(TcpStream::connect(server.address).is_err());
    // It is served until its time has come, a moment later.
    drop(b);
    assert_eq!(a.line(), "");
    assert_eq!(server.end(), Some(0));
}

#[test]
fn leaf_nodes_are_told_that_there_are_none() {
    let folder = tempfile::tempdir().unwrap();
    let (conf, log) = (folder.path().join("nats.conf"), folder.path().join("log"));
    fs::write(&conf, "leafnodes { listen: \"127.0.0.1:-1\" }").unwrap();
    let _server = Running::serve(&["-c", conf.to_str().unwrap(), "-l", log.to_str().unwrap()], &[]);
    let said = wait_for(&log, "[INF] Server is ready");
    let line = said.lines().find(|line| line.contains("leafnode connections on ")).unwrap();
    let address = line.rsplit(' ').next().unwrap();
    let mut answer = String::new();
    TcpStream::connect(address).unwrap().read_to_string(&mut answer).unwrap();
    assert_eq!(answer, "-ERR 'leaf nodes are not supported'\r\n");
    assert!(said.contains("[WRN] leaf nodes are not supported"), "{said}");
}

#[test]
fn flags_of_what_is_not_there_are_refused_by_name() {
    for (flag, name) in [
        ("-routes=nats://x", "routes"),
        ("--cluster_name=x", "cluster_name"),
        ("-ms=1", "https_port"),
    ] {
        let said = outcome(&serve(&[flag]).output().unwrap());
        let expected = format!("error: `--{name}` is not supported by this server\n");
        assert_eq!(said, (Some(1), expected), "{flag}");
    }
    let output = serve(&["-v"]).output().unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stdout), "nats-server: v2.14.6\n");
}

fn get(address: &str, page: &str) -> (u16, String) {
    let mut stream = TcpStream::connect(address).unwrap();
    write!(stream, "GET {page} HTTP/1.0\r\nHost: x\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    let code = head.split(' ').nth(1).unwrap().parse().unwrap();
    (code, body.to_owned())
}

/// Every field of ours that nats-server does not have, and the other way round.
fn differing(ours: &Value, theirs: &Value, place: &str, found: &mut Vec<String>) {
    match (ours, theirs) {
        (Value::Object(ours), Value::Object(theirs)) => {
            for (key, value) in ours {
                match theirs.get(key) {
                    None => found.push(format!("+{place}{key}")),
                    Some(other) => differing(value, other, &format!("{place}{key}."), found),
                }
            }
            let missing = theirs.keys().filter(|key| !ours.contains_key(*key));
            found.extend(missing.map(|key| format!("-{place}{key}")));
        }
        (Value::Array(ours), Value::Array(theirs)) => {
            if let (Some(own), Some(other)) = (ours.first(), theirs.first()) {
                differing(own, other, place, found);
            }
        }
        (ours, theirs) if std::mem::discriminant(ours) != std::mem::discriminant(theirs) => {
            found.push(format!("!{place}"));
        }
        _ => {}
    }
}

/// The monitoring's fields and codes are those of nats-server, but for what is listed here.
#[test]
#[cfg_attr(not(peer = "nats-server"), ignore = "needs nats-server: see .ci/peers")]
fn monitoring_has_the_fields_of_nats_server() {
    let folder = tempfile::tempdir().unwrap();
    let conf = folder.path().join("nats.conf");
    fs::write(&conf, "accounts { A { users [ {user: a, password: a} ] } }\n").unwrap();
    let mut servers = Vec::new();
    for (index, program) in [env!("CARGO_BIN_EXE_watershed").into(), watershed_peers::nats_server()]
        .into_iter()
        .enumerate()
    {
        let mut command = Command::new(program);
        if index == 0 {
            command.arg("serve");
        }
        let mut child = command
            .args(["-a", "127.0.0.1", "-p", "-1", "-m", "-1", "-c"])
            .arg(&conf)
            .args(["-ports_file_dir", folder.path().to_str().unwrap()])
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let ports = folder.path().join(format!("nats-server_{}.ports", child.id()));
        let address = Running::wait(&mut child, &ports);
        let said: Value = serde_json::from_str(&fs::read_to_string(ports).unwrap()).unwrap();
        let url = said["monitoring"][0].as_str().unwrap();
        let mut client = Lines::connect(address, "a");
        client.send("SUB foo q 1\r\nPING\r\n");
        servers.push((Ends(child), url.trim_start_matches("http://").to_owned(), client));
        // Both of these, and what stands between them.
        let (_, _, client) = servers.last_mut().unwrap();
        while client.line() != "PONG" {}
    }
    let mut table = String::new();
    for page in [
        "/connz?subs=detail&auth=1",
        "/connz?subs=1",
        "/connz?sort=foo",
        "/connz?sort=stop",
        "/subsz?subs=1&acc=A",
        "/accountz",
        "/accountz?acc=none",
        "/accstatz?unused=1",
        "/routez",
        "/gatewayz",
        "/leafz",
        "/healthz",
        "/healthz?stream=x",
        "/healthz?consumer=x",
        "/healthz?account=A&stream=x",
    ] {
        let [(own, ours), (other, theirs)] =
            [0, 1].map(|index: usize| get(&servers[index].1, page));
        assert_eq!(own, other, "{page}: {ours} {theirs}");
        let mut found = Vec::new();
        match (serde_json::from_str(&ours), serde_json::from_str(&theirs)) {
            (Ok(ours), Ok(theirs)) => differing(&ours, &theirs, "", &mut found),
            _ => assert_eq!(ours.trim(), theirs.trim(), "{page}"),
        }
        // The one is there once a client has answered a ping. The other: nats-server lists its own
        // subscriptions as well, in any order, and they are in no queue group.
        found.retain(|field| {
            !["-connections.rtt", "+subscriptions_list.qgroup"].contains(&field.as_str())
        });
        if !found.is_empty() {
            writeln!(table, "{page} {}", found.join(" ")).unwrap();
        }
    }
    insta::assert_snapshot!(table, @r"
    /connz?subs=detail&auth=1 -connections.name_tag
    /subsz?subs=1&acc=A -subscriptions_list.account_tag -avg_fanout -cache_hit_rate -max_fanout -num_cache -num_inserts -num_matches -num_removes
    /accstatz?unused=1 -account_statz.received.gateways -account_statz.received.leafs -account_statz.received.routes -account_statz.sent.gateways -account_statz.sent.leafs -account_statz.sent.routes
    ");
}
