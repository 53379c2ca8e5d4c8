//! A crash-safe journal and logs over it.
//!
//! This crate knows bytes, keys and sequence numbers. It does not know NATS, and it does no I/O of
//! its own: a [`disk::Disk`] is given to it. docs/design/store.md has the whole picture.
#![deny(clippy::disallowed_methods, clippy::disallowed_types, clippy::iter_over_hash_type)]

pub mod blocks;
pub mod bytes;
pub mod checkpoint;
mod checksum;
pub mod disk;
pub mod format;
mod frames;
pub mod identity;
pub mod journal;
pub mod keeper;
pub mod limits;
pub mod log;
pub mod opening;
mod parity;
pub mod record;
pub mod round;

pub use disk::{Disk, DiskFile, is_full};
pub use journal::{CommitError, Journal, Needed, OpenError, Recovered};
pub use keeper::Keeper;
pub use log::Log;
pub use record::{LogId, Record};
pub use round::{Place, Round, RoundBuilder};
