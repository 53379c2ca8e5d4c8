//! The `nats` tool: what a call of it makes, changes, deletes, and what it refuses.
//!
//! [`table`] is its command line as data, taken from version 0.5.0; `tests/tool.rs` runs
//! scripts with the tool itself on a real server and compares field by field.

mod about;
mod bucket;
mod call;
mod consumer;
mod finish;
mod given;
mod request;
mod stream;
mod table;
mod units;

pub(crate) use about::Call;
pub(crate) use call::{call, config, is_call};
pub(crate) use finish::finish;
