//! Workers against servers: this one in the process, and nats-server.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod dead;
mod faults;
mod outcomes;
mod start;
mod world;
