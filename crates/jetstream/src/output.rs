//! What JetStream asks of its disk, and what the disk reports.

use watershed_store::keeper::Job;
use watershed_store::{LogId, Round};

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
}

/// What the shell reports of the disk.
#[derive(Debug)]
pub enum Completion {
    /// A round is durable.
    Durable {
        /// Its number.
        round: u64,
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
