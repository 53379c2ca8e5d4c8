//! Who gets in: every kind of credential, shown to every kind of configuration.

use std::ffi::OsStr;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use serde_json::{Value, json};
use watershed_server::{Config, ConnectionTypes, Credential, Server, User};

/// What a configuration says of users.
struct Shape {
    name: &'static str,
    /// Accounts of the users `a` and `b`, where they exist.
    accounts: [Option<&'static str>; 2],
    /// Account of connections without a credential.
    guest: Option<&'static str>,
    conf: String,
}

/// What a credential is, seen from a configuration with both users.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Shown {
    Nothing,
    /// Name and password of a user: 0 for `a`, 1 for `b`.
    Right(usize),
    Wrong,
    /// Wrong, and of a kind that nats-server passes over where it is not configured.
    Foreign,
}

fn shapes() -> Vec<Shape> {
    let hash = |password: &str| bcrypt::hash(password, 4).unwrap();
    let users = |a: &str, b: &str| {
        format!("[ {{ user: a, password: \"{a}\" }}, {{ user: b, password: \"{b}\" }} ]")
    };
    let accounts = |a: &str, b: &str, more: &str| {
        format!(
            "accounts {{ A {{ users: [ {{ user: a, password: \"{a}\" }} ] }}, \
             B {{ users: [ {{ user: b, password: \"{b}\"{more} }} ] }} }}\n"
        )
    };
    let guest = "no_auth_user: b\n";
    let (apart, all) =
        ([Some("A"), Some("B")], "permissions: { publish: \">\", subscribe: \">\" }");
    let shape = |name, accounts, guest, conf| Shape { name, accounts, guest, conf };
    vec![
        shape("open", [Some("$G"); 2], Some("$G"), String::new()),
        shape("one", [Some("$G"), None], None, "authorization { user: a, password: s3 }".into()),
        shape(
            "users",
            [Some("$G"); 2],
            None,
            format!("authorization {{ users: {} }}", users("s3", "s4")),
        ),
        shape(
            "users, guest",
            [Some("$G"); 2],
            Some("$G"),
            format!("authorization {{ users: {} }}\n{guest}", users("s3", "s4")),
        ),
        shape("accounts", apart, None, accounts("s3", "s4", "")),
        shape("accounts, guest", apart, Some("B"), accounts("s3", "s4", "") + guest),
        shape("hash, guest", apart, Some("B"), accounts(&hash("s3"), "s4", "") + guest),
        shape("hashed guest", apart, Some("B"), accounts("s3", &hash("s4"), "") + guest),
        shape(
            "permitted guest",
            apart,
            Some("B"),
            accounts("s3", "s4", &format!(", {all}")) + guest,
        ),
    ]
}

fn credentials() -> Vec<(Value, Shown)> {
    use Shown::{Foreign, Nothing, Right, Wrong};
    vec![
        (Value::Null, Nothing),
        (json!({}), Nothing),
        (
            json!({"user": "", "pass": "", "auth_token": "", "jwt": "", "nkey": "", "sig": ""}),
            Nothing,
        ),
        (json!({"user": null, "pass": null}), Nothing),
        (json!({"name": "a", "lang": "x"}), Nothing),
        (json!({"user": "a", "pass": "s3"}), Right(0)),
        (json!({"user": "b", "pass": "s4"}), Right(1)),
        (json!({"user": "a", "pass": "s3", "auth_token": "x"}), Right(0)),
        (json!({"user": "a", "pass": "s3", "jwt": "x"}), Right(0)),
        (json!({"user": "a", "pass": "s4"}), Wrong),
        (json!({"user": "a", "pass": "s3 "}), Wrong),
        (json!({"user": "a"}), Wrong),
        (json!({"user": "a", "pass": ""}), Wrong),
        (json!({"user": "A", "pass": "s3"}), Wrong),
        (json!({"user": "b"}), Wrong),
        (json!({"user": "z", "pass": "s3"}), Wrong),
        (json!({"pass": "s3"}), Wrong),
        (json!({"user": "", "pass": "s4"}), Wrong),
        (json!({"auth_token": "s3"}), Wrong),
        (json!({"nkey": "UABC"}), Foreign),
        (json!({"nkey": "UABC", "sig": "c2ln"}), Foreign),
        (json!({"jwt": "eyJ"}), Foreign),
        (json!({"jwt": "eyJ", "sig": "c2ln"}), Foreign),
        (json!({"sig": "c2ln"}), Foreign),
    ]
}

impl Shape {
    /// Account that a credential leads to.
    fn account(&self, shown: Shown) -> Option<&'static str> {
        match shown {
            _ if self.name == "open" => Some("$G"),
            Shown::Nothing => self.guest,
            Shown::Right(user) => self.accounts[user],
            Shown::Wrong | Shown::Foreign => None,
        }
    }

    /// Account that the same leads to at nats-server, which differs on two points: it lets in as the
    /// guest who shows an nkey or a JWT that nothing was configured for, and refuses a guest whose
    /// password is a hash.
    fn account_of_peer(&self, shown: Shown) -> Option<&'static str> {
        let guest = self.guest.filter(|_| self.name != "hashed guest");
        match shown {
            Shown::Nothing | Shown::Foreign => guest,
            _ => self.account(shown),
        }
    }
}

/// Shows a credential; the account that it leads to, `None` if it is refused as it should be.
fn try_out(address: SocketAddr, credential: &Value) -> Option<String> {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
    if let Value::Object(fields) = credential {
        let mut fields = fields.clone();
        fields.insert("verbose".into(), false.into());
        stream.write_all(format!("CONNECT {}\r\n", Value::Object(fields)).as_bytes()).unwrap();
    }
    // A server that has closed already is seen by what it said.
    let _ = stream.write_all(b"SUB r 1\r\nPUB $SYS.REQ.USER.INFO r 0\r\n\r\n");
    for line in BufReader::new(stream).split(b'\n') {
        let line = line.unwrap();
        let text = String::from_utf8_lossy(&line);
        if text.starts_with("-ERR") {
            assert_eq!(text.trim_end(), "-ERR 'Authorization Violation'");
            return None;
        }
        if let Ok(reply) = serde_json::from_str::<Value>(&text) {
            return Some(reply["data"]["account"].as_str().unwrap().to_owned());
        }
    }
    panic!("the server closed without a word");
}

fn check(
    who: &str,
    shape: &Shape,
    address: SocketAddr,
    expected: fn(&Shape, Shown) -> Option<&'static str>,
) -> Vec<String> {
    let mut failures = Vec::new();
    for (credential, shown) in credentials() {
        let found = try_out(address, &credential);
        let expected = expected(shape, shown);
        if found.as_deref() != expected {
            let name = shape.name;
            failures.push(format!("{who}: {name}: {credential}: {found:?}, not {expected:?}"));
        }
    }
    failures
}

#[test]
fn a_credential_leads_to_its_own_account_or_nowhere() {
    let folder = tempfile::tempdir().unwrap();
    let conf = folder.path().join("nats.conf");
    let mut failures = Vec::new();
    for shape in shapes() {
        std::fs::write(&conf, format!("listen: \"127.0.0.1:0\"\n{}", shape.conf)).unwrap();
        let (config, _) = watershed_server::read_config(&conf, &|_| None).unwrap();
        let server = Server::builder().config(config).start().unwrap();
        failures.extend(check("watershed", &shape, server.local_addr(), Shape::account));
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

#[test]
#[cfg_attr(not(peer = "nats-server"), ignore = "needs nats-server: see .ci/peers")]
fn nats_server_leads_credentials_to_the_same_accounts() {
    let folder = tempfile::tempdir().unwrap();
    let conf = folder.path().join("nats.conf");
    let program = watershed_peers::nats_server();
    let mut failures = Vec::new();
    for shape in shapes() {
        std::fs::write(&conf, &shape.conf).unwrap();
        let arguments = [OsStr::new("-c"), conf.as_os_str()];
        let server = watershed_peers::NatsServer::start_with(&program, &arguments);
        failures.extend(check("nats-server", &shape, server.address, Shape::account_of_peer));
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

/// A server without declared users may have some of its own, and stays open to everybody else.
#[test]
fn an_open_server_has_users_of_its_own() {
    let keeper = User {
        name: "keeper".into(),
        credential: Credential::from_config("s3"),
        account: "K".into(),
        permissions: None,
        connections: ConnectionTypes::default(),
    };
    let config =
        Config { users: vec![keeper], open_account: Some("A".into()), ..Config::default() };
    let server = Server::builder().config(config).start().unwrap();
    for (credential, expected) in [
        (Value::Null, Some("A")),
        (json!({}), Some("A")),
        (json!({"user": "somebody", "pass": "s3"}), Some("A")),
        (json!({"auth_token": "s3"}), Some("A")),
        (json!({"user": "keeper", "pass": "s3"}), Some("K")),
        (json!({"user": "keeper", "pass": "s4"}), None),
        (json!({"user": "keeper"}), None),
    ] {
        let found = try_out(server.local_addr(), &credential);
        assert_eq!(found.as_deref(), expected, "{credential}");
    }
}

/// Checks that nobody waits for any more are not made: whoever is there gets in meanwhile.
#[test]
fn wrong_passwords_hold_up_nobody() {
    let user = |name: &str, password: &str| User {
        name: name.into(),
        credential: Credential::from_config(password),
        account: "A".into(),
        permissions: None,
        connections: ConnectionTypes::default(),
    };
    let hash = bcrypt::hash("s3", 9).unwrap();
    let users = vec![user("hashed", &hash), user("plain", "s3")];
    // Less than it would take to check all of them, and enough on a machine that is busy otherwise.
    let auth_timeout = Duration::from_secs(5);
    let config = Config { users, auth_timeout, ..Config::default() };
    let server = Server::builder().config(config).start().unwrap();
    let address = server.local_addr();
    let flood: Vec<_> = (0..300)
        .map(|_| {
            let mut stream = TcpStream::connect(address).unwrap();
            stream.write_all(b"CONNECT {\"user\":\"hashed\",\"pass\":\"s4\"}\r\n").unwrap();
            stream
        })
        .collect();
    // While all of them wait, and when they are gone.
    assert_eq!(try_out(address, &json!({"user": "plain", "pass": "s3"})).as_deref(), Some("A"));
    drop(flood);
    // To be refused when that time is over is to have been held up.
    assert_eq!(try_out(address, &json!({"user": "hashed", "pass": "s3"})).as_deref(), Some("A"));
}
