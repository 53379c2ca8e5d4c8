//! The topology language: one file that says which streams and consumers a system has, who uses
//! them, and what the server is to be.
//!
//! [`source`] and [`yaml`] turn text into nodes that know where they stand, [`read`] puts the files of
//! a topology together, [`lower`] turns nodes into a [`model::Topology`], [`lint`] says what is wrong with it, [`plan`] how a live server
//! differs from it, [`apply`] which calls make it so, [`verify`] whether it holds.
//!
//! This crate does not know sockets, files or clocks, and knows no server: what a server answers
//! comes in as [`observe::Observed`], and what it is to be asked goes out as [`call::Request`]. What
//! is valid, what a field means when it is absent, and what may change is not written here but read
//! from [`watershed_wire::jetstream`].
#![deny(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    clippy::iter_over_hash_type,
    clippy::indexing_slicing
)]
#![cfg_attr(test, allow(clippy::indexing_slicing))]

pub mod apply;
pub mod call;
pub mod dead_letter;
pub mod diagnostic;
pub mod doctor;
pub mod flow;
pub mod format;
pub mod json_schema;
pub mod limits;
pub mod lint;
pub mod lock;
pub mod lower;
pub mod meaning;
mod migration;
pub mod model;
pub mod monitor;
pub mod observe;
mod passage;
pub mod permission;
pub mod plan;
pub mod probe;
pub mod quantity;
pub mod read;
pub mod render;
pub mod retry;
pub mod schema;
pub mod sharing;
pub mod source;
pub mod system;
#[cfg(test)]
mod testing;
pub mod trace;
pub mod verify;
pub mod version;
pub mod yaml;

pub use diagnostic::{Diagnostic, Severity};
pub use model::Topology;
pub use source::SourceMap;
pub use version::Version;
