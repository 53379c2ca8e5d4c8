//! Where `up` and `serve` keep what they have: the store, and passwords that were made here.

use std::fs::{DirBuilder, OpenOptions};
use std::io::{ErrorKind, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};

use crate::load::{Loaded, Workspace};

/// Folder below the current one where data goes if nobody says otherwise.
const DEFAULT: &str = ".watershed";

/// Permissions of a folder that its owner alone can use.
const OWNER_ALONE: u32 = 0o700;

/// Permissions that let others write to a folder.
const OTHERS_WRITE: u32 = 0o022;

/// What the folder of several topologies is called.
const TOGETHER: &str = "together";

/// The data folder of `up`: the flag, else the `store_dir` that the files agree on, else one below
/// the current folder.
pub(crate) fn data_folder(flag: Option<&Path>, workspace: &Workspace) -> anyhow::Result<PathBuf> {
    if let Some(folder) = flag {
        return Ok(folder.to_owned());
    }
    let said = workspace.topologies.iter().filter_map(|loaded| Some((loaded, store_dir(loaded)?)));
    let said: Vec<_> = said.collect();
    if let Some((first, folder)) = said.first() {
        if let Some((second, _)) = said.iter().find(|(_, other)| other != folder) {
            let place = |loaded: &Loaded| {
                let span = loaded.topology.server.store_dir.as_ref().map(|dir| dir.span);
                workspace.sources.place(span.unwrap_or_default()).to_string()
            };
            bail!(
                "{} and {} name two folders for one server: say which with --data",
                place(first),
                place(second)
            );
        }
        return Ok(folder.clone());
    }
    let name = match workspace.topologies.as_slice() {
        [only] => only.topology.name.value.as_str(),
        _ => TOGETHER,
    };
    Ok(Path::new(DEFAULT).join(name))
}

/// Folders in which `up` may have kept the passwords of a topology.
pub(crate) fn data_folders(loaded: &Loaded) -> Vec<PathBuf> {
    let default = |name: &str| Path::new(DEFAULT).join(name);
    let mut folders: Vec<PathBuf> = store_dir(loaded).into_iter().collect();
    folders.extend([default(&loaded.topology.name.value), default(TOGETHER)]);
    folders
}

fn store_dir(loaded: &Loaded) -> Option<PathBuf> {
    let written = &loaded.topology.server.store_dir.as_ref()?.value;
    let inside: PathBuf = Path::new(written)
        .components()
        .filter(|part| !matches!(part, std::path::Component::CurDir))
        .collect();
    Some(loaded.folder.join(inside))
}

/// Makes the folder, with a file that keeps it out of version control.
pub(crate) fn prepare(folder: &Path) -> anyhow::Result<()> {
    private(folder)?;
    let path = folder.join(".gitignore");
    // Whatever is there stays, and no link is followed.
    match OpenOptions::new().write(true).create_new(true).open(&path) {
        Ok(mut file) => file.write_all(b"*\n"),
        Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(()),
        Err(error) => Err(error),
    }
    .with_context(|| format!("cannot write {}", path.display()))
}

/// Makes a folder that its owner alone can use. One that is there already must not be for others to
/// write: who can put a file there can be this server.
pub(crate) fn private(folder: &Path) -> anyhow::Result<()> {
    let shown = folder.display();
    DirBuilder::new()
        .recursive(true)
        .mode(OWNER_ALONE)
        .create(folder)
        .with_context(|| format!("cannot make the folder {shown}"))?;
    // What is below a folder that others can write is theirs too.
    let default = folder.starts_with(DEFAULT).then_some(Path::new(DEFAULT));
    // A folder that somebody chose may belong to a group: Kubernetes gives volumes to one.
    let others = if default.is_some() { OTHERS_WRITE } else { OTHERS_WRITE & 0o002 };
    for folder in default.into_iter().chain([folder]) {
        let shown = folder.display();
        let metadata = folder.metadata().with_context(|| format!("cannot look at {shown}"))?;
        if metadata.permissions().mode() & others != 0 {
            bail!(
                "{shown} can be written by others: run `chmod 700 {shown}`, or choose another folder"
            );
        }
    }
    Ok(())
}
