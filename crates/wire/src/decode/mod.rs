//! From bytes to operations, incrementally.
//!
//! Both decoders work on a buffer that the caller fills and consumes: [`ClientDecoder::next`] either
//! yields an operation and how many bytes it took, or says that it needs more. A decoder remembers
//! how many bytes an unfinished frame needs, so that a large payload arriving in many pieces is not
//! scanned again for each of them.

mod client;
mod scan;
mod server;
#[cfg(test)]
mod tests;

pub use client::ClientDecoder;
pub use server::ServerDecoder;

use thiserror::Error;

/// Why a peer's bytes are not the protocol. The connection cannot go on after one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("{kind}")]
pub struct DecodeError {
    /// What is wrong.
    pub kind: DecodeErrorKind,
}

/// The ways in which bytes are not the protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum DecodeErrorKind {
    /// No verb of the protocol, or a payload that does not end where its length says.
    #[error("unknown protocol operation")]
    UnknownOperation,
    /// A known verb with arguments that cannot be meant: wrong in number, or no valid numbers.
    #[error("malformed arguments")]
    MalformedArguments,
    /// A line longer than may be, ended or not.
    #[error("maximum control line exceeded")]
    LineTooLong,
    /// A message longer than the limit in force.
    #[error("maximum payload violation")]
    PayloadTooLong,
}

impl From<DecodeErrorKind> for DecodeError {
    fn from(kind: DecodeErrorKind) -> Self {
        Self { kind }
    }
}
