//! The pure crates on disks that lose power, fail and rot.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod journal;
