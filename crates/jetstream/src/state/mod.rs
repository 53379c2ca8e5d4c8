//! What is on disk: streams and consumers as the records of the journal make them.
//!
//! [`State::apply`] is the one meaning of a record. It is the same when a round has become durable
//! and when the journal is read at a start; it asks nothing but the state and the record, and it
//! tells nobody: what follows for clients is said in [`Effects`] and done elsewhere, live only.

mod apply;
pub(crate) mod changes;
mod chore;
pub(crate) mod consumer;
mod consumers;
pub(crate) mod deadlines;
pub(crate) mod dedup;
pub(crate) mod effects;
mod find;
mod groups;
mod key;
mod lasts;
mod lookup;
mod origins;
mod pin;
mod retention;
mod scheduling;
mod search;
pub(crate) mod stream;
mod subjects;
mod tables;
mod usage;
mod writer;

pub(crate) use self::consumer::Consumer;
pub(crate) use self::effects::{Effects, Gone, Outcome};
pub(crate) use self::key::StreamKey;
pub(crate) use self::lasts::Lasts;
pub(crate) use self::lookup::Lookup;
pub(crate) use self::origins::{Origin, Start};
pub(crate) use self::pin::{Kept, Pin};
pub(crate) use self::search::{Hit, Search};
pub(crate) use self::stream::{Stored, Stream};
pub(crate) use self::subjects::Subjects;
pub(crate) use self::tables::State;
pub(crate) use self::writer::Writer;
