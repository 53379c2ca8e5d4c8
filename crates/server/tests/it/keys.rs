//! Tokens and nkeys: who gets in with what, on this server and on nats-server.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use nkeys::KeyPair;
use serde_json::{Value, json};

use crate::both::{Start, on_own, on_peer};

/// How a client signs what it was given.
#[derive(Clone, Copy)]
enum Signing {
    Nothing,
    Right,
    AsInMail,
    AnotherText,
}

use Signing::{AnotherText, AsInMail, Nothing, Right};

/// A client: what it says, the key that it signs with, and how.
type Client<'a> = (Value, &'a KeyPair, Signing);

/// Whom a client is let in as, and under which name, where it is let in at all; and whether it was given
/// something to sign.
fn try_out(address: SocketAddr, client: &Client<'_>) -> (Option<[String; 2]>, bool) {
    let (said, key, signing) = client;
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
    let mut lines = BufReader::new(stream.try_clone().unwrap()).lines();
    let first = lines.next().unwrap().unwrap();
    let info: Value = serde_json::from_str(first.strip_prefix("INFO ").unwrap()).unwrap();
    let nonce = info["nonce"].as_str().unwrap_or_default();
    let sign = |text: &str| key.sign(text.as_bytes()).unwrap();
    let mut said = said.clone();
    match signing {
        Nothing => {}
        Right => said["sig"] = URL_SAFE_NO_PAD.encode(sign(nonce)).into(),
        AsInMail => said["sig"] = STANDARD.encode(sign(nonce)).into(),
        AnotherText => said["sig"] = URL_SAFE_NO_PAD.encode(sign("another")).into(),
    }
    said["verbose"] = false.into();
    let line = format!("CONNECT {said}\r\nSUB r 1\r\nPUB $SYS.REQ.USER.INFO r 0\r\n\r\n");
    let _ = stream.write_all(line.as_bytes());
    for line in lines {
        let line = line.unwrap();
        if line.starts_with("-ERR") {
            assert_eq!(line, "-ERR 'Authorization Violation'");
            return (None, !nonce.is_empty());
        }
        if let Ok(reply) = serde_json::from_str::<Value>(&line) {
            let text = |name: &str| reply["data"][name].as_str().unwrap_or_default().to_owned();
            return (Some([text("account"), text("user")]), !nonce.is_empty());
        }
    }
    panic!("the server closed without a word");
}

/// A client, and its account and name where it is let in.
type Tried<'a> = (Client<'a>, Option<[&'static str; 2]>);

/// Configurations, whether they ask for signatures, and what becomes of clients.
fn cases<'a>(known: &'a KeyPair, other: &'a KeyPair) -> Vec<(String, bool, Vec<Tried<'a>>)> {
    let (key, stranger) = (known.public_key(), other.public_key());
    let hash = bcrypt::hash("t", 4).unwrap();
    let user = "{ user: a, password: p }";
    let token = |offered: &str| (json!({"auth_token": offered}), known, Nothing);
    let holder = Some(["$G", "[REDACTED]"]);
    let of_token = vec![
        (token("t"), holder),
        (token("u"), None),
        (token(""), None),
        ((json!({"user": "t"}), known, Nothing), None),
        ((json!({"user": "", "pass": "t"}), known, Nothing), None),
        ((json!({"nkey": key}), known, Right), None),
    ];
    let signed = |nkey: &str, by: &'a KeyPair, how| (json!({"nkey": nkey}), by, how);
    let mixed = vec![
        (signed(&key, known, Right), Some(["A", "key"])),
        (signed(&key, known, AsInMail), Some(["A", "key"])),
        (signed(&key, known, AnotherText), None),
        (signed(&key, known, Nothing), None),
        (signed(&key, other, Right), None),
        (signed(&stranger, other, Right), None),
        (signed("nonsense", other, Right), None),
        ((json!({"user": key, "pass": ""}), known, Right), None),
        ((json!({"user": "a", "pass": "p"}), known, Nothing), Some(["B", "a"])),
        ((json!({"user": "a", "pass": "q"}), known, Nothing), None),
        ((json!({"user": "a", "pass": "p", "nkey": stranger}), other, Right), None),
        ((json!({}), known, Nothing), None),
        ((json!({}), known, Right), None),
    ];
    let guest = vec![
        ((json!({}), known, Nothing), Some(["$G", "key"])),
        (signed(&key, known, Right), Some(["$G", "key"])),
        (signed(&stranger, other, Right), None),
    ];
    let elsewhere = vec![
        (signed(&key, known, Right), None),
        ((json!({"user": "a", "pass": "p"}), known, Nothing), Some(["$G", "a"])),
    ];
    let kinds = "allowed_connection_types: [websocket]";
    vec![
        ("authorization { token: t }".into(), false, of_token.clone()),
        (format!("authorization {{ token: \"{hash}\" }}"), false, of_token),
        (
            format!(
                "accounts {{ A {{ users: [ {{ nkey: {key} }} ] }}, B {{ users: [ {user} ] }} }}"
            ),
            true,
            mixed,
        ),
        (
            format!("authorization {{ users: [ {{ nkey: {key} }} ] }}\nno_auth_user: {key}"),
            true,
            guest,
        ),
        (
            format!("authorization {{ users: [ {{ nkey: {key}, {kinds} }}, {user} ] }}"),
            true,
            elsewhere,
        ),
    ]
}

fn tokens_and_keys_lead_to_their_own_account(start: Start<'_>) {
    let (known, other) = (KeyPair::new_user(), KeyPair::new_user());
    let key = known.public_key();
    for (conf, signs, clients) in cases(&known, &other) {
        let server = start(&conf);
        for (client, expected) in clients {
            let (found, signed) = try_out(server.address(), &client);
            let expected = expected.map(|[account, user]| {
                [account, if user == "key" { &key } else { user }].map(str::to_owned)
            });
            assert_eq!(found, expected, "{conf}: {}", client.0);
            assert_eq!(signed, signs, "{conf}");
        }
    }
}

#[test]
fn own_tokens_and_keys_lead_to_their_own_account() {
    on_own(tokens_and_keys_lead_to_their_own_account);
}

#[test]
#[cfg_attr(not(peer = "nats-server"), ignore = "needs nats-server: see .ci/peers")]
fn peer_tokens_and_keys_lead_to_their_own_account() {
    on_peer(tokens_and_keys_lead_to_their_own_account);
}
