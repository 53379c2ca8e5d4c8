//! Clients that show tokens, keys and credentials, on this server and on nats-server with the same configuration.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use async_nats::ConnectOptions;
use nkeys::KeyPair;
use serde_json::json;
use tempfile::TempDir;
use watershed_peers::jwt::{Operator, credentials, user};
use watershed_peers::{NatsServer, nats, nats_server, python};

use crate::server::Running;

/// A folder with what clients and servers read.
struct Papers(TempDir);

impl Papers {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn file(&self, name: &str, text: &str) -> String {
        let path: PathBuf = self.0.path().join(name);
        fs::write(&path, text).unwrap();
        path.display().to_string()
    }
}

/// Whether the `nats` tool may publish with these flags.
fn tool_publishes(server: &str, flags: &[&str]) -> bool {
    let server = format!("nats://{server}");
    let mut tool = Command::new(nats());
    let output = tool.args(["-s", &server]).args(flags).args(["pub", "a.b", "x"]).output().unwrap();
    output.status.success()
}

/// What the `nats` tool may do with flags, on both servers.
fn check_tool(conf: &str, cases: &[(&[&str], bool)]) {
    let own = Running::serve(&["-c", conf], &[]);
    let real = NatsServer::start_with(&nats_server(), &["-c", conf]);
    for (flags, expected) in cases {
        for address in [own.address, real.address] {
            let found = tool_publishes(&address.to_string(), flags);
            assert_eq!(found, *expected, "{flags:?} at {address}");
        }
    }
}

#[test]
#[cfg_attr(
    not(all(peer = "nats-server", peer = "nats")),
    ignore = "needs nats-server and nats: see .ci/peers"
)]
fn the_tool_shows_a_token_or_a_key() {
    let papers = Papers::new();
    let (known, other) = (KeyPair::new_user(), KeyPair::new_user());
    let right = papers.file("right.nk", &known.seed().unwrap());
    let wrong = papers.file("wrong.nk", &other.seed().unwrap());
    let key = known.public_key();
    let conf = format!("authorization {{ users: [ {{ nkey: {key} }} ] }}\n");
    check_tool(
        &papers.file("key.conf", &conf),
        &[(&["--nkey", &right], true), (&["--nkey", &wrong], false), (&[], false)],
    );
    check_tool(
        &papers.file("token.conf", "authorization { token: t0ken }\n"),
        &[(&["--user", "t0ken"], true), (&["--user", "other"], false), (&[], false)],
    );
}

/// Who has credentials: a file of them, for whom a client is let in, and one of a user who was revoked.
fn operator_mode(papers: &Papers) -> (String, [String; 2]) {
    let operator = Operator::new();
    let account = KeyPair::new_account();
    let [own, revoked] = [(); 2].map(|()| KeyPair::new_user());
    let claims = json!({"revocations": {revoked.public_key(): i64::MAX}});
    let accounts = [(&account, operator.account(&account, claims))];
    let conf = papers.file("operator.conf", &operator.configuration(&accounts));
    let mut number = 0;
    let files = [own, revoked].map(|key| {
        number += 1;
        let jwt = user(&key, &account, json!({}), &[]);
        papers.file(&format!("{number}.creds"), &credentials(&jwt, &key))
    });
    (conf, files)
}

#[test]
#[cfg_attr(
    not(all(peer = "nats-server", peer = "nats")),
    ignore = "needs nats-server and nats: see .ci/peers"
)]
fn the_tool_shows_credentials() {
    let papers = Papers::new();
    let (conf, [right, revoked]) = operator_mode(&papers);
    check_tool(
        &conf,
        &[(&["--creds", &right], true), (&["--creds", &revoked], false), (&[], false)],
    );
}

#[test]
#[cfg_attr(not(peer = "nats-server"), ignore = "needs nats-server: see .ci/peers")]
fn async_nats_shows_tokens_keys_and_credentials() {
    let papers = Papers::new();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let known = KeyPair::new_user();
    let seed = known.seed().unwrap();
    let (operator, [right, revoked]) = operator_mode(&papers);
    let keys = format!("authorization {{ users: [ {{ nkey: {} }} ] }}\n", known.public_key());
    let token = papers.file("token.conf", "authorization { token: t0ken }\n");
    let with_file = |path: &str| {
        let text = fs::read_to_string(path).unwrap();
        ConnectOptions::with_credentials(&text).unwrap()
    };
    let keys = papers.file("key.conf", &keys);
    let table: Vec<(&str, Vec<(ConnectOptions, bool)>)> = vec![
        (
            &token,
            vec![
                (ConnectOptions::with_token("t0ken".into()), true),
                (ConnectOptions::with_token("other".into()), false),
            ],
        ),
        (
            &keys,
            vec![
                (ConnectOptions::with_nkey(seed), true),
                (ConnectOptions::with_nkey(KeyPair::new_user().seed().unwrap()), false),
            ],
        ),
        (&operator, vec![(with_file(&right), true), (with_file(&revoked), false)]),
    ];
    for (conf, clients) in table {
        let own = Running::serve(&["-c", conf], &[]);
        let real = NatsServer::start_with(&nats_server(), &["-c", conf]);
        for (options, expected) in clients {
            for address in [own.address, real.address] {
                let found = runtime.block_on(options.clone().connect(address.to_string())).is_ok();
                assert_eq!(found, expected, "{conf} at {address}");
            }
        }
    }
}

/// A program with nats-py that signs by itself: it is not told who `user_jwt_cb` and `signature_cb` ask.
const CALLBACKS: &str = r#"
import asyncio, sys, nats

async def main(url, jwt, signer):
    async def failed(error):
        pass
    def sign(nonce):
        import subprocess
        return subprocess.run([signer, nonce], capture_output=True, check=True).stdout
    try:
        client = await nats.connect(url, user_jwt_cb=lambda: jwt.encode(), signature_cb=sign,
                                    allow_reconnect=False, error_cb=failed)
        await client.flush()
        await client.close()
        print("in")
    except Exception as error:
        print("out", type(error).__name__)

asyncio.run(main(*sys.argv[1:]))
"#;

#[test]
#[cfg_attr(
    not(all(peer = "nats-server", peer = "python")),
    ignore = "needs nats-server and nats-py: see .ci/peers"
)]
fn nats_py_shows_a_bearer_token() {
    let papers = Papers::new();
    let operator = Operator::new();
    let account = KeyPair::new_account();
    let own = KeyPair::new_user();
    let accounts = [(&account, operator.account(&account, json!({})))];
    let conf = papers.file("operator.conf", &operator.configuration(&accounts));
    let program = papers.file("client.py", CALLBACKS);
    let bearer = user(&own, &account, json!({"bearer_token": true}), &[]);
    let plain = user(&own, &account, json!({}), &[]);
    let server = Running::serve(&["-c", &conf], &[]);
    let real = NatsServer::start_with(&nats_server(), &["-c", &conf]);
    for address in [server.address, real.address] {
        for (jwt, expected) in [(&bearer, "in"), (&plain, "out Error")] {
            let url = format!("nats://{address}");
            let mut python = Command::new(python());
            // What signs is no key: a bearer is not asked for a signature that is right.
            let output = python.args([&program, &url, jwt, "echo"]).output().unwrap();
            let said = String::from_utf8_lossy(&output.stdout);
            assert!(said.starts_with(expected.split(' ').next().unwrap()), "{address}: {said}");
        }
    }
}
