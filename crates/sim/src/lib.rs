//! Faults for the pure crates, from a seed. Development only: nothing depends on it.

pub mod disk;
pub mod node;
