//! The full resolver: accounts that users of the system account change while the server runs, on this server and on
//! nats-server.

use std::fs;
use std::net::SocketAddr;

use nkeys::KeyPair;
use serde_json::{Value, json};

use crate::both::{Start, on_own, on_peer};
use crate::trust::Client;
use watershed_peers::jwt::{ISSUED, Operator, sign, user};

/// A user of the system account, who asks.
struct Asker(Client);

impl Asker {
    fn new(operator: &Operator, address: SocketAddr) -> Self {
        let own = KeyPair::new_user();
        let jwt = user(&own, &operator.system, json!({}), &[]);
        Self(Client::show(address, &jwt, Some(&own), "SUB r.* 1\r\n"))
    }

    /// The payload of the next answer.
    fn text(&mut self) -> String {
        let first = self.0.next().expect("there is an answer");
        assert!(first.starts_with("MSG r."), "{first}");
        self.0.next().unwrap()
    }

    fn send(&mut self, subject: &str, payload: &str) {
        self.0.say(&format!("PUB {subject} r.x {}\r\n{payload}\r\n", payload.len()));
    }

    fn ask(&mut self, subject: &str, payload: &str) -> Value {
        self.send(subject, payload);
        serde_json::from_str(&self.text()).unwrap()
    }
}

#[expect(clippy::too_many_lines, reason = "one story")]
fn accounts_change_while_the_server_runs(start: Start<'_>) {
    const UPDATE: &str = "$SYS.REQ.CLAIMS.UPDATE";
    let folder = tempfile::tempdir().unwrap();
    let operator = Operator::new();
    let account = KeyPair::new_account();
    let (key, system) = (account.public_key(), operator.system.public_key());
    let dir = folder.path().join("jwt");
    fs::create_dir(&dir).unwrap();
    let conf = format!(
        "operator: \"{}\"\nresolver {{ type: full, dir: '{}', allow_delete: true, interval: \"2m\" }}\n\
         resolver_preload {{ {system}: \"{}\" }}\n",
        operator.jwt(),
        dir.display(),
        operator.system_account(),
    );
    let own = KeyPair::new_user();
    let jwt = user(&own, &account, json!({}), &[]);
    let connect =
        |address| Client::show(address, &jwt, Some(&own), "SUB a 1\r\nPUB a 1\r\nx\r\n").next();
    {
        let server = start(&conf);
        let address = server.address();
        let mut asker = Asker::new(&operator, address);
        assert_eq!(asker.ask("$SYS.REQ.CLAIMS.LIST", "")["data"], json!([system]));
        assert_eq!(connect(address).as_deref(), Some("-ERR 'Authorization Violation'"));
        let first = operator.account(&account, json!({}));
        let updated = json!({"account": key, "code": 200, "message": "jwt updated"});
        assert_eq!(asker.ask(UPDATE, &first)["data"], updated);
        assert_eq!(connect(address).as_deref(), Some("MSG a 1 1"));
        let of_account = format!("$SYS.REQ.ACCOUNT.{key}.CLAIMS.UPDATE");
        assert_eq!(asker.ask(&of_account, &first)["data"], updated);
        // A JWT that is not an account's changes nothing.
        for wrong in ["", "x", "..", &jwt] {
            let answer = asker.ask(UPDATE, wrong);
            assert_eq!(answer["error"]["code"], 500, "{answer}");
        }
        let of_other = format!("$SYS.REQ.ACCOUNT.{system}.CLAIMS.UPDATE");
        assert_eq!(asker.ask(&of_other, &first)["error"]["code"], 500);
        asker.send(&format!("$SYS.REQ.ACCOUNT.{key}.CLAIMS.LOOKUP"), "");
        assert_eq!(asker.text(), first);
        asker.send("$SYS.REQ.CLAIMS.PACK", "");
        let mut packed = [asker.text(), asker.text()];
        packed.sort_unstable();
        let mut expected =
            [format!("{key}|{first}"), format!("{system}|{}", operator.system_account())];
        expected.sort_unstable();
        assert_eq!((packed, asker.text().as_str()), (expected, ""));
        // Who is connected is told when that is taken back.
        let mut client = Client::show(address, &jwt, Some(&own), "SUB a 1\r\nPUB a 1\r\nx\r\n");
        assert_eq!(client.next().as_deref(), Some("MSG a 1 1"));
        client.next();
        let revoked = json!({"revocations": {own.public_key(): ISSUED}});
        assert_eq!(asker.ask(UPDATE, &operator.account(&account, revoked))["data"], updated);
        assert_eq!(client.next().as_deref(), Some("-ERR 'User Authentication Revoked'"));
        assert_eq!(connect(address).as_deref(), Some("-ERR 'Authorization Violation'"));
        assert_eq!(asker.ask(UPDATE, &first)["data"], updated);
    }
    // It is on disk, and deleted from there.
    assert!(dir.join(format!("{key}.jwt")).exists());
    let server = start(&conf);
    let address = server.address();
    let mut asker = Asker::new(&operator, address);
    let mut client = Client::show(address, &jwt, Some(&own), "SUB a 1\r\nPUB a 1\r\nx\r\n");
    assert_eq!(client.next().as_deref(), Some("MSG a 1 1"));
    client.next();
    let delete = |by: &Operator, keys: Value| {
        sign("generic", &by.key.public_key(), &by.key, json!({"accounts": keys}), &[])
    };
    let stranger = Operator::new();
    for wrong in [
        delete(&stranger, json!([key])),
        delete(&operator, json!(["../x"])),
        delete(&operator, json!([system])),
    ] {
        assert_eq!(asker.ask("$SYS.REQ.CLAIMS.DELETE", &wrong)["error"]["code"], 500);
    }
    let answer = asker.ask("$SYS.REQ.CLAIMS.DELETE", &delete(&operator, json!([key])));
    assert_eq!(answer["data"]["message"], "deleted 1 accounts", "{answer}");
    assert_eq!(client.next().as_deref(), Some("-ERR 'Account Authentication Expired'"));
    assert!(connect(address).unwrap().starts_with("-ERR"));
    assert!(!dir.join(format!("{key}.jwt")).exists());
    assert!(dir.join(format!("{key}.jwt.deleted")).exists());
}

#[test]
fn own_accounts_change_while_the_server_runs() {
    on_own(accounts_change_while_the_server_runs);
}

#[test]
#[cfg_attr(not(peer = "nats-server"), ignore = "needs nats-server: see .ci/peers")]
fn peer_accounts_change_while_the_server_runs() {
    on_peer(accounts_change_while_the_server_runs);
}

/// nats-server keeps what anybody has signed, and does not heed it.
#[test]
fn what_nobody_vouches_for_is_not_kept() {
    let operator = Operator::new();
    let account = KeyPair::new_account();
    let folder = tempfile::tempdir().unwrap();
    let conf = format!(
        "operator: \"{}\"\nresolver {{ type: full, dir: '{}', limit: 1 }}\n\
         resolver_preload {{ {}: \"{}\" }}\n",
        operator.jwt(),
        folder.path().display(),
        operator.system.public_key(),
        operator.system_account(),
    );
    on_own(|start| {
        let server = start(&conf);
        let address = server.address();
        let mut asker = Asker::new(&operator, address);
        let said = |claims: &str| format!("jwt update resulted in error - {claims}");
        let unsupported = json!({"authorization": {"auth_users": ["U"]}});
        for (jwt, expected) in [
            (
                Operator::new().account(&account, json!({})),
                "invalid account: its issuer is not a trusted operator",
            ),
            (
                operator.account(&account, unsupported),
                "`authorization` of an account is not supported by this server",
            ),
            (
                operator.account(&account, json!({})),
                "the resolver has as many accounts as its `limit`",
            ),
        ] {
            let answer = asker.ask("$SYS.REQ.CLAIMS.UPDATE", &jwt);
            assert_eq!(answer["error"]["description"], said(expected));
        }
    });
}
