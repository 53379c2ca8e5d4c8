//! Live NATS servers: connects, waits until JetStream answers, asks what there is, carries plans out.
//!
//! What to ask and what to do is decided in [`watershed_topology`]; this crate sends it.

mod backup;
mod buckets;
mod carry;
mod client;
mod compare;
mod context;
mod denials;
mod lock;
mod newest;
mod options;
mod sourced;
pub mod stored;
mod stretch;
mod wait;
mod walk;

pub use backup::{
    Backup, BackupError, Backups, ConsumerBackup, Needed, NoRoom, Restored, Sums, Way, check_room,
    is_half_restored,
};
pub use buckets::{BucketError, Held};
pub use carry::News;
pub use client::{Client, Subscription, Whereabouts};
pub use context::{ContextError, load_context};
pub use lock::{Guard, Locked, Lost};
pub use options::{ConnectError, Credential, Options};
pub use wait::{NotReady, wait};

pub use async_nats::header::{HeaderName, HeaderValue};
pub use async_nats::jetstream::{kv, object_store};
pub use async_nats::{HeaderMap, Message};
