//! Consumers as the API describes them.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::error::{ApiError, table};
use super::stream::{ClusterInfo, is_default, is_zero, is_zero_u64};
use crate::time::UnixNanos;

/// Where a consumer starts.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DeliverPolicy {
    /// At the first message.
    #[default]
    All,
    /// At the last message.
    Last,
    /// At what is published from now on.
    New,
    /// At `opt_start_seq`.
    ByStartSequence,
    /// At `opt_start_time`.
    ByStartTime,
    /// At the last message of each subject.
    LastPerSubject,
}

/// What an acknowledgement means.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AckPolicy {
    /// Nothing: a delivered message is done. The API's default, and rarely meant.
    #[default]
    None,
    /// The message and all before it are done.
    All,
    /// The message is done.
    Explicit,
    /// As `all`, acknowledged by answers to flow control (2.14).
    FlowControl,
}

/// How fast stored messages are delivered.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ReplayPolicy {
    /// As fast as they are taken.
    #[default]
    Instant,
    /// With the pauses that they were published with.
    Original,
}

/// Who of several clients is served first.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PriorityPolicy {
    /// Nobody.
    #[default]
    None,
    /// Clients that ask only when there is much to do.
    Overflow,
    /// One at a time.
    PinnedClient,
    /// By the number in the request.
    Prioritized,
}

/// The configuration of a consumer, with every field of nats-server 2.14's API under its API name.
///
/// Durations are nanoseconds.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ConsumerConfig {
    /// Name of a consumer that outlives its clients.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub durable_name: String,
    /// Name.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub name: String,
    /// Text for people.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub description: String,
    /// Where to start.
    pub deliver_policy: DeliverPolicy,
    /// Sequence to start at.
    #[serde(skip_serializing_if = "is_zero_u64")]
    pub opt_start_seq: u64,
    /// Time to start at.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub opt_start_time: Option<UnixNanos>,
    /// What an acknowledgement means.
    pub ack_policy: AckPolicy,
    /// Time after which an unacknowledged message is delivered again.
    #[serde(skip_serializing_if = "is_zero")]
    pub ack_wait: i64,
    /// Most deliveries of one message; -1 for no limit.
    #[serde(skip_serializing_if = "is_zero")]
    pub max_deliver: i64,
    /// Times after which the first, second, … delivery counts as failed. The first replaces
    /// `ack_wait`, the last holds for all that follow.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub backoff: Vec<i64>,
    /// Which messages to deliver.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub filter_subject: String,
    /// Which messages to deliver, more than one filter.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub filter_subjects: Vec<String>,
    /// How fast.
    pub replay_policy: ReplayPolicy,
    /// Bits per second.
    #[serde(skip_serializing_if = "is_zero_u64")]
    pub rate_limit_bps: u64,
    /// Percentage of acknowledgements that are reported.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub sample_freq: String,
    /// Most requests that may wait.
    #[serde(skip_serializing_if = "is_zero")]
    pub max_waiting: i64,
    /// Most messages delivered and not acknowledged.
    #[serde(skip_serializing_if = "is_zero")]
    pub max_ack_pending: i64,
    /// Whether a push consumer waits for its client.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub flow_control: bool,
    /// Whether payloads are left out.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub headers_only: bool,
    /// Most messages that one request may ask for.
    #[serde(skip_serializing_if = "is_zero")]
    pub max_batch: i64,
    /// Longest time that a request may wait.
    #[serde(skip_serializing_if = "is_zero")]
    pub max_expires: i64,
    /// Most bytes that one request may ask for.
    #[serde(skip_serializing_if = "is_zero")]
    pub max_bytes: i64,
    /// Where a push consumer delivers.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub deliver_subject: String,
    /// Queue group that shares a push consumer's deliveries.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub deliver_group: String,
    /// Silence after which a push consumer says that it is there.
    #[serde(skip_serializing_if = "is_zero")]
    pub idle_heartbeat: i64,
    /// Time without clients after which the consumer goes.
    #[serde(skip_serializing_if = "is_zero")]
    pub inactive_threshold: i64,
    /// Copies in a cluster; 0 for the stream's.
    pub num_replicas: i64,
    /// Whether the state is kept in memory.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub mem_storage: bool,
    /// Internal to clustering.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub direct: bool,
    /// Free text by key.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub metadata: BTreeMap<String, String>,
    /// Until when nothing is delivered.
    #[serde(deserialize_with = "crate::time::set", skip_serializing_if = "Option::is_none")]
    pub pause_until: Option<UnixNanos>,
    /// Groups of clients.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub priority_groups: Vec<String>,
    /// Who of them is served first.
    #[serde(skip_serializing_if = "is_default")]
    pub priority_policy: PriorityPolicy,
    /// How long a pinned client may be silent.
    #[serde(skip_serializing_if = "is_zero")]
    pub priority_timeout: i64,
}

impl ConsumerConfig {
    /// Whether the consumer delivers by itself, rather than on request.
    pub fn is_push(&self) -> bool {
        !self.deliver_subject.is_empty()
    }

    /// Whether the consumer outlives its clients.
    pub fn is_durable(&self) -> bool {
        !self.durable_name.is_empty()
    }

    /// For how many nanoseconds from `now` on nothing is delivered; `None` where it is not paused.
    pub fn pause_remaining(&self, now: UnixNanos) -> Option<i64> {
        let left = self.pause_until?.0.saturating_sub(now.0);
        (left > 0).then_some(left)
    }

    /// How many of a hundred acknowledgements are reported.
    pub fn sampled_percent(&self) -> u64 {
        let number = self.sample_freq.strip_suffix('%').unwrap_or(&self.sample_freq);
        number.parse().unwrap_or(0)
    }

    /// The filters, however they were given.
    pub fn filters(&self) -> &[String] {
        if self.filter_subject.is_empty() {
            &self.filter_subjects
        } else {
            std::slice::from_ref(&self.filter_subject)
        }
    }
}

/// What a create request is allowed to do (ADR-37).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum CreateAction {
    /// Create, or update what is there.
    #[default]
    #[serde(rename = "")]
    CreateOrUpdate,
    /// Only create; the same again is no error.
    Create,
    /// Only update.
    Update,
}

/// Body of `CONSUMER.CREATE` and `CONSUMER.DURABLE.CREATE`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct CreateRequest {
    /// Name of the stream, the same as in the subject.
    pub stream_name: String,
    /// What to create.
    pub config: ConsumerConfig,
    /// What is allowed.
    #[serde(skip_serializing_if = "is_default")]
    pub action: CreateAction,
    /// Whether the server must refuse rather than adjust.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub pedantic: bool,
}

/// A pair of positions: in the consumer's own count, and in the stream's.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct SequencePair {
    /// Deliveries counted by the consumer.
    pub consumer_seq: u64,
    /// Sequence in the stream.
    pub stream_seq: u64,
    /// When that was.
    #[serde(deserialize_with = "crate::time::set", skip_serializing_if = "Option::is_none")]
    pub last_active: Option<UnixNanos>,
}

/// A priority group in a reply (ADR-42).
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct PriorityGroupState {
    /// Name.
    pub group: String,
    /// Id of the pinned client, if one is.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub pinned_client_id: String,
    /// Since when it is.
    pub pinned_ts: UnixNanos,
}

/// A consumer in a reply.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ConsumerInfo {
    /// Stream that it reads.
    pub stream_name: String,
    /// Name.
    pub name: String,
    /// When it was created.
    pub created: UnixNanos,
    /// Configuration in force.
    pub config: ConsumerConfig,
    /// Last delivery.
    pub delivered: SequencePair,
    /// Everything up to here is acknowledged.
    pub ack_floor: SequencePair,
    /// Delivered and not acknowledged.
    pub num_ack_pending: usize,
    /// Of these, delivered more than once.
    pub num_redelivered: usize,
    /// Requests that wait.
    pub num_waiting: usize,
    /// Stored and not yet delivered.
    pub num_pending: u64,
    /// Where it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cluster: Option<ClusterInfo>,
    /// Whether somebody listens where a push consumer delivers.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub push_bound: bool,
    /// Whether deliveries are paused.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub paused: bool,
    /// For how long, in nanoseconds.
    #[serde(skip_serializing_if = "is_zero")]
    pub pause_remaining: i64,
    /// When this was true.
    pub ts: UnixNanos,
    /// The priority group that is served, if there are any.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub priority_groups: Vec<PriorityGroupState>,
}

/// Body of `CONSUMER.RESET`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ResetRequest {
    /// Sequence from which the consumer goes on; 0 for the first one that is not acknowledged.
    #[serde(skip_serializing_if = "is_zero_u64")]
    pub seq: u64,
}

impl ResetRequest {
    /// Parses a body, which may be empty. Fields that are not known are ignored, other than in the rest of
    /// the API.
    pub fn parse(body: &[u8]) -> Result<Self, ApiError> {
        if body.is_empty() {
            return Ok(Self::default());
        }
        super::json::object(body).map_err(|error| table::INVALID_JSON.with(error))
    }
}

/// Result of `CONSUMER.RESET`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Reset {
    /// The consumer as it is then.
    #[serde(flatten)]
    pub info: ConsumerInfo,
    /// Sequence from which it goes on.
    pub reset_seq: u64,
}

/// Body of `CONSUMER.UNPIN`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct UnpinRequest {
    /// Group whose client is pinned no longer.
    pub group: String,
}

impl UnpinRequest {
    /// Parses a body. Fields that are not known are ignored, other than in the rest of the API.
    pub fn parse(body: &[u8]) -> Result<Self, ApiError> {
        let request: Self =
            super::json::object(body).map_err(|error| table::INVALID_JSON.with(error))?;
        if request.group.is_empty() {
            return Err(table::INVALID_JSON.with("consumer group not specified"));
        }
        Ok(request)
    }
}

/// Body of `CONSUMER.NAMES` and `CONSUMER.LIST`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ConsumerListRequest {
    /// How many to pass over.
    #[serde(deserialize_with = "super::json::offset")]
    pub offset: usize,
}

/// Body of `CONSUMER.PAUSE`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct PauseRequest {
    /// Until when nothing is delivered. Absent, or in the past, to go on.
    #[serde(deserialize_with = "crate::time::set", skip_serializing_if = "Option::is_none")]
    pub pause_until: Option<UnixNanos>,
}

/// Result of `CONSUMER.PAUSE`; also what stands beside an error.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Paused {
    /// Whether nothing is delivered.
    pub paused: bool,
    /// Until when.
    pub pause_until: UnixNanos,
    /// For how long, in nanoseconds.
    #[serde(skip_serializing_if = "is_zero")]
    pub pause_remaining: i64,
}

impl Paused {
    /// What a consumer is at `now`.
    pub fn of(config: &ConsumerConfig, now: UnixNanos) -> Self {
        let left = config.pause_remaining(now);
        Self {
            paused: left.is_some(),
            pause_until: config.pause_until.unwrap_or_default(),
            pause_remaining: left.unwrap_or(0),
        }
    }
}
