//! What the two sides of a NATS socket must agree on.
//!
//! The client protocol in both directions ([`decode`], [`encode`]), subjects and filters
//! ([`subject`]), header blocks ([`header`]), the handshake ([`handshake`]) and the JetStream API as
//! plain types ([`jetstream`]).
//!
//! This crate does not know sockets, files, clocks or threads, and keeps no state between calls but
//! the decoders' own. Bytes from a peer never make it panic, and never make it allocate: operations
//! borrow from the buffer that they were decoded from.
#![deny(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    clippy::iter_over_hash_type,
    clippy::indexing_slicing
)]
#![cfg_attr(test, allow(clippy::indexing_slicing))]

pub mod conf;
pub mod decode;
pub mod encode;
pub mod handshake;
pub mod header;
pub mod ident;
pub mod jetstream;
pub mod limits;
pub mod op;
pub mod subject;
pub mod time;

pub use decode::{ClientDecoder, DecodeError, DecodeErrorKind, ServerDecoder};
pub use op::{ClientOp, Publish, ServerOp};
