//! The store of a server: opened at its start, worked on by threads of its own.
//!
//! The committer makes rounds durable, one at a time, and does nothing else. The keeper writes
//! blocks and checkpoints behind it, and never holds it up. The reader fetches records from blocks.

use std::fs::{File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::JoinHandle;

use thiserror::Error;
use watershed_engine::{Completion, Detail, Engine, Now, RestoreError};
use watershed_store::blocks::{BlockReader, BlockWriter};
use watershed_store::format::{FORMAT, Origin};
use watershed_store::identity::FormatError;
use watershed_store::keeper::Job;
use watershed_store::opening::{self, Finding, Opened, OpeningError};
use watershed_store::{Journal, Keeper, LogId, Round};

use crate::clock::entropy;
use crate::committer::{Commit, commit};
use crate::descriptors::open_blocks_max;
use crate::disk::{OsDisk, open_itself};
use crate::keeper::KeeperThread;
use crate::shard::{Command, Remote};
use crate::thread::spawn;

/// Why a store cannot be opened. Nothing in it was changed.
#[derive(Debug, Error)]
pub enum StoreError {
    /// The disk refused.
    #[error("cannot {what} {path}")]
    Io {
        /// What was tried.
        what: &'static str,
        /// On what.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// Another process has it.
    #[error("{0} is in use by another process: stop that one, or choose another folder")]
    InUse(PathBuf),
    /// It is of a version that this program does not know.
    #[error("{path} holds a store of another format ({found:?}): use the program that made it")]
    Format {
        /// The folder.
        path: PathBuf,
        /// What it says of itself.
        found: String,
    },
    /// The folder has files, and none of them is a store's.
    #[error("{0} is not empty and holds no store: choose another folder")]
    Foreign(PathBuf),
    /// There is none.
    #[error("{0} holds no store")]
    Absent(PathBuf),
    /// Its files are damaged, or cannot be read.
    #[error(transparent)]
    Opening(OpeningError),
    /// A block's footer, or a state, is damaged.
    #[error("the store is damaged: {0}; nothing was changed")]
    Damaged(String),
}

impl From<RestoreError> for StoreError {
    fn from(error: RestoreError) -> Self {
        Self::Damaged(error.to_string())
    }
}

/// An open store, before its threads run.
pub(crate) struct Store {
    /// Holds the lock on the folder for as long as it lives.
    lock: File,
    disk: OsDisk,
    journal: Journal<OsDisk>,
    keeper: Keeper<OsDisk>,
}

/// The threads of a store.
#[derive(Debug)]
pub(crate) struct Storage {
    committer: Sender<Commit>,
    keeper: Sender<Job>,
    reader: Sender<Read>,
    threads: Vec<JoinHandle<()>>,
    _lock: File,
}

enum Read {
    Block { ticket: u64, log: LogId, block: u32, offset: u32, length: usize },
    Forget(Vec<(LogId, u32)>),
}

impl Store {
    /// Opens the store in `folder`, or makes one, and gives what it holds to the engine.
    pub(crate) fn open(folder: &Path, engine: &mut Engine, now: Now) -> Result<Self, StoreError> {
        let io = |what| {
            let path = folder.to_owned();
            move |source| StoreError::Io { what, path, source }
        };
        let disk = OsDisk::new(folder).map_err(io("create"))?;
        let lock = lock(folder)?;
        let fresh = Origin::random(entropy().map_err(|error| io("make")(error.into()))?);
        let mut opened = opening::open(&disk, fresh).map_err(|error| of_folder(folder, error))?;
        engine.restore(now, &disk, &mut opened)?;
        let Opened { journal, checkpoints, referred, findings, earlier, .. } = opened;
        say(engine, &findings);
        if let Some(earlier) = earlier {
            tracing::info!(earlier, now = FORMAT, "the store has this program's format now");
        }
        let blocks = BlockWriter::new(disk.clone()).map_err(io("open"))?;
        let mut blocks = blocks.with_open_files(open_blocks_max());
        let known = engine.known_blocks();
        let known = |log, block| known.contains(&(log, block)) || referred.contains(&(log, block));
        blocks.retain(known).map_err(io("clean"))?;
        let keeper = Keeper::new(disk.clone(), checkpoints, blocks);
        Ok(Self { lock, disk, journal, keeper })
    }

    /// Starts the threads.
    pub(crate) fn start(self, remote: &Remote) -> io::Result<Storage> {
        let Self { lock, disk, journal, keeper: keep } = self;
        let (committer, commits) = channel();
        let (keeper, keeps) = channel();
        let (reader, reads) = channel();
        let mut threads = Vec::new();
        let to = remote.clone();
        threads.push(spawn("committer", move || commit(journal, &commits, &to))?);
        let (to, release) = (remote.clone(), committer.clone());
        let release = move |round| drop(release.send(Commit::Release(round)));
        let forget = reader.clone();
        let replaced = move |block| drop(forget.send(Read::Forget(vec![block])));
        let keep = KeeperThread::new(keep, release, replaced, to);
        threads.push(spawn("keeper", move || keep.run(&keeps))?);
        let to = remote.clone();
        let blocks = BlockReader::new(disk).with_open_files(open_blocks_max());
        threads.push(spawn("reader", move || read(blocks, &reads, &to))?);
        Ok(Storage { committer, keeper, reader, threads, _lock: lock })
    }
}

impl Storage {
    // A thread that has ended has reported why; there is nobody else to tell.

    pub(crate) fn commit(&self, round: Round) {
        let _ = self.committer.send(Commit::Round(round));
    }

    pub(crate) fn keep(&self, job: Job) {
        let dropped = job.dropped();
        if !dropped.is_empty() {
            let _ = self.reader.send(Read::Forget(dropped.to_vec()));
        }
        let _ = self.keeper.send(job);
    }

    pub(crate) fn read(&self, ticket: u64, log: LogId, block: u32, offset: u32, length: usize) {
        let _ = self.reader.send(Read::Block { ticket, log, block, offset, length });
    }

    /// Waits until all work that was given is done.
    pub(crate) fn finish(self) {
        let Self { committer, keeper, reader, threads, _lock } = self;
        // The keeper holds a sender to the committer: it must end first, which it does when its
        // own queue has no sender left.
        drop((committer, keeper, reader));
        for thread in threads {
            let _ = thread.join();
        }
    }
}

fn lock(folder: &Path) -> Result<File, StoreError> {
    let path = folder.join("LOCK");
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false).mode(0o600);
    let io = |what| {
        let path = path.clone();
        move |source| StoreError::Io { what, path, source }
    };
    let file = open_itself(&mut options, &path).map_err(io("open"))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(StoreError::InUse(folder.to_owned())),
        Err(TryLockError::Error(error)) => Err(io("lock")(error)),
    }
}

/// Says in one line what a store holds, and in another what was not as it should be.
fn say(engine: &mut Engine, findings: &[Finding]) {
    if let Some(held) = engine.snapshot(&Detail::default()).jetstream {
        let (streams, messages) = (held.streams, held.messages);
        tracing::info!(streams, messages, "the store is open");
    }
    if !findings.is_empty() {
        let all: Vec<String> = findings.iter().map(ToString::to_string).collect();
        tracing::warn!("found in the store: {}", all.join("; "));
    }
}

/// An error of the store in `folder`.
pub(crate) fn of_folder(folder: &Path, error: OpeningError) -> StoreError {
    let path = folder.to_owned();
    match error {
        OpeningError::Format(FormatError::Other(found)) => StoreError::Format { path, found },
        OpeningError::Format(FormatError::Foreign) => StoreError::Foreign(path),
        error => StoreError::Opening(error),
    }
}

fn read(mut blocks: BlockReader<OsDisk>, jobs: &Receiver<Read>, remote: &Remote) {
    for job in jobs {
        match job {
            Read::Forget(dropped) => {
                for (log, block) in dropped {
                    blocks.forget(log, block);
                }
            }
            Read::Block { ticket, log, block, offset, length } => {
                let read = blocks.read(log, block, offset, length).inspect_err(|error| {
                    tracing::error!(%error, log = log.0, block, "a block cannot be read");
                });
                remote.send(Command::Completed(Completion::Read { ticket, bytes: read.ok() }));
            }
        }
    }
}
