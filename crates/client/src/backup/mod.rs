//! Backups of streams: their definitions, messages and the positions of their consumers, in files that
//! any program can read.
//!
//! ```text
//! STREAM-20261127T160312Z/
//!   messages.jsonl   a message a line, as `$JS.API.STREAM.MSG.GET` gives it
//!   backup.json      everything else, and the checksum of the messages; written last
//! ```
//!
//! A folder without `backup.json` is a backup that was cut off. Folders are 0700, files 0600.

mod copy;
mod format;
mod restore;

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::SystemTime;

use thiserror::Error;
use watershed_topology::call::CallError;

pub use self::format::{Backup, ConsumerBackup};
pub use self::restore::Restored;
use crate::client::Client;

/// Why a stream was not backed up, or not restored.
#[derive(Debug, Error)]
pub enum BackupError {
    /// A file could not be read or written.
    #[error("cannot {what} {path}")]
    File {
        /// What was tried.
        what: &'static str,
        /// On what.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// The server did not do what it was asked for.
    #[error(transparent)]
    Call(#[from] CallError),
    /// The files are not as they were written.
    #[error("{path} is damaged: {why}")]
    Damaged {
        /// The file.
        path: PathBuf,
        /// How that shows.
        why: String,
    },
    /// There is something of that name already.
    #[error("stream `{0}` is there already; restore under another name with --as")]
    Exists(String),
    /// Messages cannot be published again.
    #[error("{0}")]
    Impossible(String),
}

impl BackupError {
    fn file(what: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::File { what, path, source }
    }
}

/// Where a run keeps backups of what it makes again.
#[derive(Debug)]
pub struct Backups {
    folder: PathBuf,
    made: Mutex<BTreeMap<String, PathBuf>>,
}

impl Backups {
    /// Keeps them below `folder`, which is made when it is needed.
    pub fn below(folder: PathBuf) -> Self {
        Self { folder, made: Mutex::default() }
    }

    /// Backs a stream up.
    pub async fn make(&self, client: &Client, stream: &str) -> Result<PathBuf, BackupError> {
        let folder = self.folder.join(format!("{stream}-{}", stamp()));
        client.back_up(stream, &folder, |_| {}).await?;
        let mut made = self.made.lock().unwrap_or_else(PoisonError::into_inner);
        made.insert(stream.to_owned(), folder.clone());
        Ok(folder)
    }

    /// Restores what [`make`](Self::make) has backed up last.
    pub async fn put_back(&self, client: &Client, stream: &str) -> Result<(), BackupError> {
        let missing = || BackupError::Impossible(format!("no backup of `{stream}` was made"));
        let folder = self.made().get(stream).cloned().ok_or_else(missing)?;
        client.restore(&folder, stream, |_| {}).await?;
        Ok(())
    }

    /// The backups that were made: stream and folder.
    pub fn made(&self) -> BTreeMap<String, PathBuf> {
        self.made.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// Now, for a name: `20261127T160312Z`.
fn stamp() -> String {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    let nanos = i64::try_from(now.as_nanos()).unwrap_or(i64::MAX);
    let text = watershed_wire::time::UnixNanos(nanos).to_string();
    let seconds = text.split('.').next().unwrap_or_default().trim_end_matches('Z');
    format!("{}Z", seconds.replace(['-', ':'], ""))
}
