//! JetStream: streams, consumers and their API over a journal.
//!
//! A publish or a change that is accepted becomes a record of the open round, and nothing else. When
//! the round is durable, its records are applied to the [state](state) in order; what clients are told
//! follows from what that changed. A start applies the same records by the same function and tells
//! nobody.
//!
//! [`JetStream`] is told what happened and answers through a [`Network`], at once, and with
//! [`DiskOutput`]s. It does not know sockets, files, clocks, threads or randomness, nor who is
//! connected: a client is a subject to reply to.
#![deny(clippy::disallowed_methods, clippy::disallowed_types, clippy::iter_over_hash_type)]

mod accounts;
mod ack_all;
mod acknowledge;
mod acknowledge_ahead;
mod ahead;
mod api;
mod archived;
mod audits;
mod batch_get;
mod batch_reads;
mod batches;
mod calls;
mod checkpoint;
mod choosing;
mod chunk;
mod commit;
mod consumer_key;
mod counters;
mod counting;
mod damage;
mod deliver;
mod disk;
mod events;
mod expecting;
mod fast;
mod fast_batches;
mod firing;
mod flow;
mod follow;
mod garbage;
mod gather;
mod jetstream;
mod keep;
pub mod limits;
mod live;
mod markers;
pub mod monitor;
mod network;
mod notices;
mod output;
mod pause;
mod publish;
mod publishes;
mod pulling;
mod reading;
mod record;
mod refused;
mod republish;
mod rescheduling;
mod resetting;
mod restore;
mod restores;
mod restoring;
mod room;
mod rounds;
mod schedules;
mod sealing;
mod searching;
mod shown;
mod snapshot;
mod snapshots;
mod staged;
mod state;
mod survey;
mod tail;
mod told;
mod turn;
mod uncounted;
mod window;

pub use self::ahead::Forgotten;
pub use self::damage::Damaged;
pub use self::jetstream::{AccountStore, JetStream, JetStreamSettings};
pub use self::network::{Capture, Network, Taken};
pub use self::output::{Completion, DiskOutput, Keeping};
pub use self::publish::Told;
pub use self::restore::Restored;
pub use self::survey::{StoredMessage, StoredStream};
