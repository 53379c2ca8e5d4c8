//! Operator mode: who gets in by which JWT, on this server and on nats-server.

use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use nkeys::KeyPair;
use serde_json::{Value, json};
use watershed_server::Server;

use crate::both::{Start, on_own, on_peer};
use watershed_peers::jwt::{ISSUED, Operator, sign, signed, user};

/// A client, after it has shown a JWT.
pub(crate) struct Client {
    lines: std::io::Lines<BufReader<TcpStream>>,
    stream: TcpStream,
}

impl Client {
    /// Shows a JWT, signs what the server gave it with a key, and says more behind that.
    pub(crate) fn show(address: SocketAddr, jwt: &str, key: Option<&KeyPair>, more: &str) -> Self {
        let mut stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
        let mut lines = BufReader::new(stream.try_clone().unwrap()).lines();
        let first = lines.next().unwrap().unwrap();
        let info: Value = serde_json::from_str(first.strip_prefix("INFO ").unwrap()).unwrap();
        let nonce = info["nonce"].as_str().expect("every client is given something to sign");
        let signature = key.map(|key| key.sign(nonce.as_bytes()).unwrap());
        let signature = signature.map(|bytes| URL_SAFE_NO_PAD.encode(bytes)).unwrap_or_default();
        let connect = json!({"jwt": jwt, "sig": signature, "verbose": false});
        let _ = stream.write_all(format!("CONNECT {connect}\r\n{more}").as_bytes());
        Self { lines, stream }
    }

    pub(crate) fn say(&mut self, text: &str) {
        let _ = self.stream.write_all(text.as_bytes());
    }

    /// The next line that is not about the connection itself; `None` when the server has closed.
    pub(crate) fn next(&mut self) -> Option<String> {
        let line = self.lines.by_ref().map_while(Result::ok);
        line.into_iter().find(|line| !line.starts_with("INFO") && line != "PONG" && line != "PING")
    }
}

/// What becomes of a client: its account, or what it is told.
fn outcome(address: SocketAddr, jwt: &str, key: Option<&KeyPair>) -> String {
    let asks = "SUB r 1\r\nPUB $SYS.REQ.USER.INFO r 0\r\n\r\n";
    let mut client = Client::show(address, jwt, key, asks);
    let Some(first) = client.next() else { return "closed".into() };
    if first.starts_with("-ERR") {
        return first;
    }
    let reply: Value = serde_json::from_str(&client.next().unwrap()).unwrap();
    reply["data"]["account"].as_str().unwrap().to_owned()
}

fn seconds() -> i64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    i64::try_from(now.as_secs()).unwrap()
}

const REFUSED: &str = "-ERR 'Authorization Violation'";

#[expect(clippy::too_many_lines, reason = "a table")]
fn jwts_lead_to_their_account(start: Start<'_>) {
    let operator = Operator::new();
    let [account, other, stranger, signing, scoped] = [(); 5].map(|()| KeyPair::new_account());
    let [own, revoked] = [(); 2].map(|()| KeyPair::new_user());
    let scope = json!({
        "kind": "user_scope", "key": scoped.public_key(), "role": "",
        "template": {"pub": {"allow": ["$SYS.REQ.USER.INFO", "{{name()}}.>"]}, "subs": 10},
    });
    let claims = json!({
        "signing_keys": [signing.public_key(), scope],
        "revocations": {revoked.public_key(): ISSUED},
    });
    let forged = Operator::new();
    let conf = operator.configuration(&[
        (&account, operator.account(&account, claims)),
        (&other, operator.account(&other, json!({"limits": {"disallow_bearer": true}}))),
    ]);
    let server = start(&conf);
    let address = server.address();
    let name = account.public_key();
    let by = |issuer: &KeyPair, claims: Value| user(&own, issuer, claims, &[]);
    let of_account = json!({"issuer_account": name});
    let with = |mut claims: Value| {
        claims["issuer_account"] = name.clone().into();
        claims
    };
    let ends = |exp: i64| user(&own, &account, json!({}), &[("exp", exp.into())]);
    let begins = |nbf: i64| user(&own, &account, json!({}), &[("nbf", nbf.into())]);
    let bearer = json!({"bearer_token": true});
    let empty = |claims: Value| sign("user", &own.public_key(), &scoped, claims, &[]);
    let plain = by(&account, json!({}));
    let header = |alg: &str| json!({"typ": "JWT", "alg": alg});
    let payload = json!({
        "sub": own.public_key(), "iss": name, "iat": ISSUED,
        "nats": {"type": "user", "version": 2, "subs": -1, "payload": -1},
    });
    let mut tampered = plain.clone();
    tampered.replace_range(60..61, if &plain[60..61] == "A" { "B" } else { "A" });
    let half = &plain[..plain.len() / 2];
    let known = Some(&own);
    let table: Vec<(&str, String, Option<&KeyPair>, bool)> = vec![
        ("a user", plain.clone(), known, true),
        ("no signature", plain.clone(), None, false),
        ("a signature of somebody else", plain.clone(), Some(&revoked), false),
        ("nothing", String::new(), known, false),
        ("of a signing key", by(&signing, of_account.clone()), known, true),
        ("of a signing key that says of no account", by(&signing, json!({})), known, false),
        ("of another account", by(&other, of_account.clone()), known, false),
        ("of an unknown account", by(&stranger, json!({})), known, false),
        ("of an unknown key", by(&stranger, of_account.clone()), known, false),
        ("of a scoped key", empty(of_account.clone()), known, true),
        ("of a scoped key, with limits", by(&scoped, of_account.clone()), known, false),
        (
            "of a scoped key, with permissions",
            empty(with(json!({"pub": {"allow": ["a"]}}))),
            known,
            false,
        ),
        ("revoked", user(&revoked, &account, json!({}), &[]), Some(&revoked), false),
        (
            "issued after that",
            user(&revoked, &account, json!({}), &[("iat", (ISSUED + 1).into())]),
            Some(&revoked),
            true,
        ),
        ("expired", ends(ISSUED), known, false),
        ("expires later", ends(seconds() + 1000), known, true),
        ("not valid yet", begins(seconds() + 1000), known, false),
        ("valid since", begins(ISSUED), known, true),
        ("a bearer's", by(&account, bearer.clone()), None, true),
        ("a bearer's where there are none", by(&other, bearer), None, false),
        ("from here", by(&account, json!({"src": ["127.0.0.0/8", "10.0.0.0/8"]})), known, true),
        ("from elsewhere", by(&account, json!({"src": ["10.0.0.0/8"]})), known, false),
        ("for this", by(&account, json!({"allowed_connection_types": ["STANDARD"]})), known, true),
        ("for other", by(&account, json!({"allowed_connection_types": ["MQTT"]})), known, false),
        (
            "at no time",
            by(&account, json!({"times": [{"start": "00:00:00", "end": "00:00:00"}]})),
            known,
            false,
        ),
        ("with another algorithm", signed(&header("none"), &payload, &account), known, false),
        (
            "with another type",
            signed(&json!({"typ": "X", "alg": "ed25519"}), &payload, &account),
            known,
            false,
        ),
        ("tampered with", tampered, known, false),
        ("cut off", half.to_owned(), known, false),
        ("three dots", "...".into(), known, false),
        ("no Base64", "é.ü.ß".into(), known, false),
        ("an account's", operator.account(&account, json!({})), known, false),
        ("a forged account's", forged.account(&own, json!({})), known, false),
    ];
    for (what, jwt, key, expected) in table {
        let expected = if expected { name.as_str() } else { REFUSED };
        assert_eq!(outcome(address, &jwt, key), expected, "{what}");
    }
}

#[test]
fn own_jwts_lead_to_their_account() {
    on_own(jwts_lead_to_their_account);
}

#[test]
#[cfg_attr(not(peer = "nats-server"), ignore = "needs nats-server: see .ci/peers")]
fn peer_jwts_lead_to_their_account() {
    on_peer(jwts_lead_to_their_account);
}

/// Limits and permissions, of the user and of the account.
fn limits_hold(start: Start<'_>) {
    let operator = Operator::new();
    let [account, small] = [(); 2].map(|()| KeyPair::new_account());
    let own = KeyPair::new_user();
    let limits = json!({"limits": {"conn": 1, "subs": 2, "payload": 10}});
    let default = json!({
        "default_permissions": {"pub": {"deny": ["secret"]}},
        "mappings": {"old": [{"subject": "new"}], "ask.old": [{"subject": "b", "weight": 40}]},
    });
    let conf = operator.configuration(&[
        (&account, operator.account(&account, default)),
        (&small, operator.account(&small, limits)),
    ]);
    let server = start(&conf);
    let address = server.address();
    let try_out = |issuer: &KeyPair, claims: Value, more: &str| {
        let jwt = user(&own, issuer, claims, &[]);
        Client::show(address, &jwt, Some(&own), &format!("{more}PING\r\n"))
    };
    let check = |issuer: &KeyPair, claims: Value, more: &str, expected: &str| {
        assert_eq!(try_out(issuer, claims, more).next().as_deref(), Some(expected), "{more}");
    };
    let denied = "-ERR 'Permissions Violation for Publish to \"secret\"'";
    check(&account, json!({}), "PUB secret 0\r\n\r\n", denied);
    let allow = json!({"pub": {"allow": ["secret"]}, "sub": {"deny": ["x"]}});
    let denied = "-ERR 'Permissions Violation for Subscription to \"x\"'";
    check(&account, allow, "PUB secret 0\r\n\r\nSUB x 1\r\n", denied);
    let many = "-ERR 'maximum subscriptions exceeded'";
    check(&account, json!({"subs": 1}), "SUB a 1\r\nSUB b 2\r\n", many);
    let long = "-ERR 'Maximum Payload Violation'";
    check(&account, json!({"payload": 3}), "PUB a 4\r\nabcd\r\n", long);
    // Answers and queue groups; a mapping of the account comes before both.
    let may = json!({
        "pub": {"allow": ["ask", "new"]}, "sub": {"allow": ["ask", "new", "g q.*"]},
        "resp": {"max": 1, "ttl": 60_000_000_000_i64},
    });
    let denied = "-ERR 'Permissions Violation for Subscription to \"g\" using queue \"r\"'";
    check(&account, may.clone(), "SUB g q.1 1\r\nSUB g r 2\r\n", denied);
    let mut asked = try_out(&account, may, "SUB ask 1\r\nPUB ask back 0\r\n\r\n");
    assert_eq!(asked.next().as_deref(), Some("MSG ask 1 back 0"));
    assert_eq!(asked.next().as_deref(), Some(""));
    asked.say("PUB back 0\r\n\r\nPUB back 0\r\n\r\n");
    let denied = "-ERR 'Permissions Violation for Publish to \"back\"'";
    assert_eq!(asked.next().as_deref(), Some(denied));
    asked.say("SUB new 2\r\nPUB old 0\r\n\r\n");
    assert_eq!(asked.next().as_deref(), Some("MSG new 2 0"));
    let mut first = try_out(&small, json!({}), "SUB a 1\r\nPUB a 3\r\nabc\r\n");
    assert_eq!(first.next().as_deref(), Some("MSG a 1 3"));
    assert_eq!(first.next().as_deref(), Some("abc"));
    check(&small, json!({}), "", "-ERR 'maximum account active connections exceeded'");
    first.say("PUB a 11\r\n01234567890\r\n");
    assert_eq!(first.next().as_deref(), Some(long));
}

#[test]
fn own_limits_hold() {
    on_own(limits_hold);
}

#[test]
#[cfg_attr(not(peer = "nats-server"), ignore = "needs nats-server: see .ci/peers")]
fn peer_limits_hold() {
    on_peer(limits_hold);
}

/// Who is connected when a JWT ends is told, and closed.
fn expiry_ends_a_connection(start: Start<'_>) {
    let operator = Operator::new();
    let [account, short] = [(); 2].map(|()| KeyPair::new_account());
    let own = KeyPair::new_user();
    let soon = seconds() + 2;
    let ends = [("exp", soon.into())];
    let conf = operator.configuration(&[
        (&account, operator.account(&account, json!({}))),
        (&short, operator.account_issued(&short, json!({}), &ends)),
    ]);
    let server = start(&conf);
    let address = server.address();
    let of_user = user(&own, &account, json!({}), &ends);
    let of_account = user(&own, &short, json!({}), &[]);
    let mut clients =
        [of_user, of_account].map(|jwt| Client::show(address, &jwt, Some(&own), "PING\r\n"));
    for (client, whose) in clients.iter_mut().zip(["User", "Account"]) {
        let expected = format!("-ERR '{whose} Authentication Expired'");
        assert_eq!(client.next(), Some(expected));
        assert!(seconds() >= soon && client.next().is_none());
    }
}

#[test]
fn own_expiry_ends_a_connection() {
    on_own(expiry_ends_a_connection);
}

#[test]
#[cfg_attr(not(peer = "nats-server"), ignore = "needs nats-server: see .ci/peers")]
fn peer_expiry_ends_a_connection() {
    on_peer(expiry_ends_a_connection);
}

/// What one account exports and another imports, with a token and without.
fn accounts_share(start: Start<'_>) {
    let operator = Operator::new();
    let [giver, taker] = [(); 2].map(|()| KeyPair::new_account());
    let own = KeyPair::new_user();
    let allowance = |subject: &str, kind: &str| {
        let claims = json!({"subject": subject, "kind": kind});
        sign("activation", &taker.public_key(), &giver, claims, &[])
    };
    let exports = json!({"exports": [
        {"subject": "open.>", "type": "stream"},
        {"subject": "closed.>", "type": "stream", "token_req": true},
        {"subject": "ask.*", "type": "service"},
    ]});
    let name = giver.public_key();
    let imports = json!({"imports": [
        {"account": name, "subject": "open.>", "type": "stream", "local_subject": "from.>"},
        {"account": name, "subject": "closed.a", "type": "stream",
            "token": allowance("closed.a", "stream")},
        {"account": name, "subject": "closed.b", "type": "stream"},
        {"account": name, "subject": "ask.me", "type": "service", "local_subject": "question"},
    ]});
    let conf = operator.configuration(&[
        (&giver, operator.account(&giver, exports)),
        (&taker, operator.account(&taker, imports)),
    ]);
    let server = start(&conf);
    let address = server.address();
    let connect = |account: &KeyPair, more: &str| {
        Client::show(address, &user(&own, account, json!({}), &[]), Some(&own), more)
    };
    let mut taker = connect(
        &taker,
        "SUB from.> 1\r\nSUB closed.> 2\r\nSUB r 3\r\nSUB ready 4\r\nPUB ready 0\r\n\r\n",
    );
    assert_eq!(taker.next().as_deref(), Some("MSG ready 4 0"));
    taker.next();
    let said = "SUB ask.* 1\r\nPUB closed.b 1\r\nb\r\nPUB closed.a 1\r\na\r\nPUB open.x 1\r\nx\r\nSUB ready 2\r\nPUB ready 0\r\n\r\n";
    let mut giver = connect(&giver, said);
    assert_eq!(giver.next().as_deref(), Some("MSG ready 2 0"));
    giver.next();
    for expected in ["MSG closed.a 2 1", "a", "MSG from.x 1 1", "x"] {
        assert_eq!(taker.next().as_deref(), Some(expected));
    }
    taker.say("PUB question r 1\r\nq\r\n");
    let asked = giver.next().unwrap();
    let parts: Vec<&str> = asked.split(' ').collect();
    assert!(parts[1] == "ask.me" && parts[3].starts_with("_R_"), "{asked}");
    giver.say(&format!("PUB {} 1\r\ny\r\n", parts[3]));
    assert_eq!(taker.next().as_deref(), Some("MSG r 3 1"));
}

#[test]
fn own_accounts_share() {
    on_own(accounts_share);
}

#[test]
#[cfg_attr(not(peer = "nats-server"), ignore = "needs nats-server: see .ci/peers")]
fn peer_accounts_share() {
    on_peer(accounts_share);
}

/// A reload takes over what the accounts of a configuration say now.
#[test]
fn a_reload_takes_accounts_over() {
    let operator = Operator::new();
    let [kept, gone] = [(); 2].map(|()| KeyPair::new_account());
    let [own, revoked] = [(); 2].map(|()| KeyPair::new_user());
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("nats.conf");
    let read = |accounts: &[(&KeyPair, String)]| {
        let conf = operator.configuration(accounts);
        fs::write(&path, format!("listen: \"127.0.0.1:0\"\n{conf}")).unwrap();
        watershed_server::read_config(&path, &|_| None).unwrap().0
    };
    let everything = |key: &KeyPair| operator.account(key, json!({}));
    let config = read(&[(&kept, everything(&kept)), (&gone, everything(&gone))]);
    let server = Server::builder().config(config).start().unwrap();
    let connect = |user_key: &KeyPair, account: &KeyPair| {
        let jwt = user(user_key, account, json!({}), &[]);
        let more = "SUB a 1\r\nPUB a 0\r\n\r\n";
        let mut client = Client::show(server.local_addr(), &jwt, Some(user_key), more);
        assert_eq!(client.next().as_deref(), Some("MSG a 1 0"));
        client.next();
        client
    };
    let mut clients = [connect(&own, &kept), connect(&revoked, &kept), connect(&own, &gone)];
    let revocations = json!({"revocations": {revoked.public_key(): ISSUED}});
    server.reload(read(&[(&kept, operator.account(&kept, revocations))])).unwrap();
    clients[0].say("PUB a 0\r\n\r\n");
    assert_eq!(clients[0].next().as_deref(), Some("MSG a 1 0"));
    assert_eq!(clients[1].next().as_deref(), Some("-ERR 'User Authentication Revoked'"));
    assert_eq!(clients[2].next().as_deref(), Some("-ERR 'Account Authentication Expired'"));
    let mut other = read(&[]);
    other.operator.as_mut().unwrap().operators = vec![Operator::new().jwt()];
    let error = server.reload(other).unwrap_err().to_string();
    assert_eq!(error, "`operator and resolver` cannot change without a restart");
}

/// What a user is told of itself.
fn users_are_told_who_they_are(start: Start<'_>) {
    let operator = Operator::new();
    let account = KeyPair::new_account();
    let own = KeyPair::new_user();
    let jwt = operator.account_issued(&account, json!({}), &[("name", "shop".into())]);
    let server = start(&operator.configuration(&[(&account, jwt)]));
    let address = server.address();
    let ends = seconds() + 1000;
    let claims = json!({"pub": {"allow": ["$SYS.REQ.USER.INFO"]}, "sub": {"deny": ["secret"]}});
    let jwt = user(&own, &account, claims, &[("name", "bob".into()), ("exp", ends.into())]);
    let asks = "SUB r 1\r\nPUB $SYS.REQ.USER.INFO r 0\r\n\r\n";
    let mut client = Client::show(address, &jwt, Some(&own), asks);
    assert!(client.next().unwrap().starts_with("MSG r 1 "));
    let reply: Value = serde_json::from_str(&client.next().unwrap()).unwrap();
    let told = &reply["data"];
    let permissions = json!({
        "publish": {"allow": ["$SYS.REQ.USER.INFO"]}, "subscribe": {"deny": ["secret"]},
    });
    assert_eq!(told["permissions"], permissions);
    assert_eq!((&told["user_name"], &told["account_name"]), (&json!("bob"), &json!("shop")));
    let names = (told["user"].as_str().unwrap(), told["account"].as_str().unwrap());
    assert_eq!(names, (own.public_key().as_str(), account.public_key().as_str()));
    let left = told["expires"].as_i64().unwrap();
    assert!(left % 1_000_000_000 == 0 && (900_000_000_000..=1_000_000_000_000).contains(&left));
}

#[test]
fn own_users_are_told_who_they_are() {
    on_own(users_are_told_who_they_are);
}

#[test]
#[cfg_attr(not(peer = "nats-server"), ignore = "needs nats-server: see .ci/peers")]
fn peer_users_are_told_who_they_are() {
    on_peer(users_are_told_who_they_are);
}
