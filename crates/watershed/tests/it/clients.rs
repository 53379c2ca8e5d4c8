//! Client libraries, unmodified, on what `up` runs.

use std::path::Path;
use std::process::Command;

use async_nats::jetstream::consumer::{Consumer, pull};
use async_nats::jetstream::{AckKind, kv};
use futures_util::StreamExt as _;
use serde_json::Value;
use watershed_peers::python;

use crate::server::{EXAMPLES, Running, example, write};

/// Every example, each in its account.
fn all_examples(data: &Path) -> Running {
    let files: Vec<String> = EXAMPLES.iter().map(|name| example(name)).collect();
    Running::up(data, &files.iter().map(String::as_str).collect::<Vec<_>>())
}

#[test]
#[cfg_attr(not(peer = "python"), ignore = "needs a Python with nats-py: see .ci/peers")]
fn nats_py_works_on_every_example() {
    let data = tempfile::tempdir().unwrap();
    let server = all_examples(data.path());
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/clients/examples.py");
    let secrets = server.report["secrets"].as_str().unwrap();
    let output =
        Command::new(python()).arg(script).arg(server.url()).arg(secrets).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

const BUCKETS: &str = "\
watershed: 1
name: buckets
key_values: { settings: {}, secrets: {} }
object_stores: { files: {} }
services:
  writer: { reads: [settings, files], writes: [settings, files] }
  reader: { reads: [settings, files] }
  filler: { writes: [settings, files] }
users:
  filler: { service: filler }
  writer: { service: writer }
  reader: { service: reader }
";

#[test]
#[cfg_attr(not(peer = "python"), ignore = "needs a Python with nats-py: see .ci/peers")]
fn nats_py_may_do_with_buckets_what_services_say() {
    let (data, folder) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let server = Running::up(data.path(), &[&write(&folder, BUCKETS)]);
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/clients/buckets.py");
    let secrets = server.report["secrets"].as_str().unwrap();
    let output =
        Command::new(python()).arg(script).arg(server.url()).arg(secrets).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

/// What async-nats has to do with one example.
struct Case {
    account: &'static str,
    user: &'static str,
    /// A subject that a stream stores.
    subject: &'static str,
    stream: &'static str,
    /// A pull consumer that takes it.
    consumer: Option<&'static str>,
}

const CASES: [Case; 4] = [
    Case {
        account: "20-streams",
        user: "20-streams",
        subject: "agent.work.new",
        stream: "agent-requests",
        consumer: Some("agents"),
    },
    Case {
        account: "agentic-platform",
        user: "admin",
        subject: "workflows.execution.start",
        stream: "WORKFLOWS",
        consumer: Some("workflow-processor"),
    },
    Case {
        account: "observability-agent",
        user: "observability-agent",
        subject: "runbook.execute",
        stream: "RUNBOOK_EXECUTIONS",
        consumer: Some("runbook_executor"),
    },
    Case {
        account: "persistent-events",
        user: "persistent-events",
        subject: "context.updated",
        stream: "CONTEXT_EVENTS",
        consumer: Some("orch-context-updated"),
    },
];

#[test]
fn async_nats_works_on_every_example() {
    let data = tempfile::tempdir().unwrap();
    let server = all_examples(data.path());
    let secrets = std::fs::read_to_string(server.report["secrets"].as_str().unwrap()).unwrap();
    let secrets: Value = serde_json::from_str(&secrets).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    for case in &CASES {
        let password = secrets[case.account][case.user].as_str().unwrap();
        runtime.block_on(use_example(&server.url(), case, password));
    }
}

async fn use_example(url: &str, case: &Case, password: &str) {
    let options =
        async_nats::ConnectOptions::with_user_and_password(case.user.into(), password.into());
    let client = options.connect(url).await.unwrap();
    let jetstream = async_nats::jetstream::new(client.clone());

    let mut questions = client.subscribe("test.question").await.unwrap();
    client.flush().await.unwrap();
    let (answer, ()) = tokio::join!(client.request("test.question", "question".into()), async {
        let question = questions.next().await.unwrap();
        client.publish(question.reply.unwrap(), "answer".into()).await.unwrap();
    });
    assert_eq!(answer.unwrap().payload, "answer");

    for number in 0..3 {
        let stored = jetstream.publish(case.subject, number.to_string().into()).await.unwrap();
        assert_eq!(stored.await.unwrap().sequence, number + 1, "{}", case.account);
    }
    let stream = jetstream.get_stream(case.stream).await.unwrap();
    if let Some(name) = case.consumer {
        let consumer: Consumer<pull::Config> = stream.get_consumer(name).await.unwrap();
        let mut messages = consumer.messages().await.unwrap();
        let first = messages.next().await.unwrap().unwrap();
        assert_eq!(first.payload, "0");
        first.ack_with(AckKind::Nak(None)).await.unwrap();
        let mut seen = Vec::new();
        while seen.len() < 3 {
            let message = messages.next().await.unwrap().unwrap();
            seen.push(message.payload.clone());
            message.double_ack().await.unwrap();
        }
        seen.sort();
        assert_eq!(seen, ["0", "1", "2"], "{}", case.account);
    }
    // What an ordered consumer reads is not taken away from anybody; a work queue has none.
    if case.stream != "WORKFLOWS" {
        let config = pull::OrderedConfig::default();
        let mut ordered = stream.create_consumer(config).await.unwrap().messages().await.unwrap();
        for number in 0..3 {
            assert_eq!(ordered.next().await.unwrap().unwrap().payload, number.to_string());
        }
    }
    let config = kv::Config { bucket: "settings".into(), history: 5, ..kv::Config::default() };
    let bucket = jetstream.create_key_value(config).await.unwrap();
    let mut watch = bucket.watch("a").await.unwrap();
    let revision = bucket.put("a", "1".into()).await.unwrap();
    bucket.update("a", "2".into(), revision).await.unwrap();
    assert!(bucket.update("a", "3".into(), revision).await.is_err());
    assert_eq!(bucket.get("a").await.unwrap().unwrap(), "2");
    assert_eq!(watch.next().await.unwrap().unwrap().value, "1");
    jetstream.delete_key_value("settings").await.unwrap();
}
