//! Reading and deleting single messages.

use serde::{Deserialize, Serialize};

use super::stream::{is_zero, is_zero_u64};
use crate::time::UnixNanos;

/// Body of `STREAM.MSG.GET` and `DIRECT.GET`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct GetRequest {
    /// Sequence to read, or to start at.
    #[serde(skip_serializing_if = "is_zero_u64")]
    pub seq: u64,
    /// The last message of this subject.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub last_by_subj: String,
    /// The first message of this subject at or after `seq`.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub next_by_subj: String,
    /// Direct only: so many messages.
    #[serde(skip_serializing_if = "is_zero")]
    pub batch: i64,
    /// Direct only: at most so many bytes.
    #[serde(skip_serializing_if = "is_zero")]
    pub max_bytes: i64,
    /// Direct only: messages from this time on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub start_time: Option<UnixNanos>,
    /// Direct only: the last message of each of these subjects.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub multi_last: Vec<String>,
    /// With `multi_last`: as of this sequence.
    #[serde(skip_serializing_if = "is_zero_u64")]
    pub up_to_seq: u64,
    /// With `multi_last`: as of this time.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub up_to_time: Option<UnixNanos>,
    /// Whether the stored header block is left out.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub no_hdr: bool,
}

/// A stored message in a reply; header block and payload in base64.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct StoredMessage {
    /// Subject.
    pub subject: String,
    /// Sequence.
    pub seq: u64,
    /// Header block.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub hdrs: String,
    /// Payload.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub data: String,
    /// When it was stored.
    pub time: UnixNanos,
}

/// Body of `STREAM.MSG.DELETE`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct DeleteRequest {
    /// Sequence to delete.
    pub seq: u64,
    /// Whether the bytes may stay on disk.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub no_erase: bool,
}
