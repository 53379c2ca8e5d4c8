//! Clients that show tokens, keys and credentials, on this server and on nats-server with the same configuration.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use nkeys::KeyPair;
use tempfile::TempDir;
use watershed_peers::{NatsServer, nats, nats_server};

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
