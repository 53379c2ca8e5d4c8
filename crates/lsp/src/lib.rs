//! What editors ask about topology files, in the words of the Language Server Protocol.
//!
//! [`Documents`] are the texts as an editor has them, [`Folder`] is what the files of one folder say together, and
//! answers questions about them. This crate reads no files and speaks to nobody: `watershed lsp` does.
#![deny(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    clippy::iter_over_hash_type,
    clippy::indexing_slicing
)]
#![cfg_attr(test, allow(clippy::indexing_slicing, clippy::unwrap_used))]

mod action;
mod complete;
mod documents;
mod findings;
mod folder;
mod hover;
mod lines;
mod names;
mod navigate;
mod outline;
mod path;
mod shape;
#[cfg(test)]
mod tests;

pub use action::EXPLAIN;
pub use documents::{Documents, folder_of};
pub use folder::Folder;
