//! What can go wrong with backups.

use std::io;
use std::path::{Path, PathBuf};

use thiserror::Error;
use watershed_topology::call::CallError;

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
    #[error(
        "stream `{0}` is there already; nothing was restored: delete it first, or restore under another \
             name with --as"
    )]
    Exists(String),
    /// A subject of it belongs to another stream.
    #[error(
        "`{subject}` is stored by the stream `{other}`, and two streams cannot store the same subject \
         (10065): restore onto another server or into another account, or delete `{other}` or take the \
         subject from it first"
    )]
    Taken {
        /// The subject.
        subject: String,
        /// Who has it.
        other: String,
    },
    /// Messages cannot be published again.
    #[error("{0}")]
    Impossible(String),
}

impl BackupError {
    pub(super) fn file(what: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::File { what, path, source }
    }
}
