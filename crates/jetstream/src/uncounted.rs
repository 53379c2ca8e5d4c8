//! What waits for the value of a counter.

use std::collections::VecDeque;

use watershed_base::AccountId;
use watershed_store::LogId;
use watershed_store::log::Position;

use crate::live::Counters;
use crate::publishes::Waiting;
use crate::rounds::{Asked, Owed};
use crate::staged::Staged;
use crate::state::StreamKey;

/// What waits for the value of a counter.
#[derive(Debug)]
pub(crate) enum Uncounted {
    /// A publish.
    Publish(Waiting),
    /// A batch.
    Batch(Box<UncountedBatch>),
    /// A copy.
    Copy {
        /// The stream that has it made.
        stream: StreamKey,
        /// Of which of its origins.
        index: usize,
    },
}

/// A batch that has come to its end.
#[derive(Debug)]
pub(crate) struct UncountedBatch {
    pub(crate) log: LogId,
    pub(crate) id: Box<[u8]>,
    pub(crate) account: AccountId,
    pub(crate) reply: Box<[u8]>,
    pub(crate) messages: Vec<Staged>,
    /// What was read for it.
    pub(crate) found: Counters,
}

/// A message that is to be read because it has the value.
#[derive(Debug)]
pub(crate) struct Wanted {
    pub(crate) log: LogId,
    pub(crate) subject: Box<[u8]>,
    pub(crate) sequence: u64,
    pub(crate) position: Position,
}

/// All that waits until a change is made.
pub(crate) type Unsettled = VecDeque<Uncounted>;

impl UncountedBatch {
    /// Who is told what becomes of it.
    pub(crate) fn owed(&self) -> Owed<'_> {
        Owed { account: self.account, subject: &self.reply, asked: Asked::Publish }
    }
}

impl Uncounted {
    /// Bytes of messages that wait.
    pub(crate) fn len(&self) -> usize {
        match self {
            Self::Publish(waiting) => waiting.len(),
            Self::Batch(batch) => batch.messages.iter().map(Staged::len).sum(),
            Self::Copy { .. } => 0,
        }
    }
}
