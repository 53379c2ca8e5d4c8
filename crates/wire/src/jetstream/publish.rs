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
/// Header of a message that stands for the last one of its subject, which has expired: why that went
/// (ADR-43).
pub const MARKER_REASON: &str = "Nats-Marker-Reason";
/// Header of a message in a bucket: what was done to the key.
pub const KV_OPERATION: &str = "KV-Operation";
/// Header of a message that was sourced: origin, sequence, filters, what they become, subject.
pub const STREAM_SOURCE: &str = "Nats-Stream-Source";
/// Atomic batch that the message belongs to (ADR-50).
pub const BATCH_ID: &str = "Nats-Batch-Id";
/// Header of a message of an atomic batch: its number there, from 1 on.
pub const BATCH_SEQUENCE: &str = "Nats-Batch-Sequence";
/// Header of the message that ends an atomic batch: `1` with it, `eob` before it.
pub const BATCH_COMMIT: &str = "Nats-Batch-Commit";
/// What the message adds to a counter (ADR-49).
pub const INCREMENT: &str = "Nats-Incr";
/// Header of a message of a counter that sums up others: what of it is of which.
pub const COUNTER_SOURCES: &str = "Nats-Counter-Sources";
/// When the message is to be published again (ADR-51).
pub const SCHEDULE: &str = "Nats-Schedule";
/// Begins the names of all headers of a schedule.
pub const SCHEDULE_PREFIX: &str = "Nats-Schedule";
/// Subject under which a schedule publishes.
pub const SCHEDULE_TARGET: &str = "Nats-Schedule-Target";
/// Subject whose last message a schedule publishes again.
pub const SCHEDULE_SOURCE: &str = "Nats-Schedule-Source";
/// Time after which what a schedule publishes goes.
pub const SCHEDULE_TTL: &str = "Nats-Schedule-TTL";
/// `sub`: what a schedule publishes replaces what it published before.
pub const SCHEDULE_ROLLUP: &str = "Nats-Schedule-Rollup";
/// By whose clocks a schedule goes.
pub const SCHEDULE_TIME_ZONE: &str = "Nats-Schedule-Time-Zone";
/// Begins the names of headers that hold only for the stream that a message was published to.
pub const EXPECTATION: &str = "Nats-Expected-";
/// Subject of the schedule that published the message.
pub const SCHEDULER: &str = "Nats-Scheduler";
/// When that schedule publishes next, or `purge`.
pub const SCHEDULE_NEXT: &str = "Nats-Schedule-Next";
/// API level that the server must have to handle a request (ADR-44).
pub const REQUIRED_API_LEVEL: &str = "Nats-Required-Api-Level";
/// Subject to report to where the message goes (ADR-41).
pub const TRACE_DESTINATION: &str = "Nats-Trace-Dest";
/// Whether it is only to be reported, and not delivered.
pub const TRACE_ONLY: &str = "Nats-Trace-Only";

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
        if text.eq_ignore_ascii_case("never") {
            return Some(Self::Never);
        }
        let nanos = if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
            // More than 292 years of seconds are taken for 292 years.
            text.parse().unwrap_or(i64::MAX).saturating_mul(SECOND)
        } else {
            crate::time::parse_go_duration(text)?
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
    /// What the counter has come to.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub val: String,
}

/// The answer to the end of an atomic batch.
#[derive(Debug, Clone, Serialize)]
pub struct BatchAck<'a> {
    /// Stream that stored it.
    pub stream: &'a str,
    /// JetStream domain.
    #[serde(skip_serializing_if = "str::is_empty")]
    pub domain: &'a str,
    /// Sequence of its last message.
    pub seq: u64,
    /// Its id.
    pub batch: &'a str,
    /// How many messages were stored.
    pub count: u64,
}

/// Appends the acknowledgement of a stored message, byte for byte as nats-server writes it.
///
/// `stream` is a valid name; names are escaped where JSON needs it. `domain` is that of JetStream, or empty. `counter` is
/// what a counter has come to.
pub fn encode_ack(
    out: &mut Vec<u8>,
    stream: &str,
    domain: &str,
    seq: u64,
    duplicate: bool,
    counter: Option<&str>,
) {
    out.extend_from_slice(b"{\"stream\":");
    encode_name(out, stream);
    if !domain.is_empty() {
        out.extend_from_slice(b",\"domain\":");
        encode_name(out, domain);
    }
    out.extend_from_slice(b",\"seq\":");
    out.extend_from_slice(itoa::Buffer::new().format(seq).as_bytes());
    if duplicate {
        out.extend_from_slice(b",\"duplicate\": true");
    }
    if let Some(value) = counter {
        out.extend_from_slice(b",\"val\":\"");
        out.extend_from_slice(value.as_bytes());
        out.push(b'"');
    }
    out.push(b'}');
}

fn encode_name(out: &mut Vec<u8>, name: &str) {
    if name.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_')) {
        out.push(b'"');
        out.extend_from_slice(name.as_bytes());
        out.push(b'"');
    } else {
        out.extend_from_slice(&super::json::encode(&name));
    }
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
            ("NEVER", Some(TimeToLive::Never)),
            ("99999999999999999999", Some(TimeToLive::Nanos(i64::MAX))),
            ("", None),
            ("+5", None),
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
        for (stream, domain, seq, duplicate, value) in [
            ("ORDERS", "", 7, false, None),
            ("q\"ü", "d\"ü", u64::MAX, true, None),
            ("C", "hub", 1, false, Some("-12")),
        ] {
            let mut out = Vec::new();
            encode_ack(&mut out, stream, domain, seq, duplicate, value);
            let ack: PubAck = serde_json::from_slice(&out).unwrap();
            assert_eq!((ack.stream.as_str(), ack.seq, ack.duplicate), (stream, seq, duplicate));
            assert_eq!(ack.domain, domain);
            assert_eq!(ack.val, value.unwrap_or_default());
        }
    }
}
