//! Stories about a topology: somebody publishes, workers answer or die, time passes, the server restarts,
//! and then certain things must be true.
//!
//! A story runs on the engine itself, on a disk in memory, and its clock is moved by hand: thirty days
//! take milliseconds, and the same story always ends the same way. [`read()`] turns a file into
//! [`Stories`], [`check`] says which names the topology does not have, [`run`] plays one story.
//!
//! A story in which time stands still can be played on a server that runs somewhere as well: [`run_on`] does that
//! through a [`Server`], and [`needs_the_clock`] says of a story why it cannot.
#![deny(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    clippy::iter_over_hash_type,
    clippy::indexing_slicing
)]
#![cfg_attr(test, allow(clippy::indexing_slicing))]

mod answer;
mod check;
mod clock;
mod expect;
mod limits;
mod machine;
mod memory;
mod play;
mod read;
mod server;
mod setup;
mod story;
mod timeline;
mod worker;
mod world;

#[cfg(test)]
mod tests;

pub use check::check;
pub use clock::needs_the_clock;
pub use play::{Failure, Passed, run, run_on};
pub use read::read;
pub use server::{Broken, Heard, Link, Message, Reply, Server};
pub use setup::in_the_way;
pub use story::{Answer, Compare, Expected, Fact, Outcome, Publish, Step, Stories, Story, What};
