//! An engine and its store in the hand of one owner, who says when the disk works. For whoever plays with time; a
//! server has threads for the disk.

use watershed_base::Now;
use watershed_jetstream::{Completion, DiskOutput};
use watershed_store::blocks::{BlockReader, BlockWriter};
use watershed_store::format::Origin;
use watershed_store::keeper::Done;
use watershed_store::opening::{self, Finding, Opened, OpeningError};
use watershed_store::{CommitError, Disk, Journal, Keeper, Round};

use crate::engine::{Engine, RestoreError};

/// Why a store cannot be taken over.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// It cannot be opened.
    #[error(transparent)]
    Opening(#[from] OpeningError),
    /// What it holds cannot be read.
    #[error(transparent)]
    Restore(#[from] RestoreError),
    /// The disk refused.
    #[error(transparent)]
    Disk(#[from] std::io::Error),
}

/// An engine and its store.
#[derive(Debug)]
pub struct OnDisk<D: Disk> {
    /// What decides.
    pub engine: Engine,
    /// Where rounds go.
    pub journal: Journal<D>,
    /// What does the slow work of the disk.
    pub keeper: Keeper<D>,
    reader: BlockReader<D>,
    committing: Option<Round>,
}

impl<D: Disk + Clone> OnDisk<D> {
    /// Opens the store on `disk`, or makes one, and lets `engine` take over what it holds. Also what was
    /// not as it should be.
    pub fn start(
        mut engine: Engine,
        disk: &D,
        now: Now,
    ) -> Result<(Self, Vec<Finding>), StartError> {
        let mut opened = opening::open(disk, Origin(0))?;
        engine.restore(now, disk, &mut opened)?;
        let Opened { journal, checkpoints, referred, findings, .. } = opened;
        let reader = BlockReader::new(disk.clone());
        let mut blocks = BlockWriter::new(disk.clone())?;
        let known = engine.known_blocks();
        blocks.retain(|log, block| {
            known.contains(&(log, block)) || referred.contains(&(log, block))
        })?;
        let keeper = Keeper::new(disk.clone(), checkpoints, blocks);
        Ok((Self { engine, journal, keeper, reader, committing: None }, findings))
    }

    /// Whether the disk has anything to do.
    pub fn has_work(&self) -> bool {
        self.committing.is_some() || self.keeper.has_work()
    }

    /// Takes what the engine asks of the disk, and reads what it wants to read.
    pub fn collect(&mut self, now: Now) {
        let (mut outputs, mut disk) = (Vec::new(), Vec::new());
        self.engine.drain(now, &mut outputs, &mut disk);
        for output in disk {
            match output {
                DiskOutput::Commit(round) => self.committing = Some(round),
                DiskOutput::Keep(job) => {
                    for (log, block) in job.dropped() {
                        self.reader.forget(*log, *block);
                    }
                    self.keeper.push(job);
                }
                DiskOutput::Damaged(_) | DiskOutput::Forgotten(_) => {}
                DiskOutput::Read { ticket, log, block, offset, length } => {
                    let bytes = self.reader.read(log, block, offset, length).ok();
                    self.complete(now, Completion::Read { ticket, bytes });
                }
            }
        }
    }

    /// Tells the engine what the disk has done, and takes what follows.
    pub fn complete(&mut self, now: Now, done: Completion) {
        self.engine.completed(now, done);
        self.collect(now);
    }

    /// Commits the round that waits and returns its number; `None` if none waits. The engine is told,
    /// also that the disk refused.
    pub fn commit(&mut self, now: Now) -> Result<Option<u64>, CommitError> {
        let Some(round) = self.committing.take() else { return Ok(None) };
        let number = round.number();
        match self.journal.commit(&round) {
            Ok(()) => {
                let room = self.journal.room();
                self.complete(now, Completion::Durable { round: number, room });
                Ok(Some(number))
            }
            Err(error) => {
                self.complete(now, Completion::refused(&error));
                Err(error)
            }
        }
    }

    /// Tells the engine of a part of the slow work that is done.
    pub fn kept(&mut self, now: Now, done: &Done) {
        match done {
            Done::Checkpointed { release, .. } => self.journal.release(*release),
            Done::Compressed((log, block)) => self.reader.forget(*log, *block),
            _ => {}
        }
        if let Some(completion) = Completion::done(done) {
            self.complete(now, completion);
        }
    }
}
