//! Stories and how they end.

use std::fmt::Write as _;

use watershed_topology::lower::lower;
use watershed_topology::{SourceMap, Topology, yaml};

use crate::{check, read, run};

fn topology(text: &str) -> Topology {
    let mut sources = SourceMap::default();
    let file = sources.add("watershed.yaml", text);
    let (root, found) = yaml::parse(&sources, file);
    assert!(found.is_empty(), "{found:?}");
    let (topology, found) = lower(&root.unwrap());
    assert!(found.is_empty(), "{found:?}");
    topology
}

/// How the stories of a text end: a line each, and the timeline of those that fail.
fn play(about: &str, text: &str) -> String {
    let topology = topology(about);
    let mut sources = SourceMap::default();
    let file = sources.add("a.story.yaml", text);
    let (stories, mut found) = read(&sources, file);
    if let Some(stories) = &stories {
        found.extend(check(stories, &topology));
    }
    if !found.is_empty() {
        let lines: Vec<String> = found.iter().map(|one| one.plain(&sources)).collect();
        return lines.join("\n");
    }
    let mut told = String::new();
    for story in &stories.unwrap().stories {
        let _ = match run(&topology, story) {
            Ok(passed) => writeln!(told, "{}: passed, {:?}", story.name.value, passed.time),
            Err(failure) => writeln!(
                told,
                "{}: {}: {}\n  {}",
                story.name.value,
                sources.place(failure.span),
                failure.message,
                failure.timeline.join("\n  ")
            ),
        };
    }
    told
}

const SHOP: &str = "
watershed: 1
name: shop
streams:
  ORDERS:
    subjects: [orders.>]
    max_age: 7d
    duplicate_window: 1h
    consumers:
      billing: { filter_subject: orders.*.paid, max_deliver: 3, backoff: [30s, 1m], dead_letter: DEAD }
      audit: { ack_wait: 10s }
  JOBS:
    subjects: [jobs.>]
    retention: workqueue
    max_msgs: 2
    discard: new
    consumers:
      run: { max_deliver: 2, ack_wait: 1m }
  DEAD: { max_age: 90d }
services:
  shop: { publishes: [orders.eu.paid] }
users:
  shop: { password: { env: P }, service: shop }
";

const HOLD: &str = "
stories:
  a message that fails three times is a dead letter:
    - publish: orders.eu.paid
    - worker: ORDERS/billing
      answers: retry
    - expect: { delivered: { ORDERS/billing: 1 } }
    - advance: 30s
    - expect: { delivered: { ORDERS/billing: 2 }, dead: { ORDERS/billing: 0 } }
    - advance: 1m
    - expect: { delivered: { ORDERS/billing: 3 }, dead: { ORDERS/billing: 1 }, unprocessed: { ORDERS/billing: 0 } }
  workers that die leave it to the next one:
    - publish: orders.eu.paid
    - worker: ORDERS/billing
      answers: crash
    - advance: 1h
    - worker: ORDERS/billing
    - expect: { done: { ORDERS/billing: 1 }, delivered: { ORDERS/billing: 2 }, unprocessed: { ORDERS/billing: 0 } }
  silence is given up by the server:
    - publish: orders.eu.paid
    - worker: ORDERS/billing
      answers: silence
    - advance: 1d
    - expect: { delivered: { ORDERS/billing: 3 }, dead: { ORDERS/billing: 1 } }
  nothing is older than a week:
    - publish: orders.eu.paid
      times: 3
    - advance: 6d
    - restart: server
    - expect: { messages: { ORDERS: 3 } }
    - advance: 1d
    - expect: { messages: { ORDERS: 0 } }
  the second of the same id is a duplicate:
    - publish: orders.eu.paid
      headers: { Nats-Msg-Id: '1' }
    - restart: server
    - publish: orders.eu.paid
      headers: { Nats-Msg-Id: '1' }
      expect: duplicate
    - advance: 1h
    - publish: orders.eu.paid
      headers: { Nats-Msg-Id: '1' }
  a full queue refuses, and what is done makes room:
    - publish: jobs.a
      times: 2
    - publish: jobs.b
      expect: 10077
    - worker: JOBS/run
    - publish: jobs.b
    - expect: { messages: { JOBS: 0 }, done: { JOBS/run: 3 } }
  the shop may publish what it says:
    - publish: orders.eu.paid
      as: shop
    - publish: orders.us.paid
      as: shop
      expect: denied
    - publish: nobody.home
      expect: nobody
  purged:
    - publish: orders.eu.paid
    - publish: orders.eu.sent
    - purge: ORDERS
      subject: orders.*.sent
    - expect: { messages: { ORDERS: 1 }, unprocessed: { ORDERS/billing: '>= 1' } }
";

#[test]
fn stories_that_hold() {
    insta::assert_snapshot!(play(SHOP, HOLD), @"
    a message that fails three times is a dead letter: passed, 90s
    workers that die leave it to the next one: passed, 3600s
    silence is given up by the server: passed, 86400s
    nothing is older than a week: passed, 604800s
    the second of the same id is a duplicate: passed, 3600s
    a full queue refuses, and what is done makes room: passed, 0ns
    the shop may publish what it says: passed, 0ns
    purged: passed, 0ns
    ");
}

#[test]
fn what_does_not_hold_is_told_with_what_happened() {
    let told = play(
        SHOP,
        "
stories:
  nak is at once:
    - publish: orders.eu.paid
    - worker: ORDERS/billing
      answers: nak
    - expect: { delivered: { ORDERS/billing: 1 } }
  stored:
    - publish: orders.eu.paid
      expect: nobody
",
    );
    insta::assert_snapshot!(told, @"
    nak is at once: a.story.yaml:7:46: expected `delivered` of ORDERS/billing to be 1, but it is 3 after 0s
      0s  #1 stored in ORDERS: orders.eu.paid
      0s  #1 to billing, delivery 1: nak
      0s  #1 to billing, delivery 2: nak
      0s  #1 to billing, delivery 3: nak
    stored: a.story.yaml:10:15: expected `orders.eu.paid` to be stored by no stream, but it is stored
    ");
}

#[test]
fn what_cannot_be_read_is_said_with_its_place() {
    let told = play(
        SHOP,
        "
stories:
  wrong:
    - publihs: orders.eu.paid
    - publish: orders.eu.paid
      tmes: 3
    - worker: ORDERS/billing
      answers: later
    - advance: 30
    - worker: ORDERS
    - publish: a
      advance: 1s
    - expect: { messages: { ORDERS: many }, messages_of: { A: 1 } }
",
    );
    insta::assert_snapshot!(told, @"
    a.story.yaml:4:7: error[F003]: unknown key `publihs` in a step
      help: did you mean `publish`?
    a.story.yaml:6:7: error[F003]: unknown key `tmes` in the step `publish`
      help: did you mean `times`?
    a.story.yaml:8:16: error[F004]: unknown answer `later`
      note: a worker answers done, retry, retry 30s, reject, nak, nak 5s, term, silence or crash
    a.story.yaml:9:16: error[F005]: missing unit in `30`: the API would take it for nanoseconds (30ns), nats-py for seconds (30s)
      help: write `30s`
    a.story.yaml:10:15: error[F004]: `ORDERS` is not a consumer: write it as STREAM/CONSUMER
    a.story.yaml:12:7: error[F004]: `publish` and `advance` are two steps
      help: begin another step with `- `
    a.story.yaml:13:37: error[F004]: `many` is not a number, `>= 3` or `<= 3`
    a.story.yaml:13:45: error[F003]: unknown key `messages_of` in `expect`
      help: did you mean `messages`?
    ");
    let told = play(
        SHOP,
        "
stories:
  unknown:
    - worker: ORDERS/biling
    - expect: { messages: { ORDER: 1 }, dead: { ORDERS/audit: 0 } }
    - publish: orders.eu.paid
      as: nobody
",
    );
    insta::assert_snapshot!(told, @"
    a.story.yaml:4:15: error[F004]: unknown consumer `ORDERS/biling`
      help: did you mean `ORDERS/billing`?
    a.story.yaml:5:29: error[F004]: unknown stream `ORDER`
      help: did you mean `ORDERS`?
    a.story.yaml:5:49: error[F004]: `ORDERS/audit` is without a `dead_letter`: nothing is kept
    a.story.yaml:7:11: error[F004]: unknown user `nobody`
      note: the topology has shop
    ");
}
