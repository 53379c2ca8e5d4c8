//! The answer to a publish, and the header names that a publish may carry.

use serde::{Deserialize, Serialize};

use super::error::ApiError;

/// Id of the message, for deduplication.
pub const MSG_ID: &str = "Nats-Msg-Id";
/// Name of the stream that must store the message.
pub const EXPECTED_STREAM: &str = "Nats-Expected-Stream";
/// Sequence that must be the stream's last.
pub const EXPECTED_LAST_SEQ: &str = "Nats-Expected-Last-Sequence";
/// Sequence that must be the last of the message's subject.
pub const EXPECTED_LAST_SUBJECT_SEQ: &str = "Nats-Expected-Last-Subject-Sequence";
/// Filter to use in place of the subject with [`EXPECTED_LAST_SUBJECT_SEQ`].
pub const EXPECTED_LAST_SUBJECT_SEQ_SUBJECT: &str = "Nats-Expected-Last-Subject-Sequence-Subject";
/// Id that must be the stream's last.
pub const EXPECTED_LAST_MSG_ID: &str = "Nats-Expected-Last-Msg-Id";
/// `sub` or `all`: earlier messages that this one replaces.
pub const ROLLUP: &str = "Nats-Rollup";

/// Time after which the message goes.
pub const TTL: &str = "Nats-TTL";

/// How long a message lives, by its own word (ADR-43).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TimeToLive {
    /// As long as nobody removes it: not even `max_age` does.
    Never,
    /// So many nanoseconds, at least a second of them.
    Nanos(i64),
}

impl TimeToLive {
    /// Parses a header's value: seconds, a duration, or `never`.
    pub fn parse(value: &[u8]) -> Option<Self> {
        const SECOND: i64 = 1_000_000_000;
        let text = std::str::from_utf8(value).ok()?;
        if text == "never" {
            return Some(Self::Never);
        }
        let nanos = match text.parse::<i64>() {
            Ok(seconds) => seconds.checked_mul(SECOND)?,
            Err(_) => crate::time::parse_go_duration(text)?,
        };
        (nanos >= SECOND).then_some(Self::Nanos(nanos))
    }
}

/// The answer to a publish.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct PubAck {
    /// Why the message was not stored.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<ApiError>,
    /// Stream that stored it.
    pub stream: String,
    /// JetStream domain.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub domain: String,
    /// Sequence that it got.
    pub seq: u64,
    /// Whether it was stored before, under the same id.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub duplicate: bool,
}

/// Appends the acknowledgement of a stored message, byte for byte as nats-server writes it.
///
/// `stream` is a valid name; names are escaped where JSON needs it.
pub fn encode_ack(out: &mut Vec<u8>, stream: &str, seq: u64, duplicate: bool) {
    out.extend_from_slice(b"{\"stream\":");
    if stream.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_')) {
        out.push(b'"');
        out.extend_from_slice(stream.as_bytes());
        out.push(b'"');
    } else {
        out.extend_from_slice(&super::json::encode(&stream));
    }
    out.extend_from_slice(b",\"seq\":");
    out.extend_from_slice(itoa::Buffer::new().format(seq).as_bytes());
    if duplicate {
        out.extend_from_slice(b",\"duplicate\": true");
    }
    out.push(b'}');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_to_live() {
        let second = 1_000_000_000;
        for (text, expected) in [
            ("5", Some(TimeToLive::Nanos(5 * second))),
            ("1h30m", Some(TimeToLive::Nanos(5400 * second))),
            ("never", Some(TimeToLive::Never)),
            ("0", None),
            ("-1", None),
            ("0.5s", None),
            ("500ms", None),
            ("x", None),
        ] {
            assert_eq!(TimeToLive::parse(text.as_bytes()), expected, "{text}");
        }
    }

    #[test]
    fn an_ack_reads_as_one() {
        for (stream, seq, duplicate) in [("ORDERS", 7, false), ("q\"ü", u64::MAX, true)] {
            let mut out = Vec::new();
            encode_ack(&mut out, stream, seq, duplicate);
            let ack: PubAck = serde_json::from_slice(&out).unwrap();
            assert_eq!((ack.stream.as_str(), ack.seq, ack.duplicate), (stream, seq, duplicate));
        }
    }
}
