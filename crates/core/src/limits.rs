//! Bounds on what is held for clients.

use watershed_wire::limits::{CONNECT_LINE_BYTES_MAX, PAYLOAD_BYTES_MAX};

/// Bytes that may wait for one connection before it counts as a slow consumer and is closed, if nothing
/// else is set (nats-server's `max_pending`).
pub const OUTBOX_BYTES_MAX: usize = 64 * 1024 * 1024;

/// Bytes waiting for one connection above which those who publish to it are held back.
pub const OUTBOX_BYTES_HIGH: usize = 4 * 1024 * 1024;

/// Bytes that may wait for all connections together, or twice what may wait for one if that is more. Beyond, the
/// one with most waiting is closed.
pub const OUTBOXES_BYTES_MAX: usize = 256 * 1024 * 1024;

/// Bytes that may wait for a connection that has not said who it is.
pub const OUTBOX_BYTES_UNKNOWN_MAX: usize = 64 * 1024;

/// Subscriptions of one connection.
pub const SUBSCRIPTIONS_MAX: usize = 1_000_000;

/// Distinct subjects whose matches an account remembers.
pub const MATCH_CACHE_ENTRIES_MAX: usize = 16 * 1024;

/// Connections that are remembered after their end.
pub const GONE_MAX: usize = 1_000;

/// Tokens of a filter. Far above what anybody uses; bounds the depth of the trie.
pub const FILTER_TOKENS_MAX: usize = 256;

/// Requests to other accounts whose replies are waited for at once; beyond, the oldest is forgotten.
pub const PASSED_REPLIES_MAX: usize = 16_384;

/// Messages whose answers a connection may publish for having been asked for them; beyond, the oldest is forgotten.
pub const ANSWERS_MAX: usize = 16_384;

/// Traces that wait for the answer of a stream; beyond, one is told without it.
pub const TRACES_MAX: usize = 4_096;

/// Bytes of the headers of messages whose traces wait.
pub const TRACES_BYTES_MAX: usize = 16 * 1024 * 1024;

/// Bytes of the subjects on which they are waited for.
pub const ANSWERS_BYTES_MAX: usize = 4 * 1024 * 1024;

/// Accounts through which a request passes at most.
pub const PASSES_MAX: usize = 8;

const _: () = assert!(OUTBOX_BYTES_HIGH > PAYLOAD_BYTES_MAX);
const _: () = assert!(OUTBOX_BYTES_HIGH < OUTBOX_BYTES_MAX);
const _: () = assert!(OUTBOX_BYTES_MAX < OUTBOXES_BYTES_MAX);
const _: () = assert!(CONNECT_LINE_BYTES_MAX < OUTBOX_BYTES_HIGH);
