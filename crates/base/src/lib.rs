//! What both halves of a node are given from outside: the time, deadlines in order, choices that
//! need no secrecy and numbers that have it, and the numbers of accounts.
#![deny(clippy::disallowed_methods, clippy::disallowed_types, clippy::iter_over_hash_type)]

mod account;
mod random;
mod secrets;
mod time;
mod timers;

pub use account::AccountId;
pub use random::Random;
pub use secrets::Secrets;
pub use time::{Now, Tick};
pub use timers::Timers;
