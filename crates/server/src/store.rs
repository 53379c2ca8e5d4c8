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
use watershed_engine::{Completion, Engine, Now, Restored};
use watershed_store::blocks::{BlockReader, BlockWriter};
use watershed_store::bytes::BadState;
use watershed_store::checkpoint::{CheckpointError, Checkpoints, Found};
use watershed_store::keeper::Job;
use watershed_store::{Journal, Keeper, LogId, OpenError, Recovered, Round};

use crate::committer::{Commit, commit};
use crate::disk::OsDisk;
use crate::keeper::KeeperThread;
use crate::shard::{Command, Remote};
use crate::thread::spawn;

/// What a store's folder says of itself, in the file `FORMAT`.
const FORMAT: &str = "watershed store 3\n";

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
    /// The journal is damaged.
    #[error(transparent)]
    Journal(#[from] OpenError),
    /// The checkpoints are damaged.
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    /// A block's footer, or a state, is damaged.
    #[error("the store is damaged: {0}; nothing was changed")]
    Damaged(String),
}

impl From<BadState> for StoreError {
    fn from(error: BadState) -> Self {
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
        check_format(folder)?;
        let Found { checkpoints, newest: checkpoint, referred } = Checkpoints::open(disk.clone())?;
        let round = checkpoint.as_ref().map_or(0, |checkpoint| checkpoint.round);
        let Recovered { journal, mut rounds, torn, repaired } = Journal::open(disk.clone(), round)?;
        if let Some(torn) = torn {
            tracing::warn!(
                round = torn.round,
                file = torn.path,
                at = torn.offset,
                "a round was being written when the power went; it was never acknowledged and is cut"
            );
        }
        for round in repaired {
            tracing::warn!(round, "a damaged bit was repaired");
        }
        let mut reader = BlockReader::new(disk.clone());
        let mut footer = |log, block| {
            reader.footer(log, block).map_err(|error| StoreError::Damaged(error.to_string()))
        };
        let next_round = journal.next_round();
        let restored =
            Restored { checkpoint, footer: &mut footer, rounds: &mut rounds, next_round };
        engine.restore(now, restored)?;
        let mut blocks = BlockWriter::new(disk.clone()).map_err(io("open"))?;
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
        let keep = KeeperThread::new(keep, release, to);
        threads.push(spawn("keeper", move || keep.run(&keeps))?);
        let to = remote.clone();
        threads.push(spawn("reader", move || read(BlockReader::new(disk), &reads, &to))?);
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
    let file = options.open(&path).map_err(io("open"))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(StoreError::InUse(folder.to_owned())),
        Err(TryLockError::Error(error)) => Err(io("lock")(error)),
    }
}

/// Reads what the folder says of itself; a new store says it first.
fn check_format(folder: &Path) -> Result<(), StoreError> {
    let path = folder.join("FORMAT");
    let io = |what| {
        let path = path.clone();
        move |source| StoreError::Io { what, path, source }
    };
    match std::fs::read(&path) {
        Ok(found) if found == FORMAT.as_bytes() => Ok(()),
        Ok(found) => {
            let found = String::from_utf8_lossy(&found).trim_end().chars().take(80).collect();
            Err(StoreError::Format { path: folder.to_owned(), found })
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let entries = std::fs::read_dir(folder).map_err(io("list"))?;
            if entries.flatten().any(|entry| entry.file_name() != "LOCK") {
                return Err(StoreError::Foreign(folder.to_owned()));
            }
            let unfinished = folder.join("FORMAT.new");
            let mut options = OpenOptions::new();
            let file = options.write(true).create(true).truncate(true).mode(0o600);
            let mut file = file.open(&unfinished).map_err(io("create"))?;
            io::Write::write_all(&mut file, FORMAT.as_bytes()).map_err(io("write"))?;
            file.sync_all().map_err(io("sync"))?;
            std::fs::rename(&unfinished, &path).map_err(io("create"))?;
            File::open(folder).and_then(|folder| folder.sync_all()).map_err(io("sync"))
        }
        Err(error) => Err(io("read")(error)),
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
