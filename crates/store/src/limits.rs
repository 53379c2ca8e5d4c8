//! Bounds and sizes of what is on disk. Sizes are bytes.

/// First segment of a journal; each further one is twice as large, up to [`SEGMENT_BYTES_MAX`].
/// Small, so that a server in a test starts in milliseconds.
pub const SEGMENT_BYTES_FIRST: u64 = 1024 * 1024;

/// Largest segment of a journal, unless one round alone needs more.
pub const SEGMENT_BYTES_MAX: u64 = 64 * 1024 * 1024;

/// Segments that a journal keeps for when the disk is full: what frees space must still be written.
pub const SPARE_SEGMENTS: usize = 2;

/// Length of a segment that is made to be spare.
pub const SPARE_SEGMENT_BYTES: u64 = 256 * 1024;

/// Least space that is kept for checkpoints and blocks when the disk is full.
pub const RESERVE_BYTES_MIN: u64 = 1024 * 1024;

/// Most space that is kept for them.
pub const RESERVE_BYTES_MAX: u64 = 64 * 1024 * 1024;

/// A round is closed when it has this many bytes: larger ones only make those who wait, wait.
pub const ROUND_BYTES_GOOD: usize = 1024 * 1024;

/// Longest round. A message of the largest payload that a server can be configured for fits.
pub const ROUND_BYTES_MAX: usize = 256 * 1024 * 1024;

/// Longest key of a record.
pub const KEY_BYTES_MAX: usize = u16::MAX as usize;

/// Longest record.
pub const RECORD_BYTES_MAX: usize = 128 * 1024 * 1024;

const _: () = assert!(ROUND_BYTES_GOOD < ROUND_BYTES_MAX);
const _: () = assert!(RECORD_BYTES_MAX < ROUND_BYTES_MAX);
const _: () = assert!(SEGMENT_BYTES_FIRST <= SEGMENT_BYTES_MAX);
const _: () = assert!(SPARE_SEGMENT_BYTES <= SEGMENT_BYTES_FIRST);
const _: () = assert!(ROUND_BYTES_MAX <= u32::MAX as usize);
