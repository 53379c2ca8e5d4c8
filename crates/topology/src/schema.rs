//! What may be written where: the fields of the file, as data.
//!
//! Fields of streams and consumers have the names of nats-server's API. A test holds the tables
//! against [`watershed_wire`]'s types, so that no field is forgotten.

/// A key and what may stand behind it.
#[derive(Debug)]
pub struct Field {
    /// The key.
    pub name: &'static str,
    /// What may stand there.
    pub kind: Kind,
    /// What it means.
    pub about: &'static str,
}

/// What may stand behind a key.
#[derive(Debug, Clone, Copy)]
pub enum Kind {
    /// Any text.
    Text,
    /// A subject, which may have wildcards.
    Filter,
    /// A list of those.
    Filters,
    /// A whole number from 0 up.
    Count,
    /// A whole number, or `unlimited`.
    Limit,
    /// A size with its unit, or `unlimited`.
    Size,
    /// A duration with its unit.
    Duration,
    /// A duration with its unit, or `unlimited`.
    Age,
    /// A list of durations.
    Durations,
    /// `true` or `false`.
    Flag,
    /// One of these words.
    Choice(&'static [&'static str]),
    /// A moment, RFC 3339.
    Time,
    /// A list of texts.
    Texts,
    /// Keys and texts, all of them free.
    Pairs,
    /// A mapping with these fields.
    Object(&'static [Field]),
    /// A list of those.
    Objects(&'static [Field]),
    /// Mappings with these fields, each under a free key.
    Named(&'static [Field]),
}

macro_rules! fields {
    ($($name:ident: $kind:expr, $about:literal;)*) => {
        &[$(Field { name: stringify!($name), kind: $kind, about: $about }),*]
    };
}

use Kind::{
    Age, Choice, Count, Duration, Durations, Filter, Filters, Flag, Limit, Named, Object, Objects,
    Pairs, Size, Text, Texts, Time,
};

/// A stream, but for its name, which is its key.
pub const STREAM: &[Field] = fields! {
    description: Text, "text for people";
    subjects: Filters, "filters whose messages are stored";
    retention: Choice(&["limits", "interest", "workqueue"]), "when a message may go";
    storage: Choice(&["file", "memory"]), "where messages are kept";
    max_age: Age, "age at which messages go";
    max_msgs: Limit, "most messages";
    max_bytes: Size, "most bytes; set aside for this stream";
    max_msgs_per_subject: Limit, "most messages of one subject";
    max_msg_size: Size, "longest message";
    max_consumers: Limit, "most consumers";
    discard: Choice(&["old", "new"]), "what a full stream does";
    discard_new_per_subject: Flag, "whether `discard: new` applies to each subject's limit";
    num_replicas: Count, "copies in a cluster";
    no_ack: Flag, "whether publishes go unanswered";
    duplicate_window: Duration, "how long message ids are remembered";
    placement: Object(PLACEMENT), "where in a cluster";
    mirror: Object(SOURCE), "the one stream that this one repeats";
    sources: Objects(SOURCE), "streams whose messages this one takes in";
    compression: Choice(&["none", "s2"]), "compression of stored messages";
    first_seq: Count, "sequence of the first message";
    subject_transform: Object(TRANSFORM), "how subjects change before a message is stored";
    republish: Object(REPUBLISH), "where stored messages are published again";
    allow_direct: Flag, "whether any replica may answer reads";
    mirror_direct: Flag, "whether a mirror answers reads for its origin";
    sealed: Flag, "whether nothing may change any more";
    deny_delete: Flag, "whether single messages cannot be deleted";
    deny_purge: Flag, "whether the stream cannot be purged";
    allow_rollup_hdrs: Flag, "whether `Nats-Rollup` is obeyed";
    consumer_limits: Object(CONSUMER_LIMITS), "defaults and bounds for consumers";
    metadata: Pairs, "free text by key";
    allow_msg_ttl: Flag, "whether `Nats-TTL` is obeyed";
    subject_delete_marker_ttl: Duration, "how long a marker stays where a subject's last message expired";
    allow_msg_counter: Flag, "whether messages are counters";
    allow_atomic: Flag, "whether messages may come in atomic batches";
    allow_msg_schedules: Flag, "whether `Nats-Schedule` is obeyed";
    persist_mode: Choice(&["default", "async"]), "when a message counts as stored";
    allow_batched: Flag, "whether messages may come in fast batches";
};

/// A consumer, but for its name, which is its key.
pub const CONSUMER: &[Field] = fields! {
    description: Text, "text for people";
    filter_subject: Filter, "which messages it takes";
    filter_subjects: Filters, "which messages it takes, more than one filter";
    ack_policy: Choice(&["explicit", "all", "none", "flow_control"]), "what an acknowledgement means [default: `explicit`]";
    ack_wait: Duration, "time until an unacknowledged message is delivered again";
    max_deliver: Limit, "most deliveries of one message";
    backoff: Durations, "waits before each further delivery; the first is the ack wait";
    max_ack_pending: Limit, "most messages delivered and not acknowledged";
    deliver_policy: Choice(&["all", "last", "new", "by_start_sequence", "by_start_time", "last_per_subject"]), "where it starts";
    opt_start_seq: Count, "sequence to start at";
    opt_start_time: Time, "moment to start at";
    replay_policy: Choice(&["instant", "original"]), "how fast stored messages come";
    deliver_subject: Text, "where a push consumer delivers";
    deliver_group: Text, "queue group that shares a push consumer";
    idle_heartbeat: Duration, "silence after which a push consumer says that it is there";
    flow_control: Flag, "whether a push consumer waits for its client";
    rate_limit_bps: Count, "bits per second";
    headers_only: Flag, "whether payloads are left out";
    max_waiting: Count, "most requests that wait";
    max_batch: Count, "most messages that one request asks for";
    max_expires: Duration, "longest time that a request waits";
    max_bytes: Size, "most bytes that one request asks for";
    inactive_threshold: Duration, "time without clients after which it goes";
    num_replicas: Count, "copies in a cluster [default: the stream's]";
    mem_storage: Flag, "whether its state is kept in memory";
    sample_freq: Text, "percentage of acknowledgements that are reported";
    metadata: Pairs, "free text by key";
    pause_until: Time, "until when nothing is delivered";
    priority_groups: Texts, "groups of clients";
    priority_policy: Choice(&["none", "overflow", "pinned_client", "prioritized"]), "who of them is served first";
    priority_timeout: Duration, "how long a pinned client may be silent";
};

/// What the language adds to a stream.
pub const STREAM_OWN: &[Field] = fields! {
    was: Text, "name of the stream that it is to be from now on, with its messages and consumers";
    protect: Flag, "whether no flag may delete it";
    probe: Text, "subject on which `verify` may store a message, and take it back";
    monitor: Object(STREAM_MONITOR), "thresholds for `nats server check stream`";
};

/// What the language adds to a bucket or an object store.
pub const BUCKET_OWN: &[Field] = fields! {
    protect: Flag, "whether no flag may delete it";
    monitor: Object(STREAM_MONITOR), "thresholds for `nats server check stream`";
};

/// What the language adds to a consumer.
pub const CONSUMER_OWN: &[Field] = fields! {
    protect: Flag, "whether no flag may delete it";
    dead_letter: Text, "stream that keeps messages which are given up";
    monitor: Object(CONSUMER_MONITOR), "thresholds for `nats server check consumer`";
};

/// Thresholds of a stream; each is a flag of `nats server check stream`.
pub const STREAM_MONITOR: &[Field] = fields! {
    enabled: Flag, "whether checks look at it [default: true]";
    lag_critical: Count, "operations that it may be behind an origin";
    seen_critical: Duration, "how long an origin may be silent";
    min_sources: Count, "fewest origins";
    max_sources: Count, "most origins";
    peer_expect: Count, "servers that keep it";
    peer_lag_critical: Count, "operations that a copy may be behind";
    peer_seen_critical: Duration, "how long a copy may be silent";
    msgs_warn: Count, "messages, fewer of which are a warning";
    msgs_critical: Count, "messages, fewer of which are critical";
    subjects_warn: Count, "number of subjects that is a warning";
    subjects_critical: Count, "number of subjects that is critical; below the warning, fewer are worse";
};

/// Thresholds of a consumer; each is a flag of `nats server check consumer`.
pub const CONSUMER_MONITOR: &[Field] = fields! {
    enabled: Flag, "whether checks look at it [default: true]";
    outstanding_ack_critical: Count, "messages delivered and not acknowledged";
    waiting_critical: Count, "requests that wait";
    unprocessed_critical: Count, "messages not delivered yet";
    last_delivery_critical: Duration, "how long nothing may be delivered";
    last_ack_critical: Duration, "how long nothing may be acknowledged";
    redelivery_critical: Count, "messages that are being delivered again";
    pinned: Flag, "whether a client must be pinned";
};

const PLACEMENT: &[Field] = fields! {
    cluster: Text, "name of the cluster";
    tags: Texts, "tags that servers must have";
    preferred: Text, "server that should lead";
};

const SOURCE: &[Field] = fields! {
    name: Text, "name of the origin";
    opt_start_seq: Count, "sequence to start at";
    opt_start_time: Time, "moment to start at";
    filter_subject: Filter, "which messages to take";
    subject_transforms: Objects(TRANSFORM), "which messages to take, and under which subjects";
    external: Object(EXTERNAL), "where the origin is, if in another account or domain";
    consumer: Object(SOURCE_CONSUMER), "durable consumer to read through";
};

const TRANSFORM: &[Field] = fields! {
    src: Filter, "subjects to change";
    dest: Text, "what they become";
};

const EXTERNAL: &[Field] = fields! {
    api: Text, "prefix in place of $JS.API";
    deliver: Text, "prefix of delivery subjects";
};

const SOURCE_CONSUMER: &[Field] = fields! {
    name: Text, "name of the consumer";
    deliver_subject: Text, "where it delivers";
};

const REPUBLISH: &[Field] = fields! {
    src: Filter, "stored subjects";
    dest: Text, "subject to publish to";
    headers_only: Flag, "whether only headers are published";
};

const CONSUMER_LIMITS: &[Field] = fields! {
    inactive_threshold: Duration, "longest, and the default";
    max_ack_pending: Limit, "highest, and the default";
};

/// A key-value bucket, but for its name, which is its key. Names are those of the clients.
pub const KEY_VALUE: &[Field] = fields! {
    description: Text, "text for people";
    history: Count, "values of one key that are kept, up to 64";
    ttl: Age, "age at which values go";
    max_value_size: Size, "longest value";
    max_bytes: Size, "most bytes; set aside for this bucket";
    storage: Choice(&["file", "memory"]), "where values are kept";
    num_replicas: Count, "copies in a cluster";
    compression: Choice(&["none", "s2"]), "compression of stored values";
    placement: Object(PLACEMENT), "where in a cluster";
    republish: Object(REPUBLISH), "where stored values are published again";
    mirror: Object(SOURCE), "the one bucket that this one repeats";
    sources: Objects(SOURCE), "buckets whose keys this one takes in";
    duplicate_window: Duration, "how long message ids are remembered";
    limit_marker_ttl: Duration, "how long a marker stays where a value expired";
    allow_msg_ttl: Flag, "whether a value may have a time to live of its own";
    allow_direct: Flag, "whether any replica may answer reads [default: true]";
    metadata: Pairs, "free text by key";
};

/// An object store, but for its name, which is its key.
pub const OBJECT_STORE: &[Field] = fields! {
    description: Text, "text for people";
    ttl: Age, "age at which objects go";
    max_bytes: Size, "most bytes; set aside for this store";
    storage: Choice(&["file", "memory"]), "where objects are kept";
    num_replicas: Count, "copies in a cluster";
    compression: Choice(&["none", "s2"]), "compression of stored objects";
    allow_direct: Flag, "whether any replica may answer reads [default: true]";
    placement: Object(PLACEMENT), "where in a cluster";
    duplicate_window: Duration, "how long message ids are remembered";
    metadata: Pairs, "free text by key";
};

/// A service.
pub const SERVICE: &[Field] = fields! {
    description: Text, "text for people";
    publishes: Filters, "subjects that it publishes";
    consumes: Texts, "consumers that it reads, as STREAM/consumer";
    reads: Texts, "buckets and object stores that it reads";
    writes: Texts, "buckets and object stores that it writes to";
    ensures: Texts, "what it creates at its start if it is not there: streams, buckets, object stores, consumers as STREAM/consumer";
    requests: Filters, "subjects that it asks on, and waits for a reply";
    replies: Filters, "subjects that it answers requests on";
    replicas: Count, "how many of it run";
    handler_timeout: Duration, "longest time that it works on one message";
    concurrency: Count, "messages that each of it works on at once";
    idempotent: Flag, "whether a message that comes twice does no harm";
    command: Texts, "the program that it is, and its arguments, for `up --with-services`; runs in the folder of the file";
    handlers: Named(HANDLER), "what `watershed work` runs for each message of a consumer, by STREAM/consumer";
};

/// What handles the messages of a consumer: a command or an endpoint.
const HANDLER: &[Field] = fields! {
    command: Texts, "program and arguments; gets the payload as its input";
    http: Text, "URL that the payload is sent to, as a POST";
};

/// What a user may do, in the words of nats.conf.
pub const PERMISSIONS: &[Field] = fields! {
    publish: Object(RULES), "subjects that the user may publish to";
    subscribe: Object(RULES), "subjects that the user may subscribe to";
};

/// Subjects that are allowed and denied.
pub const RULES: &[Field] = fields! {
    allow: Filters, "what is allowed; beside a `service`, in addition to what it does";
    deny: Filters, "what is not, whatever is allowed";
};

/// How a user may connect.
pub const CONNECTIONS: &[Field] = fields! {
    allowed_connection_types: Texts, "how the user may connect, as STANDARD or WEBSOCKET [default: in every way]";
};

/// Answers that a user may publish.
pub const RESPONSES: &[Field] = fields! {
    max: Limit, "most answers to one message [default: 1]";
    expires: Duration, "time in which they may come [default: 2m]";
};

/// How the server is set up.
pub const SERVER: &[Field] = fields! {
    listen: Text, "address for clients, as host:port";
    http: Text, "address for monitoring, as host:port";
    max_payload: Size, "longest message";
    no_auth_user: Text, "user that somebody is who shows no credentials";
    token: Object(SECRET), "where the token is that everybody shows, instead of `users`";
    tls: Object(TLS), "certificates for clients";
    jetstream: Object(JETSTREAM), "where streams are kept, and how much of it";
};

/// Where a secret is.
const SECRET: &[Field] = fields! {
    env: Text, "environment variable";
    file: Text, "file, relative to this one";
};

/// Files with certificates.
pub const TLS: &[Field] = fields! {
    cert_file: Text, "certificate of the server";
    key_file: Text, "its key";
    ca_file: Text, "certificates of who signs those of clients";
    verify: Flag, "whether clients must show a certificate";
};

/// What other accounts may import.
pub const EXPORT: &[Field] = fields! {
    stream: Filter, "messages that others may subscribe to";
    service: Filter, "requests that others may send";
    accounts: Texts, "accounts that may [default: every one]";
    response: Choice(&["singleton", "stream", "chunked"]), "how many replies a request has [default: `singleton`]";
};

/// What is taken from another account.
pub const IMPORT: &[Field] = fields! {
    stream: Object(IMPORTED), "messages that arrive here";
    service: Object(IMPORTED), "requests that are answered there";
    to: Text, "subjects here, if they are others; `$1` is what the first wildcard took";
    prefix: Text, "what stands before the subjects here";
};

const IMPORTED: &[Field] = fields! {
    account: Text, "account that exports it";
    subject: Filter, "subjects there";
};

/// Lists of what passes between accounts.
pub const SHARING: &[Field] = fields! {
    exports: Objects(EXPORT), "what other accounts may import";
    imports: Objects(IMPORT), "what is taken from other accounts";
    mappings: Objects(MAPPING), "subjects that become others when something is published to them";
};

/// A subject that becomes another one.
pub const MAPPING: &[Field] = fields! {
    subject: Filter, "what is published to";
    to: Text, "what that becomes; `$1` is what the first wildcard took";
    weight: Count, "percent of the messages, where several mappings share them [default: 100]";
    cluster: Text, "cluster in which it is so [default: each]";
};

/// How a topology is to be judged.
pub const LINT: &[Field] = fields! {
    target_version: Text, "version of nats-server that it is for, as 2.14 or 2.14.6";
    levels: Pairs, "`error`, `warning`, `info` or `off` by the code of a rule";
    names: Object(NAMES), "what names are to look like, as regular expressions";
};

/// What names are to look like: regular expressions that take the whole name.
pub const NAMES: &[Field] = fields! {
    stream: Text, "names of streams";
    consumer: Text, "names of consumers";
    subject: Text, "subjects that streams store, and that services publish";
    bucket: Text, "names of buckets and object stores";
    service: Text, "names of services";
    user: Text, "names of users";
};

/// What a server keeps of streams, and where.
pub const JETSTREAM: &[Field] = fields! {
    store_dir: Text, "folder of the streams, relative to this file";
    domain: Text, "domain of JetStream, by which other servers reach it";
    max_file_store: Size, "most bytes on disk";
    max_memory_store: Size, "most bytes in memory";
    max_streams: Limit, "most streams of the account";
    max_consumers: Limit, "most consumers of one stream";
    max_ack_pending: Limit, "highest `max_ack_pending` of a consumer, and the default";
    max_bytes_required: Flag, "whether every stream must have `max_bytes`";
    disk_max_stream_bytes: Size, "highest `max_bytes` of a stream on disk";
    memory_max_stream_bytes: Size, "highest `max_bytes` of a stream in memory";
    limits: Object(SERVER_LIMITS), "what the server allows every account";
};

const SERVER_LIMITS: &[Field] = fields! {
    max_ack_pending: Limit, "highest `max_ack_pending` of a consumer, and the default";
    max_request_batch: Limit, "highest `max_batch` of a consumer, and the default";
    duplicate_window: Duration, "longest `duplicate_window` of a stream, and the default";
    max_ha_assets: Limit, "most streams and consumers with copies on one server";
};

/// What other tools call a field.
const SYNONYMS: &[(&str, &str)] = &[
    ("replicas", "num_replicas"),
    ("max_messages", "max_msgs"),
    ("max_message_size", "max_msg_size"),
    ("max_msgs_per_subj", "max_msgs_per_subject"),
    ("max_size", "max_bytes"),
    ("ttl", "max_age"),
    ("filter", "filter_subject"),
    ("filters", "filter_subjects"),
    ("ack", "ack_policy"),
    ("deliver", "deliver_policy"),
    ("target", "deliver_subject"),
    ("queue", "deliver_group"),
    ("dupe_window", "duplicate_window"),
    ("duplicates", "duplicate_window"),
    ("max_file", "max_file_store"),
    ("max_mem", "max_memory_store"),
    ("max_mem_store", "max_memory_store"),
    ("retention_policy", "retention"),
    ("subject", "subjects"),
    ("pass", "password"),
];

/// Whether a key is another way to write a known one, or what other tools call it.
pub fn is_same(word: &str, known: &str) -> bool {
    let plain = |text: &str| text.to_lowercase().replace(['-', '_', ' '], "");
    let synonym = |(other, own): &(&str, &str)| plain(other) == plain(word) && *own == known;
    plain(known) == plain(word) || SYNONYMS.iter().any(synonym)
}

/// The known word that an unknown one was probably meant to be.
pub fn nearest<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let plain = |text: &str| text.to_lowercase().replace(['-', '_', ' '], "");
    let score = |name: &&'a str| {
        if is_same(word, name) { 1.0 } else { strsim::jaro_winkler(&plain(name), &plain(word)) }
    };
    let best = known.into_iter().max_by(|a, b| score(a).total_cmp(&score(b)))?;
    (score(&best) > 0.8).then_some(best)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use serde_json::{Value, json};
    use watershed_wire::jetstream::{ConsumerConfig, StreamConfig};

    use super::*;

    /// A value of the right kind, so that a type serializes all of its fields.
    fn sample(kind: Kind) -> Value {
        match kind {
            Text | Filter => json!("a"),
            Filters | Texts => json!(["a"]),
            Count | Limit | Size | Duration | Age => json!(1),
            Durations => json!([1]),
            Flag => json!(true),
            Choice(words) => json!(words.last().unwrap()),
            Time => json!("2026-01-01T00:00:00Z"),
            Pairs => json!({"a": "b"}),
            Object(fields) => object(fields),
            Objects(fields) => json!([object(fields)]),
            Named(fields) => json!({"a": object(fields)}),
        }
    }

    fn object(fields: &[Field]) -> Value {
        fields.iter().map(|field| (field.name.to_owned(), sample(field.kind))).collect()
    }

    #[track_caller]
    fn check<T: serde::Serialize + serde::de::DeserializeOwned + Default>(
        fields: &[Field],
        also: &[&str],
    ) {
        let everything = object(fields);
        let typed: T = serde_json::from_value(everything.clone()).unwrap();
        // Each field of the table survives a trip through the type: the type has it.
        let back = serde_json::to_value(&typed).unwrap();
        for field in fields {
            assert_eq!(back[field.name], everything[field.name], "{}", field.name);
        }
        // And each field of the type is in the table.
        let own =
            |value: &Value| value.as_object().unwrap().keys().cloned().collect::<BTreeSet<_>>();
        let mut known: BTreeSet<String> = own(&everything);
        known.extend(also.iter().map(|name| (*name).to_owned()));
        assert_eq!(own(&back).difference(&known).collect::<Vec<_>>(), Vec::<&String>::new());
    }

    #[test]
    fn every_field_of_the_api_has_its_place() {
        check::<StreamConfig>(STREAM, &["name"]);
        check::<ConsumerConfig>(CONSUMER, &["name", "durable_name"]);
    }

    #[test]
    fn what_was_meant_is_guessed() {
        let known = || STREAM.iter().map(|field| field.name);
        for (typed, meant) in [
            ("max_mesages", Some("max_msgs")),
            ("maxAge", Some("max_age")),
            ("subject", Some("subjects")),
            ("replicas", Some("num_replicas")),
            ("retenton", Some("retention")),
            ("zzz", None),
        ] {
            assert_eq!(nearest(typed, known()), meant, "{typed}");
        }
    }
}
