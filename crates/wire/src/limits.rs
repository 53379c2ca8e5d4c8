//! Bounds on what a peer may send, with nats-server's values.

/// Longest control line in bytes, its line end not counted (`max_control_line`).
pub const CONTROL_LINE_BYTES_MAX: usize = 4096;

/// Longest `CONNECT` or `INFO` line in bytes. A JWT with its signature does not fit a control line, so
/// the handshake has a bound of its own; it is checked before anything is parsed.
pub const CONNECT_LINE_BYTES_MAX: usize = 16 * 1024;

/// Longest message, header block included, unless the configuration says otherwise (`max_payload`).
pub const PAYLOAD_BYTES_MAX: usize = 1024 * 1024;

/// Longest name of a stream or a consumer in bytes (JetStream's own bound).
pub const NAME_BYTES_MAX: usize = 255;

/// Longest description of a stream or a consumer in bytes.
pub const DESCRIPTION_BYTES_MAX: usize = 4 * 1024;

/// Keys and values of a stream's or consumer's metadata together, in bytes.
pub const METADATA_BYTES_MAX: usize = 128 * 1024;

const _: () = assert!(CONTROL_LINE_BYTES_MAX < CONNECT_LINE_BYTES_MAX);
const _: () = assert!(CONNECT_LINE_BYTES_MAX < PAYLOAD_BYTES_MAX);
