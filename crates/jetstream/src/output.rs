//! What JetStream asks of its disk, and what the disk reports.

use watershed_store::blocks::Placement;
use watershed_store::checkpoint::Checkpoint;
use watershed_store::log::Sealed;
use watershed_store::{LogId, Round};

use crate::damage::Damaged;

/// A request to the disk.
#[derive(Debug)]
pub enum DiskOutput {
    /// Make this round durable, and say so. There is at most one at a time.
    Commit(Round),
    /// Write these records into their blocks, and say so. No hurry: the round is durable.
    Place(Box<Placed>),
    /// Make everything durable that was placed so far, then keep this state and let the journal go.
    Checkpoint(Checkpoint),
    /// Remove these blocks, after all that was placed so far.
    Drop(Vec<(LogId, u32)>),
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
}

/// What a round means for the block files.
#[derive(Debug)]
pub struct Placed {
    /// The round.
    pub round: Round,
    /// Where its records go.
    pub placements: Vec<Placement>,
    /// Blocks that became full.
    pub sealed: Vec<(LogId, Sealed)>,
    /// Blocks that hold nothing any more; to be removed after all else.
    pub dropped: Vec<(LogId, u32)>,
}

impl Placed {
    /// Nothing yet of `round`.
    pub(crate) fn new(round: Round) -> Self {
        Self { round, placements: Vec::new(), sealed: Vec::new(), dropped: Vec::new() }
    }
}

/// What the shell reports of the disk.
#[derive(Debug)]
pub enum Completion {
    /// A round is durable.
    Durable {
        /// Its number.
        round: u64,
    },
    /// A round could not be made durable; no later one will be.
    Failed {
        /// What the system says, for people.
        reason: String,
    },
    /// The records of a round, and of all before it, are in their blocks.
    Placed {
        /// Its number.
        round: u64,
    },
    /// A checkpoint is durable, or could not be made.
    Checkpointed,
    /// Blocks can be written, or cannot for the time being.
    Kept {
        /// Whether they can.
        works: bool,
    },
    /// Part of a block was read.
    Read {
        /// Which read.
        ticket: u64,
        /// The bytes, as they are on disk; `None` if they can't be read.
        bytes: Option<Vec<u8>>,
    },
}
