//! What makes a configuration valid, and what an absent field means.
//!
//! The rules and their texts are nats-server 2.14's, seen by running it. A server refuses with the
//! first violation; a linter shows them all.

mod apart;
mod bounds;
mod consumer;
mod origins;
mod stream;

pub use apart::meet;
pub use bounds::{Bounds, account_limit, consumer_within, reached, stream_within};
pub use consumer::{consumer, consumer_on_stream, consumer_pedantic, fill_consumer};
pub use stream::{fill_mirror, fill_stream, stream, stream_update};

use std::borrow::Cow;

use super::error::{ApiError, table};

/// A rule that a configuration breaks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    /// Path of the field that has to change: `max_age`, `sources.1.filter_subject`.
    pub field: Cow<'static, str>,
    /// What nats-server answers.
    pub error: ApiError,
}

impl Violation {
    fn new(field: impl Into<Cow<'static, str>>, error: impl Into<ApiError>) -> Self {
        Self { field: field.into(), error: error.into() }
    }

    /// What most rules of streams are answered with.
    fn invalid(field: &'static str, text: impl std::fmt::Display) -> Self {
        Self::new(field, table::STREAM_INVALID_CONFIG.with(text))
    }
}

const MILLISECOND: i64 = 1_000_000;
const SECOND: i64 = 1_000 * MILLISECOND;

/// Durations that nats-server considers too short to be meant.
const DURATION_MIN: i64 = 100 * MILLISECOND;

#[cfg(test)]
mod tests;
