//! The command line of the tool, version 0.5.0.

/// What a flag is given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Takes {
    /// Nothing; there is `--no-…` too.
    Switch,
    /// A flag without a value and without a `--no-…` form.
    Only,
    /// Any text.
    Text,
    /// A whole number.
    Number,
    /// A size.
    Bytes,
    /// A duration.
    Duration,
    /// A duration, or -1 for none.
    Age,
    /// One of these words, and what each is to the API.
    One(&'static [(&'static str, &'static str)]),
}

/// What a flag decides.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Means {
    /// This field.
    Field(&'static str),
    /// The contrary of this one.
    Not(&'static str),
    /// Something that the command makes of it.
    Special,
    /// Nothing of what is made.
    Nothing,
}

/// A flag.
#[derive(Debug)]
pub(super) struct Flag {
    pub(super) name: &'static str,
    pub(super) takes: Takes,
    pub(super) means: Means,
}

macro_rules! flags {
    ($($name:literal $takes:expr, $means:expr;)*) => {
        &[$(Flag { name: $name, takes: $takes, means: $means }),*]
    };
}

use Means::{Field, Not, Nothing, Special};
use Takes::{Age, Bytes, Duration, Number, One, Only, Switch, Text};

/// What is made or changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum What {
    Stream,
    Consumer,
    KeyValue,
    ObjectStore,
}

/// What is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Action {
    Add,
    Edit,
    Remove,
    Copy,
    Info,
    Purge,
    Pause,
    /// A message, a request, something of the server.
    Publish,
    Request,
    Server,
    /// What is of no interest here.
    Other,
}

/// Names of groups of commands, and what each is about.
pub(super) const GROUPS: &[(&[&str], Option<What>)] = &[
    (&["stream", "str", "st", "ms", "s"], Some(What::Stream)),
    (&["consumer", "con", "obs", "c"], Some(What::Consumer)),
    (&["kv"], Some(What::KeyValue)),
    (&["object", "obj"], Some(What::ObjectStore)),
    (&["server", "srv", "pub", "publish", "request", "req"], None),
    (&["account", "a", "context", "ctx", "sub", "reply", "rtt", "bench", "auth", "events"], None),
    (
        &["backup", "restore", "schema", "errors", "latency", "micro", "service", "trace", "top"],
        None,
    ),
];

/// Names of commands.
pub(super) const ACTIONS: &[(What, &[&str], Action)] = &[
    (What::Stream, &["add", "create", "new"], Action::Add),
    (What::Stream, &["edit", "update"], Action::Edit),
    (What::Stream, &["rm", "delete", "del"], Action::Remove),
    (What::Stream, &["copy", "cp"], Action::Copy),
    (What::Stream, &["info", "nfo", "i", "state", "subjects"], Action::Info),
    (What::Stream, &["purge"], Action::Purge),
    (What::Consumer, &["add", "create", "new"], Action::Add),
    (What::Consumer, &["edit", "update"], Action::Edit),
    (What::Consumer, &["rm", "delete", "del"], Action::Remove),
    (What::Consumer, &["copy", "cp"], Action::Copy),
    (What::Consumer, &["info", "nfo"], Action::Info),
    (What::Consumer, &["pause"], Action::Pause),
    (What::KeyValue, &["add", "new"], Action::Add),
    (What::KeyValue, &["edit"], Action::Edit),
    (What::KeyValue, &["del", "rm"], Action::Remove),
    (What::KeyValue, &["info", "view", "status"], Action::Info),
    (What::ObjectStore, &["add"], Action::Add),
    (What::ObjectStore, &["edit"], Action::Edit),
    (What::ObjectStore, &["del", "rm"], Action::Remove),
    (What::ObjectStore, &["info", "show", "i"], Action::Info),
];

/// Flags of every command.
pub(super) const GLOBAL: &[Flag] = flags! {
    "server" Text, Nothing; "user" Text, Nothing; "password" Text, Nothing; "token" Text, Nothing;
    "connection-name" Text, Nothing; "creds" Text, Nothing; "nkey" Text, Nothing;
    "jwt" Text, Nothing; "seed" Text, Nothing; "tlscert" Text, Nothing; "tlskey" Text, Nothing;
    "tlsca" Text, Nothing; "tlsfirst" Switch, Nothing; "tls-first" Switch, Nothing;
    "timeout" Text, Nothing; "socks-proxy" Text, Nothing; "js-api-prefix" Text, Nothing;
    "js-event-prefix" Text, Nothing; "js-domain" Text, Nothing; "inbox-prefix" Text, Nothing;
    "domain" Text, Nothing; "colors" Text, Nothing; "color" Text, Nothing;
    "context" Text, Nothing; "trace" Only, Nothing; "no-context" Only, Nothing;
    "all" Only, Nothing; "json" Only, Nothing; "help" Only, Nothing; "version" Only, Nothing;
};

/// Flags that only make something: `add`.
pub(super) const ADD: &[Flag] = flags! {
    "config" Text, Special; "validate" Only, Special; "output" Text, Special;
    "defaults" Only, Special;
};

/// Flags that only change something: `edit`.
pub(super) const EDIT: &[Flag] = flags! {
    "config" Text, Special; "force" Only, Special; "interactive" Switch, Special;
    "dry-run" Only, Special; "no-mirror" Only, Special; "no-transform" Only, Special;
    "no-republish" Only, Special;
};

/// Flags of `rm`, `pause`, `purge`.
pub(super) const FORCE: &[Flag] = flags! { "force" Only, Nothing; };

const STORAGE: Takes =
    One(&[("file", "file"), ("f", "file"), ("memory", "memory"), ("m", "memory")]);

/// Flags of `stream add`, `copy` and `edit`.
pub(super) const STREAM: &[Flag] = flags! {
    "subjects" Text, Special;
    "description" Text, Field("description");
    "compression" One(&[("none", "none"), ("s2", "s2")]), Field("compression");
    "replicas" Number, Field("num_replicas");
    "tag" Text, Special;
    "tags" Text, Special;
    "cluster" Text, Special;
    "ack" Switch, Not("no_ack");
    "retention" One(&[("limits", "limits"), ("interest", "interest"), ("workq", "workqueue"), ("work", "workqueue")]), Field("retention");
    "discard" One(&[("new", "new"), ("old", "old")]), Field("discard");
    "discard-per-subject" Switch, Field("discard_new_per_subject");
    "max-age" Age, Field("max_age");
    "max-bytes" Bytes, Field("max_bytes");
    "max-consumers" Number, Field("max_consumers");
    "max-msg-size" Bytes, Field("max_msg_size");
    "max-msgs" Number, Field("max_msgs");
    "max-msgs-per-subject" Number, Field("max_msgs_per_subject");
    "dupe-window" Duration, Field("duplicate_window");
    "mirror" Text, Special;
    "source" Text, Special;
    "allow-batch" Switch, Field("allow_atomic");
    "allow-fast" Switch, Field("allow_batched");
    "allow-counter" Only, Field("allow_msg_counter");
    "allow-rollup" Switch, Field("allow_rollup_hdrs");
    "deny-delete" Switch, Field("deny_delete");
    "deny-purge" Switch, Field("deny_purge");
    "allow-direct" Switch, Field("allow_direct");
    "allow-mirror-direct" Switch, Field("mirror_direct");
    "allow-msg-ttl" Only, Field("allow_msg_ttl");
    "allow-schedules" Switch, Field("allow_msg_schedules");
    "subject-del-markers-ttl" Duration, Field("subject_delete_marker_ttl");
    "transform-source" Text, Special;
    "transform-destination" Text, Special;
    "metadata" Text, Special;
    "republish-source" Text, Special;
    "republish-destination" Text, Special;
    "republish-headers" Only, Special;
};

/// Flags of `stream add` and `copy` alone.
pub(super) const STREAM_NEW: &[Flag] = flags! {
    "storage" STORAGE, Field("storage");
    "first-sequence" Number, Field("first_seq");
    "limit-consumer-inactive" Duration, Special;
    "limit-consumer-max-pending" Number, Special;
    "persist-mode" One(&[("default", "default"), ("async", "async")]), Field("persist_mode");
};

/// Flags of `consumer add` and `edit`.
pub(super) const CONSUMER: &[Flag] = flags! {
    "backoff" One(&[("none", "none"), ("linear", "linear")]), Special;
    "backoff-steps" Number, Special;
    "backoff-min" Duration, Special;
    "backoff-max" Duration, Special;
    "description" Text, Field("description");
    "filter" Text, Special;
    "headers-only" Switch, Field("headers_only");
    "max-deliver" Number, Field("max_deliver");
    "max-outstanding" Number, Special;
    "max-pending" Number, Special;
    "max-pull-batch" Number, Field("max_batch");
    "max-pull-expire" Duration, Field("max_expires");
    "max-pull-bytes" Number, Field("max_bytes");
    "sample" Number, Special;
    "target" Text, Field("deliver_subject");
    "wait" Duration, Field("ack_wait");
    "inactive-threshold" Duration, Field("inactive_threshold");
    "replicas" Number, Field("num_replicas");
    "metadata" Text, Special;
};

/// Flags of `consumer add` alone.
pub(super) const CONSUMER_NEW: &[Flag] = flags! {
    "ack" One(&[("none", "none"), ("all", "all"), ("explicit", "explicit"), ("flow_control", "flow_control")]), Field("ack_policy");
    "bps" Number, Field("rate_limit_bps");
    "deliver" Text, Special;
    "deliver-group" Text, Field("deliver_group");
    "ephemeral" Only, Special;
    "flow-control" Only, Field("flow_control");
    "heartbeat" Age, Field("idle_heartbeat");
    "max-waiting" Number, Field("max_waiting");
    "pull" Only, Special;
    "replay" One(&[("instant", "instant"), ("original", "original")]), Field("replay_policy");
    "memory" Only, Field("mem_storage");
    "pause" Text, Special;
    "pinned-groups" Text, Special;
    "pinned-ttl" Duration, Special;
    "overflow-groups" Text, Special;
    "prioritized-groups" Text, Special;
};

/// Flags of `kv add` and `edit`.
pub(super) const KEY_VALUE: &[Flag] = flags! {
    "description" Text, Field("description");
    "history" Number, Field("history");
    "storage" STORAGE, Field("storage");
    "ttl" Duration, Field("ttl");
    "marker-ttl" Duration, Field("limit_marker_ttl");
    "replicas" Number, Field("num_replicas");
    "max-value-size" Bytes, Field("max_value_size");
    "max-bucket-size" Bytes, Field("max_bytes");
    "tags" Text, Special;
    "cluster" Text, Special;
    "compress" Switch, Special;
    "metadata" Text, Special;
    "republish-source" Text, Special;
    "republish-destination" Text, Special;
    "republish-headers" Only, Special;
    "mirror" Text, Special;
    "mirror-domain" Text, Special;
    "no-mirror" Only, Special;
    "source" Text, Special;
};

/// Flags of `object add` and `edit`.
pub(super) const OBJECT_STORE: &[Flag] = flags! {
    "ttl" Duration, Field("ttl");
    "replicas" Number, Field("num_replicas");
    "max-bucket-size" Bytes, Field("max_bytes");
    "description" Text, Field("description");
    "storage" STORAGE, Field("storage");
    "tags" Text, Special;
    "cluster" Text, Special;
    "metadata" Text, Special;
    "compress" Switch, Special;
};

/// One-letter flags.
pub(super) const SHORT: &[(char, &str)] = &[
    ('s', "server"),
    ('j', "json"),
    ('f', "force"),
    ('a', "all"),
    ('i', "interactive"),
    ('h', "help"),
];

/// What people write for a flag that is called otherwise.
pub(super) const MEANT: &[(&str, &str)] = &[
    ("ack-wait", "wait"),
    ("max-ack-pending", "max-pending"),
    ("subject", "subjects"),
    ("filter-subject", "filter"),
    ("filter-subjects", "filter"),
    ("duplicate-window", "dupe-window"),
    ("ttl", "max-age"),
];

/// What `stream add` asks for unless it is given, without `--defaults`.
pub(super) const STREAM_ASKS: &[&str] = &[
    "storage",
    "replicas",
    "retention",
    "discard",
    "max-msgs",
    "max-msgs-per-subject",
    "max-bytes",
    "max-age",
    "max-msg-size",
    "dupe-window",
    "allow-rollup",
    "deny-delete",
    "deny-purge",
];

/// The same for `consumer add`.
pub(super) const CONSUMER_ASKS: &[&str] = &[
    "deliver",
    "ack",
    "replay",
    "filter",
    "max-deliver",
    "max-pending",
    "headers-only",
    "backoff",
];
