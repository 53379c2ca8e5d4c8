//! What was given up: read, recovered from the server's records, sent again, dropped.

mod case;
mod record;
mod sweep;
mod tally;

pub use case::{Case, Cases, ReadError, Selection};
pub use record::Record;
pub use sweep::{Sweep, Swept};
pub use tally::Tally;
