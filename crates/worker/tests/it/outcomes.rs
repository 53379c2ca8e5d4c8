//! What becomes of messages, by what their handlers say.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde_json::{Value, json};
use watershed_client::Client;
use watershed_topology::call::{Request, answer};
use watershed_wire::jetstream::call::Call;
use watershed_worker::{
    Assignment, CancellationToken, Delivery, Failure, Outcome, Report, Work, Worker,
    json as decoded, raw,
};

use crate::world::{PATIENCE, Server, create, name, publish, stored, topology, unfinished, until};

const FILE: &str = "\
streams:
  JOBS:
    subjects: [jobs.>]
    retention: workqueue
    max_age: 1d
    consumers:
      worker: { max_deliver: 3, backoff: [500ms, 1s], dead_letter: DEAD }
  DEAD: { max_age: 30d, consumers: { operator: {} } }
services:
  s: { consumes: [JOBS/worker], concurrency: 4, handler_timeout: 200ms }
";

/// Deliveries of each message, with the time since the one before.
type Seen = Arc<Mutex<BTreeMap<String, Vec<Instant>>>>;

async fn work(server: &Server, work: impl Work, messages: &[(&str, &str)]) -> (Client, Report) {
    let client = server.client().await;
    let topology = topology(FILE);
    create(&client, &topology).await;
    for (subject, payload) in messages {
        publish(&client, subject, payload).await;
    }
    let assignment = Assignment::of(&topology, "s", &name("JOBS/worker")).unwrap();
    let stop = CancellationToken::new();
    let worker = Worker::new().on(assignment, work).stop_on(stop.clone());
    let running = worker.start(&server.options(), |_| ()).await.unwrap();
    let running = tokio::spawn(running.run());
    until("everything is finished", || async {
        unfinished(&client, &name("JOBS/worker")).await == 0
    })
    .await;
    stop.cancel();
    let report = tokio::time::timeout(PATIENCE, running).await.unwrap().unwrap().unwrap();
    assert_eq!(report.abandoned, 0);
    (client, report)
}

/// The dead letters, as they are stored but for times.
async fn letters(client: &Client) -> Vec<String> {
    let mut all = Vec::new();
    let mut next = 1;
    loop {
        let body = json!({"seq": next, "next_by_subj": "dead.>"});
        let reply = client.call(&Request::new(Call::MessageGet("DEAD"), &body)).await.unwrap();
        let Ok(found) = answer::<Value>(&reply) else { return all };
        let message = &found["message"];
        let text = |field: &str| {
            let text = message[field].as_str().unwrap_or_default();
            String::from_utf8(BASE64.decode(text).unwrap()).unwrap()
        };
        let subject = message["subject"].as_str().unwrap();
        let tokens: Vec<&str> = subject.split('.').collect();
        let mut shown =
            format!("dead.{}.{}.….{}: {}", tokens[1], tokens[2], tokens[4], text("data"));
        let headers = text("hdrs");
        let mut lines: Vec<&str> =
            headers.lines().skip(1).filter(|line| !line.is_empty()).collect();
        lines.retain(|line| {
            !["Watershed-Time", "Nats-Expected"].iter().any(|own| line.starts_with(own))
        });
        lines.sort_unstable();
        for line in lines {
            let _ = write!(shown, "\n  {line}");
        }
        all.push(shown);
        next = message["seq"].as_u64().unwrap() + 1;
    }
}

/// Does what the payload says.
async fn by_name(delivery: Delivery, seen: Seen) -> Outcome {
    let payload = String::from_utf8_lossy(&delivery.payload).into_owned();
    seen.lock().unwrap().entry(payload.clone()).or_default().push(Instant::now());
    match (payload.as_str(), delivery.deliveries) {
        ("retry", 1) => Outcome::retry("not yet"),
        ("soon", 1) => Outcome::retry_after(Duration::ZERO, "not yet"),
        ("reject", _) => Outcome::reject("no such customer"),
        ("panic", _) => panic!("oh no"),
        ("slow", _) => {
            tokio::time::sleep(PATIENCE).await;
            Outcome::Done
        }
        ("fail", _) => Result::<(), _>::Err("always").into(),
        _ => Outcome::Done,
    }
}

async fn every_outcome(server: Server) {
    let seen = Seen::default();
    let own = Arc::clone(&seen);
    let handler = raw(move |delivery| by_name(delivery, Arc::clone(&own)));
    let payloads = ["done", "retry", "soon", "reject", "panic", "slow", "fail"];
    let messages = payloads.map(|one| (format!("jobs.{one}"), one));
    let messages = messages.each_ref().map(|(subject, payload)| (subject.as_str(), *payload));
    let (client, report) = work(&server, handler, &messages).await;

    let counts = report.consumers[0].1;
    assert_eq!((counts.done, counts.rejected, counts.dead, counts.unconfirmed), (3, 1, 4, 0));
    let tries = |payload: &str| seen.lock().unwrap()[payload].clone();
    assert_eq!(payloads.map(|payload| tries(payload).len()), [1, 2, 2, 1, 3, 3, 3]);
    let gap = |payload: &str, index: usize| {
        let tries = tries(payload);
        tries[index + 1] - tries[index]
    };
    // The consumer's backoff counts for what is handed back, and nothing comes at once. A server's clock
    // may stand still for some milliseconds while it is busy.
    for (payload, index, least) in
        [("retry", 0, 480), ("soon", 0, 80), ("panic", 0, 480), ("fail", 1, 980), ("slow", 1, 980)]
    {
        let gap = gap(payload, index);
        assert!(gap >= Duration::from_millis(least), "{payload} {index}: {gap:?}");
    }
    assert_eq!(stored(&client, "JOBS", ">").await, 0);
    // The order of the last three is open.
    let mut letters = letters(&client).await;
    letters.sort();
    insta::allow_duplicates! {
        insta::assert_snapshot!(letters.join("\n"), @r"
        dead.JOBS.worker.….4: reject
          Watershed-Body: whole
          Watershed-Consumer: worker
          Watershed-Deliveries: 1
          Watershed-Error: no such customer
          Watershed-Reason: rejected
          Watershed-Sequence: 4
          Watershed-Stream: JOBS
          Watershed-Subject: jobs.reject
        dead.JOBS.worker.….5: panic
          Watershed-Body: whole
          Watershed-Consumer: worker
          Watershed-Deliveries: 3
          Watershed-Error: the handler panicked: oh no
          Watershed-Reason: max_deliver
          Watershed-Sequence: 5
          Watershed-Stream: JOBS
          Watershed-Subject: jobs.panic
        dead.JOBS.worker.….6: slow
          Watershed-Body: whole
          Watershed-Consumer: worker
          Watershed-Deliveries: 3
          Watershed-Error: timed out after 0.2s
          Watershed-Reason: max_deliver
          Watershed-Sequence: 6
          Watershed-Stream: JOBS
          Watershed-Subject: jobs.slow
        dead.JOBS.worker.….7: fail
          Watershed-Body: whole
          Watershed-Consumer: worker
          Watershed-Deliveries: 3
          Watershed-Error: always
          Watershed-Reason: max_deliver
          Watershed-Sequence: 7
          Watershed-Stream: JOBS
          Watershed-Subject: jobs.fail
        ");
    }
}

async fn undecodable(server: Server) {
    #[derive(serde::Deserialize)]
    struct Job {
        id: u64,
    }
    let seen = Arc::new(Mutex::new(Vec::new()));
    let own = Arc::clone(&seen);
    let handler = decoded(move |job: Job, _| {
        own.lock().unwrap().push(job.id);
        async { Ok::<(), Failure>(()) }
    });
    let messages = [("jobs.a", r#"{"id": 7}"#), ("jobs.b", "poison"), ("jobs.c", "{}")];
    let (client, report) = work(&server, handler, &messages).await;
    assert_eq!(*seen.lock().unwrap(), [7]);
    assert_eq!((report.consumers[0].1.delivered, report.consumers[0].1.dead), (3, 2));
    assert_eq!(stored(&client, "DEAD", "dead.>").await, 2);
}

macro_rules! on_both {
    ($($test:ident, $embedded:ident, $real:ident;)*) => {
        $(
            #[tokio::test]
            async fn $embedded() {
                $test(Server::embedded()).await;
            }

            #[tokio::test]
            #[cfg_attr(not(peer = "nats-server"), ignore = "needs nats-server: see .ci/peers")]
            async fn $real() {
                $test(Server::real()).await;
            }
        )*
    };
}

on_both! {
    every_outcome, each_outcome_has_its_consequence, each_outcome_has_its_consequence_on_a_real_server;
    undecodable, what_cannot_be_decoded_is_kept_and_not_looped, what_cannot_be_decoded_is_kept_on_a_real_server;
}
