//! Bounds on what a node holds for its clients.

use watershed_wire::limits::{CONNECT_LINE_BYTES_MAX, PAYLOAD_BYTES_MAX};

/// Bytes that may wait for one connection before it counts as a slow consumer and is closed
/// (nats-server's `max_pending`).
pub const OUTBOX_BYTES_MAX: usize = 64 * 1024 * 1024;

/// Bytes waiting for one connection above which those who publish to it are held back.
pub const OUTBOX_BYTES_HIGH: usize = 4 * 1024 * 1024;

/// Subscriptions of one connection.
pub const SUBSCRIPTIONS_MAX: usize = 1_000_000;

/// Distinct subjects whose matches an account remembers.
pub const MATCH_CACHE_ENTRIES_MAX: usize = 16 * 1024;

/// Tokens of a filter. Far above what anybody uses; bounds the depth of the trie.
pub const FILTER_TOKENS_MAX: usize = 256;

/// Distinct subjects whose permission a connection remembers.
pub const PERMIT_CACHE_ENTRIES_MAX: usize = 256;

const _: () = assert!(OUTBOX_BYTES_HIGH > PAYLOAD_BYTES_MAX);
const _: () = assert!(OUTBOX_BYTES_HIGH < OUTBOX_BYTES_MAX);
const _: () = assert!(CONNECT_LINE_BYTES_MAX < OUTBOX_BYTES_HIGH);

/// Bytes of records that wait for the disk above which publishers are held back.
pub const ROUND_BYTES_WAITING_MAX: usize = 64 * 1024 * 1024;

/// Bytes of rounds after which a checkpoint lets the journal be used again.
pub const JOURNAL_BYTES_PER_CHECKPOINT: usize = 32 * 1024 * 1024;

/// Names in one reply of `STREAM.NAMES`.
pub const NAMES_PER_PAGE: usize = 1024;

/// Streams in one reply of `STREAM.LIST`.
pub const STREAMS_PER_PAGE: usize = 256;

/// Subjects in one reply of `STREAM.INFO`.
pub const SUBJECTS_PER_PAGE: usize = 100_000;

/// Missing sequences that a reply of `STREAM.INFO` lists.
pub const DELETED_DETAILS_MAX: usize = 100_000;

/// Requests to other accounts whose replies are waited for at once; beyond, the oldest is forgotten.
pub const PASSED_REPLIES_MAX: usize = 16_384;

/// Accounts through which a request passes at most.
pub const PASSES_MAX: usize = 8;

/// Subjects and sources of a stream, transforms of a source, filters of a consumer: each is held
/// against the others, and the engine does nothing else meanwhile.
pub const FILTERS_MAX: usize = 10_000;
