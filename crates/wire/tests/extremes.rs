//! Every number of every request at its extremes: an error, or a value that is safe to count with.

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use watershed_wire::handshake::Connect;
use watershed_wire::jetstream::ack::{Ack, AckSubject};
use watershed_wire::jetstream::check::{
    Bounds, consumer, consumer_on_stream, consumer_within, fill_consumer, fill_stream, stream,
    stream_within,
};
use watershed_wire::jetstream::consumer::{ConsumerListRequest, CreateRequest};
use watershed_wire::jetstream::message::{DeleteRequest, GetRequest};
use watershed_wire::jetstream::publish::TimeToLive;
use watershed_wire::jetstream::pull::PullRequest;
use watershed_wire::jetstream::stream::{PurgeRequest, StreamInfoRequest, StreamListRequest};
use watershed_wire::jetstream::{ConsumerConfig, StreamConfig, json};
use watershed_wire::limits::SEQUENCE_MAX;

const EXTREMES: &[&str] = &[
    "0",
    "1",
    "-1",
    "2147483647",
    "2147483648",
    "-2147483649",
    "4294967296",
    "4611686018427387904",
    "9223372036854775807",
    "9223372036854775808",
    "-9223372036854775808",
    "-9223372036854775809",
    "18446744073709551615",
    "18446744073709551616",
    "1e400",
    "-1e400",
    "1e18",
    "1.5",
    "-0",
];

/// Bodies like `sample` with one of its numbers at an extreme, each with the place of the number.
fn bodies(sample: &Value) -> Vec<(String, String)> {
    let mut places = Vec::new();
    numbers(sample, String::new(), &mut places);
    assert!(!places.is_empty(), "{sample} has no numbers");
    let extreme = |place: &String, extreme: &&str| {
        let mut body = sample.clone();
        *body.pointer_mut(place).expect("a place of the sample") = "EXTREME".into();
        (format!("{place} = {extreme}"), body.to_string().replace("\"EXTREME\"", extreme))
    };
    let all = places.iter();
    all.flat_map(|place| EXTREMES.iter().map(move |number| extreme(place, number))).collect()
}

fn numbers(value: &Value, place: String, places: &mut Vec<String>) {
    match value {
        Value::Number(_) => places.push(place),
        Value::Object(fields) => {
            for (name, value) in fields {
                numbers(value, format!("{place}/{name}"), places);
            }
        }
        Value::Array(items) => {
            for (index, value) in items.iter().enumerate() {
                numbers(value, format!("{place}/{index}"), places);
            }
        }
        _ => {}
    }
}

/// What becomes of each body that can be read. What can be is written again.
fn each<T: DeserializeOwned + Serialize>(sample: &Value, mut check: impl FnMut(&str, T)) {
    let mut read = 0;
    for (place, body) in bodies(sample) {
        if let Ok(request) = json::decode::<T>(body.as_bytes()) {
            json::encode(&request);
            check(&place, request);
            read += 1;
        }
    }
    assert!(read > 0, "{sample}: no body was read");
}

fn strict_bounds() -> Bounds {
    Bounds {
        max_consumers: Some(5),
        max_ack_pending: Some(5),
        max_request_batch: Some(5),
        duplicate_window: Some(i64::MAX),
        ..Bounds::default()
    }
}

#[test]
fn streams() {
    let sample = serde_json::json!({
        "name": "S", "max_consumers": 1, "max_msgs": 1, "max_bytes": 1, "max_age": 1_000_000_000,
        "max_msgs_per_subject": 1, "max_msg_size": 1, "num_replicas": 1,
        "duplicate_window": 1_000_000_000, "first_seq": 1, "subject_delete_marker_ttl": 1_000_000_000,
        "consumer_limits": {"inactive_threshold": 1, "max_ack_pending": 1},
        "sources": [{"name": "A", "opt_start_seq": 1}],
    });
    let mut mirror = sample.clone();
    mirror["mirror"] = serde_json::json!({"name": "A", "opt_start_seq": 1});
    for field in ["sources", "first_seq", "subject_delete_marker_ttl"] {
        mirror.as_object_mut().unwrap().remove(field);
    }
    for sample in [sample, mirror] {
        each(&sample, |place, mut config: StreamConfig| {
            fill_stream(&mut config, &strict_bounds());
            stream_within(&config, &strict_bounds());
            if !stream(&config).is_empty() {
                return;
            }
            let amount = |value: i64| value == -1 || value > 0;
            let amounts = [
                config.max_consumers,
                config.max_msgs,
                config.max_bytes,
                config.max_msgs_per_subject,
            ];
            assert!(amounts.into_iter().all(amount), "{place}");
            assert!(config.max_age >= 0 && config.duplicate_window >= 0, "{place}");
            assert!(config.subject_delete_marker_ttl >= 0, "{place}");
            assert!((0..=5).contains(&config.num_replicas), "{place}");
            let origins = config.mirror.iter().chain(&config.sources);
            let starts = origins.map(|origin| origin.opt_start_seq);
            assert!(starts.chain([config.first_seq]).all(|seq| seq <= SEQUENCE_MAX), "{place}");
        });
    }
}

#[test]
fn consumers() {
    let push = serde_json::json!({
        "stream_name": "S",
        "config": {
            "ack_policy": "explicit", "deliver_policy": "by_start_sequence", "opt_start_seq": 1,
            "ack_wait": 1, "max_deliver": 2, "backoff": [1, 1], "rate_limit_bps": 1,
            "max_ack_pending": 1, "deliver_subject": "d", "idle_heartbeat": 1_000_000_000,
            "inactive_threshold": 1, "num_replicas": 0,
        },
    });
    let pull = serde_json::json!({
        "stream_name": "S",
        "config": {
            "ack_policy": "explicit", "max_waiting": 1, "max_batch": 1, "max_expires": 1_000_000,
            "max_bytes": 1, "priority_policy": "pinned_client", "priority_groups": ["a"],
            "priority_timeout": 1,
        },
    });
    let mut on = StreamConfig::named("S", &["s"]);
    on.consumer_limits.max_ack_pending = 5;
    fill_stream(&mut on, &Bounds::default());
    for sample in [push, pull] {
        each(&sample, |place, mut request: CreateRequest| {
            let config: &mut ConsumerConfig = &mut request.config;
            fill_consumer(config, &on, &strict_bounds());
            let mut found = consumer(config);
            found.extend(consumer_on_stream(config, &on));
            found.extend(consumer_within(config, &strict_bounds()));
            if !found.is_empty() {
                return;
            }
            let durations = [
                config.ack_wait,
                config.max_expires,
                config.idle_heartbeat,
                config.inactive_threshold,
                config.priority_timeout,
                config.max_waiting,
                config.max_batch,
                config.max_bytes,
                config.num_replicas,
            ];
            assert!(durations.iter().chain(&config.backoff).all(|value| *value >= 0), "{place}");
            assert!(config.max_deliver == -1 || config.max_deliver > 0, "{place}");
            assert!(config.opt_start_seq <= SEQUENCE_MAX, "{place}");
        });
    }
}

#[test]
fn other_requests() {
    let get = serde_json::json!({"seq": 1, "batch": 1, "max_bytes": 1, "up_to_seq": 1});
    each(&get, |_, _: GetRequest| {});
    each(&serde_json::json!({"seq": 1}), |_, _: DeleteRequest| {});
    each(&serde_json::json!({"seq": 1, "keep": 1}), |_, _: PurgeRequest| {});
    each(&serde_json::json!({"offset": 1}), |_, _: StreamInfoRequest| {});
    each(&serde_json::json!({"offset": 1}), |_, _: StreamListRequest| {});
    each(&serde_json::json!({"offset": 1}), |_, _: ConsumerListRequest| {});
    for (_, body) in bodies(&serde_json::json!({"protocol": 1})) {
        Connect::decode(body.as_bytes());
    }
}

#[test]
fn pulls_and_acknowledgements() {
    let sample = serde_json::json!({
        "batch": 1, "expires": 1, "max_bytes": 1, "idle_heartbeat": 1, "min_pending": 1,
        "min_ack_pending": 1, "priority": 1,
    });
    let bare = EXTREMES.iter().map(|number| (format!("bare {number}"), (*number).to_owned()));
    for (place, body) in bodies(&sample).into_iter().chain(bare) {
        let Ok(pull) = PullRequest::parse(body.as_bytes()) else { continue };
        assert!(pull.batch > 0, "{place}");
        assert!(pull.expires >= 0 && pull.max_bytes >= 0 && pull.idle_heartbeat >= 0, "{place}");
        assert!((0..=9).contains(&pull.priority), "{place}");
    }
    for number in EXTREMES {
        let nak = Ack::parse(format!("-NAK {{\"delay\": {number}}}").as_bytes());
        assert!(matches!(nak, Some(Ack::Nak { delay: 0.. })), "{number}: {nak:?}");
        for at in 0..5 {
            let mut numbers = ["1"; 5];
            numbers[at] = number;
            let subject = format!("$JS.ACK.S.C.{}", numbers.join("."));
            if let Some(parsed) = AckSubject::parse(subject.as_bytes()) {
                parsed.encode(&mut Vec::new());
            }
        }
        if let Some(TimeToLive::Nanos(nanos)) = TimeToLive::parse(number.as_bytes()) {
            assert!(nanos > 0, "{number}");
        }
        for unit in ["ns", "us", "ms", "s", "m", "h"] {
            let text = format!("{number}{unit}");
            watershed_wire::time::parse_go_duration(&text.repeat(1000));
        }
    }
}
