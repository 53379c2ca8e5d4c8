//! Where `up` keeps what it has: the store, and passwords that it made.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};

use crate::load::{Loaded, Workspace};

/// Folder below the current one where data goes if nobody says otherwise.
const DEFAULT: &str = ".watershed";

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
    let make = || -> std::io::Result<()> {
        std::fs::create_dir_all(folder)?;
        let ignore = folder.join(".gitignore");
        if !ignore.exists() {
            std::fs::write(ignore, "*\n")?;
        }
        Ok(())
    };
    make().with_context(|| format!("cannot make the data folder {}", folder.display()))
}
