//! Everything that one node decides: core NATS and JetStream, and what passes between them.
//!
//! [`Engine`] is told what happened (a connection opened, an operation arrived, a deadline passed, the
//! disk has done something) and answers with bytes in outboxes, with [`Output`]s for connections and
//! with [`DiskOutput`]s. It does not know sockets, files, clocks, threads or randomness: time is an
//! argument, and the seed of its choices is too. The same inputs give the same outputs, byte for byte.
#![deny(clippy::disallowed_methods, clippy::disallowed_types, clippy::iter_over_hash_type)]

mod below;
mod engine;
mod on_disk;

pub use engine::{Engine, RestoreError, Settings, Snapshot};
pub use on_disk::{OnDisk, StartError};
pub use watershed_base::{AccountId, Now, Tick};
pub use watershed_core::{
    About, AccountStatistics, Bounds, Changeable, Claims, CloseReason, ConnId, ConnectionDetail,
    Counts, Flow, Identity, Key, Mapping, MappingError, Most, Outbox, Output, Peer, Question,
    SYSTEM_ACCOUNT, Settings as CoreSettings, Sort, Standing, State, SubscriptionDetail, Traffic,
    Until, Which, permit, server,
};
pub use watershed_jetstream::monitor::{Detail, JetStreamSnapshot};
pub use watershed_jetstream::{
    AccountStore, Completion, Damaged, DiskOutput, Forgotten, JetStreamSettings, Keeping,
    StoredMessage, StoredStream,
};
