//! The flags of `nats stream add` and `nats consumer add`, and the fields that they are.

/// What a flag says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Means {
    /// The value of this field; lists are given with commas or more than once.
    Field(&'static str),
    /// Its value is not part of the configuration.
    Other,
    /// It has no value and is not part of the configuration.
    Switch,
    /// `true` for this field, `false` behind `--no-`.
    Flag(&'static str),
    /// The opposite.
    NotFlag(&'static str),
    /// A field that the reader of the command makes something of.
    Special,
}

use Means::{Field, Flag, NotFlag, Other, Special, Switch};

/// Flags of every command, and their values.
pub(super) const GLOBAL: &[(&str, Means)] = &[
    ("server", Other),
    ("user", Other),
    ("password", Other),
    ("connection-name", Other),
    ("creds", Other),
    ("nkey", Other),
    ("tlscert", Other),
    ("tlskey", Other),
    ("tlsca", Other),
    ("tlsfirst", Switch),
    ("timeout", Other),
    ("js-api-prefix", Other),
    ("js-event-prefix", Other),
    ("js-domain", Other),
    ("inbox-prefix", Other),
    ("domain", Other),
    ("color", Other),
    ("context", Other),
    ("trace", Switch),
    ("no-context", Switch),
    ("config", Special),
    ("defaults", Special),
    ("validate", Switch),
    ("output", Other),
    ("force", Switch),
    ("json", Switch),
    ("dry-run", Switch),
    ("interactive", Switch),
    ("tags", Special),
    ("tag", Special),
    ("cluster", Special),
];

/// Flags of `nats stream add` and `edit`.
pub(super) const STREAM: &[(&str, Means)] = &[
    ("subjects", Field("subjects")),
    ("description", Field("description")),
    ("storage", Field("storage")),
    ("retention", Field("retention")),
    ("discard", Field("discard")),
    ("discard-per-subject", Flag("discard_new_per_subject")),
    ("compression", Field("compression")),
    ("first-sequence", Field("first_seq")),
    ("replicas", Field("num_replicas")),
    ("max-age", Field("max_age")),
    ("max-bytes", Field("max_bytes")),
    ("max-consumers", Field("max_consumers")),
    ("max-msg-size", Field("max_msg_size")),
    ("max-msgs", Field("max_msgs")),
    ("max-msgs-per-subject", Field("max_msgs_per_subject")),
    ("dupe-window", Field("duplicate_window")),
    ("ack", NotFlag("no_ack")),
    ("allow-rollup", Flag("allow_rollup_hdrs")),
    ("deny-delete", Flag("deny_delete")),
    ("deny-purge", Flag("deny_purge")),
    ("allow-direct", Flag("allow_direct")),
    ("allow-mirror-direct", Flag("mirror_direct")),
    ("allow-msg-ttl", Flag("allow_msg_ttl")),
    ("allow-batch", Flag("allow_atomic")),
    ("allow-counter", Flag("allow_msg_counter")),
    ("allow-schedules", Flag("allow_msg_schedules")),
    ("subject-del-markers-ttl", Field("subject_delete_marker_ttl")),
    ("metadata", Special),
    ("mirror", Special),
    ("source", Special),
    ("republish-source", Special),
    ("republish-destination", Special),
    ("republish-headers", Special),
    ("transform-source", Special),
    ("transform-destination", Special),
    ("limit-consumer-inactive", Special),
    ("limit-consumer-max-pending", Special),
    ("persist-mode", Field("persist_mode")),
];

/// Flags of `nats consumer add` and `edit`.
pub(super) const CONSUMER: &[(&str, Means)] = &[
    ("filter", Special),
    ("description", Field("description")),
    ("ack", Field("ack_policy")),
    ("wait", Field("ack_wait")),
    ("deliver", Special),
    ("deliver-group", Field("deliver_group")),
    ("target", Field("deliver_subject")),
    ("pull", Special),
    ("replay", Field("replay_policy")),
    ("max-deliver", Field("max_deliver")),
    ("max-pending", Field("max_ack_pending")),
    ("max-waiting", Field("max_waiting")),
    ("max-outstanding", Field("max_ack_pending")),
    ("max-pull-batch", Field("max_batch")),
    ("max-pull-expire", Field("max_expires")),
    ("max-pull-bytes", Field("max_bytes")),
    ("heartbeat", Field("idle_heartbeat")),
    ("flow-control", Flag("flow_control")),
    ("headers-only", Flag("headers_only")),
    ("bps", Field("rate_limit_bps")),
    ("sample", Field("sample_freq")),
    ("inactive-threshold", Field("inactive_threshold")),
    ("memory", Flag("mem_storage")),
    ("replicas", Field("num_replicas")),
    ("ephemeral", Special),
    ("backoff", Special),
    ("backoff-steps", Special),
    ("backoff-min", Special),
    ("backoff-max", Special),
    ("metadata", Special),
    ("pause", Special),
    ("pinned-groups", Special),
    ("pinned-ttl", Special),
    ("overflow-groups", Special),
];

/// One-letter flags of the tool.
pub(super) const SHORT: &[(&str, &str)] = &[("s", "server"), ("j", "json"), ("f", "force")];
