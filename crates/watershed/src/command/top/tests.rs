//! Screens of several sizes, and what keys do to them.

use std::collections::BTreeMap;
use std::time::Duration;

use ratatui::Terminal;
use ratatui::backend::TestBackend;
use watershed_topology::observe::{Observed, ObservedConsumer, ObservedStream};
use watershed_wire::jetstream::consumer::{ConsumerConfig, ConsumerInfo, SequencePair};
use watershed_wire::jetstream::stream::{StreamConfig, StreamInfo, StreamState};
use watershed_wire::time::UnixNanos;

use super::draw::draw;
use super::state::{Effect, Key, Message, Sample, State, Target};

const NOW: UnixNanos = UnixNanos(1_800_000_000_000_000_000);

fn ago(seconds: i64) -> UnixNanos {
    UnixNanos(NOW.0 - seconds * 1_000_000_000)
}

fn consumer(name: &str, filter: &str, counts: [u64; 4]) -> (String, ObservedConsumer) {
    let [delivered, acked, pending, waiting] = counts;
    let pair = |consumer_seq| SequencePair {
        consumer_seq,
        stream_seq: consumer_seq,
        last_active: Some(ago(5)),
    };
    let config = ConsumerConfig {
        filter_subject: filter.to_owned(),
        ack_wait: 30_000_000_000,
        max_deliver: 5,
        max_ack_pending: 1000,
        ..ConsumerConfig::default()
    };
    let info = ConsumerInfo {
        name: name.to_owned(),
        config,
        delivered: pair(delivered),
        ack_floor: pair(acked),
        num_ack_pending: usize::try_from(delivered - acked).unwrap(),
        num_pending: pending,
        num_waiting: usize::try_from(waiting).unwrap(),
        ..ConsumerInfo::default()
    };
    (name.to_owned(), ObservedConsumer { info, ..ObservedConsumer::default() })
}

fn stream(name: &str, subject: &str, messages: u64) -> ObservedStream {
    let config = StreamConfig {
        name: name.to_owned(),
        subjects: vec![subject.to_owned()],
        max_bytes: 1 << 20,
        ..StreamConfig::default()
    };
    let state = StreamState {
        messages,
        bytes: messages * 1024,
        first_seq: 1,
        last_seq: messages,
        first_ts: ago(7200),
        ..StreamState::default()
    };
    let info = StreamInfo { config, state, ..StreamInfo::default() };
    ObservedStream { info, ..ObservedStream::default() }
}

/// A look at three streams, `seconds` after the first one.
fn sample(seconds: u64) -> Sample {
    let mut orders = stream("ORDERS", "orders.>", 100 + seconds * 50);
    orders.consumers = BTreeMap::from([
        consumer("billing", "orders.*.paid", [40 + seconds * 10, 38 + seconds * 9, 60, 1]),
        consumer("a-consumer-with-a-name-that-does-not-end", "orders.>", [100, 100, 0, 0]),
    ]);
    let mut observed = Observed::default();
    observed.server.version = "2.14.6".to_owned();
    observed.account.storage = 123_456;
    observed.account.limits.max_storage = 10 << 30;
    observed.streams.insert("ORDERS".to_owned(), orders);
    observed.streams.insert("DEAD".to_owned(), stream("DEAD", "dead.ORDERS.*.*.*", 3));
    let oldest = BTreeMap::from([(("ORDERS".to_owned(), "billing".to_owned()), ago(95))]);
    Sample { at: Duration::from_secs(seconds), now: NOW, observed, oldest, dead: 2, messages: None }
}

fn state() -> State {
    let mut state = State::new("nats://127.0.0.1:4222".to_owned(), Duration::from_secs(2));
    state.take(sample(0));
    state.take(sample(2));
    state
}

fn screen(state: &State, width: u16, height: u16) -> String {
    let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
    terminal.draw(|frame| draw(frame, state)).unwrap();
    let buffer = terminal.backend().buffer().clone();
    let rows = buffer.content().chunks(usize::from(width));
    let line = |row: &[ratatui::buffer::Cell]| {
        row.iter().map(ratatui::buffer::Cell::symbol).collect::<String>().trim_end().to_owned()
    };
    rows.map(line).collect::<Vec<_>>().join("\n")
}

#[test]
fn what_matters_least_is_left_out_where_it_does_not_fit() {
    insta::assert_snapshot!(screen(&state(), 80, 9), @"
    watershed top  nats://127.0.0.1:4222  2.14.6  08:00:00  every 2s
    120.6KiB of 10.0GiB on disk, 0B in memory, 2 dead letters

      consumer                  stream  out/s  pending v  ack pending  oldest
    > billing                   ORDERS   10.0         60            4      1m
      a-consumer-with-a-name-…  ORDERS      0          0            0


    q quit  tab streams  enter look  s sort  r reverse  / filter  p pause
    ");
    insta::assert_snapshot!(screen(&state(), 100, 9), @"
    watershed top  nats://127.0.0.1:4222  2.14.6  08:00:00  every 2s
    120.6KiB of 10.0GiB on disk, 0B in memory, 2 dead letters

      consumer                  stream  out/s  pending v  ack pending  oldest  waiting  redelivered
    > billing                   ORDERS   10.0         60            4      1m        1            0
      a-consumer-with-a-name-…  ORDERS      0          0            0                0            0


    q quit  tab streams  enter look  s sort  r reverse  / filter  p pause
    ");
    insta::assert_snapshot!(screen(&state(), 140, 9), @"
    watershed top  nats://127.0.0.1:4222  2.14.6  08:00:00  every 2s
    120.6KiB of 10.0GiB on disk, 0B in memory, 2 dead letters

      consumer                                  stream  out/s  ack/s  pending v  ack pending  oldest  waiting  redelivered  filter
    > billing                                   ORDERS   10.0    9.0         60            4      1m        1            0  orders.*.paid
      a-consumer-with-a-name-that-does-not-end  ORDERS      0      0          0            0                0            0  orders.>


    q quit  tab streams  enter look  s sort  r reverse  / filter  p pause
    ");
    insta::assert_snapshot!(screen(&state(), 40, 9), @"
    watershed top  nats://127.0.0.1:4222  2.
    120.6KiB of 10.0GiB on disk, 0B in memor

      consumer      stream  out/s  pending v
    > billing       ORDERS   10.0         60
      a-consumer-…  ORDERS      0          0


    q quit  tab streams  enter look  s sort
    ");
    // Whatever the size, there is a screen.
    for (width, height) in [(1, 1), (3, 2), (10, 3), (500, 100)] {
        screen(&state(), width, height);
    }
}

#[test]
fn streams_are_another_table() {
    let mut state = state();
    state.press(Key::Tab);
    insta::assert_snapshot!(screen(&state, 80, 8), @"
    watershed top  nats://127.0.0.1:4222  2.14.6  08:00:00  every 2s
    120.6KiB of 10.0GiB on disk, 0B in memory, 2 dead letters

      stream  in/s  messages v     bytes  full  consumers  oldest  state
    > ORDERS  50.0         200  200.0KiB   19%          0      2h
      DEAD       0           3    3.0KiB    0%          0      2h  dead letters

    q quit  tab consumers  enter look  s sort  r reverse  / filter  p pause
    ");
}

#[test]
fn rows_are_sorted_and_filtered() {
    let mut state = state();
    let first = |state: &State| state.rows().first().map(|row| row.target.clone());
    let billing = Target::Consumer("ORDERS".to_owned(), "billing".to_owned());
    assert_eq!(first(&state), Some(billing.clone()));
    state.press(Key::Sign('r'));
    assert_ne!(first(&state), Some(billing.clone()));
    for sign in "/paid".chars() {
        state.press(Key::Sign(sign));
    }
    assert_eq!(state.rows().len(), 1);
    state.press(Key::Enter);
    assert_eq!(state.press(Key::Enter), Some(Effect::Look(Some(billing))));
    assert_eq!(state.press(Key::Back), Some(Effect::Look(None)));
    state.press(Key::Back);
    assert_eq!(state.rows().len(), 2);
    assert_eq!(state.press(Key::Sign('q')), Some(Effect::Quit));
}

/// What a message, a subject or a header holds is never obeyed by a terminal.
#[test]
fn a_consumer_is_shown_with_its_messages() {
    let mut state = state();
    let Some(Effect::Look(Some(target))) = state.press(Key::Enter) else { panic!() };
    let message = Message {
        sequence: 59,
        time: ago(95),
        subject: "orders.\u{1b}[2J.paid".to_owned(),
        headers: vec![("A".to_owned(), "b\u{202e}c".to_owned())],
        payload: b"{\"a\":\n\x1b]0;x\x07}\xff".to_vec(),
    };
    state.take(Sample { messages: Some((target, vec![message])), ..sample(4) });
    insta::assert_snapshot!(screen(&state, 80, 15), @r#"
    watershed top  nats://127.0.0.1:4222  2.14.6  08:00:00  every 2s
    120.6KiB of 10.0GiB on disk, 0B in memory, 2 dead letters

    consumer billing of ORDERS
    takes orders.*.paid
    pending 60, ack pending 6 of 1000, redelivered 0, waiting 1
    delivered up to #80, 5s ago; acknowledged up to #74, 5s ago
    ack wait 30s, at most 5 deliveries

    oldest messages that are not acknowledged
    #59 orders.\u{1b}[2J.paid  1m ago
      A: b\u{202e}c
      {"a":\n\u{1b}]0;x\u{7}}�

    esc back  q quit
    "#);
}

#[test]
fn a_server_that_goes_away_is_said() {
    let mut state = state();
    state.error = Some("no answer\nwithin 5s".to_owned());
    assert!(screen(&state, 80, 8).contains("no answer\\nwithin 5s"));
    state.take(sample(6));
    assert!(!screen(&state, 80, 8).contains("no answer"));
}
