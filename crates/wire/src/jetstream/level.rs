//! API levels (ADR-44): which level of the API a configuration needs, as nats-server 2.14.6 writes it
//! into the metadata of streams and consumers.

use std::collections::BTreeMap;

use super::consumer::{AckPolicy, ConsumerConfig, PriorityPolicy};
use super::stream::{PersistMode, StreamConfig};
use super::{API_LEVEL, NATS_VERSION};

/// Metadata that is kept with an asset: the level that it needs.
const REQUIRED: &str = "_nats.req.level";
/// Metadata that is only shown: the level of the server.
const LEVEL: &str = "_nats.level";
/// Metadata that is only shown: the version of the server.
const VERSION: &str = "_nats.ver";

/// The API level that a stream needs.
pub fn required_by_stream(config: &StreamConfig) -> u32 {
    let needs = [
        (config.allow_batched, 4),
        (config.allow_msg_counter, 2),
        (config.allow_atomic, 2),
        (config.allow_msg_schedules, 2),
        (config.persist_mode != PersistMode::Default, 2),
        (config.allow_msg_ttl, 1),
        (config.subject_delete_marker_ttl > 0, 1),
    ];
    highest(needs)
}

/// The API level that a consumer needs.
pub fn required_by_consumer(config: &ConsumerConfig) -> u32 {
    let needs = [
        (config.ack_policy == AckPolicy::FlowControl, 4),
        (config.pause_until.is_some(), 1),
        (config.priority_policy != PriorityPolicy::None, 1),
        (!config.priority_groups.is_empty(), 1),
    ];
    highest(needs)
}

fn highest<const N: usize>(needs: [(bool, u32); N]) -> u32 {
    let needed = needs.into_iter().filter(|(needed, _)| *needed);
    needed.map(|(_, level)| level).max().unwrap_or(0)
}

/// Writes the level that an asset needs into the metadata that is kept with it, in place of what a
/// client wrote under the server's names.
pub fn keep(metadata: &mut BTreeMap<String, String>, required: u32) {
    for name in [LEVEL, VERSION] {
        metadata.remove(name);
    }
    metadata.insert(REQUIRED.into(), required.to_string());
}

/// Adds what replies show beside it.
pub fn show(metadata: &mut BTreeMap<String, String>) {
    metadata.insert(LEVEL.into(), API_LEVEL.to_string());
    metadata.insert(VERSION.into(), NATS_VERSION.into());
}

/// Takes out again what [`show`] has put in.
pub fn hide(metadata: &mut BTreeMap<String, String>) {
    metadata.remove(LEVEL);
    metadata.remove(VERSION);
}

#[cfg(test)]
mod tests {
    use super::super::check::{Bounds, fill_consumer, fill_stream};
    use super::super::json;
    use super::*;

    fn stream(fields: &str) -> StreamConfig {
        let body = format!(r#"{{"name":"S","subjects":["l"]{}{fields}}}"#, comma(fields));
        let mut config: StreamConfig = json::decode(body.as_bytes()).unwrap();
        fill_stream(&mut config, &Bounds::default());
        config
    }

    fn consumer(fields: &str) -> ConsumerConfig {
        let body = format!("{{{fields}}}");
        let mut config: ConsumerConfig = json::decode(body.as_bytes()).unwrap();
        fill_consumer(&mut config, &stream(""), &Bounds::default());
        config
    }

    fn comma(fields: &str) -> &'static str {
        if fields.is_empty() { "" } else { "," }
    }

    /// Lines of `fields => level`; the levels are nats-server 2.14.6's own.
    #[track_caller]
    fn check(level: impl Fn(&str) -> u32, lines: &str) {
        for line in lines.trim().lines().map(str::trim) {
            let (fields, expected) = line.split_once("=>").unwrap();
            assert_eq!(level(fields.trim()).to_string(), expected.trim(), "{fields}");
        }
    }

    #[test]
    fn streams_need_the_levels_that_nats_server_says() {
        check(
            |fields| required_by_stream(&stream(fields)),
            r#"
            => 0
            "description": "x" => 0
            "max_age": 1000000000000 => 0
            "allow_msg_ttl": true => 1
            "subject_delete_marker_ttl": 1000000000 => 1
            "allow_msg_counter": true => 2
            "allow_atomic": true => 2
            "allow_msg_schedules": true => 2
            "allow_batched": true => 4
            "persist_mode": "async" => 2
            "persist_mode": "default" => 0
            "compression": "s2" => 0
            "first_seq": 5 => 0
            "subject_transform": {"src": "l", "dest": "m"} => 0
            "republish": {"src": "l", "dest": "m"} => 0
            "consumer_limits": {"max_ack_pending": 5} => 0
            "allow_direct": true => 0
            "deny_delete": true => 0
            "discard": "new", "discard_new_per_subject": true, "max_msgs_per_subject": 1 => 0
            "metadata": {"_nats.req.level": "3"} => 0
            "sources": [{"name": "S", "subject_transforms": [{"src": "s.a", "dest": "q"}]}] => 0
            "sources": [{"name": "S", "consumer": {"name": "c", "deliver_subject": "d"}}] => 0
            "mirror": {"name": "S"}, "mirror_direct": true => 0
            "allow_msg_ttl": true, "allow_atomic": true => 2
            "allow_atomic": true, "allow_batched": true => 4
            "retention": "workqueue" => 0
            "storage": "memory" => 0
            "no_ack": true => 0
            "placement": {"cluster": "x"} => 0
            "allow_rollup_hdrs": true => 0
            "max_msg_size": 10 => 0
            "#,
        );
    }

    #[test]
    fn consumers_need_the_levels_that_nats_server_says() {
        check(
            |fields| required_by_consumer(&consumer(fields)),
            r#"
            => 0
            "durable_name": "c" => 0
            "pause_until": "2100-01-01T00:00:00Z" => 1
            "pause_until": "2000-01-01T00:00:00Z" => 1
            "pause_until": "0001-01-01T00:00:00Z" => 0
            "priority_policy": "overflow", "priority_groups": ["a"] => 1
            "priority_policy": "pinned_client", "priority_groups": ["a"], "priority_timeout": 1000000000 => 1
            "priority_policy": "prioritized", "priority_groups": ["a"] => 1
            "priority_policy": "none" => 0
            "ack_policy": "flow_control", "deliver_subject": "q" => 4
            "deliver_subject": "q", "flow_control": true, "idle_heartbeat": 1000000000 => 0
            "filter_subjects": ["s.a", "s.b"] => 0
            "metadata": {"_nats.req.level": "3"} => 0
            "replay_policy": "original" => 0
            "rate_limit_bps": 5, "deliver_subject": "q" => 0
            "sample_freq": "10" => 0
            "headers_only": true => 0
            "mem_storage": true => 0
            "max_batch": 5 => 0
            "backoff": [1], "max_deliver": 5 => 0
            "inactive_threshold": 1000000000 => 0
            "direct": true, "deliver_subject": "q" => 0
            "deliver_policy": "by_start_sequence", "opt_start_seq": 4 => 0
            "#,
        );
    }

    #[test]
    fn clients_do_not_write_under_the_servers_names() {
        let client =
            [("_nats.foo", "3"), (VERSION, "x"), (LEVEL, "9"), (REQUIRED, "9"), ("b", "c")];
        let mut metadata: BTreeMap<String, String> =
            client.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect();
        keep(&mut metadata, 1);
        let kept: Vec<_> = metadata.iter().map(|(name, value)| format!("{name}={value}")).collect();
        assert_eq!(kept, ["_nats.foo=3", "_nats.req.level=1", "b=c"]);
        show(&mut metadata);
        assert_eq!((metadata[LEVEL].as_str(), metadata[VERSION].as_str()), ("4", "2.14.6"));
    }
}
