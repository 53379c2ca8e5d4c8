//! The JetStream API: its subjects, its requests and replies, its errors, and what makes a
//! configuration valid.
//!
//! One table, two readers: [`check`] and [`change`] say what a configuration may be and how it may
//! change. A server enforces them, a linter and a planner predict from them.

pub mod account;
pub mod ack;
pub mod asked;
pub mod call;
pub mod change;
pub mod check;
pub mod client;
pub mod consumer;
pub mod counter;
pub mod create;
pub mod error;
pub mod fast;
pub mod json;
pub mod level;
pub mod message;
pub mod publish;
pub mod pull;
pub mod schedule;
pub mod stream;
pub mod unbuilt;

pub use consumer::ConsumerConfig;
pub use error::{ApiError, Coded};
pub use stream::StreamConfig;

/// The API level of nats-server 2.14 (ADR-44), which this crate describes.
pub const API_LEVEL: u32 = 4;

/// The release of nats-server whose behaviour this crate describes.
pub const NATS_VERSION: &str = "2.14.6";
