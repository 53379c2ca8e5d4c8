//! Core NATS: who is connected, who may do what, who listens, and what passes between accounts.
//!
//! [`Core`] is told what happened and answers with bytes in outboxes and with [`Output`]s. It knows
//! nothing of streams but [`Capture`]s: filters whose messages somebody above wants to store. What a
//! publish means above is handed up as plain data: a [`Published`] says which capture took it and
//! whether it is addressed to an API, and [`Hop`]s say the same for other accounts.
#![deny(clippy::disallowed_methods, clippy::disallowed_types, clippy::iter_over_hash_type)]

mod about;
mod account;
mod answers;
mod clients;
mod connections;
mod core;
mod events;
pub mod limits;
mod mapping;
mod outbox;
mod output;
mod passage;
pub mod permit;
mod publish;
mod published;
mod reform;
mod router;
mod session;
mod settings;
mod system;
mod trace;
mod traces;
mod user;
mod watched;

pub use clients::Taken;
pub use core::Core;
pub use mapping::{Mapping, MappingError};
pub use outbox::Outbox;
pub use output::{CloseReason, ConnId, Flow, Output};
pub use published::{Hop, Published};
pub use reform::{Changeable, Standing};
pub use router::Capture;
pub use session::{Bounds, Counts, Identity, Key, Peer, Until};
pub use settings::{Most, Settings};
pub use system::{About, Claims, Question, SYSTEM_ACCOUNT, server};
pub use watched::{
    AccountStatistics, ConnectionDetail, Sort, State, SubscriptionDetail, Traffic, Which,
};
pub use watershed_base::AccountId;
