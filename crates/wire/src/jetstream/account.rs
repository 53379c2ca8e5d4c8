//! What an account uses and may use, and the envelope that every API reply comes in.

use serde::{Deserialize, Serialize};

use super::error::ApiError;

/// The envelope of a reply: its type, and the error in place of a result.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reply<T> {
    /// Name of the reply's schema, such as `io.nats.jetstream.api.v1.stream_info_response`.
    #[serde(rename = "type", default)]
    pub kind: String,
    /// Why there is no result.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<ApiError>,
    /// The result.
    #[serde(flatten)]
    pub result: Option<T>,
}

impl<T> Reply<T> {
    /// A reply of the schema `kind`, without the common prefix.
    pub fn new(kind: &str, result: Result<T, ApiError>) -> Self {
        let kind = format!("io.nats.jetstream.api.v1.{kind}");
        match result {
            Ok(result) => Self { kind, error: None, result: Some(result) },
            Err(error) => Self { kind, error: Some(error), result: None },
        }
    }
}

/// A result without content but that it happened.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Success {
    /// Always true; an error takes its place.
    pub success: bool,
}

/// The part of a list that a reply carries.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Page {
    /// Entries in all.
    pub total: usize,
    /// Entries passed over.
    pub offset: usize,
    /// Most entries in one reply.
    pub limit: usize,
}

impl Page {
    /// The part behind `offset`, which counts what there is at most.
    pub fn of(total: usize, offset: usize, limit: usize) -> Self {
        Self { total, offset: offset.min(total), limit }
    }
}

/// What an account may use; -1 for no limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct AccountLimits {
    /// Bytes in memory.
    pub max_memory: i64,
    /// Bytes on disk.
    pub max_storage: i64,
    /// Streams.
    pub max_streams: i64,
    /// Consumers.
    pub max_consumers: i64,
    /// `max_ack_pending` of a consumer.
    pub max_ack_pending: i64,
    /// Bytes of one stream in memory.
    pub memory_max_stream_bytes: i64,
    /// Bytes of one stream on disk.
    pub storage_max_stream_bytes: i64,
    /// Whether a stream must say how large it may become.
    pub max_bytes_required: bool,
}

impl Default for AccountLimits {
    fn default() -> Self {
        Self {
            max_memory: -1,
            max_storage: -1,
            max_streams: -1,
            max_consumers: -1,
            max_ack_pending: -1,
            memory_max_stream_bytes: -1,
            storage_max_stream_bytes: -1,
            max_bytes_required: false,
        }
    }
}

/// API calls of an account.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ApiStats {
    /// API level of the server.
    pub level: u32,
    /// Calls.
    pub total: u64,
    /// Of these, answered with an error.
    pub errors: u64,
}

/// Result of `$JS.API.INFO`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct AccountInfo {
    /// Bytes in memory.
    pub memory: u64,
    /// Bytes on disk.
    pub storage: u64,
    /// Bytes in memory that streams have set aside by `max_bytes`.
    pub reserved_memory: u64,
    /// Bytes on disk that streams have set aside by `max_bytes`.
    pub reserved_storage: u64,
    /// Streams.
    pub streams: usize,
    /// Consumers.
    pub consumers: usize,
    /// What the account may use.
    pub limits: AccountLimits,
    /// JetStream domain.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub domain: String,
    /// API calls.
    pub api: ApiStats,
}
