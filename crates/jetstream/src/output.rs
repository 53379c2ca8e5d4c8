//! What JetStream asks of its disk, and what the disk reports.

use watershed_store::keeper::{Done, Job, KeepError};
use watershed_store::{CommitError, LogId, Round};

use crate::ahead::Forgotten;
use crate::damage::Damaged;

/// A request to the disk.
#[derive(Debug)]
pub enum DiskOutput {
    /// Make this round durable, and say so. There is at most one at a time.
    Commit(Round),
    /// Work for the keeper, after all that it was given so far. No hurry: the rounds are durable.
    Keep(Job),
    /// Read from a block.
    Read {
        /// Names the read in its completion.
        ticket: u64,
        /// Log that the block belongs to.
        log: LogId,
        /// Number of the block.
        block: u32,
        /// Where to start.
        offset: u32,
        /// Bytes to read; less where the block ends.
        length: usize,
    },
    /// Tell people of a message that cannot be read. Each is told of once.
    Damaged(Damaged),
    /// Tell people of messages that were acknowledged ahead of the disk, which has refused them.
    Forgotten(Forgotten),
}

/// What the shell reports of the disk.
#[derive(Debug)]
pub enum Completion {
    /// A round is durable.
    Durable {
        /// Its number.
        round: u64,
        /// Bytes of rounds that can be written behind it without asking for space.
        room: u64,
    },
    /// A round could not be made durable, and has not happened.
    Failed {
        /// Whether the disk is full: what frees space can still become durable. Otherwise nothing can.
        full: bool,
    },
    /// The disk is full, and no round was refused yet.
    Full,
    /// Rounds can become durable again.
    Healed,
    /// The records of a round, and of all before it, are in their blocks.
    Placed {
        /// Its number.
        round: u64,
    },
    /// A checkpoint is durable, or was left out.
    Checkpointed {
        /// Whether it is durable.
        made: bool,
    },
    /// How the keeper gets on.
    Kept(Keeping),
    /// Part of a block was read.
    Read {
        /// Which read.
        ticket: u64,
        /// The bytes, as they are on disk; `None` if they can't be read.
        bytes: Option<Vec<u8>>,
    },
}

impl Completion {
    /// What it means that the journal refused a round.
    pub fn refused(error: &CommitError) -> Self {
        Self::Failed { full: matches!(error, CommitError::Full(_)) }
    }

    /// What it means that the keeper has done something; `None` if nobody waits for it.
    pub fn done(done: &Done) -> Option<Self> {
        match done {
            Done::Placed { round } => Some(Self::Placed { round: *round }),
            Done::Checkpointed { .. } => Some(Self::Checkpointed { made: true }),
            Done::Skipped => Some(Self::Checkpointed { made: false }),
            Done::Sealed | Done::Dropped | Done::Uncompressed | Done::Compressed(_) => None,
        }
    }
}

/// How the keeper gets on.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Keeping {
    /// Blocks can be written.
    #[default]
    Well,
    /// The disk is full.
    Full,
    /// The disk refuses.
    Failing,
}

impl From<&KeepError> for Keeping {
    fn from(error: &KeepError) -> Self {
        if matches!(error, KeepError::Full(_)) { Self::Full } else { Self::Failing }
    }
}
