//! What a worker looks at before it begins, what it tells the server while it works, how it ends.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::sync::Notify;
use watershed_client::Client;
use watershed_topology::Topology;
use watershed_topology::call::Request;
use watershed_wire::jetstream::call::Call;
use watershed_worker::{
    Assignment, CancellationToken, Delivery, Outcome, Signals, WorkError, Worker, raw,
};

use crate::world::{PATIENCE, Server, create, name, publish, stored, topology, unfinished, until};

const FILE: &str = "\
streams:
  JOBS:
    subjects: [jobs.>]
    max_age: 1d
    consumers:
      worker: { ack_wait: 600ms, max_deliver: 5, dead_letter: DEAD } # allow C003: a test
      pushed: { deliver_subject: push.here, deliver_group: workers, max_deliver: 5, ack_wait: 600ms }
      careless: { ack_policy: none }
  DEAD: { max_age: 30d, consumers: { operator: {} } }
services:
  s: { consumes: [JOBS/worker, JOBS/pushed, JOBS/careless], concurrency: 2 }
";

fn assignment(topology: &Topology, consumer: &str) -> Assignment {
    Assignment::of(topology, "s", &name(consumer)).unwrap()
}

async fn refusal(server: &Server, assignment: Assignment) -> String {
    let worker = Worker::new().on(assignment, raw(|_| async { Outcome::Done }));
    match worker.start(&server.options(), |_| ()).await {
        Err(error @ WorkError::Unfit(_)) => error.to_string(),
        other => panic!("{other:?}"),
    }
}

async fn refusals(server: Server) {
    let client = server.client().await;
    let topology = topology(FILE);
    let worker = || assignment(&topology, "JOBS/worker");
    let mut told = Vec::new();
    told.push(refusal(&server, worker()).await);
    create(&client, &topology).await;
    let delete = |consumer| Call::ConsumerDelete { stream: "JOBS", consumer };
    client.call(&Request::bare(delete("worker"))).await.unwrap();
    told.push(refusal(&server, worker()).await);
    let config = r#"{"stream_name": "JOBS", "config": {"durable_name": "worker", "ack_policy": "explicit", "max_deliver": 9}}"#;
    let call = Call::ConsumerCreateNamed { stream: "JOBS", consumer: "worker", filter: None };
    let request = Request { subject: call.subject(), body: config.into() };
    client.call(&request).await.unwrap();
    told.push(refusal(&server, worker()).await);
    told.push(refusal(&server, assignment(&topology, "JOBS/careless")).await);
    client.call(&Request::bare(delete("worker"))).await.unwrap();
    client.call(&Request::bare(Call::StreamDelete("DEAD"))).await.unwrap();
    let again = crate::world::topology(FILE);
    let config = serde_json::to_value(&again.streams[0].consumers[0].config).unwrap();
    let action = watershed_wire::jetstream::consumer::CreateAction::Create;
    client.call(&Request::put_consumer("JOBS", "worker", &config, action)).await.unwrap();
    told.push(refusal(&server, worker()).await);
    insta::allow_duplicates! {
        insta::assert_snapshot!(told.join("\n"), @r"
        the server is without the stream `JOBS`: run `watershed apply`
        the server is without the consumer `JOBS/worker`: run `watershed apply`
        JOBS/worker is not what the file says (ack_wait, max_deliver): run `watershed apply`
        JOBS/careless cannot be worked on: workers acknowledge each message: `ack_policy: explicit`
        dead letters of JOBS/worker are to be kept in `DEAD`, which does not store them: run `watershed apply`
        ");
    }
}

/// A handler that takes several times the ack wait, and is let go by the test.
async fn slow(server: Server, consumer: &str) {
    let client = server.client().await;
    let topology = topology(FILE);
    create(&client, &topology).await;
    for number in 0..3 {
        publish(&client, "jobs.a", &number.to_string()).await;
    }
    let (begun, most) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)));
    let handled = Arc::clone(&most);
    let handler = raw(move |delivery: Delivery| {
        let (begun, most) = (Arc::clone(&begun), Arc::clone(&most));
        async move {
            let now = begun.fetch_add(1, Ordering::SeqCst) + 1;
            most.fetch_max(now, Ordering::SeqCst);
            tokio::time::sleep(Duration::from_millis(1_300)).await;
            begun.fetch_sub(1, Ordering::SeqCst);
            assert_eq!(delivery.deliveries, 1);
            Outcome::Done
        }
    });
    let stop = CancellationToken::new();
    let worker = Worker::new().on(assignment(&topology, consumer), handler).stop_on(stop.clone());
    let running = tokio::spawn(worker.start(&server.options(), |_| ()).await.unwrap().run());
    until("all are done", || async { unfinished(&client, &name(consumer)).await == 0 }).await;
    stop.cancel();
    let report = running.await.unwrap().unwrap();
    let counts = report.consumers[0].1;
    assert_eq!((counts.done, counts.redelivered), (3, 0));
    assert_eq!(handled.load(Ordering::SeqCst), 2, "as many at once as is declared");
}

async fn slow_pull(server: Server) {
    slow(server, "JOBS/worker").await;
}

async fn slow_push(server: Server) {
    slow(server, "JOBS/pushed").await;
}

struct Begun {
    client: Client,
    signals: Signals,
    entered: Arc<Notify>,
    leave: Arc<Notify>,
    running: tokio::task::JoinHandle<Result<watershed_worker::Report, WorkError>>,
}

/// A worker in the middle of a message that it only ends when it is told to.
async fn in_the_middle(server: &Server, drain: Duration) -> Begun {
    let client = server.client().await;
    let topology = topology(FILE);
    create(&client, &topology).await;
    publish(&client, "jobs.a", "x").await;
    let (entered, leave) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let own = (Arc::clone(&entered), Arc::clone(&leave));
    let handler = raw(move |_| {
        let (entered, leave) = own.clone();
        async move {
            entered.notify_one();
            leave.notified().await;
            Outcome::Done
        }
    });
    let signals = Signals::default();
    let worker = Worker::new().on(assignment(&topology, "JOBS/worker"), handler);
    let worker = worker.stop_on(signals.clone()).drain(drain);
    let running = tokio::spawn(worker.start(&server.options(), |_| ()).await.unwrap().run());
    entered.notified().await;
    Begun { client, signals, entered, leave, running }
}

async fn graceful(server: Server) {
    let begun = in_the_middle(&server, Duration::from_secs(10)).await;
    begun.signals.stop.cancel();
    begun.leave.notify_one();
    let report = begun.running.await.unwrap().unwrap();
    assert_eq!((report.consumers[0].1.done, report.abandoned), (1, 0));
    assert_eq!(unfinished(&begun.client, &name("JOBS/worker")).await, 0);
    // Nothing is taken any more.
    publish(&begun.client, "jobs.b", "y").await;
    let notified = tokio::time::timeout(Duration::from_millis(200), begun.entered.notified()).await;
    assert!(notified.is_err());
    assert_eq!(unfinished(&begun.client, &name("JOBS/worker")).await, 1);
}

/// A second signal ends what the first one lets go on.
async fn hurried(server: Server) {
    let begun = in_the_middle(&server, PATIENCE).await;
    begun.signals.stop.cancel();
    begun.signals.hurry.cancel();
    let report = tokio::time::timeout(PATIENCE / 2, begun.running).await.unwrap();
    assert_eq!(report.unwrap().unwrap().abandoned, 1);
}

async fn bounded(server: Server) {
    let begun = in_the_middle(&server, Duration::from_millis(50)).await;
    begun.signals.stop.cancel();
    let report = begun.running.await.unwrap().unwrap();
    assert_eq!((report.consumers[0].1.retried, report.abandoned), (1, 1));
    assert_eq!(unfinished(&begun.client, &name("JOBS/worker")).await, 1);
    assert_eq!(stored(&begun.client, "DEAD", "dead.>").await, 0);
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
    refusals, what_is_not_as_declared_is_refused, what_is_not_as_declared_is_refused_on_a_real_server;
    slow_pull, slow_handlers_get_no_second_delivery, slow_handlers_get_no_second_delivery_on_a_real_server;
    slow_push, slow_handlers_of_pushes_get_none_either, slow_handlers_of_pushes_get_none_on_a_real_server;
    graceful, what_is_held_is_finished_at_the_end, what_is_held_is_finished_at_the_end_on_a_real_server;
    hurried, the_end_can_be_hurried, the_end_can_be_hurried_on_a_real_server;
    bounded, the_end_is_bounded, the_end_is_bounded_on_a_real_server;
}
