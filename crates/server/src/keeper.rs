//! The thread of the keeper: writes blocks and checkpoints behind the committer, and never holds it up.

use std::sync::mpsc::{Receiver, RecvTimeoutError, TryRecvError};
use std::time::{Duration, Instant};

use watershed_engine::{Completion, Keeping};
use watershed_store::Keeper;
use watershed_store::blocks::BlockKey;
use watershed_store::keeper::{Done, Job, KeepError};

use crate::disk::OsDisk;
use crate::shard::{Command, Remote};

/// Time until the first further attempt, which doubles with each.
const PAUSE: Duration = Duration::from_millis(50);

/// Longest time between two attempts.
const PAUSE_MAX: Duration = Duration::from_secs(1);

/// The keeper, and whom it reports to.
pub(crate) struct KeeperThread<R, F> {
    keeper: Keeper<OsDisk>,
    /// Lets the journal go up to a round.
    release: R,
    /// Says that the file of a block was replaced.
    replaced: F,
    remote: Remote,
    keeping: Keeping,
    pause: Duration,
}

impl<R: Fn(u64), F: Fn(BlockKey)> KeeperThread<R, F> {
    pub(crate) fn new(keeper: Keeper<OsDisk>, release: R, replaced: F, remote: Remote) -> Self {
        Self { keeper, release, replaced, remote, keeping: Keeping::Well, pause: PAUSE }
    }

    /// Works until nobody gives it anything more to do, and all is done that can be.
    pub(crate) fn run(mut self, jobs: &Receiver<Job>) {
        loop {
            let open = match self.keeper.step() {
                Ok(Some(done)) => {
                    self.report(&done);
                    self.take_what_is_there(jobs)
                }
                Ok(None) => {
                    self.restock();
                    self.take_the_next(jobs)
                }
                Err(KeepError::Lost(what)) => {
                    tracing::error!(
                        what,
                        "a block lost what was written to it: the journal keeps everything until a restart"
                    );
                    self.say(Keeping::Failing);
                    jobs.iter().for_each(drop);
                    return;
                }
                Err(error) => {
                    self.trouble(&error);
                    self.pause(jobs)
                }
            };
            if !open {
                while self.keeper.has_jobs()
                    && let Ok(Some(done)) = self.keeper.step()
                {
                    self.report(&done);
                }
                return;
            }
        }
    }

    /// Takes the jobs that are there. Says whether there may be more.
    fn take_what_is_there(&mut self, jobs: &Receiver<Job>) -> bool {
        loop {
            match jobs.try_recv() {
                Ok(job) => self.keeper.push(job),
                Err(TryRecvError::Empty) => return true,
                Err(TryRecvError::Disconnected) => return false,
            }
        }
    }

    /// Waits for a job; in trouble not for long. Says whether there may be more.
    fn take_the_next(&mut self, jobs: &Receiver<Job>) -> bool {
        let job = match self.keeping {
            Keeping::Well => jobs.recv().map_err(RecvTimeoutError::from),
            _ => jobs.recv_timeout(self.longer()),
        };
        match job {
            Ok(job) => self.keeper.push(job),
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => return false,
        }
        self.take_what_is_there(jobs)
    }

    /// Waits before what could not be done is tried again. Says whether there may be more jobs.
    fn pause(&mut self, jobs: &Receiver<Job>) -> bool {
        let until = Instant::now() + self.longer();
        loop {
            match jobs.recv_timeout(until.saturating_duration_since(Instant::now())) {
                Ok(job) => self.keeper.push(job),
                Err(RecvTimeoutError::Timeout) => return true,
                Err(RecvTimeoutError::Disconnected) => return false,
            }
        }
    }

    fn longer(&mut self) -> Duration {
        let pause = self.pause;
        self.pause = (pause * 2).min(PAUSE_MAX);
        pause
    }

    fn report(&mut self, done: &Done) {
        if let Done::Checkpointed { release, unremoved } = done {
            if let Some(error) = unremoved {
                tracing::warn!(%error, "blocks that hold nothing any more cannot be removed");
            }
            (self.release)(*release);
        }
        if let Done::Compressed(block) = done {
            (self.replaced)(*block);
        }
        let Some(completion) = Completion::done(done) else { return };
        self.remote.send(Command::Completed(completion));
        if self.keeping == Keeping::Failing {
            self.well();
        }
    }

    /// Sees to it that there is space for when the disk is full.
    fn restock(&mut self) {
        if self.keeper.is_short() {
            match self.keeper.restock() {
                Ok(()) => self.well(),
                Err(error) => self.trouble(&error),
            }
        } else {
            self.well();
        }
    }

    fn well(&mut self) {
        self.pause = PAUSE;
        if self.keeping != Keeping::Well {
            tracing::info!("blocks can be written again");
            self.say(Keeping::Well);
        }
    }

    fn trouble(&mut self, error: &KeepError) {
        let keeping = Keeping::from(error);
        if self.keeping != keeping {
            if keeping == Keeping::Full {
                tracing::error!(%error, "messages are refused until something is removed");
            } else {
                tracing::error!(%error, "blocks cannot be written: trying again, the journal keeps everything");
            }
            self.say(keeping);
        }
    }

    fn say(&mut self, keeping: Keeping) {
        self.keeping = keeping;
        self.remote.send(Command::Completed(Completion::Kept(keeping)));
    }
}
