//! Consumers that go on where another one was.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value as Json, json};
use watershed_wire::jetstream::ConsumerConfig;
use watershed_wire::jetstream::consumer::{ConsumerInfo, DeliverPolicy};
use watershed_wire::jetstream::stream::StreamConfig;
use watershed_wire::subject::{contains, intersection, is_valid, overlaps, uncovered};
use watershed_wire::time::UnixNanos;

use super::staging::{object, set_mark};
use crate::observe::{OWNER, ObservedConsumer};
use crate::plan::difference::METADATA;

/// Key of the metadata of a consumer that goes on where another one was: where it was declared to start.
const START: &str = "watershed.start";

/// Key of the metadata of a consumer that only keeps the position of another one, which it names.
const KEEPS: &str = "watershed.keeps";

/// Prefix of the name of such a consumer.
const KEEPER: &str = "watershed_keeps_";

/// Name of the consumer that holds those messages of a work queue that no other one takes: copying would remove
/// them from it.
pub(crate) const HOLD: &str = "watershed_hold";

/// How long a consumer is paused, so that it goes on by itself if nobody comes back: an hour.
const PAUSED_FOR: i64 = 3_600_000_000_000;

const SECOND: i64 = 1_000_000_000;

/// Nanoseconds beyond the second at which our pauses end, by which they are known from those of people.
const PAUSE_MARK: i64 = 271_828_183;

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
    set_filters(&mut config, &all.into_iter().collect::<Vec<_>>());
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

/// The durable consumers among these, but for [`HOLD`].
pub(crate) fn durable(
    consumers: &BTreeMap<String, ObservedConsumer>,
) -> impl Iterator<Item = (&String, &ObservedConsumer)> {
    consumers.iter().filter(|(name, one)| one.is_durable() && *name != HOLD)
}

/// The filters under which [`HOLD`] has to take what is copied of a work queue, all of it or `moves`, if its consumers
/// take `taken`. An error is a subject that none takes and that cannot be held, as consumers of a work queue share no subject
/// (10100).
pub(crate) fn to_hold(
    config: &StreamConfig,
    moves: &[String],
    taken: &[&str],
) -> Result<Vec<String>, String> {
    // What comes from elsewhere may have any subject.
    let is_open = !config.sources.is_empty() || config.subject_transform.is_some();
    let everything = [">".to_owned()];
    let stored = match moves {
        [] if is_open => &everything[..],
        [] => &config.subjects,
        moves => moves,
    };
    let mut held = Vec::new();
    for subject in stored.iter().filter(|subject| is_valid(subject.as_bytes())) {
        let Some(open) = uncovered(subject, taken) else { continue };
        if taken.iter().any(|filter| overlaps(filter.as_bytes(), subject.as_bytes())) {
            return Err(open);
        }
        held.push(subject.clone());
    }
    Ok(held)
}

/// A consumer that takes these subjects, or without any, everything; nobody reads it.
pub(crate) fn hold(subjects: &[String]) -> Json {
    let mut config = unread(HOLD);
    set_filters(&mut config, subjects);
    Json::Object(config)
}

/// A durable consumer that nobody reads.
fn unread(name: &str) -> Map<String, Json> {
    let fields = [("name", name), ("durable_name", name), ("ack_policy", "explicit")];
    fields.map(|(field, value)| (field.to_owned(), json!(value))).into_iter().collect()
}

/// Makes a consumer take these subjects.
fn set_filters(config: &mut Map<String, Json>, subjects: &[String]) {
    config.remove("filter_subject");
    config.remove("filter_subjects");
    match subjects {
        [] => None,
        [only] => config.insert("filter_subject".to_owned(), json!(only)),
        several => config.insert("filter_subjects".to_owned(), json!(several)),
    };
}

/// A consumer that takes what `of` takes, from `start` on, and that nobody reads.
pub(crate) fn keep(of: &ConsumerConfig, name: &str, start: u64) -> Json {
    let mut config = unread(&keeper_name(name));
    let mut put = |field: &str, value: Json| drop(config.insert(field.to_owned(), value));
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
    fn check_hold(config: Json, taken: &[&str], expected: Result<&[&str], &str>) {
        let config = serde_json::from_value(config).unwrap();
        let held = to_hold(&config, &[], taken);
        let held = held.as_ref().map(|all| all.iter().map(String::as_str).collect::<Vec<_>>());
        assert_eq!(held.as_deref().map_err(|open| open.as_str()), expected);
    }

    #[test]
    fn what_nobody_takes_is_held() {
        let two = json!({"subjects": ["w.a", "w.b.>"]});
        check_hold(two.clone(), &[], Ok(&["w.a", "w.b.>"]));
        check_hold(two.clone(), &["w.a"], Ok(&["w.b.>"]));
        check_hold(two.clone(), &["w.>"], Ok(&[]));
        check_hold(two.clone(), &["w.a", "w.b.*"], Err("w.b.x.x"));
        check_hold(two, &["w.b.c"], Err("w.b.x"));
        let sourced = json!({"sources": [{"name": "O"}]});
        check_hold(sourced.clone(), &[], Ok(&[">"]));
        check_hold(sourced, &["w.>"], Err("x"));
        let elsewhere = json!({
            "subjects": ["w.a"],
            "subject_transform": {"src": "w.a", "dest": "v.a"},
        });
        check_hold(elsewhere, &["w.a"], Err("x"));
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
