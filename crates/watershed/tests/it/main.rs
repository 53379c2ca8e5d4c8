//! The program as people and init systems run it.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod apply;
mod backup;
mod bench;
mod clients;
mod data;
mod denied;
mod embedded;
mod faults;
mod faulty;
mod folder;
mod keeping;
mod kill;
mod leader;
mod lint;
mod migrating;
mod names;
mod nats_tool;
mod observing;
mod own;
mod printed;
mod proxy;
mod raw;
mod reference;
mod rules;
mod serve;
mod server;
mod sharing;
mod sources;
mod store;
mod up;
mod view;
mod wording;
mod work;
