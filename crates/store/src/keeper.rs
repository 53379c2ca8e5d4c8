//! The keeper: writes blocks and checkpoints behind the journal.
//!
//! Its jobs are done in order, none before the one in front of it: what cannot be done is tried again,
//! and the journal, which is released only by a checkpoint, has everything meanwhile. So a disk that
//! refuses for a while is a delay. When to try again is the caller's affair.
//!
//! A disk that is full needs space to become less full: a checkpoint has to say that blocks are gone
//! before they may go. The keeper sets some aside, in two files of zeroes. One goes when anything has
//! no room, the other one only for what leads to space, or needs it for a moment: a checkpoint takes the
//! place of an older one.

use std::collections::{BTreeSet, VecDeque};
use std::io;

use thiserror::Error;

use crate::blocks::{BlockKey, BlockWriter, Placement, SyncError};
use crate::checkpoint::{Checkpoint, Checkpoints};
use crate::disk::{Disk, DiskFile, create_filled, is_full};
use crate::limits::{RESERVE_BYTES_MAX, RESERVE_BYTES_MIN};
use crate::log::Sealed;
use crate::record::LogId;
use crate::round::Round;

/// The files whose space is set aside.
const RESERVES: [&str; 2] = ["reserve-0", "reserve-1"];

/// What a round means for the block files.
#[derive(Debug)]
pub struct Placed {
    /// The round.
    pub round: Round,
    /// Where its records go.
    pub placements: Vec<Placement>,
    /// Blocks that hold nothing any more; to be removed after all else.
    pub dropped: Vec<BlockKey>,
}

impl Placed {
    /// Nothing yet of `round`.
    pub fn new(round: Round) -> Self {
        Self { round, placements: Vec::new(), dropped: Vec::new() }
    }
}

/// What the keeper is to do.
#[derive(Debug)]
pub enum Job {
    /// Write a round's records into their blocks.
    Place(Box<Placed>),
    /// Write the footers of blocks that are full.
    Seal(Vec<(LogId, Sealed)>),
    /// Give up blocks that hold nothing any more.
    Drop(Vec<BlockKey>),
    /// Compress blocks that are full, as soon as nothing can be written into them any more.
    CompressLater(Vec<BlockKey>),
    /// Make everything durable that was written so far, then keep this state.
    Checkpoint(Checkpoint),
}

/// What the keeper has done.
#[derive(Debug)]
pub enum Done {
    /// Records of a round, and of all before it, are in their blocks.
    Placed {
        /// Number of the round.
        round: u64,
    },
    /// Footers are in their blocks.
    Sealed,
    /// Blocks were given up.
    Dropped,
    /// Blocks will be compressed, or one was not: it needs no compression, or the disk refused.
    Uncompressed,
    /// The file of a block was replaced by another one that says the same.
    Compressed(BlockKey),
    /// A checkpoint is durable.
    Checkpointed {
        /// The journal may let go of rounds up to this one.
        release: u64,
        /// Why blocks that hold nothing any more are still there.
        unremoved: Option<io::Error>,
    },
    /// A checkpoint was left out: there is no space for what it refers to, and what comes behind
    /// it makes some.
    Skipped,
}

/// Why the next job cannot be done now.
#[derive(Debug, Error)]
pub enum KeepError {
    /// The disk is full.
    #[error("the disk is full: {0}")]
    Full(#[source] io::Error),
    /// The disk refused.
    #[error("{0}")]
    Failed(#[source] io::Error),
    /// What was written is gone. The journal has it, for whoever opens the store anew: no checkpoint is made until then.
    #[error("{0}")]
    Lost(String),
}

impl From<io::Error> for KeepError {
    fn from(error: io::Error) -> Self {
        if is_full(&error) { Self::Full(error) } else { Self::Failed(error) }
    }
}

impl From<SyncError> for KeepError {
    fn from(error: SyncError) -> Self {
        match error {
            SyncError::Refused(error) => error.into(),
            SyncError::Lost(what) => Self::Lost(what),
        }
    }
}

/// Writes blocks and checkpoints.
#[derive(Debug)]
pub struct Keeper<D: Disk> {
    blocks: BlockWriter<D>,
    checkpoints: Checkpoints<D>,
    reserve: Reserve<D>,
    jobs: VecDeque<Job>,
}

impl<D: Disk> Keeper<D> {
    /// A keeper without jobs.
    pub fn new(disk: D, checkpoints: Checkpoints<D>, blocks: BlockWriter<D>) -> Self {
        Self { blocks, checkpoints, reserve: Reserve::find(disk), jobs: VecDeque::new() }
    }

    /// Adds a job behind all others.
    pub fn push(&mut self, job: Job) {
        self.jobs.push_back(job);
    }

    /// Whether there is anything to do.
    pub fn has_work(&self) -> bool {
        self.has_jobs() || self.blocks.has_ripe()
    }

    /// Whether there is anything to do that would have to be done again after a restart.
    pub fn has_jobs(&self) -> bool {
        !self.jobs.is_empty()
    }

    /// Whether the space that is set aside for a full disk was needed and is not there again.
    pub fn is_short(&self) -> bool {
        self.reserve.bytes.iter().any(|bytes| *bytes < self.reserve.wanted)
    }

    /// Sets space aside for when the disk is full. To be called when there is nothing to do.
    pub fn restock(&mut self) -> Result<(), KeepError> {
        Ok(self.reserve.make()?)
    }

    /// Does the next job; `None` if there is none. Blocks are compressed, one in a step, when there is nothing else.
    pub fn step(&mut self) -> Result<Option<Done>, KeepError> {
        loop {
            let Some(job) = self.jobs.front() else {
                return Ok(self.blocks.next_ripe().map(|key| compress(&mut self.blocks, key)));
            };
            let done = match job {
                Job::Place(placed) => place(&mut self.blocks, placed),
                Job::Seal(all) => seal(&mut self.blocks, all),
                Job::Drop(blocks) => {
                    give_up(&mut self.blocks, blocks);
                    Ok(Done::Dropped)
                }
                Job::CompressLater(blocks) => {
                    for key in blocks {
                        self.blocks.compress_later(*key);
                    }
                    Ok(Done::Uncompressed)
                }
                Job::Checkpoint(checkpoint) => {
                    write(&mut self.blocks, &mut self.checkpoints, &mut self.reserve, checkpoint)
                }
            };
            match done {
                Ok(done) => {
                    self.jobs.pop_front();
                    return Ok(Some(done));
                }
                Err(KeepError::Full(error)) => {
                    if self.skip_checkpoint() {
                        return Ok(Some(Done::Skipped));
                    }
                    let all = self.frees_space();
                    if !self.skip_dropped() && !self.reserve.give_up(all) {
                        return Err(KeepError::Full(error));
                    }
                }
                Err(error) => return Err(error),
            }
        }
    }

    /// Whether what there is to do leads to space, or is a checkpoint.
    fn frees_space(&self) -> bool {
        matches!(self.jobs.front(), Some(Job::Checkpoint(_)))
            || self.blocks.has_given_up()
            || self.jobs.iter().any(|job| !job.dropped().is_empty())
    }

    /// Leaves out a checkpoint behind which blocks are given up: without it nobody needs them.
    fn skip_checkpoint(&mut self) -> bool {
        let last_drop = self.jobs.iter().rposition(|job| !job.dropped().is_empty());
        let checkpoint = self.jobs.iter().position(|job| matches!(job, Job::Checkpoint(_)));
        match (checkpoint, last_drop) {
            (Some(checkpoint), Some(drop)) if checkpoint < drop => {
                self.jobs.remove(checkpoint);
                true
            }
            _ => false,
        }
    }

    /// Writes nothing into blocks that are given up further behind. Says whether there were any.
    fn skip_dropped(&mut self) -> bool {
        let dropped: BTreeSet<BlockKey> =
            self.jobs.iter().flat_map(Job::dropped).copied().collect();
        let mut skipped = false;
        for job in &mut self.jobs {
            match job {
                Job::Place(placed) => {
                    let is_dropped =
                        |own: &Placement| dropped.contains(&(own.log, own.position.block));
                    skipped |= placed.placements.extract_if(.., |own| is_dropped(own)).count() > 0;
                }
                Job::Seal(all) => {
                    let is_dropped =
                        |(log, own): &(LogId, Sealed)| dropped.contains(&(*log, own.block));
                    skipped |= all.extract_if(.., |own| is_dropped(own)).count() > 0;
                }
                Job::Drop(_) | Job::CompressLater(_) | Job::Checkpoint(_) => {}
            }
        }
        skipped
    }
}

impl Job {
    /// Blocks that are given up by it.
    pub fn dropped(&self) -> &[BlockKey] {
        match self {
            Self::Place(placed) => &placed.dropped,
            Self::Drop(blocks) => blocks,
            Self::Seal(_) | Self::CompressLater(_) | Self::Checkpoint(_) => &[],
        }
    }
}

/// Writing the same again changes nothing; blocks are given up when all is written.
fn place<D: Disk>(blocks: &mut BlockWriter<D>, placed: &Placed) -> Result<Done, KeepError> {
    blocks.place(&placed.round, &placed.placements)?;
    give_up(blocks, &placed.dropped);
    Ok(Done::Placed { round: placed.round.number() })
}

fn seal<D: Disk>(blocks: &mut BlockWriter<D>, all: &[(LogId, Sealed)]) -> Result<Done, KeepError> {
    for (log, sealed) in all {
        blocks.seal(*log, sealed)?;
    }
    Ok(Done::Sealed)
}

/// A block that cannot be compressed now stays as it is, and is tried again later.
fn compress<D: Disk>(blocks: &mut BlockWriter<D>, key: BlockKey) -> Done {
    match blocks.compress(key) {
        Ok(true) => return Done::Compressed(key),
        Ok(false) => {}
        Err(_) => blocks.compress_later(key),
    }
    Done::Uncompressed
}

fn give_up<D: Disk>(blocks: &mut BlockWriter<D>, dropped: &[BlockKey]) {
    for (log, block) in dropped {
        blocks.remove(*log, *block);
    }
}

fn write<D: Disk>(
    blocks: &mut BlockWriter<D>,
    checkpoints: &mut Checkpoints<D>,
    reserve: &mut Reserve<D>,
    checkpoint: &Checkpoint,
) -> Result<Done, KeepError> {
    blocks.sync()?;
    // A file of its own each time: one that was not synced is never referred to.
    let release = checkpoints.write(checkpoint)?;
    reserve.fit(checkpoint.state.len() as u64);
    // What is left is removed later, at the next start at the latest.
    Ok(Done::Checkpointed { release, unremoved: blocks.checkpointed().err() })
}

/// Space that is set aside.
#[derive(Debug)]
struct Reserve<D: Disk> {
    disk: D,
    /// How much there is in each file.
    bytes: [u64; 2],
    /// How much there should be in each.
    wanted: u64,
}

impl<D: Disk> Reserve<D> {
    fn find(disk: D) -> Self {
        let bytes = RESERVES.map(|path| disk.open(path).and_then(|file| file.len()).unwrap_or(0));
        Self { disk, bytes, wanted: RESERVE_BYTES_MIN }
    }

    /// There should be enough for two checkpoints of that length, and it should not change often.
    fn fit(&mut self, length: u64) {
        let enough = length.saturating_mul(2).clamp(RESERVE_BYTES_MIN, RESERVE_BYTES_MAX);
        self.wanted = self.wanted.max(enough.next_power_of_two());
    }

    /// What leads to space comes first.
    fn make(&mut self) -> io::Result<()> {
        for (path, bytes) in RESERVES.iter().zip(&mut self.bytes).rev() {
            if *bytes < self.wanted {
                *bytes = 0;
                // Only what is on disk is taken for certain.
                create_filled(&self.disk, path, self.wanted)?.sync()?;
                *bytes = self.wanted;
            }
        }
        Ok(())
    }

    /// Gives up the space of one file, of the last one only if `all` may go. Says whether there was any.
    fn give_up(&mut self, all: bool) -> bool {
        let count = if all { RESERVES.len() } else { RESERVES.len() - 1 };
        for (path, bytes) in RESERVES.iter().zip(&mut self.bytes).take(count) {
            if *bytes > 0 && self.disk.remove(path).is_ok() {
                *bytes = 0;
                return true;
            }
        }
        false
    }
}
