//! Stories about a topology: somebody publishes, workers answer or die, time passes, the server restarts,
//! and then certain things must be true.
//!
//! A story runs on the engine itself, on a disk in memory, and its clock is moved by hand: thirty days
//! take milliseconds, and the same story always ends the same way. [`read()`] turns a file into
//! [`Stories`], [`check`] says which names the topology does not have, [`run`] plays one story.
#![deny(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    clippy::iter_over_hash_type,
    clippy::indexing_slicing
)]
#![cfg_attr(test, allow(clippy::indexing_slicing))]

mod answer;
mod check;
mod client;
mod expect;
mod limits;
mod memory;
mod play;
mod read;
mod setup;
mod story;
mod timeline;
mod worker;
mod world;

#[cfg(test)]
mod tests;

pub use check::check;
pub use play::{Failure, Passed, run};
pub use read::read;
pub use story::{Answer, Compare, Expected, Fact, Outcome, Publish, Step, Stories, Story, What};
