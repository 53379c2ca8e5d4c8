//! What is found in an account, and what is not.

use std::fmt::Write as _;

use serde_json::{Value as Json, json};

use super::*;
use crate::observe::Observation;
use crate::testing::{facts, topology};

const FILE: &str = "\
watershed: 1
name: shop
streams:
  ORDERS: { subjects: [orders.>], max_age: 1d, consumers: { billing: { filter_subject: orders.*.paid } } }
  JOBS: { subjects: [jobs.>], retention: workqueue, max_age: 1d, consumers: { worker: { max_deliver: 3, backoff: [30s] } } }
services:
  shop: { publishes: [orders.eu.paid] }
  billing: { consumes: [ORDERS/billing], replicas: 2, handler_timeout: 5m }
";

/// A stream as a server lists it.
fn stream(name: &str, mut config: Json, state: Json) -> Json {
    config["name"] = json!(name);
    let mut all =
        json!({"config": config, "created": "2026-01-01T00:00:00Z", "ts": "2026-01-02T00:00:00Z"});
    all["state"] = state;
    all
}

/// A consumer as a server lists it.
fn consumer(name: &str, config: Json, info: Json) -> Json {
    let mut config = config;
    config["durable_name"] = json!(name);
    let mut all = json!({
        "name": name, "config": config,
        "created": "2026-01-01T12:00:00Z", "ts": "2026-01-02T00:00:00Z",
    });
    if let (Json::Object(all), Json::Object(info)) = (&mut all, info) {
        all.extend(info);
    }
    all
}

fn seen(streams: &[Json], consumers: &[(&str, Json)]) -> Observed {
    let mut observation = Observation::everything(facts());
    while let Some((tag, request)) = observation.next() {
        let name = request.subject.rsplit('.').next().unwrap();
        let reply = match request.subject.as_str() {
            "$JS.API.INFO" => json!({}),
            "$JS.API.STREAM.LIST" => {
                let mut streams = streams.to_vec();
                for stream in &mut streams {
                    let name = stream["config"]["name"].as_str().unwrap().to_owned();
                    let count = consumers.iter().filter(|(of, _)| *of == name).count();
                    stream["state"]["consumer_count"] = json!(count);
                }
                json!({"total": streams.len(), "streams": streams})
            }
            _ => {
                let of: Vec<&Json> =
                    consumers.iter().filter(|(of, _)| *of == name).map(|(_, one)| one).collect();
                json!({"total": of.len(), "consumers": of})
            }
        };
        observation.done(tag, reply.to_string().as_bytes()).unwrap();
    }
    observation.finish()
}

fn told(topology: Option<&Topology>, observed: &Observed, subjects: &Json) -> String {
    let mut doctor = Doctor::new(topology, observed);
    for (name, request) in doctor.questions() {
        assert_eq!(request.subject, format!("$JS.API.STREAM.INFO.{name}"));
        let reply = json!({"state": {"subjects": subjects}});
        doctor.take(name, reply.to_string().as_bytes()).unwrap();
    }
    let mut text = String::new();
    for finding in doctor.findings() {
        let _ = writeln!(text, "{}: {finding}", finding.symptom.title());
        for evidence in &finding.evidence {
            let _ = writeln!(text, "  {evidence}");
        }
        for mend in &finding.mend {
            let _ = match mend {
                Mend::Command(command) => writeln!(text, "  $ watershed {command}"),
                Mend::Advice(advice) => writeln!(text, "  -> {advice}"),
            };
        }
    }
    text
}

fn with_file(streams: &[Json], consumers: &[(&str, Json)], subjects: &Json) -> String {
    let topology = topology(FILE);
    told(Some(&topology), &seen(streams, consumers), subjects)
}

fn orders(state: Json) -> Json {
    stream("ORDERS", json!({"subjects": ["orders.>"], "max_age": 86_400_000_000_000_u64}), state)
}

fn jobs(state: Json) -> Json {
    stream("JOBS", json!({"subjects": ["jobs.>"], "retention": "workqueue"}), state)
}

fn billing(info: Json) -> (&'static str, Json) {
    (
        "ORDERS",
        consumer(
            "billing",
            json!({"filter_subject": "orders.*.paid", "ack_policy": "explicit"}),
            info,
        ),
    )
}

fn worker(info: Json) -> (&'static str, Json) {
    let config =
        json!({"ack_policy": "explicit", "max_deliver": 3, "backoff": [30_000_000_000_u64]});
    ("JOBS", consumer("worker", config, info))
}

#[test]
fn nothing_is_said_of_what_works() {
    let (orders, jobs) =
        (orders(json!({"messages": 9, "first_seq": 4, "last_seq": 12})), jobs(json!({})));
    let busy = json!({"num_pending": 2, "num_waiting": 1, "num_ack_pending": 3, "delivered": {"consumer_seq": 9, "stream_seq": 9}});
    insta::assert_snapshot!(with_file(&[orders, jobs], &[billing(busy), worker(json!({}))], &json!({})), @"");
}

#[test]
fn what_is_missing_is_named_with_what_is_there_instead() {
    insta::assert_snapshot!(with_file(&[], &[], &json!({})), @r#"
    stream or consumer not found: none of the 2 streams of `shop` is in this account
      the account is without any stream
      $ watershed apply
      -> or connect to the account where they are: streams of one account are not seen in another
    publish fails: `orders.eu.paid`, which shop publishes, is stored by no stream: publishers get "no responders"
      stream ORDERS, which is to store it, is not there
      $ watershed apply
    "#);
    let other = stream("Orders", json!({"subjects": ["order.>"]}), json!({}));
    let close = consumer("biling", json!({}), json!({}));
    insta::assert_snapshot!(with_file(&[other, jobs(json!({}))], &[("JOBS", close), worker(json!({}))], &json!({})), @r#"
    stream or consumer not found: stream ORDERS is not there
      there is `Orders`; capital letters count
      $ watershed apply
    publish fails: `orders.eu.paid`, which shop publishes, is stored by no stream: publishers get "no responders"
      stream ORDERS, which is to store it, is not there
      there is a stream for `order.>`
      $ watershed apply
    "#);
    let elsewhere = stream("ORDERS", json!({"subjects": ["order.>"]}), json!({}));
    insta::assert_snapshot!(with_file(&[elsewhere, jobs(json!({}))], &[billing(json!({})), worker(json!({}))], &json!({})), @r#"
    publish fails: `orders.eu.paid`, which shop publishes, is stored by no stream: publishers get "no responders"
      stream ORDERS takes order.>
      there is a stream for `order.>`
      $ watershed apply
    consumer not receiving: consumer ORDERS/billing takes `orders.*.paid`, which its stream does not store
      stream ORDERS takes order.>
      -> mend the filter in the topology, and then:
      $ watershed apply
    "#);
}

#[test]
fn a_consumer_that_gets_nothing_says_why() {
    let full = || {
        orders(
            json!({"messages": 9, "first_seq": 1, "last_seq": 9, "last_ts": "2026-01-01T11:00:00Z"}),
        )
    };
    let look = |info: Json| {
        with_file(
            &[full(), jobs(json!({}))],
            &[billing(info), worker(json!({}))],
            &json!({"orders.eu.new": 9}),
        )
    };
    insta::assert_snapshot!(look(json!({"num_pending": 4})), @"
    consumer not receiving: consumer ORDERS/billing has messages, and nobody asks for them
      4 messages pending, no pull request waiting
      it has delivered nothing yet
      -> start its worker, or take one message by hand:
      $ watershed next ORDERS billing
    ");
    insta::assert_snapshot!(look(json!({"num_pending": 4, "paused": true, "pause_remaining": 3_600_000_000_000_u64})), @"
    consumer not receiving: consumer ORDERS/billing is paused for another 1h
      4 messages pending
      -> nats consumer resume ORDERS billing
    ");
    insta::assert_snapshot!(look(json!({})), @"
    consumer not receiving: consumer ORDERS/billing takes `orders.*.paid`, and no stored message has such a subject
      9 messages in stream ORDERS: `orders.eu.new`
      -> compare what publishers publish with the filter, letter by letter
    ");
    let pending = json!({
        "num_pending": 4, "num_ack_pending": 5, "config": {"durable_name": "billing", "max_ack_pending": 5, "ack_policy": "explicit"},
    });
    insta::assert_snapshot!(look(pending), @"
    consumer not receiving: consumer ORDERS/billing waits for acknowledgements, and delivers nothing until some come
      5 messages not acknowledged, `max_ack_pending: 5`, 4 more pending
      -> acknowledge every message in the worker, also those that fail (nak, or term)
    ");
    let push = json!({"num_pending": 4, "config": {"durable_name": "billing", "deliver_subject": "to.billing"}});
    insta::assert_snapshot!(look(push), @"
    consumer not receiving: consumer ORDERS/billing delivers to `to.billing`, and nobody listens there
      4 messages pending
      -> start its worker; it has to bind to this consumer
    one of several workers gets nothing: consumer ORDERS/billing is without a deliver group: only one of several workers may listen, or each gets everything
      2 of them are declared
      -> make it a pull consumer, or give it a `deliver_group`
    ");
    let new = json!({"config": {"durable_name": "billing", "deliver_policy": "new", "filter_subject": "orders.>"}});
    insta::assert_snapshot!(look(new), @"
    consumer not receiving: consumer ORDERS/billing delivers what is new, and everything was stored before it was created
      9 messages stored before
      -> publish, or let it begin at the first message: `deliver_policy: all`
    ");
}

#[test]
fn what_is_gone_says_where_it_went() {
    let memory = stream(
        "M",
        json!({"subjects": ["m"], "storage": "memory"}),
        json!({"messages": 3, "last_seq": 3}),
    );
    let interest =
        stream("I", json!({"subjects": ["i"], "retention": "interest"}), json!({"last_seq": 5}));
    let aged = stream(
        "A",
        json!({"subjects": ["a"], "max_age": 3_600_000_000_000_u64}),
        json!({"last_seq": 5, "first_seq": 6}),
    );
    let behind = stream(
        "B",
        json!({"subjects": ["b"], "max_msgs": 10}),
        json!({"messages": 10, "first_seq": 31, "last_seq": 40}),
    );
    let slow = consumer(
        "slow",
        json!({}),
        json!({"num_pending": 10, "num_waiting": 1, "delivered": {"consumer_seq": 9, "stream_seq": 9}}),
    );
    let anew = stream(
        "N",
        json!({"subjects": ["n"]}),
        json!({"messages": 1, "first_seq": 1, "last_seq": 1}),
    );
    let old =
        consumer("old", json!({}), json!({"delivered": {"consumer_seq": 90, "stream_seq": 90}}));
    let durable = consumer("d", json!({}), json!({"num_waiting": 1, "num_pending": 3}));
    let seen =
        seen(&[memory, interest, aged, behind, anew], &[("B", slow), ("N", old), ("M", durable)]);
    insta::assert_snapshot!(told(None, &seen, &json!({})), @"
    messages are gone, or will be: stream A is empty, and was not
      5 messages stored in all
      it keeps them for `max_age: 1h`
    messages are gone, or will be: consumer B/slow is behind: up to 21 messages went before it got them
      it delivered up to 9, and the stream begins at 31
      the stream keeps messages up to `max_msgs: 10`
      -> run more workers, or let the stream keep more
    messages are gone, or will be: stream I keeps only what consumers are interested in, and there are none: everything that is published to it is dropped
      5 messages stored in all, 0 there
      -> declare a consumer, or write `retention: limits`
    messages are gone, or will be: stream M is kept in memory: a restart of the server loses its messages
      3 messages now
      a durable consumer reads it
      -> write its topology, adopt it, and give it `storage: file`, beginning with:
      $ watershed import
    messages are gone, or will be: consumer N/old is ahead of its stream: that was made again, or lost its messages
      it delivered up to 90, and the stream ends at 1
    ");
}

#[test]
fn work_that_comes_again_or_to_nobody() {
    let again = json!({"num_pending": 0, "num_ack_pending": 2, "num_redelivered": 2, "delivered": {"consumer_seq": 40, "stream_seq": 2}});
    let streams = [
        orders(json!({"messages": 2, "first_seq": 1, "last_seq": 2})),
        jobs(json!({"messages": 7, "first_seq": 1, "last_seq": 9})),
    ];
    let one = json!({"num_ack_pending": 1, "num_pending": 2, "num_waiting": 1, "delivered": {"consumer_seq": 3, "stream_seq": 7},
        "config": {"durable_name": "billing", "max_ack_pending": 1, "ack_policy": "explicit"}});
    insta::assert_snapshot!(with_file(&streams, &[billing(again), worker(one.clone())], &json!({})), @"
    consumer not receiving: consumer JOBS/worker waits for acknowledgements, and delivers nothing until some come
      1 message not acknowledged, `max_ack_pending: 1`, 2 more pending
      -> acknowledge every message in the worker, also those that fail (nak, or term)
    work is redelivered: consumer ORDERS/billing delivers messages again and again, without an end
      2 of 2 messages on their way came more than once, 0s after each other at the soonest
      billing may work 5m on one
      -> acknowledge when the work is done; while it goes on, say so (in progress), or set a longer `ack_wait`
      -> set `max_deliver` and a `dead_letter` stream, so that a bad message ends where it can be seen
    messages nobody gets: stream JOBS holds 4 messages that no consumer takes
      -> look at them:
      $ watershed view JOBS
    ");
    insta::assert_snapshot!(with_file(&streams, &[billing(one)], &json!({})), @"
    stream or consumer not found: consumer JOBS/worker is not there
      $ watershed apply
    messages are gone, or will be: consumer ORDERS/billing is ahead of its stream: that was made again, or lost its messages
      it delivered up to 7, and the stream ends at 2
    consumer not receiving: consumer ORDERS/billing waits for acknowledgements, and delivers nothing until some come
      1 message not acknowledged, `max_ack_pending: 1`, 2 more pending
      -> acknowledge every message in the worker, also those that fail (nak, or term)
    one of several workers gets nothing: consumer ORDERS/billing hands out one message at a time, to all workers together
      `max_ack_pending: 1`
      -> raise `max_ack_pending`, if the order does not matter
    messages nobody gets: stream JOBS is a work queue without a consumer
      7 messages
      $ watershed apply
    ");
    let push = json!({"push_bound": true, "config": {"durable_name": "billing", "deliver_subject": "to.billing"}});
    insta::assert_snapshot!(with_file(&streams[..1], &[billing(push)], &json!({})), @"
    stream or consumer not found: stream JOBS is not there
      $ watershed apply
    one of several workers gets nothing: consumer ORDERS/billing is without a deliver group: only one of several workers may listen, or each gets everything
      2 of them are declared
      -> make it a pull consumer, or give it a `deliver_group`
    ");
}

#[test]
fn a_full_stream_refuses() {
    let full = stream(
        "F",
        json!({"subjects": ["f"], "discard": "new", "max_msgs": 5}),
        json!({"messages": 5, "first_seq": 1, "last_seq": 5}),
    );
    insta::assert_snapshot!(told(None, &seen(&[full], &[]), &json!({})), @"
    publish fails: stream F is full, and its `discard: new` refuses what is published
      5 messages, `max_msgs: 5`
      -> let the consumers catch up, or raise the limit
    ");
}
