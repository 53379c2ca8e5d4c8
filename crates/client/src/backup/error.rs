//! What can go wrong with backups.

use std::io;
use std::path::{Path, PathBuf};

use thiserror::Error;
use watershed_topology::call::CallError;

const MIB: u64 = 1 << 20;

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
    /// There is too little room for it.
    #[error(
        "no room in {} for the backup: the messages take {} MiB at least, and {} MiB is free; nothing was copied",
        folder.display(), needed.div_ceil(MIB), free / MIB
    )]
    Room {
        /// Where it was to be.
        folder: PathBuf,
        /// Bytes that are needed in any case.
        needed: u64,
        /// Bytes that are free.
        free: u64,
    },
    /// There is something of that name already.
    #[error(
        "stream `{0}` is there already; nothing was restored: delete it first, or restore under another \
             name with --as"
    )]
    Exists(String),
    /// The account may not store as much.
    #[error(
        "the account may store {left} bytes more {what}, and the backup takes {needed}; nothing was restored"
    )]
    Full {
        /// Where it would be stored.
        what: &'static str,
        /// Bytes that it takes.
        needed: u64,
        /// Bytes that are left.
        left: u64,
    },
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
