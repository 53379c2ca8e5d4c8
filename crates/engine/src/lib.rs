//! Everything that one node decides.
//!
//! [`Engine`] is told what happened (a connection opened, an operation arrived, a deadline passed)
//! and answers with bytes in outboxes and with [`Output`]s. It does not know sockets, files, clocks,
//! threads or randomness: time is an argument, and the seed of its choices is too. The same inputs
//! give the same outputs, byte for byte.
#![deny(clippy::disallowed_methods, clippy::disallowed_types, clippy::iter_over_hash_type)]

mod account;
mod api;
mod consumer;
mod delivery;
mod engine;
mod jetstream;
pub mod limits;
pub mod monitor;
mod now;
mod outbox;
mod output;
mod passage;
pub mod permit;
mod random;
mod router;
mod session;
mod stream;
mod timer;

pub use account::{AccountId, AccountStore};
pub use engine::{Engine, Settings};
pub use jetstream::{JetStreamSettings, Restored};
pub use now::{Now, Tick};
pub use outbox::Outbox;
pub use output::{CloseReason, Completion, ConnId, Flow, Output, Placed};
pub use session::{Identity, Peer};
