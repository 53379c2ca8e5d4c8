//! Streams as the API describes them.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::error::ApiError;
use crate::time::UnixNanos;

/// When a stored message may go.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Retention {
    /// When a limit is reached.
    #[default]
    Limits,
    /// When every consumer that wants it has acknowledged it.
    Interest,
    /// When its one consumer has acknowledged it.
    WorkQueue,
}

/// What happens when a limit is reached.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Discard {
    /// The oldest messages go.
    #[default]
    Old,
    /// The new message is refused.
    New,
}

/// Where messages are kept.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Storage {
    /// On disk.
    #[default]
    File,
    /// In memory: gone with the process.
    Memory,
}

/// Whether stored messages are compressed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Compression {
    /// They are not.
    #[default]
    None,
    /// With S2.
    S2,
}

/// When a message counts as stored.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PersistMode {
    /// The server's way: nats-server writes before it acknowledges, this server also syncs.
    #[default]
    Default,
    /// Acknowledged before it is written.
    Async,
}

/// The configuration of a stream, with every field of nats-server 2.14's API under its API name.
///
/// Durations are nanoseconds, `-1` is "no limit" as on the wire.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct StreamConfig {
    /// Name, unique in the account.
    pub name: String,
    /// Text for people.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub description: String,
    /// Filters whose messages the stream stores.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub subjects: Vec<String>,
    /// When a message may go.
    pub retention: Retention,
    /// Most consumers.
    pub max_consumers: i64,
    /// Most messages.
    pub max_msgs: i64,
    /// Most bytes.
    pub max_bytes: i64,
    /// Age in nanoseconds at which messages go; 0 for never.
    pub max_age: i64,
    /// Most messages of one subject.
    pub max_msgs_per_subject: i64,
    /// Longest message in bytes, header block included.
    pub max_msg_size: i32,
    /// What happens when a limit is reached.
    pub discard: Discard,
    /// Where messages are kept.
    pub storage: Storage,
    /// Copies in a cluster.
    pub num_replicas: i64,
    /// Whether publishes go unanswered.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub no_ack: bool,
    /// How long message ids are remembered, in nanoseconds.
    #[serde(skip_serializing_if = "is_zero")]
    pub duplicate_window: i64,
    /// Where in a cluster.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub placement: Option<Placement>,
    /// The one stream this one repeats, sequences included.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mirror: Option<StreamSource>,
    /// Streams whose messages this one takes in.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub sources: Vec<StreamSource>,
    /// Compression of stored messages.
    pub compression: Compression,
    /// Sequence of the first message.
    #[serde(skip_serializing_if = "is_zero_u64")]
    pub first_seq: u64,
    /// How subjects are changed before a message is stored.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub subject_transform: Option<SubjectTransform>,
    /// Where stored messages are published again.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub republish: Option<Republish>,
    /// Whether messages may be read by `DIRECT.GET`.
    pub allow_direct: bool,
    /// Whether a mirror answers direct gets for its origin.
    pub mirror_direct: bool,
    /// Whether nothing may change any more.
    pub sealed: bool,
    /// Whether single messages cannot be deleted.
    pub deny_delete: bool,
    /// Whether the stream cannot be purged.
    pub deny_purge: bool,
    /// Whether `Nats-Rollup` is obeyed.
    pub allow_rollup_hdrs: bool,
    /// Whether `discard: new` applies to each subject's limit.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub discard_new_per_subject: bool,
    /// Defaults and bounds for consumers.
    pub consumer_limits: ConsumerLimits,
    /// Free text by key.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub metadata: BTreeMap<String, String>,
    /// Whether `Nats-TTL` is obeyed.
    pub allow_msg_ttl: bool,
    /// How long a marker stays after the last message of a subject expired, in nanoseconds.
    #[serde(skip_serializing_if = "is_zero")]
    pub subject_delete_marker_ttl: i64,
    /// Whether messages are counters.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub allow_msg_counter: bool,
    /// Whether messages may be published in atomic batches.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub allow_atomic: bool,
    /// Whether `Nats-Schedule` is obeyed.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub allow_msg_schedules: bool,
    /// When a message counts as stored.
    #[serde(skip_serializing_if = "is_default")]
    pub persist_mode: PersistMode,
    /// Whether messages may be published in fast batches.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub allow_batched: bool,
}

impl StreamConfig {
    /// A configuration with a name and subjects, everything else absent.
    pub fn named(name: &str, subjects: &[&str]) -> Self {
        Self {
            name: name.to_owned(),
            subjects: subjects.iter().map(|subject| (*subject).to_owned()).collect(),
            ..Self::default()
        }
    }
}

/// Where in a cluster a stream may be.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Placement {
    /// Name of the cluster.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub cluster: String,
    /// Tags that servers must have.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<String>,
    /// Server that should lead; only for requests to step down.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub preferred: String,
}

/// A stream that another one mirrors or sources.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct StreamSource {
    /// Name of the origin.
    pub name: String,
    /// Sequence to start at.
    #[serde(skip_serializing_if = "is_zero_u64")]
    pub opt_start_seq: u64,
    /// Time to start at.
    #[serde(deserialize_with = "crate::time::set", skip_serializing_if = "Option::is_none")]
    pub opt_start_time: Option<UnixNanos>,
    /// Which messages to take.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub filter_subject: String,
    /// Which messages to take, and under which subjects.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub subject_transforms: Vec<SubjectTransform>,
    /// Where the origin is, if in another account or domain.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub external: Option<External>,
    /// Durable consumer to read through (2.14).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub consumer: Option<SourceConsumer>,
}

/// The durable consumer that a source reads through.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct SourceConsumer {
    /// Name of the consumer on the origin.
    pub name: String,
    /// Where it delivers.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub deliver_subject: String,
}

/// Subjects of another account's or domain's API.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(default)]
pub struct External {
    /// Prefix in place of `$JS.API`.
    pub api: String,
    /// Prefix of delivery subjects.
    pub deliver: String,
}

/// A change of subjects: what `src` takes becomes `dest`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(default)]
pub struct SubjectTransform {
    /// Filter of subjects to change.
    pub src: String,
    /// What they become.
    pub dest: String,
}

/// Where stored messages are published again.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Republish {
    /// Filter of stored subjects.
    pub src: String,
    /// Subject to publish to.
    pub dest: String,
    /// Whether only the headers are published.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub headers_only: bool,
}

/// Defaults and bounds for a stream's consumers.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ConsumerLimits {
    /// Longest `inactive_threshold` in nanoseconds, and the default.
    #[serde(skip_serializing_if = "is_zero")]
    pub inactive_threshold: i64,
    /// Highest `max_ack_pending`, and the default.
    #[serde(skip_serializing_if = "is_zero")]
    pub max_ack_pending: i64,
}

/// What a stream holds.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct StreamState {
    /// Messages.
    pub messages: u64,
    /// Bytes, as nats-server counts them.
    pub bytes: u64,
    /// Sequence of the first message, or where it would be.
    pub first_seq: u64,
    /// Time of the first message.
    pub first_ts: UnixNanos,
    /// Sequence of the last message ever.
    pub last_seq: u64,
    /// Time of the last message ever.
    pub last_ts: UnixNanos,
    /// Distinct subjects.
    #[serde(skip_serializing_if = "is_zero_u64")]
    pub num_subjects: u64,
    /// Messages by subject, if asked for.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub subjects: BTreeMap<String, u64>,
    /// Messages missing between the first and the last.
    #[serde(skip_serializing_if = "is_zero_u64")]
    pub num_deleted: u64,
    /// Their sequences, if asked for.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub deleted: Vec<u64>,
    /// Consumers.
    pub consumer_count: usize,
}

/// A stream in a reply.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct StreamInfo {
    /// Configuration in force.
    pub config: StreamConfig,
    /// When the stream was created.
    pub created: UnixNanos,
    /// What it holds.
    pub state: StreamState,
    /// JetStream domain.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub domain: String,
    /// Where it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cluster: Option<ClusterInfo>,
    /// How far a mirror is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mirror: Option<SourceInfo>,
    /// How far each source is.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub sources: Vec<SourceInfo>,
    /// When this was true.
    pub ts: UnixNanos,
}

/// The part of a cluster that holds an asset. One node is its own leader.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ClusterInfo {
    /// Name of the cluster.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub name: String,
    /// Server that leads.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub leader: String,
}

/// How far a mirror or a source is behind its origin.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct SourceInfo {
    /// Name of the origin.
    pub name: String,
    /// Messages that it is behind.
    pub lag: u64,
    /// Nanoseconds since it last heard from the origin; -1 for never.
    pub active: i64,
    /// Which messages it takes.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub filter_subject: String,
    /// Which messages it takes, and under which subjects.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub subject_transforms: Vec<SubjectTransform>,
    /// Why it does not move.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<ApiError>,
}

/// Body of `STREAM.INFO`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct StreamInfoRequest {
    /// Whether to list the sequences that are missing.
    pub deleted_details: bool,
    /// Which subjects to count.
    pub subjects_filter: String,
    /// How many subjects to pass over.
    #[serde(deserialize_with = "super::json::offset")]
    pub offset: usize,
}

/// Body of `STREAM.NAMES` and `STREAM.LIST`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct StreamListRequest {
    /// How many to pass over.
    #[serde(deserialize_with = "super::json::offset")]
    pub offset: usize,
    /// Only streams with a subject that overlaps this one.
    pub subject: String,
}

/// Body of `STREAM.PURGE`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct PurgeRequest {
    /// Only messages of these subjects.
    pub filter: String,
    /// Only messages before this sequence.
    pub seq: u64,
    /// Keep this many of the newest.
    pub keep: u64,
}

pub(super) fn is_zero(value: &i64) -> bool {
    *value == 0
}

pub(super) fn is_zero_u64(value: &u64) -> bool {
    *value == 0
}

pub(super) fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}
