//! What is known of an account at one moment, and what of it somebody has not seen yet.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::Arc;

use serde_json::{Value as Json, json};
use watershed_topology::dead_letter;
use watershed_topology::observe::{ObservedConsumer, ObservedStream};
use watershed_wire::time::UnixNanos;

/// A part of a sample, as JSON, and the number of the sample in which it last changed.
#[derive(Debug, Clone, Default)]
pub(crate) struct Part {
    json: Arc<str>,
    changed: u64,
}

impl Part {
    /// Takes over what is so in the sample `number`.
    pub(crate) fn set(&mut self, json: &Json, number: u64) {
        let text = json.to_string();
        if *self.json != *text {
            (self.json, self.changed) = (text.into(), number);
        }
    }
}

/// An account at one moment.
#[derive(Debug, Clone, Default)]
pub(crate) struct Sample {
    /// Counts samples, from 1.
    pub(crate) number: u64,
    /// Milliseconds since the first one.
    pub(crate) at_ms: u128,
    /// What is said anew each time: when, and why the rest is not.
    pub(crate) error: Option<String>,
    pub(crate) account: Part,
    pub(crate) names: Part,
    pub(crate) declared: Part,
    pub(crate) drift: Part,
    pub(crate) streams: BTreeMap<String, Part>,
}

impl Sample {
    /// What has changed since the sample `seen`, as JSON in one line.
    pub(crate) fn since(&self, seen: u64) -> String {
        let mut text = format!(r#"{{"number":{},"at":{}"#, self.number, self.at_ms);
        if let Some(error) = &self.error {
            let _ = write!(text, r#","error":{}"#, json!(error));
        }
        let parts = [
            ("account", &self.account),
            ("names", &self.names),
            ("declared", &self.declared),
            ("drift", &self.drift),
        ];
        for (name, part) in parts {
            if part.changed > seen {
                let _ = write!(text, r#","{name}":{}"#, part.json);
            }
        }
        let changed = self.streams.values().filter(|part| part.changed > seen);
        let changed: Vec<&str> = changed.map(|part| &*part.json).collect();
        let _ = write!(text, r#","streams":[{}]}}"#, changed.join(","));
        text
    }
}

/// A stream and its consumers.
pub(crate) fn stream(live: &ObservedStream) -> Json {
    let config = &live.info.config;
    let state = &live.info.state;
    let kind = if config.name.starts_with("KV_") {
        "key-value"
    } else if config.name.starts_with("OBJ_") {
        "object store"
    } else {
        "stream"
    };
    json!({
        "name": config.name,
        "kind": kind,
        "description": config.description,
        "subjects": config.subjects,
        "sources": config.sources.iter().map(|one| &one.name).collect::<Vec<_>>(),
        "mirror": config.mirror.as_ref().map(|one| &one.name),
        "retention": config.retention,
        "storage": config.storage,
        "max_age": config.max_age,
        "max_bytes": config.max_bytes,
        "max_msgs": config.max_msgs,
        "max_msgs_per_subject": config.max_msgs_per_subject,
        "discard": config.discard,
        "messages": state.messages,
        "bytes": state.bytes,
        "first_seq": state.first_seq,
        "last_seq": state.last_seq,
        "first_time": moment(state.messages > 0, state.first_ts),
        "last_time": moment(state.last_seq > 0, state.last_ts),
        "num_subjects": state.num_subjects,
        "owner": live.owner(),
        "keeps_dead": dead_letter::is_kept_by(&config.subjects),
        "consumers": live.consumers.values().map(consumer).collect::<Vec<_>>(),
        "silent": live.silent,
    })
}

fn consumer(live: &ObservedConsumer) -> Json {
    let info = &live.info;
    let config = &info.config;
    json!({
        "name": info.name,
        "filters": config.filters(),
        "durable": config.is_durable(),
        "push": config.is_push(),
        "deliver_group": config.deliver_group,
        "ack_policy": config.ack_policy,
        "ack_wait": config.ack_wait,
        "backoff": config.backoff,
        "max_deliver": config.max_deliver,
        "max_ack_pending": config.max_ack_pending,
        "delivered": info.delivered.consumer_seq,
        "delivered_to": info.delivered.stream_seq,
        "delivered_time": info.delivered.last_active.map(millis),
        "acked": info.ack_floor.consumer_seq,
        "acked_to": info.ack_floor.stream_seq,
        "acked_time": info.ack_floor.last_active.map(millis),
        "pending": info.num_pending,
        "ack_pending": info.num_ack_pending,
        "redelivered": info.num_redelivered,
        "waiting": info.num_waiting,
        "push_bound": info.push_bound,
        "paused": info.paused,
        "owner": live.owner(),
    })
}

fn moment(is_there: bool, time: UnixNanos) -> Option<i64> {
    is_there.then(|| millis(time))
}

/// Milliseconds since 1970, as browsers count.
pub(crate) fn millis(time: UnixNanos) -> i64 {
    time.0 / 1_000_000
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_new_is_sent() {
        let mut sample = Sample { number: 1, at_ms: 5, ..Sample::default() };
        sample.account.set(&json!({"user": "a"}), 1);
        sample.streams.entry("A".into()).or_default().set(&json!({"name": "A"}), 1);
        sample.streams.entry("B".into()).or_default().set(&json!({"name": "B"}), 1);
        let first =
            r#"{"number":1,"at":5,"account":{"user":"a"},"streams":[{"name":"A"},{"name":"B"}]}"#;
        assert_eq!(sample.since(0), first);
        (sample.number, sample.at_ms) = (2, 9);
        sample.account.set(&json!({"user": "a"}), 2);
        sample.streams.entry("A".into()).or_default().set(&json!({"name": "A", "n": 1}), 2);
        assert_eq!(sample.since(1), r#"{"number":2,"at":9,"streams":[{"n":1,"name":"A"}]}"#);
        // Whoever has missed some gets all of it.
        assert!(sample.since(0).contains(r#"{"name":"B"}"#));
        sample.error = Some("a\n\"b\"".into());
        let said = r#"{"number":2,"at":9,"error":"a\n\"b\"","streams":[]}"#;
        assert_eq!(sample.since(2), said);
    }
}
