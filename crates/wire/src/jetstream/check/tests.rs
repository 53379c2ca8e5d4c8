use super::super::{ConsumerConfig, StreamConfig, json};
use super::*;

/// The first violation of a stream `S` with `fields` merged in, or what was filled in.
fn stream_answer(fields: &str) -> String {
    let mut config = serde_json::json!({"name": "S", "subjects": ["s.>"]});
    merge(&mut config, fields);
    let mut config: StreamConfig = match json::decode(config.to_string().as_bytes()) {
        Ok(config) => config,
        Err(error) => return error.to_string(),
    };
    fill_stream(&mut config, &Bounds::default());
    first(&stream(&config))
}

/// The first violation of a consumer on `stream` with these fields.
fn consumer_answer(stream: &str, fields: &str) -> String {
    let mut stream_config = serde_json::json!({"name": "L", "subjects": ["l.>"]});
    merge(&mut stream_config, stream);
    let mut stream: StreamConfig = serde_json::from_value(stream_config).unwrap();
    fill_stream(&mut stream, &Bounds::default());
    let mut config = serde_json::json!({"durable_name": "c"});
    merge(&mut config, fields);
    let mut config: ConsumerConfig = match json::decode(config.to_string().as_bytes()) {
        Ok(config) => config,
        Err(error) => return error.to_string(),
    };
    fill_consumer(&mut config, &stream, &Bounds::default());
    let mut found = consumer(&config);
    found.extend(consumer_on_stream(&config, &stream));
    first(&found)
}

fn merge(config: &mut serde_json::Value, fields: &str) {
    let fields: serde_json::Map<_, _> = serde_json::from_str(&format!("{{{fields}}}")).unwrap();
    config.as_object_mut().unwrap().extend(fields);
}

fn first(found: &[Violation]) -> String {
    found.first().map_or("OK".into(), |violation| {
        assert!(!violation.field.is_empty());
        format!("{} {}", violation.error.err_code, violation.error.description)
    })
}

/// Lines of `fields => answer`; the answers are nats-server 2.14.6's own.
#[track_caller]
fn check(answer: impl Fn(&str) -> String, lines: &str) {
    for line in lines.trim().lines().map(str::trim) {
        let (fields, expected) = line.split_once(" => ").unwrap();
        assert_eq!(answer(fields), expected, "{fields}");
    }
}

#[test]
fn streams_are_answered_as_nats_server_does() {
    check(
        stream_answer,
        r#"
        "num_replicas": -1 => 10133 replicas count cannot be negative
        "num_replicas": 6 => 10052 maximum replicas is 5
        "max_age": -1 => 10052 max age can not be negative
        "max_age": 1000 => 10052 max age needs to be >= 100ms
        "duplicate_window": -1 => 10052 duplicates window can not be negative
        "duplicate_window": 1000 => 10052 duplicates window needs to be >= 100ms
        "duplicate_window": 1000000000000, "max_age": 100000000000 => 10052 duplicates window can not be larger then max age
        "max_msgs": -5 => OK
        "subjects": [] => OK
        "subjects": ["a..b"] => 10052 invalid subject
        "subjects": [""] => 10052 invalid subject
        "subjects": ["dd", "dd"] => 10052 subject "dd" overlaps with "dd"
        "subjects": ["q.*", "q.x"] => 10052 subject "q.*" overlaps with "q.x"
        "subjects": [">"] => 10052 capturing all subjects requires no-ack to be true
        "subjects": [">"], "no_ack": true => OK
        "subjects": ["$JS.>"] => 10052 subjects that overlap with jetstream api require no-ack to be true
        "subjects": ["*.>"] => 10052 subjects that overlap with jetstream api require no-ack to be true
        "subjects": ["$SYS.x"] => 10052 subjects that overlap with system api require no-ack to be true
        "subjects": ["$JS.EVENT.ADVISORY.>"] => OK
        "subjects": ["$SYS.ACCOUNT.x.>"] => OK
        "discard_new_per_subject": true => 10052 discard new per subject requires discard new policy to be set
        "discard_new_per_subject": true, "discard": "new" => 10052 discard new per subject requires max msgs per subject > 0
        "deny_purge": true, "allow_rollup_hdrs": true => 10052 roll-ups require the purge permission
        "deny_purge": true, "subject_delete_marker_ttl": 1000000000 => OK
        "deny_purge": true, "allow_msg_schedules": true => OK
        "deny_purge": true, "subject_delete_marker_ttl": 1000000000, "allow_rollup_hdrs": true => 10052 roll-ups require the purge permission
        "mirror_direct": true => 10052 stream has no mirror but does have mirror direct
        "mirror": {"name": "T7"} => 10034 stream mirrors can not contain subjects
        "subjects": [], "mirror": {"name": "T7"} => OK
        "subjects": [], "mirror": {"name": "T7"}, "sources": [{"name": "x"}] => 10031 stream mirrors can not also contain other sources
        "subjects": [], "mirror": {"name": "T7"}, "first_seq": 5 => 10143 stream mirrors can not have first sequence configured
        "subjects": [], "mirror": {"name": "a b"} => 10142 mirrored stream name is invalid
        "sources": [{"name": "a.b"}] => 10141 sourced stream name is invalid
        "sources": [{"name": "A"}, {"name": "A"}] => 10140 duplicate source configuration detected
        "sources": [{"name": "A", "filter_subject": "a..b"}] => 10049 subject filter 'a..b' for the source: invalid subject
        "republish": {"src": ">", "dest": "s.x"} => 10052 stream configuration for republish destination forms a cycle
        "subject_transform": {"src": "a..b", "dest": "x"} => 10155 stream transform source: invalid subject a..b
        "placement": {"preferred": "x"} => 10052 preferred server not permitted in placement
        "first_seq": 4611686018427387903 => OK
        "first_seq": 18446744073709551615 => 10052 first sequence can not be larger than 4611686018427387903
        "sources": [{"name": "A", "opt_start_seq": 18446744073709551615}] => 10052 optional start sequence can not be larger than 4611686018427387903
        "subject_delete_marker_ttl": -1 => 10052 subject delete marker TTL must not be negative
        "subject_delete_marker_ttl": 1 => 10052 subject delete marker TTL must be at least 1 second
        "allow_msg_counter": true, "discard": "new" => 10052 counter stream cannot use discard new
        "persist_mode": "async", "storage": "memory" => 10052 async persist mode is only supported on file storage
        "allow_atomic": true, "persist_mode": "async" => 10052 async persist mode is not supported with atomic batch publish
        "#,
    );
    let long = format!(r#""description": "{}""#, "x".repeat(5000));
    let expected = "10052 stream description is too long, maximum allowed is 4096";
    assert_eq!(stream_answer(&long), expected);
    let long = format!(r#""name": "{}""#, "x".repeat(256));
    assert_eq!(stream_answer(&long), "10052 stream name is too long, maximum allowed is 255");
}

#[test]
fn consumers_are_answered_as_nats_server_does() {
    check(
        |fields| consumer_answer("", fields),
        r#"
        "ack_policy": "explicit" => OK
        "durable_name": "a*b" => 10052 consumer name can not contain '.', '*', '>', '\', '/'
        "durable_name": "a b", "ack_policy": "explicit", "ack_wait": -1 => 10052 consumer name can not contain '.', '*', '>', '\', '/'
        "ack_policy": "explicit", "ack_wait": -1 => 10183 consumer ack wait needs to be positive
        "ack_policy": "explicit", "backoff": [-1] => 10184 consumer backoff needs to be positive
        "ack_policy": "explicit", "backoff": [1, 2], "max_deliver": 1 => 10116 max deliver is required to be > length of backoff values
        "ack_policy": "explicit", "backoff": [1, 2], "max_deliver": 2 => OK
        "deliver_subject": "q", "max_ack_pending": 5 => 10082 consumer requires ack policy for max ack pending
        "max_ack_pending": 5 => OK
        "deliver_subject": "q.*" => 10079 consumer deliver subject has wildcards
        "deliver_subject": "a..b" => 10112 invalid push consumer deliver subject
        "deliver_subject": "l.x" => 10081 consumer deliver subject forms a cycle
        "deliver_subject": "q", "max_waiting": 5 => 10080 consumer in push mode can not set max waiting
        "deliver_subject": "q", "idle_heartbeat": 1000000, "flow_control": true => 10083 consumer idle heartbeat needs to be >= 100ms
        "deliver_subject": "q", "flow_control": true => 10108 consumer with flow control also needs heartbeats
        "idle_heartbeat": 1000000000 => 10088 consumer idle heartbeat requires a push based consumer
        "flow_control": true => 10089 consumer flow control requires a push based consumer
        "rate_limit_bps": 5 => 10086 consumer in pull mode can not have rate limit set
        "max_waiting": -1 => OK
        "max_expires": 1 => 10115 consumer max request expires needs to be >= 1ms
        "filter_subject": "l.a", "filter_subjects": ["l.b"] => 10136 consumer cannot have both FilterSubject and FilterSubjects specified
        "filter_subjects": ["l.a", ""] => 10139 consumer filter in FilterSubjects cannot be empty
        "filter_subjects": ["l.a", "l.>"] => 10138 consumer subject filters cannot overlap
        "filter_subjects": ["l.*.a", "l.b.*"] => OK
        "filter_subject": "a..b" => 10052 invalid subject
        "filter_subject": "zzz" => OK
        "deliver_policy": "by_start_sequence" => 10094 consumer delivery policy is deliver by start sequence, but optional start sequence is not set
        "deliver_policy": "by_start_time" => 10094 consumer delivery policy is deliver by start time, but optional start time is not set
        "opt_start_seq": 5 => 10094 consumer delivery policy is deliver all, but optional start sequence is also set
        "deliver_policy": "last_per_subject" => 10094 consumer delivery policy is deliver last per subject, but optional filter subject is not set
        "sample_freq": "x" => 10095 failed to parse consumer sampling configuration: strconv.Atoi: parsing "x": invalid syntax
        "sample_freq": "50%" => OK
        "num_replicas": -1 => 10133 replicas count cannot be negative
        "priority_policy": "overflow" => 10159 Setting PriorityPolicy requires at least one PriorityGroup to be set
        "priority_policy": "overflow", "priority_groups": ["A-z_/=0"] => OK
        "priority_policy": "overflow", "priority_groups": [""] => 10161 Group name cannot be an empty string
        "priority_policy": "overflow", "priority_groups": ["a b"] => 10162 Valid priority group name must match A-Z, a-z, 0-9, -_/=)+ and may not exceed 16 characters
        "priority_policy": "overflow", "priority_groups": ["a)"] => 10162 Valid priority group name must match A-Z, a-z, 0-9, -_/=)+ and may not exceed 16 characters
        "priority_policy": "overflow", "priority_groups": ["0123456789abcdef"] => OK
        "priority_policy": "overflow", "priority_groups": ["0123456789abcdefg"] => 10162 Valid priority group name must match A-Z, a-z, 0-9, -_/=)+ and may not exceed 16 characters
        "priority_timeout": 1 => 10197 PinnedTTL cannot be set when PriorityPolicy is none
        "deliver_policy": "by_start_sequence", "opt_start_seq": 18446744073709551615 => 10094 consumer delivery policy is deliver by start sequence, but optional start sequence is larger than 4611686018427387903
        "priority_groups": ["a"] => 10196 consumer can not have priority groups when policy is none
        "direct": true => 10090 consumer direct requires a push based consumer
        "ack_policy": "flow_control" => 10218 flow control ack policy requires a push based consumer
        "ack_policy": "flow_control", "deliver_subject": "q" => OK
        "ack_policy": "flow_control", "deliver_subject": "q", "flow_control": true, "idle_heartbeat": 1000000000, "max_ack_pending": 10 => OK
        "ack_policy": "flow_control", "deliver_subject": "q", "max_deliver": -1 => OK
        "ack_policy": "flow_control", "deliver_subject": "q", "ack_wait": 5 => 10221 flow control ack policy requires unset ack wait
        "ack_policy": "flow_control", "deliver_subject": "q", "backoff": [1] => 10221 flow control ack policy requires unset ack wait
        "ack_policy": "flow_control", "deliver_subject": "q", "max_deliver": 3 => 10222 flow control ack policy requires unset max deliver
        "#,
    );
}

#[test]
fn a_work_queue_wants_explicit_acks_from_the_start() {
    check(
        |fields| consumer_answer(r#""retention": "workqueue""#, fields),
        r#"
        "ack_policy": "none" => 10084 consumer in pull mode requires explicit ack policy on workqueue stream
        "ack_policy": "all" => 10098 workqueue stream requires explicit ack
        "ack_policy": "flow_control", "deliver_subject": "d" => OK
        "ack_policy": "flow_control", "deliver_subject": "d", "max_ack_pending": -1 => 10220 flow control ack policy requires max ack pending
        "ack_policy": "flow_control" => 10218 flow control ack policy requires a push based consumer
        "ack_policy": "explicit", "deliver_policy": "new" => 10101 consumer must be deliver all on workqueue stream
        "ack_policy": "explicit" => OK
        "#,
    );
}

#[test]
fn a_stream_that_was_a_mirror_may_keep_mirror_direct() {
    let mut config = StreamConfig { mirror_direct: true, ..StreamConfig::named("S", &["s"]) };
    fill_stream(&mut config, &Bounds::default());
    assert_eq!(first(&stream(&config)), "10052 stream has no mirror but does have mirror direct");
    assert_eq!(first(&stream_update(&config)), "OK");
    config.max_age = -1;
    assert_eq!(first(&stream_update(&config)), "10052 max age can not be negative");
}

#[test]
fn a_mirror_answers_direct_gets_if_its_origin_does() {
    for (origin, own, expected) in
        [(true, false, true), (true, true, true), (false, true, false), (false, false, false)]
    {
        let origin = StreamConfig { allow_direct: origin, ..StreamConfig::named("A", &["a"]) };
        let mut mirror: StreamConfig = serde_json::from_str(r#"{"mirror":{"name":"A"}}"#).unwrap();
        mirror.mirror_direct = own;
        fill_mirror(&mut mirror, &origin);
        assert_eq!(mirror.mirror_direct, expected);
    }
}

#[test]
fn what_makes_others_possible_is_filled_in() {
    let filled = |fields: &str| {
        let json = format!(r#"{{"name":"S","subjects":["s"],"deny_purge":true,{fields}}}"#);
        let mut config: StreamConfig = serde_json::from_str(&json).unwrap();
        fill_stream(&mut config, &Bounds::default());
        (config.deny_purge, config.allow_rollup_hdrs, config.allow_msg_ttl)
    };
    assert_eq!(filled(r#""subject_delete_marker_ttl":1000000000"#), (false, true, true));
    assert_eq!(filled(r#""allow_msg_schedules":true"#), (false, true, false));
    assert_eq!(filled(r#""allow_msg_ttl":true"#), (true, false, true));

    let mut consumer: ConsumerConfig =
        serde_json::from_str(r#"{"ack_policy":"flow_control","deliver_subject":"q"}"#).unwrap();
    fill_consumer(&mut consumer, &StreamConfig::default(), &Bounds::default());
    assert_eq!((consumer.ack_wait, consumer.max_deliver), (0, -1));
    assert_eq!((consumer.max_ack_pending, consumer.idle_heartbeat), (1000, SECOND));
    assert!(consumer.flow_control);
}

#[test]
fn absent_fields_get_nats_servers_defaults() {
    let mut stream = StreamConfig::named("S", &[]);
    stream.max_age = 10 * SECOND;
    fill_stream(&mut stream, &Bounds::default());
    assert_eq!(stream.subjects, ["S"]);
    assert_eq!((stream.max_msgs, stream.max_msg_size, stream.num_replicas), (-1, -1, 1));
    assert_eq!(stream.duplicate_window, 10 * SECOND);

    let mut durable: ConsumerConfig =
        serde_json::from_str(r#"{"durable_name":"d","ack_policy":"explicit"}"#).unwrap();
    fill_consumer(&mut durable, &stream, &Bounds::default());
    assert_eq!((durable.ack_wait, durable.max_deliver), (30 * SECOND, -1));
    assert_eq!((durable.max_ack_pending, durable.max_waiting), (1000, 512));
    assert_eq!((durable.name.as_str(), durable.inactive_threshold), ("d", 0));

    let mut named: ConsumerConfig =
        serde_json::from_str(r#"{"name":"e","backoff":[7,8],"ack_wait":5,"ack_policy":"all"}"#)
            .unwrap();
    fill_consumer(&mut named, &stream, &Bounds::default());
    assert_eq!((named.ack_wait, named.inactive_threshold), (7, 5 * SECOND));
}
