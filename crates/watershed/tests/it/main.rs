//! The program as people and init systems run it.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod kill;
mod serve;
mod server;
