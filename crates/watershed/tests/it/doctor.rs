//! What `doctor` says of a server, and how it ends.

use std::io::{BufRead as _, BufReader};
use std::process::Stdio;

use watershed_peers::{NatsServer, nats_servers};

use crate::server::{Running, run, succeed, watershed, write};

const FILE: &str = "\
watershed: 1
name: shop
streams:
  ORDERS: { subjects: [orders.>], max_age: 1d, consumers: { billing: { filter_subject: orders.*.paid, max_deliver: 3, backoff: [1h] } } }
  JOBS: { subjects: [jobs.>], retention: workqueue, max_age: 1d, consumers: { worker: { max_deliver: 3, backoff: [1h] } } }
services:
  shop: { publishes: [orders.eu.paid] }
";

/// The exit code, and what is said, without where.
fn says(url: &str, file: &str) -> String {
    let ran = run(&["doctor", file, "-s", url]);
    assert_eq!(ran.err, "", "{}", ran.out);
    let lines = ran.out.split_inclusive('\n').filter(|line| !line.starts_with("shop, on "));
    let lines: String = lines.collect();
    format!("exit code {}\n{}", ran.code.unwrap(), lines.replace(url, "URL").replace(file, "FILE"))
}

fn check(url: &str) {
    let folder = tempfile::tempdir().unwrap();
    let file = &write(&folder, FILE);
    insta::allow_duplicates! {
        insta::assert_snapshot!(says(url, file), @r#"
        exit code 4
        stream or consumer not found
            none of the 2 streams of `shop` is in this account
                the account is without any stream
                  watershed apply FILE -s URL
                > or connect to the account where they are: streams of one account are not seen in another

        publish fails
            `orders.eu.paid`, which shop publishes, is stored by no stream: publishers get "no responders"
                stream ORDERS, which is to store it, is not there
                  watershed apply FILE -s URL
        "#);
        succeed(&["apply", "--yes", "-s", url, file]);
        insta::assert_snapshot!(says(url, file), @"
        exit code 0
        nothing found: 2 streams, 2 consumers
        ");
        for subject in ["orders.eu.new", "jobs.a"] {
            succeed(&["pub", "-s", url, subject, "x"]);
        }
        insta::assert_snapshot!(says(url, file), @"
        exit code 4
        consumer not receiving
            consumer JOBS/worker has messages, and nobody asks for them
                1 message pending, no pull request waiting
                it has delivered nothing yet
                > start its worker, or take one message by hand:
                  watershed next JOBS worker -f FILE -s URL
            consumer ORDERS/billing takes `orders.*.paid`, and no stored message has such a subject
                1 message in stream ORDERS: `orders.eu.new`
                > compare what publishers publish with the filter, letter by letter
        ");
        // What is on its way is somebody's.
        succeed(&["next", "JOBS", "worker", "--no-ack", "-s", url]);
        succeed(&["pub", "-s", url, "orders.eu.paid", "x"]);
        succeed(&["next", "ORDERS", "billing", "-s", url]);
        insta::assert_snapshot!(says(url, file), @"
        exit code 0
        nothing found: 2 streams, 2 consumers
        ");
    }
}

#[test]
fn an_account_is_looked_at_on_this_server() {
    let store = tempfile::tempdir().unwrap();
    check(&Running::start(store.path()).url());
}

#[test]
#[cfg_attr(not(peer = "nats-server"), ignore = "needs nats-server: see .ci/peers")]
fn an_account_is_looked_at_on_real_servers() {
    for program in nats_servers() {
        check(&NatsServer::start(&program).url);
    }
}

#[test]
fn a_server_that_is_not_there_and_one_without_jetstream() {
    let ran = run(&["doctor", "-s", "nats://127.0.0.1:1"]);
    insta::assert_snapshot!(format!("exit code {}\n{}", ran.code.unwrap(), ran.out), @"
    exit code 6
    cannot connect
        cannot connect to nats://127.0.0.1:1: IO error: Connection refused (os error 111)
            > start a server, or check address and port; from a container, `localhost` is the container
              watershed up
    ");
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("server.conf");
    std::fs::write(&config, "authorization { user: a, password: hush }").unwrap();
    let arguments = ["--config", config.to_str().unwrap()];
    let server = Running::serve(&arguments, &[]);
    let ran = run(&["doctor", "-s", &server.url()]);
    let said = ran.out.replace(&server.url(), "URL");
    insta::assert_snapshot!(format!("exit code {}\n{said}", ran.code.unwrap()), @r#"
    exit code 4
    cannot connect
        cannot connect to URL: authorization violation: nats: authorization violation
            > check user and password: `--user` with NATS_PASSWORD, or `--creds`
            > in nats.conf, `"$NAME"` in quotes is that text and no variable; lint finds it:
              watershed lint nats.conf
    "#);
    let url = server.url().replace("nats://", "nats://a:hush@");
    let ran = run(&["doctor", "-s", &url]);
    let said: String = ran.out.split_inclusive('\n').skip(1).collect();
    insta::assert_snapshot!(format!("exit code {}\n{said}", ran.code.unwrap()), @"
    exit code 6
    cannot connect
        JetStream does not answer: it is switched off, not ready yet, or not enabled for this account
            > start nats-server with `-js`, or write `jetstream {}` into its configuration
            > with accounts: `jetstream: enabled` in this one; the system account has none
    ");
}

/// `verify --watch` says what comes about and what is over, a line each.
#[test]
fn changes_are_said_as_they_come() {
    let store = tempfile::tempdir().unwrap();
    let server = Running::start(store.path());
    let url = server.url();
    let folder = tempfile::tempdir().unwrap();
    let file = &write(&folder, FILE);
    let mut command = watershed(&["verify", "--watch", "20ms", "--json", "-s", &url, file]);
    let mut watching = command.stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(watching.stdout.take().unwrap()).lines();
    let mut next = |event: &str, text: &str| {
        let found = lines.by_ref().map(|line| line.unwrap()).find(|line| line.contains(text));
        let line: serde_json::Value = serde_json::from_str(&found.unwrap()).unwrap();
        assert_eq!(line["event"], event, "{line}");
    };
    next("appeared", "stream ORDERS is missing");
    succeed(&["apply", "--yes", "-s", &url, file]);
    next("over", "stream ORDERS is missing");
    succeed(&["destroy", "--yes", "-s", &url, file]);
    next("appeared", "stream ORDERS is missing");
    watching.kill().unwrap();
    watching.wait().unwrap();
}
