//! The mutability table: what an update may change, field by field.
//!
//! The rules are nats-server 2.14's. A server refuses what [`refuse_stream`] and [`refuse_consumer`]
//! name; a planner classifies with the same rows.

use super::consumer::ConsumerConfig;
use super::error::{ApiError, table};
use super::stream::{Retention, StreamConfig};

/// What an update of a field is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rule {
    /// Nothing but the field changes.
    Free,
    /// Accepted; a stricter value deletes stored messages at once.
    MayDelete,
    /// Refused, always.
    Never,
    /// Can be switched on, and never off again.
    OneWay,
    /// Depends on the two values.
    Guarded,
}

/// A row: a field, how to see that it differs, and what that means.
struct Row<C> {
    field: &'static str,
    rule: Rule,
    /// nats-server's text where the rule refuses.
    refusal: &'static str,
    differs: fn(&C, &C) -> bool,
    /// Whether this change is refused; looked at where the rule is not [`Rule::Free`].
    refused: fn(&C, &C) -> bool,
}

macro_rules! rows {
    ($config:ty; $($rule:ident $field:ident $refusal:literal $(if $refused:expr)?;)*) => {
        &[$(Row::<$config> {
            field: stringify!($field),
            rule: Rule::$rule,
            refusal: $refusal,
            differs: |old, new| old.$field != new.$field,
            refused: rows!(@refused $config; $rule $field $(if $refused)?),
        }),*]
    };
    (@refused $config:ty; $rule:ident $field:ident if $refused:expr) => { $refused };
    (@refused $config:ty; Never $field:ident) => { |_, _| true };
    (@refused $config:ty; OneWay $field:ident) => { |old, new| old.$field && !new.$field };
    (@refused $config:ty; $rule:ident $field:ident) => { |_, _| false };
}

/// Rows in the order in which nats-server looks.
const STREAM: &[Row<StreamConfig>] = rows! { StreamConfig;
    Never storage "stream configuration update can not change storage type";
    Guarded retention "stream configuration update can not change retention policy to/from workqueue"
        if |old: &StreamConfig, new: &StreamConfig| {
            (old.retention == Retention::WorkQueue) != (new.retention == Retention::WorkQueue)
        };
    OneWay sealed "stream configuration update can not unseal a sealed stream";
    OneWay deny_delete "stream configuration update can not cancel deny message deletes";
    OneWay deny_purge "stream configuration update can not cancel deny purge";
    OneWay allow_msg_ttl "message TTL status can not be disabled";
    Never allow_msg_counter "stream configuration update can not change message counter setting";
    OneWay allow_msg_schedules "message schedules can not be disabled";
    Never persist_mode "stream configuration update can not change persist mode";
    Guarded mirror "" ;
    MayDelete max_msgs "";
    MayDelete max_bytes "";
    MayDelete max_age "";
    MayDelete max_msgs_per_subject "";
    Free description "";
    Free subjects "";
    Free max_consumers "";
    Free max_msg_size "";
    Free discard "";
    Free num_replicas "";
    Free no_ack "";
    Free duplicate_window "";
    Free placement "";
    Free sources "";
    Free compression "";
    Free first_seq "";
    Free subject_transform "";
    Free republish "";
    Free allow_direct "";
    Free mirror_direct "";
    Free allow_rollup_hdrs "";
    Free discard_new_per_subject "";
    Free consumer_limits "";
    Free metadata "";
    Free subject_delete_marker_ttl "";
    Free allow_atomic "";
    Free allow_batched "";
};

/// Rows in the order in which nats-server looks.
const CONSUMER: &[Row<ConsumerConfig>] = rows! { ConsumerConfig;
    Never deliver_policy "deliver policy can not be updated";
    Never opt_start_seq "start sequence can not be updated";
    Never opt_start_time "start time can not be updated";
    Never ack_policy "ack policy can not be updated";
    Never replay_policy "replay policy can not be updated";
    Never idle_heartbeat "heart beats can not be updated";
    Never flow_control "flow control can not be updated";
    Guarded deliver_subject "can not update pull consumer to push based"
        if |old: &ConsumerConfig, new: &ConsumerConfig| !old.is_push() && new.is_push();
    Guarded deliver_subject "can not update push consumer to pull based"
        if |old: &ConsumerConfig, new: &ConsumerConfig| old.is_push() && !new.is_push();
    Never max_waiting "max waiting can not be updated";
    Never mem_storage "storage type can not be updated";
    Free description "";
    Free ack_wait "";
    Free max_deliver "";
    Free backoff "";
    Free filter_subject "";
    Free filter_subjects "";
    Free rate_limit_bps "";
    Free sample_freq "";
    Free max_ack_pending "";
    Free headers_only "";
    Free max_batch "";
    Free max_expires "";
    Free max_bytes "";
    Free deliver_group "";
    Free inactive_threshold "";
    Free num_replicas "";
    Free direct "";
    Free metadata "";
    Free pause_until "";
    Free priority_groups "";
    Free priority_policy "";
    Free priority_timeout "";
};

/// Why a stream cannot become `new`; both are filled and valid by themselves.
pub fn refuse_stream(old: &StreamConfig, new: &StreamConfig) -> Option<ApiError> {
    let text = refusal(STREAM, old, new);
    if let Some(text) = text {
        return Some(table::STREAM_INVALID_CONFIG.with(text));
    }
    // No other change of a mirror is possible but its promotion.
    let mirror_changed = new.mirror.is_some() && old.mirror != new.mirror;
    mirror_changed.then(|| table::STREAM_MIRROR_NOT_UPDATABLE.into())
}

/// Whether the update makes a stream of its own of a mirror. Servers before 2.12 refuse that, too (10055).
pub fn promotes(old: &StreamConfig, new: &StreamConfig) -> bool {
    old.mirror.is_some() && new.mirror.is_none()
}

/// Why a consumer cannot become `new`; both are filled and valid by themselves.
pub fn refuse_consumer(old: &ConsumerConfig, new: &ConsumerConfig) -> Option<ApiError> {
    refusal(CONSUMER, old, new).map(|text| table::CONSUMER_CREATE.with(text))
}

fn refusal<C>(rows: &[Row<C>], old: &C, new: &C) -> Option<&'static str> {
    rows.iter()
        .find(|row| (row.differs)(old, new) && (row.refused)(old, new))
        .map(|row| row.refusal)
}

/// The fields in which two streams differ, and what changing each of them is.
pub fn stream_changes(old: &StreamConfig, new: &StreamConfig) -> Vec<(&'static str, Rule)> {
    changes(STREAM, old, new)
}

/// The fields in which two consumers differ, and what changing each of them is.
pub fn consumer_changes(old: &ConsumerConfig, new: &ConsumerConfig) -> Vec<(&'static str, Rule)> {
    changes(CONSUMER, old, new)
}

/// What changing a field of a stream is, whatever the values; `None` for what is no such field.
pub fn stream_rule(field: &str) -> Option<Rule> {
    STREAM.iter().find(|row| row.field == field).map(|row| row.rule)
}

/// What changing a field of a consumer is, whatever the values; `None` for what is no such field.
pub fn consumer_rule(field: &str) -> Option<Rule> {
    CONSUMER.iter().find(|row| row.field == field).map(|row| row.rule)
}

fn changes<C>(rows: &[Row<C>], old: &C, new: &C) -> Vec<(&'static str, Rule)> {
    let mut changes: Vec<_> = rows
        .iter()
        .filter(|row| (row.differs)(old, new))
        .map(|row| (row.field, row.rule))
        .collect();
    changes.dedup();
    changes
}

#[cfg(test)]
mod tests {
    use super::super::check::{Bounds, fill_consumer, fill_stream};
    use super::*;

    fn stream(fields: &str) -> StreamConfig {
        let mut config: StreamConfig =
            serde_json::from_str(&format!(r#"{{"name":"S"{fields}}}"#)).unwrap();
        fill_stream(&mut config, &Bounds::default());
        config
    }

    fn consumer(fields: &str) -> ConsumerConfig {
        let mut config: ConsumerConfig =
            serde_json::from_str(&format!(r#"{{"durable_name":"c"{fields}}}"#)).unwrap();
        fill_consumer(&mut config, &stream(""), &Bounds::default());
        config
    }

    /// Lines of `old -> new => answer`; the answers are nats-server 2.14.6's own.
    #[track_caller]
    fn check(answer: impl Fn(&str, &str) -> Option<ApiError>, lines: &str) {
        for line in lines.trim().lines().map(str::trim) {
            let (change, expected) = line.split_once(" => ").unwrap();
            let (old, new) = change.split_once("->").unwrap();
            let answer = answer(old.trim(), new.trim());
            let answer =
                answer.map_or("OK".into(), |e| format!("{} {}", e.err_code, e.description));
            assert_eq!(answer, expected, "{change}");
        }
    }

    #[test]
    fn stream_updates_are_answered_as_nats_server_does() {
        check(
            |old, new| refuse_stream(&stream(old), &stream(new)),
            r#"
            -> ,"storage":"memory" => 10052 stream configuration update can not change storage type
            -> ,"retention":"workqueue" => 10052 stream configuration update can not change retention policy to/from workqueue
            -> ,"retention":"interest" => OK
            -> ,"deny_delete":true => OK
            ,"deny_delete":true -> => 10052 stream configuration update can not cancel deny message deletes
            ,"deny_purge":true -> => 10052 stream configuration update can not cancel deny purge
            ,"allow_msg_ttl":true -> => 10052 message TTL status can not be disabled
            -> ,"allow_msg_counter":true => 10052 stream configuration update can not change message counter setting
            -> ,"persist_mode":"async" => 10052 stream configuration update can not change persist mode
            -> ,"max_msgs":5 => OK
            -> ,"subjects":["x"] => OK
            ,"mirror":{"name":"A"} -> ,"mirror":{"name":"B"} => 10055 stream mirror configuration can not be updated
            ,"mirror":{"name":"A"} -> => OK
            ,"mirror":{"name":"A"} -> ,"subjects":["x"],"max_msgs":5,"first_seq":9,"mirror_direct":true => OK
            ,"mirror":{"name":"A"} -> ,"sources":[{"name":"A"}] => OK
            ,"mirror":{"name":"A"} -> ,"retention":"interest" => OK
            ,"mirror":{"name":"A"} -> ,"retention":"workqueue" => 10052 stream configuration update can not change retention policy to/from workqueue
            ,"mirror":{"name":"A"} -> ,"mirror":{"name":"A","filter_subject":"a"} => 10055 stream mirror configuration can not be updated
            -> ,"mirror":{"name":"A"} => 10055 stream mirror configuration can not be updated
            "#,
        );
    }

    #[test]
    fn a_mirror_that_is_let_go_is_promoted() {
        let (own, mirror) = (stream(""), stream(r#","mirror":{"name":"A"}"#));
        assert!(promotes(&mirror, &own));
        assert!(!promotes(&own, &mirror) && !promotes(&mirror, &mirror) && !promotes(&own, &own));
    }

    #[test]
    fn consumer_updates_are_answered_as_nats_server_does() {
        check(
            |old, new| refuse_consumer(&consumer(old), &consumer(new)),
            r#"
            -> ,"deliver_policy":"new" => 10012 deliver policy can not be updated
            -> ,"ack_policy":"all" => 10012 ack policy can not be updated
            -> ,"replay_policy":"original" => 10012 replay policy can not be updated
            -> ,"max_waiting":5 => 10012 max waiting can not be updated
            -> ,"deliver_subject":"q" => 10012 can not update pull consumer to push based
            -> ,"mem_storage":true => 10012 storage type can not be updated
            ,"deliver_subject":"p","idle_heartbeat":1 -> ,"deliver_subject":"q","idle_heartbeat":2 => 10012 heart beats can not be updated
            ,"deliver_subject":"p" -> ,"deliver_subject":"q" => OK
            -> ,"max_deliver":5,"filter_subject":"a" => OK
            "#,
        );
    }

    #[test]
    fn every_field_has_a_row() {
        let fields = |value: serde_json::Value| -> Vec<String> {
            value.as_object().unwrap().keys().cloned().collect()
        };
        let stream: StreamConfig = serde_json::from_str(ALL_STREAM_FIELDS).unwrap();
        for field in fields(serde_json::to_value(stream).unwrap()) {
            assert!(field == "name" || STREAM.iter().any(|row| row.field == field), "{field}");
        }
        let consumer: ConsumerConfig = serde_json::from_str(ALL_CONSUMER_FIELDS).unwrap();
        for field in fields(serde_json::to_value(consumer).unwrap()) {
            let named = ["name", "durable_name"].contains(&field.as_str());
            assert!(named || CONSUMER.iter().any(|row| row.field == field), "{field}");
        }
    }

    /// Every optional field set, so that all are serialized.
    const ALL_STREAM_FIELDS: &str = r#"{"name":"S","description":"x","subjects":["a"],"no_ack":true,
        "duplicate_window":1,"placement":{},"mirror":{},"sources":[{}],"first_seq":1,
        "subject_transform":{},"republish":{},"discard_new_per_subject":true,"metadata":{"a":"b"},
        "subject_delete_marker_ttl":1,"allow_msg_counter":true,"allow_atomic":true,
        "allow_msg_schedules":true,"persist_mode":"async","allow_batched":true}"#;
    const ALL_CONSUMER_FIELDS: &str = r#"{"durable_name":"c","name":"c","description":"x",
        "opt_start_seq":1,"opt_start_time":"2024-01-01T00:00:00Z","ack_wait":1,"max_deliver":1,
        "backoff":[1],"filter_subject":"a","filter_subjects":["a"],"rate_limit_bps":1,
        "sample_freq":"1","max_waiting":1,"max_ack_pending":1,"flow_control":true,
        "headers_only":true,"max_batch":1,"max_expires":1,"max_bytes":1,"deliver_subject":"a",
        "deliver_group":"a","idle_heartbeat":1,"inactive_threshold":1,"mem_storage":true,
        "direct":true,"metadata":{"a":"b"},"pause_until":"2024-01-01T00:00:00Z",
        "priority_groups":["a"],"priority_policy":"overflow","priority_timeout":1}"#;

    #[test]
    fn a_planner_sees_what_each_change_is() {
        let old = stream("");
        let new = stream(r#","max_msgs":5,"storage":"memory","description":"x""#);
        assert_eq!(
            stream_changes(&old, &new),
            [("storage", Rule::Never), ("max_msgs", Rule::MayDelete), ("description", Rule::Free)]
        );
    }
}
