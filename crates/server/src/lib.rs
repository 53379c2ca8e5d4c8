//! The engine on real sockets, clocks and threads.
//!
//! ```
//! let server = watershed_server::Server::builder().start()?;
//! println!("clients connect to {}", server.client_url());
//! # Ok::<(), watershed_server::StartError>(())
//! ```
//!
//! A [`Server`] runs until it is dropped or [stopped](Server::stop). A bug that makes one of its
//! threads panic aborts the process: nothing is to look alive that is not. This crate does not know
//! topologies: embedding a server carries no linter.
//!
//! Monitoring over HTTP is the feature `monitoring`, on by default. Without it a server needs no
//! async runtime. TLS is the feature `tls`, on by default; it needs `ring`, which has parts in C.

mod admission;
mod arrivals;
mod auth;
mod clock;
mod committer;
mod conf;
mod config;
mod connection;
mod descriptors;
mod disk;
mod door;
#[cfg_attr(not(feature = "monitoring"), path = "http_absent.rs")]
mod http;
#[cfg(feature = "monitoring")]
mod http_connections;
mod inbound;
mod keeper;
mod lame_duck;
mod leaf_nodes;
mod monitor;
pub mod offline;
mod place;
mod queue;
mod reload;
mod server;
mod shard;
mod store;
mod thread;
#[cfg_attr(not(feature = "tls"), path = "tls_absent.rs")]
mod tls;
mod transport;
mod trust;
mod turns;
mod web;

pub use auth::{ConnectionTypes, Credential, Nkey, User};
pub use conf::{ConfigError, Process, read_config};
pub use config::{
    Config, Digest, HandshakeFirst, JetStreamConfig, OperatorConfig, Passage, PassageKind,
    Resolver, TlsConfig, WebSocketConfig, WebSocketCookies,
};
pub use descriptors::raise_descriptor_limit;
pub use reload::ReloadError;
pub use server::{Builder, Server, StartError};
pub use store::StoreError;
pub use tls::TlsError;
pub use trust::{AccountError, TokenError, TrustError};
pub use watershed_engine::permit::{Grant, Permissions, Responses, Rules};
pub use watershed_engine::{AccountStore, Mapping, MappingError, Most, SYSTEM_ACCOUNT};
pub use watershed_wire::jetstream::check::Bounds;
pub use watershed_wire::subject::transform::Transform;
