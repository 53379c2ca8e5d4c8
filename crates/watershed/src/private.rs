//! Folders that only their owner can use.

use std::ffi::OsStr;
use std::fs::{DirBuilder, OpenOptions};
use std::io::{Error, ErrorKind, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, PermissionsExt as _};
use std::path::Path;

use crate::ui::path::quoted;

/// Folder beside a topology file where its data goes by default.
pub(crate) const DEFAULT: &str = ".watershed";

/// Permissions of a folder that its owner alone can use.
const OWNER_ALONE: u32 = 0o700;

/// Permissions that let the group, or anybody, write to a folder.
const GROUP_WRITES: u32 = 0o020;
const OTHERS_WRITE: u32 = 0o002;

/// Creates a folder that its owner alone can use. One that exists must not be writable by others:
/// who can put a file there can be this server.
pub(crate) fn create(folder: &Path) -> std::io::Result<()> {
    DirBuilder::new().recursive(true).mode(OWNER_ALONE).create(folder)?;
    // What is below a folder that others can write is theirs too.
    let default = folder.parent().filter(|parent| parent.file_name() == Some(OsStr::new(DEFAULT)));
    // A folder that somebody chose may belong to a group: Kubernetes gives volumes to one.
    let others = if default.is_some() { GROUP_WRITES | OTHERS_WRITE } else { OTHERS_WRITE };
    for folder in default.into_iter().chain([folder]) {
        if folder.metadata()?.permissions().mode() & others != 0 {
            let shown = folder.display();
            return Err(Error::other(format!(
                "others can write to {shown}: run `chmod 700 {}`, or choose another directory",
                quoted(folder)
            )));
        }
    }
    Ok(())
}

/// Keeps a folder out of version control. Whatever is there stays, and no link is followed.
pub(crate) fn ignore(folder: &Path) -> std::io::Result<()> {
    match OpenOptions::new().write(true).create_new(true).open(folder.join(".gitignore")) {
        Ok(mut file) => file.write_all(b"*\n"),
        Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(()),
        Err(error) => Err(error),
    }
}
