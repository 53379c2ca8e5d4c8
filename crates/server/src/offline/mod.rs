//! A store on which no server runs: what is whole in it, what is lost, and mending it.
//!
//! All of this opens a store as a server does at its start, by the same code. [`info`] and [`check`] do
//! so on a disk that takes no change; [`repair`] on one that copies each file before it changes it.

mod disk;
mod look;
mod mend;

use std::fs::{File, OpenOptions, TryLockError};
use std::io;
use std::path::{Path, PathBuf};

use serde::Serialize;
use watershed_store::identity::{Identified, identify};

use self::disk::Untouched;
use self::look::Looked;
use crate::disk::{OsDisk, open_itself};
use crate::store::{StoreError, of_folder};

/// What a store holds.
#[derive(Debug, Clone, Serialize)]
pub struct StoreReport {
    /// Number of its format.
    pub format: u32,
    /// Rounds that were ever committed.
    pub rounds: u64,
    /// Rounds that the newest checkpoint covers.
    pub checkpoint: u64,
    /// Bytes of the journal, of blocks, of checkpoints.
    pub sizes: Sizes,
    /// Each stream, by account and name.
    pub streams: Vec<StoredStream>,
    /// What is damaged and can be mended without loss.
    pub findings: Vec<String>,
    /// What is lost.
    pub losses: Vec<Loss>,
}

/// Bytes on disk.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Sizes {
    /// Of the journal.
    pub journal: u64,
    /// Of blocks.
    pub blocks: u64,
    /// Of checkpoints.
    pub checkpoints: u64,
}

/// A stream of a store.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct StoredStream {
    /// Account that it belongs to.
    pub account: String,
    /// Name.
    pub name: String,
    /// Whether its messages are in memory only, and so not in the store.
    pub memory: bool,
    /// Messages.
    pub messages: u64,
    /// Bytes that they count for.
    pub bytes: u64,
    /// Sequence of the first one.
    pub first: u64,
    /// Sequence of the last one ever.
    pub last: u64,
    /// Consumers.
    pub consumers: usize,
}

/// Messages that are lost: of a range of sequences, those that there were.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Loss {
    /// Account of the stream.
    pub account: String,
    /// The stream.
    pub stream: String,
    /// Sequence of the first lost message.
    pub first: u64,
    /// Sequence of the last one.
    pub last: u64,
    /// How many they are.
    pub messages: u64,
    /// Why.
    pub why: String,
}

/// What [`repair`] did.
#[derive(Debug, Clone, Serialize)]
pub struct Repaired {
    /// What was mended.
    pub mended: Vec<String>,
    /// Folder with what the changed files were before, if any was changed.
    pub copies: Option<PathBuf>,
    /// The store as it is now.
    pub report: StoreReport,
}

/// Called now and then with how many blocks were read, of how many.
pub type Progress<'a> = &'a mut dyn FnMut(usize, usize);

/// What the store in `folder` holds. Blocks are not read. Changes nothing.
pub fn info(folder: &Path) -> Result<StoreReport, StoreError> {
    let _lock = lock(folder)?;
    let looked = Looked::open(folder, &Untouched(OsDisk::existing(folder)))?;
    Ok(looked.report(folder))
}

/// Reads all of the store in `folder`. Changes nothing.
pub fn check(folder: &Path, progress: Progress<'_>) -> Result<StoreReport, StoreError> {
    let _lock = lock(folder)?;
    check_locked(folder, progress)
}

fn check_locked(folder: &Path, progress: Progress<'_>) -> Result<StoreReport, StoreError> {
    let mut looked = Looked::open(folder, &Untouched(OsDisk::existing(folder)))?;
    looked.read_blocks(progress)?;
    Ok(looked.report(folder))
}

/// Mends what can be mended in the store in `folder` without loss. Of each file that is changed a copy is
/// made before.
pub fn repair(folder: &Path, progress: Progress<'_>) -> Result<Repaired, StoreError> {
    let _lock = lock(folder)?;
    let found = check_locked(folder, progress)?;
    let copies = if found.findings.is_empty() { None } else { mend::mend(folder, progress)? };
    let report = check_locked(folder, progress)?;
    Ok(Repaired { mended: found.findings, copies, report })
}

/// Locks a store that is there.
fn lock(folder: &Path) -> Result<Option<File>, StoreError> {
    let path = folder.join("LOCK");
    let io = |what| {
        let path = path.clone();
        move |source| StoreError::Io { what, path, source }
    };
    let disk = OsDisk::existing(folder);
    if !folder.is_dir() {
        return Err(StoreError::Absent(folder.to_owned()));
    }
    let file = match open_itself(OpenOptions::new().read(true), &path) {
        // A server makes it before all else: none is here.
        Err(error) if error.kind() == io::ErrorKind::NotFound => None,
        file => Some(file.map_err(io("open"))?),
    };
    match file.as_ref().map(File::try_lock) {
        None | Some(Ok(())) => {}
        Some(Err(TryLockError::WouldBlock)) => return Err(StoreError::InUse(folder.to_owned())),
        Some(Err(TryLockError::Error(error))) => return Err(io("lock")(error)),
    }
    match identify(&disk).map_err(|error| of_folder(folder, error.into()))? {
        Identified::New => Err(StoreError::Absent(folder.to_owned())),
        _ => Ok(file),
    }
}
