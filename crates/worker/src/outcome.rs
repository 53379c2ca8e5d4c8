//! What became of a message, as its handler says it.

use std::fmt::Display;
use std::time::Duration;

/// What became of a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// It is done with.
    Done,
    /// It is to come again.
    Retry {
        /// When; by default after what the consumer's `backoff` says for this delivery.
        after: Option<Duration>,
        /// Why it is not done.
        why: String,
    },
    /// It is never to come again.
    Reject {
        /// Why it can never be done.
        why: String,
    },
    /// It is not what the handler reads, and is never to come again.
    Undecodable {
        /// What is wrong with it.
        why: String,
    },
    /// It is to come again, and this worker is to end.
    Stop {
        /// Why the worker cannot go on.
        why: String,
    },
}

impl Outcome {
    /// To come again, after the consumer's `backoff`.
    pub fn retry(why: impl Display) -> Self {
        Self::Retry { after: None, why: why.to_string() }
    }

    /// To come again after `after`.
    pub fn retry_after(after: Duration, why: impl Display) -> Self {
        Self::Retry { after: Some(after), why: why.to_string() }
    }

    /// Never to come again.
    pub fn reject(why: impl Display) -> Self {
        Self::Reject { why: why.to_string() }
    }

    /// To come again elsewhere: this worker is to end.
    pub fn stop(why: impl Display) -> Self {
        Self::Stop { why: why.to_string() }
    }
}

/// Any outcome but a good one: what a handler that uses `?` fails with. Every error becomes a retry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure(pub Outcome);

impl<E: std::error::Error> From<E> for Failure {
    fn from(error: E) -> Self {
        Self(Outcome::retry(error))
    }
}

impl From<()> for Outcome {
    fn from((): ()) -> Self {
        Self::Done
    }
}

impl From<Result<(), Failure>> for Outcome {
    fn from(result: Result<(), Failure>) -> Self {
        result.map_or_else(|Failure(outcome)| outcome, |()| Self::Done)
    }
}

impl<E: Display> From<Result<(), E>> for Outcome {
    fn from(result: Result<(), E>) -> Self {
        result.map_or_else(Self::retry, |()| Self::Done)
    }
}
