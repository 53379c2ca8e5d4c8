//! What can be wrong with an archive.

use thiserror::Error;

/// What is wrong with an archive.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("{0}")]
pub struct BadArchive(pub &'static str);
