//! What calls, configurations and headers there are, with values that are valid, at a limit, or wrong.

use super::make::Field;

/// Calls; `{s}` is a stream, `{c}` a consumer.
pub(super) const CALLS: &[&str] = &[
    "INFO",
    "STREAM.NAMES",
    "STREAM.LIST",
    "STREAM.CREATE.{s}",
    "STREAM.CREATE.{s}",
    "STREAM.UPDATE.{s}",
    "STREAM.UPDATE.{s}",
    "STREAM.INFO.{s}",
    "STREAM.DELETE.{s}",
    "STREAM.PURGE.{s}",
    "STREAM.MSG.GET.{s}",
    "STREAM.MSG.DELETE.{s}",
    "STREAM.SNAPSHOT.{s}",
    "STREAM.RESTORE.{s}",
    "DIRECT.GET.{s}",
    "DIRECT.GET.{s}.s0.a",
    "CONSUMER.CREATE.{s}.{c}",
    "CONSUMER.CREATE.{s}.{c}",
    "CONSUMER.CREATE.{s}.{c}.s0.a",
    "CONSUMER.CREATE.{s}",
    "CONSUMER.DURABLE.CREATE.{s}.{c}",
    "CONSUMER.NAMES.{s}",
    "CONSUMER.LIST.{s}",
    "CONSUMER.INFO.{s}.{c}",
    "CONSUMER.DELETE.{s}.{c}",
    "CONSUMER.PAUSE.{s}.{c}",
    "CONSUMER.RESET.{s}.{c}",
    "CONSUMER.UNPIN.{s}.{c}",
    "CONSUMER.MSG.NEXT.{s}.{c}",
    "CONSUMER.MSG.NEXT.{s}.{c}",
    "STREAM.LEADER.STEPDOWN.{s}",
    "CONSUMER.LEADER.STEPDOWN.{s}.{c}",
    "STREAM.PEER.REMOVE.{s}",
];

pub(super) const STREAM: &[Field] = &[
    ("retention", &["\"limits\"", "\"interest\"", "\"workqueue\"", "\"x\""]),
    ("storage", &["\"file\"", "\"memory\"", "\"x\""]),
    ("discard", &["\"old\"", "\"new\"", "\"x\""]),
    ("discard_new_per_subject", &["true", "false"]),
    ("max_msgs", &["-1", "0", "1", "2", "5", "-2"]),
    ("max_bytes", &["-1", "0", "1", "200", "-2"]),
    ("max_age", &["0", "1", "99999999", "3600000000000", "-1"]),
    ("max_msg_size", &["-1", "0", "4", "2147483648", "-2"]),
    ("max_msgs_per_subject", &["-1", "0", "1", "2", "-2"]),
    ("max_consumers", &["-1", "0", "1", "2", "-2"]),
    ("num_replicas", &["0", "1", "3", "6", "-1"]),
    ("no_ack", &["true", "false"]),
    ("duplicate_window", &["0", "1", "120000000000", "100000000000000", "-1"]),
    ("allow_direct", &["true", "false"]),
    ("mirror_direct", &["true", "false"]),
    ("allow_rollup_hdrs", &["true", "false"]),
    ("deny_delete", &["true", "false"]),
    ("deny_purge", &["true", "false"]),
    ("sealed", &["true", "false"]),
    ("first_seq", &["0", "1", "7"]),
    ("compression", &["\"none\"", "\"s2\"", "\"x\""]),
    ("allow_msg_ttl", &["true", "false"]),
    ("subject_delete_marker_ttl", &["0", "1", "60000000000", "-1"]),
    ("allow_msg_counter", &["true"]),
    ("allow_atomic", &["true"]),
    ("allow_batched", &["true"]),
    ("allow_msg_schedules", &["true"]),
    ("persist_mode", &["\"default\"", "\"x\""]),
    ("description", &["\"text\"", "\"\""]),
    ("metadata", &["{\"a\":\"b\"}", "{}", "{\"_nats.x\":\"1\"}", "{\"a\":1}"]),
    (
        "mirror",
        &["{\"name\":\"S1\"}", "{\"name\":\"\"}", "{\"name\":\"S0\",\"filter_subject\":\"s0.a\"}"],
    ),
    (
        "sources",
        &[
            "[{\"name\":\"S1\"}]",
            "[]",
            "[{\"name\":\"S1\"},{\"name\":\"S1\"}]",
            "[{\"name\":\"a.b\"}]",
        ],
    ),
    (
        "republish",
        &[
            "{\"src\":\"s0.>\",\"dest\":\"r.>\"}",
            "{\"src\":\"x\",\"dest\":\"\"}",
            "{\"src\":\"s0.>\",\"dest\":\"s0.>\"}",
        ],
    ),
    (
        "subject_transform",
        &[
            "{\"src\":\"s0.*\",\"dest\":\"s0.t.{{wildcard(1)}}\"}",
            "{\"src\":\"s0.>\",\"dest\":\"x\"}",
            "{\"src\":\"a..b\",\"dest\":\"x\"}",
        ],
    ),
    (
        "consumer_limits",
        &[
            "{\"max_ack_pending\":5}",
            "{\"inactive_threshold\":60000000000}",
            "{\"max_ack_pending\":-5}",
        ],
    ),
    ("placement", &["{\"cluster\":\"x\"}", "{\"tags\":[\"a\"]}", "{}"]),
];

pub(super) const CONSUMER: &[Field] = &[
    ("ack_policy", &["\"none\"", "\"all\"", "\"explicit\"", "\"flow_control\"", "\"x\""]),
    (
        "deliver_policy",
        &[
            "\"all\"",
            "\"last\"",
            "\"new\"",
            "\"by_start_sequence\"",
            "\"last_per_subject\"",
            "\"by_start_time\"",
            "\"x\"",
        ],
    ),
    ("opt_start_seq", &["0", "1", "2", "99"]),
    ("opt_start_time", &["\"2000-01-01T00:00:00Z\"", "\"2100-01-01T00:00:00Z\""]),
    ("filter_subject", &["\"s0.a\"", "\"s0.>\"", "\"x\"", "\"a..b\"", "\"\""]),
    (
        "filter_subjects",
        &["[\"s0.a\",\"s0.b\"]", "[\"s0.a\",\"s0.>\"]", "[]", "[\"\"]", "[\"a..b\"]"],
    ),
    ("ack_wait", &["0", "1", "30000000000", "-1"]),
    ("max_deliver", &["-1", "0", "1", "3", "-2"]),
    ("backoff", &["[1000000000,60000000000]", "[]", "[1]", "[-1]"]),
    ("replay_policy", &["\"instant\"", "\"x\""]),
    ("rate_limit_bps", &["0", "1000"]),
    ("sample_freq", &["\"50\"", "\"50%\"", "\"x\"", "\"\"", "\"101\""]),
    ("max_waiting", &["0", "1", "-1", "512"]),
    ("max_ack_pending", &["0", "1", "-1", "1000"]),
    ("flow_control", &["true"]),
    ("idle_heartbeat", &["0", "1", "1000000000", "-1"]),
    ("headers_only", &["true"]),
    ("max_batch", &["0", "1", "-1"]),
    ("max_expires", &["0", "1", "60000000000", "-1"]),
    ("max_bytes", &["0", "1", "1000", "-1"]),
    ("inactive_threshold", &["0", "60000000000", "-1"]),
    ("num_replicas", &["0", "1", "3", "-1"]),
    ("mem_storage", &["true", "false"]),
    ("metadata", &["{\"a\":\"b\"}", "{}", "{\"a\":1}"]),
    ("pause_until", &["\"2100-01-01T00:00:00Z\"", "\"2000-01-01T00:00:00Z\"", "\"x\""]),
    (
        "priority_policy",
        &["\"overflow\"", "\"pinned_client\"", "\"prioritized\"", "\"none\"", "\"x\""],
    ),
    ("priority_groups", &["[\"g\"]", "[\"\"]", "[\"a b\"]", "[\"g\",\"h\"]", "[]"]),
    ("priority_timeout", &["0", "1", "60000000000", "-1"]),
    ("deliver_subject", &["\"deliver.x\"", "\"a..b\"", "\"s0.a\"", "\"*\""]),
    ("deliver_group", &["\"q\"", "\"a b\"", "\"\""]),
    ("description", &["\"text\""]),
    ("durable_name", &["\"C9\"", "\"a.b\"", "\"\""]),
];

pub(super) const HEADERS: &[Field] = &[
    ("Nats-Msg-Id", &["1", "2", "", " 1"]),
    ("Nats-Expected-Stream", &["S0", "S1", "x", ""]),
    ("Nats-Expected-Last-Sequence", &["0", "1", "2", "x", "-1", "", "18446744073709551616"]),
    ("Nats-Expected-Last-Msg-Id", &["1", "2", "", "x"]),
    ("Nats-Expected-Last-Subject-Sequence", &["0", "1", "2", "x", "-1", ""]),
    ("Nats-Expected-Last-Subject-Sequence-Subject", &["s0.a", "s0.*", "a..b", "x", ""]),
    ("Nats-Rollup", &["sub", "all", "SUB", "x", ""]),
    ("Nats-TTL", &["1h", "never", "-1", "x", "3600", "0", "1ms", ""]),
    ("Nats-Incr", &["+1", "-2", "1", "x", "", "+99999999999999999999999"]),
    ("Nats-Counter-Sources", &["{}", "x"]),
    ("Nats-Schedule", &["@at 2100-01-01T00:00:00Z", "@every 1h", "0 0 12 * * *", "x", ""]),
    ("Nats-Schedule-Target", &["s0.t", "s1.t", "s0.*", "", "x"]),
    ("Nats-Schedule-TTL", &["1h", "x", ""]),
    ("Nats-Schedule-Source", &["s0.a", "s0.*", "x", ""]),
    ("Nats-Schedule-Time-Zone", &["Europe/Berlin", "x", "UTC", ""]),
    ("Nats-Schedule-Rollup", &["sub", "x", ""]),
    ("Nats-Scheduler", &["x", ""]),
    ("Nats-Schedule-Next", &["purge", "x"]),
    ("Nats-Batch-Id", &["b", ""]),
    ("Nats-Batch-Sequence", &["1", "2", "x", "", "0"]),
    ("Nats-Batch-Commit", &["1", "eob", "x", ""]),
    ("Nats-Required-Api-Level", &["0", "4", "5", "x", ""]),
    ("Nats-Marker-Reason", &["MaxAge", "x"]),
    ("Nats-Stream-Source", &["S1 1", "x"]),
    ("Nats-Trace-Only", &["true", "x"]),
    ("Nats-Last-Sequence", &["1", "x"]),
    ("Status", &["100", "503"]),
    ("A", &["b", "", "c:d"]),
];

/// Fields of a request for a message.
pub(super) const GET: &[Field] = &[
    ("seq", &["1", "2", "0", "99", "-1"]),
    ("last_by_subj", &["\"s0.a\"", "\"s0.>\"", "\"a..b\"", "\"\""]),
    ("next_by_subj", &["\"s0.a\"", "\"s0.>\"", "\"x\""]),
    ("no_hdr", &["true"]),
];

/// Fields of a request to delete a message.
pub(super) const DELETE: &[Field] =
    &[("seq", &["1", "2", "0", "99"]), ("no_erase", &["true", "false"])];

/// Fields of a purge.
pub(super) const PURGE: &[Field] = &[
    ("filter", &["\"s0.a\"", "\"s0.>\"", "\"a..b\"", "\"\"", "\"x\""]),
    ("seq", &["1", "2", "99", "0"]),
    ("keep", &["1", "0", "99"]),
];

/// Fields of a question about a stream.
pub(super) const INFO: &[Field] = &[
    ("subjects_filter", &["\">\"", "\"s0.*\"", "\"a..b\""]),
    ("deleted_details", &["true"]),
    ("offset", &["0", "1", "-1", "99"]),
];

/// Fields of a question for streams.
pub(super) const NAMES: &[Field] = &[
    ("subject", &["\"s0.a\"", "\">\"", "\"a..b\"", "\"x\"", "\"both.*\""]),
    ("offset", &["0", "1", "-1", "99"]),
];

/// Fields of a question for consumers.
pub(super) const PAGES: &[Field] = &[("offset", &["0", "1", "-1", "99"])];

/// Fields of a request for messages.
pub(super) const NEXT: &[Field] = &[
    ("max_bytes", &["1", "1000", "0", "-1"]),
    ("expires", &["50000000", "0", "-1"]),
    ("idle_heartbeat", &["1", "100000000"]),
    ("group", &["\"g\"", "\"h\"", "\"\""]),
    ("min_pending", &["1", "2", "99"]),
    ("min_ack_pending", &["1", "2"]),
    ("priority", &["0", "9", "10", "-1"]),
    ("id", &["\"x\""]),
];

/// Fields of a pause.
pub(super) const PAUSE: &[Field] =
    &[("pause_until", &["\"2100-01-01T00:00:00Z\"", "\"2000-01-01T00:00:00Z\"", "\"x\"", "null"])];

/// Fields of a reset.
pub(super) const RESET: &[Field] = &[("seq", &["0", "1", "2", "99", "-1"])];

/// Fields of a request to let a client go.
pub(super) const UNPIN: &[Field] = &[("group", &["\"g\"", "\"h\"", "\"\""])];
