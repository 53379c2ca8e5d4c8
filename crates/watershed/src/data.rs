//! Where `up` keeps what it has: the store, and passwords that it made.
//!
//! A topology keeps them beside its file, wherever it is started from. A server has one store: several
//! topologies share the one that any of them has already, else that of the first, and the others get
//! a link to it. So what one of them stored is found again, alone or with more of them. If two have
//! stores of their own, nobody but the user can say which one counts.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fmt::Write as _;
use std::path::{Component, Path, PathBuf};

use anyhow::{Context as _, bail};
use watershed_topology::plan::{Plan, Policy};

use crate::load::{DEFAULT_FILE, Loaded, Workspace};
use crate::private::{self, DEFAULT};
use crate::ui;
use crate::ui::path::{quoted, shown};

/// Folder of backups, beside the store.
const BACKUPS: &str = "backups";

/// What the folder of several topologies was called, in the current folder.
const TOGETHER: &str = "together";

/// The data folder of `up`.
#[derive(Debug)]
pub(crate) struct Place {
    pub(crate) folder: PathBuf,
    /// Whether topologies that are at home elsewhere get a link to it.
    links: bool,
}

/// What became of the search for a place.
#[derive(Debug)]
pub(crate) enum Choice {
    /// The place.
    Use(Place),
    /// Data would not be seen any more: why, and what to do.
    Refused(String),
}

/// The data folder: the flag, else the `store_dir` that the files agree on, else one beside the files.
pub(crate) fn choose(flag: Option<&Path>, workspace: &Workspace) -> anyhow::Result<Choice> {
    let said = match flag {
        Some(folder) => Some(folder.to_owned()),
        None => agreed(workspace)?,
    };
    if let Some(folder) = said {
        mention_others(&folder, workspace);
        return Ok(Choice::Use(Place { folder, links: flag.is_none() }));
    }
    let homes: Vec<(&Loaded, PathBuf)> =
        workspace.topologies.iter().filter_map(|loaded| Some((loaded, kept_at(loaded)?))).collect();
    let mut places: Vec<&PathBuf> = homes.iter().map(|(_, place)| place).collect();
    places.sort();
    places.dedup();
    Ok(match (places.as_slice(), workspace.topologies.first()) {
        ([], None) => bail!("no topology"),
        ([], Some(first)) => {
            let folder = home(first);
            if let Some(text) = kept_before(&folder, workspace) {
                return Ok(Choice::Refused(text));
            }
            mention_lost(workspace);
            Choice::Use(Place { folder, links: true })
        }
        ([only], _) => {
            // Shown as the file was named, if it is the topology's own.
            let own = workspace.topologies.iter().map(home).find(|home| {
                !home.is_symlink() && home.canonicalize().is_ok_and(|home| home == **only)
            });
            let folder = own.unwrap_or_else(|| (*only).clone());
            mention_lost(workspace);
            Choice::Use(Place { folder, links: true })
        }
        _ => Choice::Refused(several(&homes)),
    })
}

/// Folders in which `up` may have kept the passwords of a topology.
pub(crate) fn data_folders(loaded: &Loaded) -> Vec<PathBuf> {
    match &loaded.data {
        Some(folder) => vec![folder.clone()],
        None => store_dir(loaded).into_iter().chain([home(loaded)]).collect(),
    }
}

/// The newest complete backup of a stream that a run has made.
pub(crate) fn backup_of(loaded: &Loaded, stream: &str) -> Option<PathBuf> {
    let all = std::fs::read_dir(backup_home(loaded).join(BACKUPS)).ok()?;
    let own = |path: &PathBuf| {
        let name = path.file_name().and_then(OsStr::to_str).unwrap_or_default();
        // The time follows: the last one is the newest.
        let time = name.strip_prefix(stream).and_then(|rest| rest.strip_prefix('-'));
        time.is_some_and(|time| time.as_bytes().get(8) == Some(&b'T'))
            && path.join("backup.json").is_file()
    };
    all.flatten().map(|entry| entry.path()).filter(own).max()
}

/// Folder in which a topology's backups are.
pub(crate) fn backup_home(loaded: &Loaded) -> PathBuf {
    loaded.data.clone().unwrap_or_else(|| home(loaded))
}

/// Folder below `home` for backups of the streams that a plan makes again. `home` is made if there are any.
pub(crate) fn backups(home: &Path, plan: &Plan, policy: &Policy) -> anyhow::Result<PathBuf> {
    if plan.steps.iter().any(|step| step.replaces_stream() && policy.allows(step)) {
        make(home).with_context(|| format!("cannot create {} for backups", shown(home)))?;
    }
    Ok(home.join(BACKUPS))
}

/// Where a topology's data is if nobody says otherwise. It may be a link.
fn home(loaded: &Loaded) -> PathBuf {
    plain(&loaded.folder).join(DEFAULT).join(&loaded.topology.name.value)
}

/// Where a topology has data already, links followed.
fn kept_at(loaded: &Loaded) -> Option<PathBuf> {
    let home = home(loaded);
    if has_data(&home) { home.canonicalize().ok() } else { None }
}

/// Whether a data folder holds a store.
fn has_data(folder: &Path) -> bool {
    // Without FORMAT, which may have been lost, the journal says what it is.
    let store = folder.join("store");
    store.join("FORMAT").is_file() || store.join("journal").is_dir()
}

fn agreed(workspace: &Workspace) -> anyhow::Result<Option<PathBuf>> {
    let said = workspace.topologies.iter().filter_map(|loaded| Some((loaded, store_dir(loaded)?)));
    let said: Vec<_> = said.collect();
    let Some((first, folder)) = said.first() else { return Ok(None) };
    if let Some((second, _)) = said.iter().find(|(_, other)| other != folder) {
        let place = |loaded: &Loaded| {
            let span = loaded.topology.server.store_dir.as_ref().map(|dir| dir.span);
            workspace.sources.place(span.unwrap_or_default()).to_string()
        };
        bail!(
            "{} and {} name different data directories for one server: choose one with --data",
            place(first),
            place(second)
        );
    }
    Ok(Some(folder.clone()))
}

fn store_dir(loaded: &Loaded) -> Option<PathBuf> {
    let written = &loaded.topology.server.store_dir.as_ref()?.value;
    Some(plain(&loaded.folder).join(plain(Path::new(written))))
}

/// A path without `.` in it.
fn plain(path: &Path) -> PathBuf {
    path.components().filter(|part| !matches!(part, Component::CurDir)).collect()
}

/// Says which topologies have data that this run does not use, because somebody said another place.
fn mention_others(folder: &Path, workspace: &Workspace) {
    for loaded in &workspace.topologies {
        let Some(place) = kept_at(loaded) else { continue };
        if folder.canonicalize().ok().as_ref() != Some(&place) {
            ui::say(&format!(
                "note: `{}` also has data in {}, which is not used here",
                loaded.topology.name.value,
                shown(&place)
            ));
        }
    }
}

/// Says whose data went with the folder that others had it in.
fn mention_lost(workspace: &Workspace) {
    for loaded in workspace.topologies.iter().filter(|loaded| kept_at(loaded).is_none()) {
        if let Ok(target) = home(loaded).read_link() {
            let target = home(loaded).parent().unwrap_or(Path::new("")).join(target);
            ui::say(&format!(
                "note: the data of `{}` was in {}, which is gone: starting empty",
                loaded.topology.name.value,
                shown(&target)
            ));
        }
    }
}

/// Several stores, and one server.
fn several(homes: &[(&Loaded, PathBuf)]) -> String {
    let mut text =
        String::from("these topologies have separate data, and one server has one store:");
    for (loaded, place) in homes {
        let _ = write!(text, "\n  {}: {}", loaded.topology.name.value, shown(place));
    }
    let first = homes.first().map(|(_, place)| quoted(place)).unwrap_or_default();
    let _ = write!(
        text,
        "\nrun them one by one, or choose a store for all, in which the others start empty:\n  \
         --data {first}"
    );
    text
}

/// Data that earlier versions kept in the current folder, if these topologies are new in `folder`.
fn kept_before(folder: &Path, workspace: &Workspace) -> Option<String> {
    // What belongs to the topology that lives here is not of an earlier version.
    let here = Path::new("").join(DEFAULT_FILE);
    let own = workspace.topologies.iter().any(|loaded| plain(&loaded.folder) == Path::new(""));
    if here.is_file() && !own {
        return None;
    }
    let names = workspace.topologies.iter().map(|loaded| loaded.topology.name.value.as_str());
    let names: BTreeSet<&str> = names.chain([TOGETHER]).collect();
    let old = names.iter().map(|name| Path::new(DEFAULT).join(name));
    let old: Vec<PathBuf> = old.filter(|place| has_data(place)).collect();
    let first = old.first()?;
    let mut text =
        String::from("data is kept beside the topology file now, and there is older data:");
    for place in &old {
        let _ = write!(text, "\n  {}", place.display());
    }
    let parent = folder.parent().unwrap_or(Path::new(""));
    let _ = write!(
        text,
        "\nto go on with it, move it:\n  mkdir -p {} && mv {} {}\nor start empty:\n  --data {}",
        quoted(parent),
        quoted(first),
        quoted(folder),
        quoted(folder)
    );
    Some(text)
}

/// Makes the folder, with a file that keeps it out of version control, and the links to it.
pub(crate) fn prepare(place: &Place, workspace: &Workspace) -> anyhow::Result<()> {
    let folder = &place.folder;
    let shown = shown(folder);
    make(folder).with_context(|| {
        format!("cannot create the data directory {shown} (choose another with --data)")
    })?;
    if place.links {
        for loaded in &workspace.topologies {
            let home = home(loaded);
            link(&home, folder)
                .with_context(|| format!("cannot link {} to {shown}", home.display()))?;
        }
    }
    Ok(())
}

fn make(folder: &Path) -> std::io::Result<()> {
    // What it led to is gone.
    if folder.is_symlink() && !folder.exists() {
        std::fs::remove_file(folder)?;
    }
    private::create(folder)?;
    private::ignore(folder)?;
    match folder.parent() {
        Some(parent) if parent.file_name() == Some(OsStr::new(DEFAULT)) => private::ignore(parent),
        _ => Ok(()),
    }
}

/// Makes `home` lead to `folder`, unless there is data in it.
fn link(home: &Path, folder: &Path) -> std::io::Result<()> {
    let folder = folder.canonicalize()?;
    if home.canonicalize().is_ok_and(|home| home == folder) || has_data(home) {
        return Ok(());
    }
    if home.is_symlink() {
        std::fs::remove_file(home)?;
    } else if home.exists() {
        // A start that failed leaves passwords that no server ever had.
        for file in [".gitignore", crate::secret::FILE] {
            let _ = std::fs::remove_file(home.join(file));
        }
        std::fs::remove_dir(home)?;
    }
    let parent = home.parent().unwrap_or(Path::new(""));
    private::create(parent)?;
    private::ignore(parent)?;
    std::os::unix::fs::symlink(relative(&parent.canonicalize()?, &folder), home)
}

/// The way from one folder to another, so that both can be moved together.
fn relative(from: &Path, to: &Path) -> PathBuf {
    let same = from.components().zip(to.components()).take_while(|(left, right)| left == right);
    let same = same.count();
    let up = from.components().skip(same).map(|_| Component::ParentDir);
    up.chain(to.components().skip(same)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_are_relative() {
        let check = |from: &str, to: &str, expected: &str| {
            assert_eq!(relative(Path::new(from), Path::new(to)), Path::new(expected));
        };
        check("/a/b/.watershed", "/a/c/.watershed/c", "../../c/.watershed/c");
        check("/a/.watershed", "/a/.watershed/x", "x");
        check("/a/b", "/c", "../../c");
    }
}
