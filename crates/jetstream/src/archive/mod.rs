//! Archives of streams in nats-server's layout: a tar of its files, packed by S2. It has
//! `meta.inf` (the configuration), `msgs/<n>.blk` (messages), `msgs/index.db` (not written here, and
//! not needed), and for each consumer `obs/<name>/meta.inf` and `obs/<name>/o.dat` (its position).
//! What is next to a configuration with the ending `.sum` is its checksum.
//!
//! nats-server 2.15 has another layout, which is read, too (`entries`).
//!
//! Everything is read in pieces as they come, whatever comes: what is kept in memory is bounded.

pub(crate) mod blocks;
pub(crate) mod entries;
pub(crate) mod position;
pub(crate) mod s2;
pub(crate) mod tar;

/// What is wrong with an archive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct BadArchive(pub(crate) &'static str);
