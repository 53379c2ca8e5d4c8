//! Memory of what has gone. To free that of a million messages takes tens of milliseconds, so it is
//! freed in slices, while others are served.

use std::collections::VecDeque;

use watershed_store::log::Remains;

use crate::live::Outstanding;
use crate::state::consumer::Unacked;
use crate::state::deadlines::Deadlines;
use crate::state::dedup::Dedup;
use crate::window::Window;

/// Memory that nobody needs any more.
#[derive(Debug)]
pub(crate) enum Garbage {
    /// Of an index.
    Index(Remains),
    /// Of messages that were kept in memory.
    Messages(VecDeque<Option<Box<[u8]>>>),
    /// Of message ids.
    Ids(Dedup),
    /// Of deadlines.
    Deadlines(Deadlines),
    /// Of what consumers have not acknowledged.
    Unacked(Window<u64, Unacked>),
    /// Of what consumers at work wait to hear of.
    Outstanding(Outstanding),
}

impl Garbage {
    /// Frees some of it: that of about `budget` entries. Says whether none is left.
    pub(crate) fn free(&mut self, budget: usize) -> bool {
        match self {
            Self::Index(remains) => remains.free(budget),
            Self::Messages(messages) => {
                messages.truncate(messages.len().saturating_sub(budget));
                messages.is_empty()
            }
            Self::Ids(ids) => ids.free(budget),
            Self::Deadlines(deadlines) => deadlines.free(budget),
            Self::Unacked(unacked) => unacked.free(budget),
            Self::Outstanding(outstanding) => outstanding.free(budget),
        }
    }
}
