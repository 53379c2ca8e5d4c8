//! What the language adds to the API's fields, on this server and on real ones: probes, dead letters,
//! thresholds.

use futures_util::StreamExt as _;
use serde_json::Value;
use watershed_peers::{NatsServer, nats_servers};

use crate::server::{Running, run, succeed, write};

const FILE: &str = "\
watershed: 1
name: own
streams:
  JOBS:
    subjects: [jobs.do.>, jobs.probe]
    retention: workqueue
    max_age: 1d
    probe: jobs.probe
    monitor: { lag_critical: 100, seen_critical: 2d }
    consumers:
      worker: { filter_subject: jobs.do.>, max_deliver: 3, dead_letter: DEAD, monitor: { unprocessed_critical: 1_000 } }
  DEAD: { max_age: 30d, consumers: { operator: {} } }
";

/// The next message of a consumer, when there is one.
async fn next(client: &async_nats::Client, consumer: &str) -> async_nats::Message {
    let inbox = client.new_inbox();
    let mut answers = client.subscribe(inbox.clone()).await.unwrap();
    let wanted: &str = r#"{"batch": 1, "expires": 20000000000}"#;
    let subject = format!("$JS.API.CONSUMER.MSG.NEXT.{consumer}");
    client.publish_with_reply(subject, inbox, wanted.into()).await.unwrap();
    answers.next().await.unwrap()
}

async fn check(url: &str) {
    let folder = tempfile::tempdir().unwrap();
    let file = write(&folder, FILE);
    succeed(&["apply", "--yes", "-s", url, &file]);
    let again = succeed(&["apply", "-s", url, &file]);
    assert!(again.contains("nothing to do"), "{again}");

    let verified = succeed(&["verify", "-s", url, &file]);
    assert!(
        verified.contains("JOBS stored a probe on `jobs.probe`, which is out again"),
        "{verified}"
    );
    let status = succeed(&["status", "--json", "-s", url]);
    let status: Value = serde_json::from_str(&status).unwrap();
    let stream = |name: &str| {
        let mut streams = status["streams"].as_array().unwrap().iter();
        streams.find(|one| one["stream"]["config"]["name"] == name).unwrap().clone()
    };
    let state = &stream("JOBS")["stream"]["state"];
    assert_eq!((&state["messages"], &state["last_seq"]), (&Value::from(0), &Value::from(1)));
    let metadata = &stream("JOBS")["stream"]["config"]["metadata"];
    assert_eq!(metadata["io.nats.monitor.lag-critical"], "100");
    assert_eq!(metadata["io.nats.monitor.seen-critical"], "48h0m0s");

    let client = async_nats::connect(url).await.unwrap();
    succeed(&["pub", "-s", url, "jobs.do.it", "bad"]);
    let job = next(&client, "JOBS.worker").await;
    client.publish(job.reply.unwrap(), "+TERM".into()).await.unwrap();
    let record = next(&client, "DEAD.operator").await;
    let record: Value = serde_json::from_slice(&record.payload).unwrap();
    assert_eq!(
        (&record["stream"], &record["consumer"], &record["stream_seq"]),
        (&Value::from("JOBS"), &Value::from("worker"), &Value::from(2)),
        "{record}"
    );

    let imported = succeed(&["import", "-s", url, "--name", "own"]);
    assert!(imported.contains("monitor: { lag_critical: 100, seen_critical: 2d }"), "{imported}");
    // What comes back from a server says the same; and what runs is no error: without its probe,
    // a subject of the work queue is left to nobody.
    assert!(imported.contains("lint:\n  levels: { X007: warning }"), "{imported}");
    write(&folder, &imported);
    succeed(&["lint", &file]);
    let same = succeed(&["plan", "-s", url, &file]);
    assert!(same.contains("nothing to do, 4 assets as declared"), "{same}");
    let elsewhere = FILE.replace("probe: jobs.probe", "probe: other.probe");
    write(&folder, &elsewhere);
    assert_eq!(run(&["verify", "-s", url, &file]).code, Some(4));
    write(&folder, FILE);
    succeed(&["destroy", "--yes", "-s", url, &file]);
}

#[tokio::test]
async fn what_the_language_adds_holds_on_this_server() {
    let folder = tempfile::tempdir().unwrap();
    let server = Running::start(&folder.path().join("store"));
    check(&server.url()).await;
}

#[tokio::test]
#[cfg_attr(not(peer = "nats-server"), ignore = "needs nats-server: see .ci/peers")]
async fn what_the_language_adds_holds_on_real_servers() {
    for program in nats_servers() {
        let server = NatsServer::start(&program);
        check(&server.url).await;
    }
}
