//! Bounds of what is read.

/// Bytes of one file.
pub const FILE_BYTES_MAX: usize = 16 * 1024 * 1024;

/// Nodes of one file, aliases written out. What repeats itself through aliases grows without one.
pub const NODES_MAX: usize = 1_000_000;

/// Nesting of one file.
pub const DEPTH_MAX: usize = 64;

/// Findings that are kept of one run; a file with more is another kind of file.
pub const DIAGNOSTICS_MAX: usize = 10_000;

const _: () = assert!(FILE_BYTES_MAX < u32::MAX as usize, "spans count in 32 bits");

/// Most streams that messages are followed through, from source to source.
pub const ORIGIN_DEPTH_MAX: usize = 256;

/// How often a list is begun again because it changed while its pages were read.
pub const LIST_BEGUN_MAX: u32 = 8;
