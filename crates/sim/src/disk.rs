//! A disk in memory that keeps its promises and no more.
//!
//! Every write, change of length and change of a folder is pending until the sync that covers it.
//! [`SimDisk::power_cut`] forgets: of what is pending any part may survive. Bytes of a write survive
//! in runs or one by one, lengths and folder entries independently of bytes and of each other.
//! [`SimDisk::kill_after`] stops the world after N calls, [`SimDisk::fail_at`] lets one call fail,
//! [`SimDisk::limit`] lets no file grow beyond what there is room for.

use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use fastrand::Rng;
use watershed_store::{Disk, DiskFile};

/// A disk in memory. Clones are the same disk.
#[derive(Debug, Clone, Default)]
pub struct SimDisk(Arc<Mutex<State>>);

/// A file of a [`SimDisk`].
#[derive(Debug)]
pub struct SimFile {
    disk: SimDisk,
    inode: usize,
}

/// What survives a power cut of what was not synced.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Survival {
    /// Nothing.
    None,
    /// Everything.
    All,
    /// What came first, up to some point.
    Prefix,
    /// Any bytes.
    Random,
}

impl Survival {
    /// Every way, to go through.
    pub const EVERY: [Self; 4] = [Self::None, Self::All, Self::Prefix, Self::Random];
}

#[derive(Debug, Default)]
struct State {
    inodes: Vec<Inode>,
    /// Entries as programs see them.
    entries: BTreeMap<String, usize>,
    /// Entries as they are after a power cut in which nothing that is pending survives.
    durable: BTreeMap<String, usize>,
    /// Changes of entries since the last sync of their folder.
    pending: Vec<EntryChange>,
    /// Calls that change something, so far.
    calls: u64,
    /// After this many calls nothing has effect any more.
    kill_after: Option<u64>,
    /// The call that fails.
    fail_at: Option<u64>,
    /// Whether every call fails.
    refuses: bool,
    /// Bytes that all files together may have.
    limit: Option<usize>,
    /// Which syncs do nothing, counted from 0; to see that tests notice.
    skipped_sync: Option<u64>,
    syncs: u64,
}

#[derive(Debug, Default, Clone)]
struct Inode {
    bytes: Vec<u8>,
    durable: Vec<u8>,
    pending: Vec<Change>,
}

#[derive(Debug, Clone)]
enum Change {
    Write { at: usize, bytes: Vec<u8> },
    Length(usize),
}

#[derive(Debug, Clone)]
struct EntryChange {
    folder: String,
    path: String,
    /// What the path names after the change.
    inode: Option<usize>,
    /// The path that lost its name in the same change.
    removed: Option<String>,
}

impl SimDisk {
    /// Calls that changed something, so far.
    pub fn calls(&self) -> u64 {
        self.state().calls
    }

    /// Syncs so far.
    pub fn syncs(&self) -> u64 {
        self.state().syncs
    }

    /// Lets nothing have effect after `calls` more calls: they fail, as for a killed process.
    pub fn kill_after(&self, calls: u64) {
        let mut state = self.state();
        state.kill_after = Some(state.calls + calls);
    }

    /// Lets the call number `call`, counted from now, fail without effect. A sync that fails forgets
    /// what it was to write, as kernels do.
    pub fn fail_at(&self, call: u64) {
        let mut state = self.state();
        state.fail_at = Some(state.calls + call);
    }

    /// Bytes that all files have.
    pub fn used(&self) -> usize {
        self.state().used()
    }

    /// Lets all files together have at most this many bytes: what would make one grow beyond fails.
    pub fn limit(&self, bytes: Option<usize>) {
        self.state().limit = bytes;
    }

    /// Lets every call that changes something fail, until it is told otherwise.
    pub fn refuse(&self, refuses: bool) {
        self.state().refuses = refuses;
    }

    /// Makes the sync number `sync`, counted from 0, do nothing.
    pub fn skip_sync(&self, sync: u64) {
        self.state().skipped_sync = Some(sync);
    }

    /// The disk after a power cut.
    pub fn power_cut(&self, survival: Survival, rng: &mut Rng) -> Self {
        let state = self.state();
        let mut inodes = state.inodes.clone();
        for inode in &mut inodes {
            inode.lose_power(survival, rng);
        }
        let mut entries = state.durable.clone();
        let kept = match survival {
            Survival::Prefix => rng.usize(..=state.pending.len()),
            _ => state.pending.len(),
        };
        for change in state.pending.iter().take(kept) {
            let survives = match survival {
                Survival::None => false,
                Survival::All | Survival::Prefix => true,
                Survival::Random => rng.bool(),
            };
            if survives {
                change.apply(&mut entries);
            }
        }
        let durable = entries.clone();
        Self(Arc::new(Mutex::new(State { inodes, entries, durable, ..State::default() })))
    }

    /// The disk as a process finds it that starts after another was killed: nothing is lost, and
    /// nothing more is durable than was.
    pub fn after_kill(&self) -> Self {
        let state = self.state();
        let copy = State {
            inodes: state.inodes.clone(),
            entries: state.entries.clone(),
            durable: state.durable.clone(),
            pending: state.pending.clone(),
            ..State::default()
        };
        Self(Arc::new(Mutex::new(copy)))
    }

    /// Flips one bit of a file, on the disk itself.
    pub fn flip(&self, path: &str, bit: usize) {
        let mut state = self.state();
        let inode = state.entries[path];
        let inode = &mut state.inodes[inode];
        inode.bytes[bit / 8] ^= 1 << (bit % 8);
        if let Some(byte) = inode.durable.get_mut(bit / 8) {
            *byte ^= 1 << (bit % 8);
        }
    }

    /// Puts other bytes in the place of some of a file's, on the disk itself.
    pub fn overwrite(&self, path: &str, at: usize, bytes: &[u8]) {
        let mut state = self.state();
        let inode = state.entries[path];
        let inode = &mut state.inodes[inode];
        for side in [&mut inode.bytes, &mut inode.durable] {
            if let Some(place) = side.get_mut(at..at + bytes.len()) {
                place.copy_from_slice(bytes);
            }
        }
    }

    /// Takes a file away, on the disk itself.
    pub fn lose(&self, path: &str) {
        let mut state = self.state();
        state.entries.remove(path);
        state.durable.remove(path);
    }

    /// All bytes of a file.
    pub fn bytes(&self, path: &str) -> Vec<u8> {
        let state = self.state();
        state.inodes[state.entries[path]].bytes.clone()
    }

    /// Paths of all files.
    pub fn paths(&self) -> Vec<String> {
        self.state().entries.keys().cloned().collect()
    }

    /// Length of a file in bytes.
    pub fn file_len(&self, path: &str) -> usize {
        let state = self.state();
        state.inodes[state.entries[path]].bytes.len()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts a call that changes something; an error if the world has stopped or this one fails.
    fn change(&self) -> io::Result<MutexGuard<'_, State>> {
        let mut state = self.state();
        if state.kill_after.is_some_and(|limit| state.calls >= limit) {
            return Err(io::Error::other("killed"));
        }
        state.calls += 1;
        if state.refuses || state.fail_at == Some(state.calls) {
            return Err(io::Error::other("injected"));
        }
        Ok(state)
    }
}

impl Inode {
    /// What is pending becomes durable, and nothing else does.
    fn sync(&mut self) {
        for change in std::mem::take(&mut self.pending) {
            match change {
                Change::Write { at, bytes } => overwrite(&mut self.durable, at, &bytes),
                Change::Length(length) => self.durable.resize(length, 0),
            }
        }
    }

    fn lose_power(&mut self, survival: Survival, rng: &mut Rng) {
        let changes = std::mem::take(&mut self.pending);
        let kept = match survival {
            Survival::None => 0,
            Survival::Prefix => rng.usize(..=changes.len()),
            Survival::All | Survival::Random => changes.len(),
        };
        for (index, change) in changes.iter().take(kept).enumerate() {
            let torn = survival == Survival::Prefix && index + 1 == kept;
            match change {
                Change::Length(length) if survival != Survival::Random || rng.bool() => {
                    self.durable.resize(*length, 0);
                }
                Change::Length(_) => {}
                Change::Write { at, bytes } => {
                    let bytes = if torn { &bytes[..rng.usize(..=bytes.len())] } else { bytes };
                    self.survive(*at, bytes, survival, rng);
                }
            }
        }
        self.bytes = self.durable.clone();
    }

    fn survive(&mut self, at: usize, bytes: &[u8], survival: Survival, rng: &mut Rng) {
        if survival != Survival::Random {
            overwrite(&mut self.durable, at, bytes);
            return;
        }
        // Length and bytes of a write that grows the file survive independently.
        if self.durable.len() < at + bytes.len() && rng.bool() {
            self.durable.resize(at + bytes.len(), 0);
        }
        // Runs of any length, so that sectors, halves and single bytes all occur.
        let mut done = 0;
        while done < bytes.len() {
            let longest = [1, 8, 512, 4096][rng.usize(..4)];
            let run = rng.usize(1..=longest).min(bytes.len() - done);
            let end = (at + done + run).min(self.durable.len());
            if rng.bool() && at + done < end {
                let kept = end - (at + done);
                self.durable[at + done..end].copy_from_slice(&bytes[done..done + kept]);
            }
            done += run;
        }
    }
}

impl EntryChange {
    fn apply(&self, entries: &mut BTreeMap<String, usize>) {
        if let Some(removed) = &self.removed {
            entries.remove(removed);
        }
        match self.inode {
            Some(inode) => {
                entries.insert(self.path.clone(), inode);
            }
            None => {
                entries.remove(&self.path);
            }
        }
    }
}

fn overwrite(target: &mut Vec<u8>, at: usize, bytes: &[u8]) {
    if target.len() < at + bytes.len() {
        target.resize(at + bytes.len(), 0);
    }
    target[at..at + bytes.len()].copy_from_slice(bytes);
}

fn folder_of(path: &str) -> String {
    path.rsplit_once('/').map_or(String::new(), |(folder, _)| folder.to_owned())
}

fn not_found(path: &str) -> io::Error {
    io::Error::new(io::ErrorKind::NotFound, path.to_owned())
}

impl Disk for SimDisk {
    type File = SimFile;

    fn open(&self, path: &str) -> io::Result<SimFile> {
        let inode = *self.state().entries.get(path).ok_or_else(|| not_found(path))?;
        Ok(SimFile { disk: self.clone(), inode })
    }

    fn create(&self, path: &str) -> io::Result<SimFile> {
        let mut state = self.change()?;
        if state.entries.contains_key(path) {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        state.inodes.push(Inode::default());
        let inode = state.inodes.len() - 1;
        state.record(path, Some(inode), None);
        Ok(SimFile { disk: self.clone(), inode })
    }

    fn list(&self, folder: &str) -> io::Result<Vec<String>> {
        let prefix = if folder.is_empty() { String::new() } else { format!("{folder}/") };
        let state = self.state();
        let names = state.entries.keys().filter_map(|path| path.strip_prefix(&prefix));
        let mut names: Vec<String> =
            names.map(|rest| rest.split('/').next().unwrap_or(rest).to_owned()).collect();
        names.dedup();
        Ok(names)
    }

    fn create_dir(&self, _folder: &str) -> io::Result<()> {
        // Folders are the prefixes of their entries; what an entry needs is a sync of its folder.
        Ok(())
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        let mut state = self.change()?;
        let inode = *state.entries.get(from).ok_or_else(|| not_found(from))?;
        state.record(to, Some(inode), Some(from.to_owned()));
        Ok(())
    }

    fn remove(&self, path: &str) -> io::Result<()> {
        if !self.state().entries.contains_key(path) {
            return Ok(());
        }
        self.change()?.record(path, None, None);
        Ok(())
    }

    fn sync_dir(&self, folder: &str) -> io::Result<()> {
        let mut state = self.change()?;
        if state.sync_is_skipped() {
            return Ok(());
        }
        let state = &mut *state;
        let durable = &mut state.durable;
        state.pending.retain(|change| {
            let covered = change.folder == folder;
            if covered {
                change.apply(durable);
            }
            !covered
        });
        Ok(())
    }
}

impl State {
    /// Bytes of the files that have a name.
    fn used(&self) -> usize {
        self.entries.values().map(|inode| self.inodes[*inode].bytes.len()).sum()
    }

    /// Sees to it that a file may have `length` bytes.
    fn make_room(&self, inode: usize, length: usize) -> io::Result<()> {
        let Some(limit) = self.limit else { return Ok(()) };
        let grows = length.saturating_sub(self.inodes[inode].bytes.len());
        if grows > 0 && self.used() + grows > limit {
            return Err(io::ErrorKind::StorageFull.into());
        }
        Ok(())
    }

    fn record(&mut self, path: &str, inode: Option<usize>, removed: Option<String>) {
        let path = path.to_owned();
        let change = EntryChange { folder: folder_of(&path), path, inode, removed };
        change.apply(&mut self.entries);
        self.pending.push(change);
    }

    fn sync_is_skipped(&mut self) -> bool {
        self.syncs += 1;
        self.skipped_sync == Some(self.syncs - 1)
    }
}

impl DiskFile for SimFile {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        let state = self.disk.state();
        let bytes = &state.inodes[self.inode].bytes;
        let start = usize::try_from(offset).map_err(io::Error::other)?.min(bytes.len());
        let count = buffer.len().min(bytes.len() - start);
        buffer[..count].copy_from_slice(&bytes[start..start + count]);
        Ok(count)
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        let at = usize::try_from(offset).map_err(io::Error::other)?;
        let mut state = self.disk.change()?;
        state.make_room(self.inode, at + bytes.len())?;
        let inode = &mut state.inodes[self.inode];
        overwrite(&mut inode.bytes, at, bytes);
        inode.pending.push(Change::Write { at, bytes: bytes.to_vec() });
        Ok(())
    }

    fn sync(&self) -> io::Result<()> {
        let mut state = match self.disk.change() {
            Ok(state) => state,
            Err(error) => {
                // What was to be written counts as written now, and is not: no later sync writes it.
                self.disk.state().inodes[self.inode].pending.clear();
                return Err(error);
            }
        };
        if state.sync_is_skipped() {
            return Ok(());
        }
        let inode = &mut state.inodes[self.inode];
        inode.sync();
        Ok(())
    }

    fn set_len(&self, length: u64) -> io::Result<()> {
        let length = usize::try_from(length).map_err(io::Error::other)?;
        let mut state = self.disk.change()?;
        state.make_room(self.inode, length)?;
        let inode = &mut state.inodes[self.inode];
        inode.bytes.resize(length, 0);
        inode.pending.push(Change::Length(length));
        Ok(())
    }

    fn len(&self) -> io::Result<u64> {
        Ok(self.disk.state().inodes[self.inode].bytes.len() as u64)
    }
}
