//! Consumers that go on where another one was.

use std::collections::BTreeSet;

use serde_json::{Map, Value as Json, json};
use watershed_wire::jetstream::ConsumerConfig;
use watershed_wire::jetstream::consumer::{ConsumerInfo, DeliverPolicy};
use watershed_wire::subject::{contains, intersection};
use watershed_wire::time::UnixNanos;

use super::staging::{object, set_mark};
use crate::observe::OWNER;
use crate::plan::difference::METADATA;
use crate::version::Version;

/// Key of the metadata of a consumer that goes on where another one was: where it was declared to start.
const START: &str = "watershed.start";

/// Key of the metadata of a consumer that only keeps the position of another one, which it names.
const KEEPS: &str = "watershed.keeps";

/// Prefix of the name of such a consumer.
const KEEPER: &str = "watershed_keeps_";

/// Name of the consumer that holds the messages of a work queue without consumers, which would else be
/// emptied by its copy.
pub(crate) const HOLD: &str = "watershed_hold";

/// How long a consumer is paused, so that it goes on by itself if nobody comes back: an hour.
const PAUSED_FOR: i64 = 3_600_000_000_000;

const SECOND: i64 = 1_000_000_000;

/// Nanoseconds beyond the second at which our pauses end, by which they are known from those of people.
const PAUSE_MARK: i64 = 271_828_183;

/// Whether a server pauses consumers: from 2.11 on.
pub(crate) fn pauses_consumers(version: &str) -> bool {
    Version::of_server(version).is_at_least(2, 11, 0)
}

/// Until when a consumer is paused, from now on.
pub(crate) fn pause_from(now: UnixNanos) -> UnixNanos {
    let end = now.0.saturating_add(PAUSED_FOR);
    UnixNanos((end - end.rem_euclid(SECOND)).saturating_add(PAUSE_MARK))
}

/// Whether a pause that ends then is one of ours.
pub(crate) fn our_pause(until: UnixNanos) -> bool {
    until.0.rem_euclid(SECOND) == PAUSE_MARK
}

/// Whether the pause that a consumer has, or had, is one of ours.
pub(crate) fn is_paused_by_us(info: &ConsumerInfo) -> bool {
    info.config.pause_until.is_some_and(our_pause)
}

/// From where on a consumer has not finished. Servers differ in what the floor is of one that has
/// acknowledged nothing.
pub(crate) fn position(info: &ConsumerInfo) -> u64 {
    let floor = info.ack_floor.stream_seq;
    let done = if info.num_ack_pending == 0 { info.delivered.stream_seq } else { floor };
    let declared = match info.config.deliver_policy {
        DeliverPolicy::ByStartSequence => info.config.opt_start_seq,
        _ => 0,
    };
    (done.max(floor) + 1).max(declared)
}

/// A consumer that goes on at `start` where another one was that is configured so. A work queue
/// has no consumers but those that take all there is (10101).
pub(crate) fn carried(consumer: &Json, start: u64, work_queue: bool) -> Json {
    let mut config = object(consumer);
    let metadata = config.get(METADATA).and_then(|metadata| metadata.get(START));
    let declared = metadata.is_none().then(|| {
        let fields = ["deliver_policy", "opt_start_seq", "opt_start_time"].into_iter();
        let some = fields.filter_map(|field| Some((field.to_owned(), config.get(field)?.clone())));
        Json::String(Json::Object(some.collect()).to_string())
    });
    config.remove("opt_start_time");
    config.remove("opt_start_seq");
    if work_queue {
        config.insert("deliver_policy".to_owned(), json!("all"));
    } else {
        config.insert("deliver_policy".to_owned(), json!("by_start_sequence"));
        config.insert("opt_start_seq".to_owned(), json!(start.max(1)));
    }
    if let Some(declared) = declared {
        set_mark(&mut config, (START, declared));
    }
    Json::Object(config)
}

/// A consumer of a stream that has only messages of the subjects `moves`: it takes no others. One without a filter
/// takes what there is.
pub(crate) fn narrowed(consumer: &Json, filters: &[&str], moves: &[String]) -> Json {
    let mut config = object(consumer);
    let everything = |filter: &&str| *filter == ">";
    let within =
        |filter: &&str| moves.iter().any(|subject| contains(subject.as_bytes(), filter.as_bytes()));
    if moves.is_empty() || filters.iter().any(everything) || filters.iter().all(within) {
        return Json::Object(config);
    }
    let mut all = BTreeSet::new();
    for filter in filters {
        all.extend(moves.iter().filter_map(|subject| intersection(filter, subject)));
    }
    let all: Vec<String> = all.into_iter().collect();
    config.remove("filter_subject");
    config.remove("filter_subjects");
    match all.as_slice() {
        [only] => config.insert("filter_subject".to_owned(), json!(only)),
        _ => config.insert("filter_subjects".to_owned(), json!(all)),
    };
    Json::Object(config)
}

/// A consumer that belongs to this topology.
pub(crate) fn owned(consumer: &Json, topology: &str) -> Json {
    let mut config = object(consumer);
    set_mark(&mut config, (OWNER, json!(topology)));
    Json::Object(config)
}

/// A consumer that goes on where another one was, as if it had started where that one was declared to.
pub(crate) fn started_as(consumer: &mut ConsumerConfig) {
    let Some(declared) = consumer.metadata.remove(START) else { return };
    let Ok(declared) = serde_json::from_str::<ConsumerConfig>(&declared) else { return };
    consumer.deliver_policy = declared.deliver_policy;
    consumer.opt_start_seq = declared.opt_start_seq;
    consumer.opt_start_time = declared.opt_start_time;
}

/// Name of the consumer that keeps the position of another one.
pub(crate) fn keeper_name(consumer: &str) -> String {
    format!("{KEEPER}{consumer}")
}

/// Whether a consumer only keeps the position of another one.
pub(crate) fn is_keeper(config: &ConsumerConfig) -> bool {
    config.metadata.contains_key(KEEPS)
}

/// A consumer that takes what `of` takes, from `start` on, and that nobody reads.
pub(crate) fn keep(of: &ConsumerConfig, name: &str, start: u64) -> Json {
    let keeper = keeper_name(name);
    let mut config = Map::new();
    let mut put = |field: &str, value: Json| drop(config.insert(field.to_owned(), value));
    put("name", json!(keeper));
    put("durable_name", json!(keeper));
    put("ack_policy", json!("explicit"));
    put("deliver_policy", json!("by_start_sequence"));
    put("opt_start_seq", json!(start.max(1)));
    put("max_deliver", json!(-1));
    if !of.filter_subject.is_empty() {
        put("filter_subject", json!(of.filter_subject));
    }
    if !of.filter_subjects.is_empty() {
        put("filter_subjects", json!(of.filter_subjects));
    }
    put(METADATA, json!({KEEPS: name}));
    Json::Object(config)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn our_pauses_are_known() {
        for now in [0, 1, 999_999_999, 1_764_273_600_123_456_789] {
            let until = pause_from(UnixNanos(now));
            assert!(our_pause(until), "{now}");
            assert!(
                (PAUSED_FOR - SECOND..=PAUSED_FOR + SECOND).contains(&(until.0 - now)),
                "{now}"
            );
        }
        assert!(!our_pause(UnixNanos(1_764_273_600_000_000_000)));
    }

    #[track_caller]
    fn check(info: Json, expected: u64) {
        assert_eq!(position(&serde_json::from_value(info).unwrap()), expected);
    }

    #[test]
    fn a_position_is_behind_what_is_finished() {
        let info = |delivered: u64, floor: u64, outstanding: usize, config: Json| {
            json!({
                "delivered": {"stream_seq": delivered},
                "ack_floor": {"stream_seq": floor},
                "num_ack_pending": outstanding,
                "config": config,
            })
        };
        check(info(0, 0, 0, json!({})), 1);
        check(info(9, 9, 0, json!({})), 10);
        check(info(9, 4, 3, json!({})), 5);
        // What went before the floor knows of it.
        check(info(9, 4, 0, json!({})), 10);
        let start = json!({"deliver_policy": "by_start_sequence", "opt_start_seq": 7});
        // 2.12 says 0 where nothing was acknowledged.
        check(info(6, 0, 0, start.clone()), 7);
        check(info(8, 0, 2, start), 7);
    }
}
