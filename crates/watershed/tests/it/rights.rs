//! What users may do on what `up` runs: as their service says, as the file lists it, and no more.

use std::time::Duration;

use async_nats::jetstream::consumer::pull;
use async_nats::jetstream::{self, stream};
use futures_util::StreamExt as _;
use serde_json::Value;

use crate::server::{PATIENCE, Running, write};

const FILE: &str = "\
watershed: 1
name: rights
streams:
  ALERTS: { subjects: [alerts.>], max_age: 1d, consumers: { agent: { max_deliver: 3, backoff: [30s] } } }
  OTHER: { subjects: [other.>], max_age: 1d }
services:
  agent: { publishes: [alerts.new], consumes: [ALERTS/agent], ensures: [ALERTS, ALERTS/agent] }
users:
  admin: { role: admin, permissions: { publish: { deny: [$JS.API.STREAM.DELETE.OTHER] } } }
  agent: { service: agent, inbox_prefix: _INBOX_agent, permissions: { publish: [metrics.>] } }
  probe: { permissions: { publish: [probe.>], subscribe: { allow: ['probe.>'], deny: [probe.secret] } } }
  echo: { permissions: { subscribe: [ask], allow_responses: true } }
mappings: [{ subject: old.*, to: metrics.$1 }]
server: { jetstream: { domain: hub } }
";

struct Users {
    url: String,
    secrets: Value,
}

impl Users {
    async fn connect(&self, user: &str, inbox: &str) -> async_nats::Client {
        self.connect_within(user, inbox, PATIENCE).await
    }

    async fn connect_within(
        &self,
        user: &str,
        inbox: &str,
        patience: Duration,
    ) -> async_nats::Client {
        let password = self.secrets["rights"][user].as_str().unwrap().to_owned();
        async_nats::ConnectOptions::with_user_and_password(user.to_owned(), password)
            .custom_inbox_prefix(inbox)
            .request_timeout(Some(patience))
            .connect(&self.url)
            .await
            .unwrap()
    }
}

/// How long somebody waits who is not to be answered.
const SHORT: Duration = Duration::from_millis(200);

#[tokio::test]
async fn users_may_do_what_the_file_says_and_no_more() {
    let (data, folder) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let server = Running::up(data.path(), &[&write(&folder, FILE)]);
    let secrets = std::fs::read(server.report["secrets"].as_str().unwrap()).unwrap();
    let users = Users { url: server.url(), secrets: serde_json::from_slice(&secrets).unwrap() };

    // An agent that ensures its stream and its consumer at its start.
    let client = users.connect("agent", "_INBOX_agent").await;
    let context = jetstream::new(client.clone());
    let mut alerts = context.get_stream("ALERTS").await.unwrap();
    let config = alerts.info().await.unwrap().config.clone();
    context.create_stream(config).await.unwrap();
    let mut consumer: pull::Config =
        pull::Config { durable_name: Some("agent".into()), ..pull::Config::default() };
    let there = alerts.get_consumer::<pull::Config>("agent").await.unwrap();
    let there = there.cached_info().config.clone();
    consumer.max_deliver = there.max_deliver;
    consumer.backoff.clone_from(&there.backoff);
    consumer.metadata.clone_from(&there.metadata);
    consumer.ack_wait = there.ack_wait;
    consumer.max_ack_pending = there.max_ack_pending;
    alerts.create_consumer(consumer).await.unwrap();
    context.publish("alerts.new", "1".into()).await.unwrap().await.unwrap();
    // What it does not ensure, it may not make; nor delete what it does.
    let other =
        stream::Config { name: "MORE".into(), subjects: vec!["more".into()], ..Default::default() };
    let short = jetstream::new(users.connect_within("agent", "_INBOX_agent", SHORT).await);
    assert!(short.create_stream(other).await.is_err());
    assert!(short.delete_stream("ALERTS").await.is_err());

    // What is listed besides.
    let admin = users.connect("admin", "_INBOX").await;
    let mut metrics = admin.subscribe("metrics.>").await.unwrap();
    let mut elsewhere = admin.subscribe("elsewhere").await.unwrap();
    admin.flush().await.unwrap();
    client.publish("elsewhere", "x".into()).await.unwrap();
    client.publish("metrics.a", "x".into()).await.unwrap();
    client.flush().await.unwrap();
    assert_eq!(metrics.next().await.unwrap().subject.as_str(), "metrics.a");
    let nothing = tokio::time::timeout(Duration::from_millis(100), elsewhere.next()).await;
    assert!(nothing.is_err(), "{nothing:?}");
    // Whoever is asked may answer, once. A subject that is mapped is another one before anybody is asked.
    let echo = users.connect("echo", "_INBOX").await;
    let mut asked = echo.subscribe("ask").await.unwrap();
    echo.flush().await.unwrap();
    let answer = tokio::spawn(async move {
        let reply = asked.next().await.unwrap().reply.unwrap();
        for text in ["first", "second"] {
            echo.publish(reply.clone(), text.into()).await.unwrap();
        }
        echo.publish("metrics.b", "x".into()).await.unwrap();
        echo.flush().await.unwrap();
    });
    let mut inbox = admin.subscribe("inbox").await.unwrap();
    admin.publish_with_reply("ask", "inbox", "?".into()).await.unwrap();
    answer.await.unwrap();
    admin.publish("old.c", "x".into()).await.unwrap();
    assert_eq!(metrics.next().await.unwrap().subject.as_str(), "metrics.c");
    admin.publish("inbox", "end".into()).await.unwrap();
    assert_eq!(inbox.next().await.unwrap().payload, "first");
    assert_eq!(inbox.next().await.unwrap().payload, "end");
    let of_domain = admin.request("$JS.hub.API.INFO", "".into()).await.unwrap().payload;
    assert!(String::from_utf8_lossy(&of_domain).contains("\"domain\":\"hub\""), "{of_domain:?}");
    let short = jetstream::new(users.connect_within("admin", "_INBOX", SHORT).await);
    assert!(short.delete_stream("OTHER").await.is_err());
    let context = jetstream::new(admin.clone());
    context.delete_stream("ALERTS").await.unwrap();

    // Nobody but the agent listens where its answers go; and it does not listen where others' do.
    let probe = users.connect("probe", "probe").await;
    let mut heard = probe.subscribe("probe.*").await.unwrap();
    let mut inbox = probe.subscribe("_INBOX_agent.>").await.unwrap();
    probe.flush().await.unwrap();
    for subject in ["probe.secret", "_INBOX_agent.x", "probe.x"] {
        admin.publish(subject, "x".into()).await.unwrap();
    }
    assert_eq!(heard.next().await.unwrap().subject.as_str(), "probe.x");
    let nothing = tokio::time::timeout(Duration::from_millis(100), inbox.next()).await;
    assert!(!matches!(nothing, Ok(Some(_))), "{nothing:?}");
}
