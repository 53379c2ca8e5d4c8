//! Bounds on what a peer may send, with nats-server's values.

use std::time::Duration;

/// Longest control line in bytes, its line end not counted (`max_control_line`).
pub const CONTROL_LINE_BYTES_MAX: usize = 4096;

/// Longest subject in bytes that a transform makes: what a client can subscribe to.
pub const SUBJECT_BYTES_MAX: usize = CONTROL_LINE_BYTES_MAX;

/// Longest `CONNECT` or `INFO` line in bytes. A JWT with its signature does not fit a control line, so
/// the handshake has a bound of its own; it is checked before anything is parsed.
pub const CONNECT_LINE_BYTES_MAX: usize = 16 * 1024;

/// Longest message, header block included, unless the configuration says otherwise (`max_payload`).
pub const PAYLOAD_BYTES_MAX: usize = 1024 * 1024;

/// Longest header block in bytes of a message that is published to a stream, as on nats-server. Streams
/// that publish to each other end by it: each adds headers.
pub const HEADER_BYTES_MAX: usize = u16::MAX as usize;

/// Longest time for which a message is acknowledged by Watershed's own server and not durable, where
/// its stream allows that (`persist_mode: async`), before further ones wait for the disk. nats-server has no such
/// bound.
pub const ACKED_AHEAD_MAX: Duration = Duration::from_millis(100);

/// Longest name of a stream or a consumer in bytes (JetStream's own bound).
pub const NAME_BYTES_MAX: usize = 255;

/// Longest description of a stream or a consumer in bytes.
pub const DESCRIPTION_BYTES_MAX: usize = 4 * 1024;

/// Keys and values of a stream's or consumer's metadata together, in bytes.
pub const METADATA_BYTES_MAX: usize = 128 * 1024;

/// Highest sequence that a stream may begin at or a copy or a consumer may start at. Far enough below
/// the highest number that counting on from it never ends; the store refuses what is above, too.
pub const SEQUENCE_MAX: u64 = u64::MAX / 4;

/// Subjects of a stream, its sources, transforms of a source, filters of a consumer: each is held
/// against the others, and everybody waits meanwhile. nats-server has no bound but the payload's.
pub const FILTERS_MAX: usize = 10_000;

/// Tokens of a filter in a configuration. Far above what anybody uses; nats-server has no bound.
pub const FILTER_TOKENS_MAX: usize = 256;

/// Steps that holding the filters of one request against each other may take: some ten milliseconds.
pub const FILTER_STEPS_MAX: u64 = 500_000;

const _: () = assert!(CONTROL_LINE_BYTES_MAX < CONNECT_LINE_BYTES_MAX);
const _: () = assert!(CONNECT_LINE_BYTES_MAX < PAYLOAD_BYTES_MAX);
