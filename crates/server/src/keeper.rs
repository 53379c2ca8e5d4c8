//! The keeper: writes blocks and checkpoints behind the committer, and never holds it up.
//!
//! What cannot be written is tried again until it can be: everything is still in the journal, which is
//! released only by a checkpoint. A disk that is full for a while, or a moment without a file descriptor, is
//! no more than a delay.

use std::io;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::Duration;

use watershed_engine::{Completion, Placed};
use watershed_store::LogId;
use watershed_store::blocks::BlockWriter;
use watershed_store::checkpoint::{Checkpoint, Checkpoints};

use crate::disk::OsDisk;
use crate::shard::{Command, Remote};

/// Time until the first further attempt, which doubles with each.
const PAUSE: Duration = Duration::from_millis(50);

/// Longest time between two attempts.
const PAUSE_MAX: Duration = Duration::from_secs(1);

/// What the keeper is to do.
pub(crate) enum Keep {
    Place(Box<Placed>),
    Drop(Vec<(LogId, u32)>),
    Checkpoint(Checkpoint),
}

/// Why a job was not done.
enum Failure {
    /// It can be done again from its start.
    Again(io::Error),
    /// A sync failed: what was written before it may not be on disk, and nobody knows what. No
    /// checkpoint may say that it is.
    ForGood(io::Error),
}

pub(crate) struct Keeper<R> {
    checkpoints: Checkpoints<OsDisk>,
    blocks: BlockWriter<OsDisk>,
    /// Lets the journal go up to a round.
    release: R,
    remote: Remote,
    /// Disconnected when the store is to be closed.
    stopped: Receiver<()>,
    works: bool,
}

impl<R: Fn(u64)> Keeper<R> {
    pub(crate) fn new(
        checkpoints: Checkpoints<OsDisk>,
        blocks: BlockWriter<OsDisk>,
        release: R,
        remote: Remote,
        stopped: Receiver<()>,
    ) -> Self {
        Self { checkpoints, blocks, release, remote, stopped, works: true }
    }

    /// Does a job, and tries until it is done or the store is to be closed.
    pub(crate) fn perform(&mut self, job: &Keep) {
        let mut pause = PAUSE;
        let mut behind = false;
        while self.works {
            match self.attempt(job) {
                Ok(()) => {
                    if behind {
                        tracing::info!("blocks can be written again");
                        self.say(true);
                    }
                    return;
                }
                Err(Failure::Again(error)) => {
                    if !behind {
                        tracing::error!(%error, "blocks cannot be written: trying again, the journal keeps everything");
                        self.say(false);
                    }
                    behind = true;
                    if self.stopped.recv_timeout(pause) != Err(RecvTimeoutError::Timeout) {
                        return;
                    }
                    pause = (pause * 2).min(PAUSE_MAX);
                }
                Err(Failure::ForGood(error)) => {
                    tracing::error!(%error, "blocks cannot be synced: the journal keeps everything until a restart");
                    self.say(false);
                    self.works = false;
                }
            }
        }
    }

    fn say(&self, works: bool) {
        self.remote.send(Command::Completed(Completion::Kept { works }));
    }

    fn attempt(&mut self, job: &Keep) -> Result<(), Failure> {
        match job {
            Keep::Place(placed) => self.place(placed).map_err(Failure::Again),
            Keep::Drop(blocks) => {
                self.drop_blocks(blocks);
                Ok(())
            }
            Keep::Checkpoint(checkpoint) => self.checkpoint(checkpoint),
        }
    }

    /// Writing the same again changes nothing; blocks are given up when all is written.
    fn place(&mut self, placed: &Placed) -> io::Result<()> {
        self.blocks.place(&placed.round, &placed.placements)?;
        for (log, sealed) in &placed.sealed {
            self.blocks.seal(*log, sealed)?;
        }
        self.drop_blocks(&placed.dropped);
        let round = placed.round.number();
        self.remote.send(Command::Completed(Completion::Placed { round }));
        Ok(())
    }

    fn drop_blocks(&mut self, blocks: &[(LogId, u32)]) {
        for (log, block) in blocks {
            self.blocks.remove(*log, *block);
        }
    }

    fn checkpoint(&mut self, checkpoint: &Checkpoint) -> Result<(), Failure> {
        self.blocks.sync().map_err(Failure::ForGood)?;
        // A file of its own each time: one that was not synced is never referred to.
        let release = self.checkpoints.write(checkpoint).map_err(Failure::Again)?;
        if let Err(error) = self.blocks.checkpointed() {
            // The next start removes what nobody refers to.
            tracing::warn!(%error, "blocks that hold nothing any more cannot be removed");
        }
        (self.release)(release);
        self.remote.send(Command::Completed(Completion::Checkpointed));
        Ok(())
    }
}
