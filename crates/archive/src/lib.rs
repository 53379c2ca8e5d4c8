//! Archives of streams as nats-server makes them: [`Reader`] reads one as it comes, [`Writer`] writes one.
//!
//! The layout of nats-server up to 2.14 is a tar of a stream's files, packed by S2. It has `meta.inf` (the
//! configuration), `msgs/<n>.blk` (messages), `msgs/index.db` (not written here, and not needed), and for each
//! consumer `obs/<name>/meta.inf` and `obs/<name>/o.dat` (its position). What is next to a configuration with
//! the ending `.sum` is its checksum. All of nats-server from 2.10 to 2.15 reads it.
//!
//! nats-server 2.15 makes archives of another layout (`entries`), which is read, too.
//!
//! Everything is read in pieces as they come, whatever comes: what is kept in memory is bounded.
#![deny(clippy::disallowed_methods, clippy::disallowed_types, clippy::iter_over_hash_type)]

mod bad;
mod blocks;
mod entries;
mod position;
mod reader;
mod s2;
mod tar;
mod writer;

pub use bad::BadArchive;
pub use blocks::{Entry, Message};
pub use position::{Pending, Position};
pub use reader::{Consumer, Layout, Next, Reader};
pub use writer::{BLOCK_BYTES, Writer};
