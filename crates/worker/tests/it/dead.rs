//! What was given up, recovered, sent again, and not believed blindly.

use watershed_client::{Client, HeaderMap};
use watershed_topology::call::Request;
use watershed_wire::jetstream::call::Call;
use watershed_worker::dead::{Case, Cases, ReadError, Selection, Sweep, Swept, Tally};
use watershed_worker::{Assignment, CancellationToken, Outcome, Worker, raw};

use crate::world::{Server, create, name, publish, stored, topology, unfinished, until};

const FILE: &str = "\
streams:
  JOBS:
    subjects: [jobs.>]
    retention: workqueue
    max_age: 1d
    consumers:
      worker: { max_deliver: 2, backoff: [100ms], dead_letter: DEAD } # allow C003: a test
  DEAD: { max_age: 30d, max_msg_size: 2KiB, consumers: { operator: {} } }
services:
  s: { consumes: [JOBS/worker] }
";

async fn begin(server: &Server) -> Client {
    let client = server.client().await;
    create(&client, &topology(FILE)).await;
    client
}

async fn cases(client: &Client) -> Vec<Case> {
    Cases::read(client, "DEAD", &Selection::default(), usize::MAX).await.unwrap().all
}

/// Somebody else's worker terminates a message without keeping it.
async fn terminate(client: &Client) {
    let mut answers = client.subscribe(&client.inbox(), None).await.unwrap();
    let call = Call::ConsumerNext { stream: "JOBS", consumer: "worker" };
    answers.ask(&Request::bare(call)).await.unwrap();
    let message = answers.next().await.unwrap().unwrap();
    let subject = message.reply.unwrap().to_string();
    client.call(&Request { subject, body: b"+TERM bad".to_vec() }).await.unwrap();
}

async fn lost(server: Server) {
    let client = begin(&server).await;
    publish(&client, "jobs.a", "x").await;
    terminate(&client).await;
    until("the server says so", || async { cases(&client).await.len() == 1 }).await;
    assert!(cases(&client).await[0].letter.is_none());
    let swept = Sweep::of(&client, "DEAD").next().await.unwrap().unwrap().1;
    assert_eq!(swept, Swept::Lost);
    let case = cases(&client).await.remove(0);
    assert_eq!((case.reason().word(), case.error(), case.sequence()), ("terminated", "bad", 1));
    assert!(matches!(case.retry(&client).await, Err(ReadError::Lost { .. })));
    // Once is enough, and both are gone when one is dropped.
    let swept = Sweep::of(&client, "DEAD").next().await.unwrap().unwrap().1;
    assert_eq!(swept, Swept::WasKept);
    case.remove(&client).await.unwrap();
    assert_eq!(stored(&client, "DEAD", ">").await, 0);
}

async fn worked(server: &Server, client: &Client, outcome: Outcome) {
    let assignment = Assignment::of(&topology(FILE), "s", &name("JOBS/worker")).unwrap();
    let stop = CancellationToken::new();
    let handler = raw(move |_| std::future::ready(outcome.clone()));
    let worker = Worker::new().on(assignment, handler).stop_on(stop.clone());
    let running = tokio::spawn(worker.start(&server.options(), |_| ()).await.unwrap().run());
    until("all is dealt with", || async { unfinished(client, &name("JOBS/worker")).await == 0 })
        .await;
    stop.cancel();
    running.await.unwrap().unwrap();
}

async fn twice(server: Server) {
    let client = begin(&server).await;
    publish(&client, "jobs.a", "x").await;
    worked(&server, &client, Outcome::reject("bad")).await;
    let case = cases(&client).await.remove(0);
    let sent = case.retry(&client).await.unwrap();
    // As after a retry that was cut off before the dead letter was deleted.
    assert_eq!(case.retry(&client).await.unwrap(), sent);
    assert_eq!(stored(&client, "JOBS", ">").await, 1);
    assert!(cases(&client).await.is_empty());
    // Given up once more, it is another dead letter, of the same origin.
    worked(&server, &client, Outcome::reject("bad")).await;
    let again = cases(&client).await.remove(0).letter.unwrap();
    let header = |name: &str| again.headers.get(name).unwrap().as_str().to_owned();
    assert_eq!(header("Watershed-Retry-Of"), format!("DEAD/{}", case.id));
    assert!(header("Watershed-Origin").ends_with(".1"));
    assert_eq!((again.sequence, again.body.as_deref()), (2, Some(b"x".as_slice())));
}

/// Who may publish there may write what they like; an operator must not do it for them.
async fn forged(server: Server) {
    let client = begin(&server).await;
    for subject in ["$JS.API.STREAM.DELETE.JOBS", "jobs.*", "other", "dead.JOBS.worker.1.9"] {
        let mut headers = HeaderMap::new();
        for (name, value) in [
            ("Watershed-Reason", "rejected"),
            ("Watershed-Subject", subject),
            ("Watershed-Error", "\u{1b}[2J"),
        ] {
            headers.insert(name, value);
        }
        client.publish_stored("dead.JOBS.worker.1.1", headers, "{}".into()).await.unwrap();
        let case = cases(&client).await.remove(0);
        assert_eq!(case.error(), "[2J");
        let refused = case.retry(&client).await;
        assert!(matches!(refused, Err(ReadError::Elsewhere { .. })), "{subject}: {refused:?}");
        case.remove(&client).await.unwrap();
    }
    assert_eq!(stored(&client, "JOBS", ">").await, 0);
}

async fn too_large(server: Server) {
    let client = begin(&server).await;
    publish(&client, "jobs.a", &"x".repeat(2_000)).await;
    worked(&server, &client, Outcome::reject("bad")).await;
    // It is given up by the server, and lies where it was.
    assert_eq!(
        (stored(&client, "JOBS", ">").await, stored(&client, "DEAD", "dead.>").await),
        (1, 0)
    );
    until("the server says so", || async { cases(&client).await.len() == 1 }).await;
    let swept = Sweep::of(&client, "DEAD").next().await.unwrap().unwrap().1;
    assert!(matches!(swept, Swept::NotKept(_)), "{swept:?}");
    assert_eq!(stored(&client, "JOBS", ">").await, 1);
}

/// The message and the server's record are two messages about one that was given up.
async fn counted(server: Server) {
    let client = begin(&server).await;
    let mut tally = Tally::default();
    let mut count = async || {
        let live = client.look_at("DEAD").await.unwrap().unwrap();
        tally.look(&client, "DEAD", &live.info.state, 2).await.unwrap();
        (live.info.state.messages, tally.count())
    };
    assert_eq!(count().await, (0, 0));
    publish(&client, "jobs.a", "x").await;
    publish(&client, "jobs.b", "x").await;
    worked(&server, &client, Outcome::reject("bad")).await;
    until("both are there twice", || async { stored(&client, "DEAD", ">").await == 4 }).await;
    // It reads two at each look.
    count().await;
    assert_eq!(count().await, (4, 2));
    cases(&client).await.remove(0).remove(&client).await.unwrap();
    assert_eq!(count().await, (2, 1));
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
    lost, what_is_gone_is_kept_as_what_is_known, what_is_gone_is_kept_as_what_is_known_on_a_real_server;
    twice, a_retry_that_was_cut_off_stores_nothing_twice, a_retry_stores_nothing_twice_on_a_real_server;
    forged, a_forged_letter_calls_no_api, a_forged_letter_calls_no_api_on_a_real_server;
    counted, what_is_kept_twice_is_counted_once, what_is_kept_twice_is_counted_once_on_a_real_server;
    too_large, what_cannot_be_kept_stays_where_it_is, what_cannot_be_kept_stays_on_a_real_server;
}
