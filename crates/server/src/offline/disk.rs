//! Disks on which a store is looked at and mended: one that takes no change, and one that keeps a copy of
//! whatever it changes.

use std::collections::BTreeSet;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};

use watershed_store::{Disk, DiskFile};

use crate::disk::{OsDisk, OsFile};

/// A disk that takes no change: what is written to it is forgotten.
#[derive(Debug, Clone)]
pub(super) struct Untouched(pub(super) OsDisk);

/// A file of it.
#[derive(Debug)]
pub(super) enum UntouchedFile {
    There(OsFile),
    /// A file whose creation was only pretended.
    Made,
}

impl Disk for Untouched {
    type File = UntouchedFile;

    fn open(&self, path: &str) -> io::Result<UntouchedFile> {
        self.0.open_to_read(path).map(UntouchedFile::There)
    }

    fn create(&self, _path: &str) -> io::Result<UntouchedFile> {
        Ok(UntouchedFile::Made)
    }

    fn list(&self, folder: &str) -> io::Result<Vec<String>> {
        self.0.list(folder)
    }

    fn create_dir(&self, _folder: &str) -> io::Result<()> {
        Ok(())
    }

    fn rename(&self, _from: &str, _to: &str) -> io::Result<()> {
        Ok(())
    }

    fn remove(&self, _path: &str) -> io::Result<()> {
        Ok(())
    }

    fn sync_dir(&self, _folder: &str) -> io::Result<()> {
        Ok(())
    }
}

impl DiskFile for UntouchedFile {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        match self {
            Self::There(file) => file.read_at(buffer, offset),
            Self::Made => Ok(0),
        }
    }

    fn write_at(&self, _bytes: &[u8], _offset: u64) -> io::Result<()> {
        Ok(())
    }

    fn sync(&self) -> io::Result<()> {
        Ok(())
    }

    fn set_len(&self, _length: u64) -> io::Result<()> {
        Ok(())
    }

    fn len(&self) -> io::Result<u64> {
        match self {
            Self::There(file) => file.len(),
            Self::Made => Ok(0),
        }
    }
}

/// A disk that copies a file before it changes what is in it.
#[derive(Debug, Clone)]
pub(super) struct Copying {
    disk: OsDisk,
    /// Folder of the copies.
    copies: String,
    /// Files that were copied, or made by this disk.
    done: Arc<Mutex<Done>>,
}

#[derive(Debug, Default)]
struct Done {
    files: BTreeSet<String>,
    copied: bool,
}

/// A file of it.
#[derive(Debug)]
pub(super) struct CopyingFile {
    disk: Copying,
    path: String,
    file: OsFile,
}

impl Copying {
    pub(super) fn new(disk: OsDisk, copies: String) -> Self {
        Self { disk, copies, done: Arc::default() }
    }

    /// Folder of the copies, if there are any.
    pub(super) fn copies(&self) -> Option<&str> {
        let done = self.done.lock().unwrap_or_else(PoisonError::into_inner);
        done.copied.then_some(self.copies.as_str())
    }

    /// Copies a file that is about to be changed, if that was not done before.
    fn keep(&self, path: &str) -> io::Result<()> {
        let mut done = self.done.lock().unwrap_or_else(PoisonError::into_inner);
        if !done.files.insert(path.to_owned()) {
            return Ok(());
        }
        let file = match self.disk.open(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            file => file?,
        };
        let to = format!("{}/{path}", self.copies);
        if let Some((folder, _)) = to.rsplit_once('/') {
            self.disk.create_dir(folder)?;
        }
        let copy = self.disk.create(&to)?;
        let mut bytes = vec![0; 1 << 20];
        let mut at = 0;
        loop {
            let count = file.read_at(&mut bytes, at)?;
            if count == 0 {
                break;
            }
            copy.write_at(&bytes[..count], at)?;
            at += count as u64;
        }
        copy.sync()?;
        let mut folder = to.as_str();
        while let Some((parent, _)) = folder.rsplit_once('/') {
            self.disk.sync_dir(parent)?;
            folder = parent;
        }
        self.disk.sync_dir("")?;
        done.copied = true;
        Ok(())
    }

    /// A file that was made here is nobody's that could be lost.
    fn made(&self, path: &str) {
        let mut done = self.done.lock().unwrap_or_else(PoisonError::into_inner);
        done.files.insert(path.to_owned());
    }
}

impl Disk for Copying {
    type File = CopyingFile;

    fn open(&self, path: &str) -> io::Result<CopyingFile> {
        let file = self.disk.open(path)?;
        Ok(CopyingFile { disk: self.clone(), path: path.to_owned(), file })
    }

    fn create(&self, path: &str) -> io::Result<CopyingFile> {
        let file = self.disk.create(path)?;
        self.made(path);
        Ok(CopyingFile { disk: self.clone(), path: path.to_owned(), file })
    }

    fn list(&self, folder: &str) -> io::Result<Vec<String>> {
        self.disk.list(folder)
    }

    fn create_dir(&self, folder: &str) -> io::Result<()> {
        self.disk.create_dir(folder)
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        self.keep(to)?;
        self.disk.rename(from, to)
    }

    fn remove(&self, path: &str) -> io::Result<()> {
        self.keep(path)?;
        self.disk.remove(path)
    }

    fn sync_dir(&self, folder: &str) -> io::Result<()> {
        self.disk.sync_dir(folder)
    }
}

impl DiskFile for CopyingFile {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        self.file.read_at(buffer, offset)
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        let mut there = vec![0; bytes.len()];
        let count = self.file.read_at(&mut there, offset)?;
        if there[..count] != bytes[..count] {
            self.disk.keep(&self.path)?;
        } else if count == bytes.len() {
            return Ok(());
        }
        self.file.write_at(bytes, offset)
    }

    fn sync(&self) -> io::Result<()> {
        self.file.sync()
    }

    fn set_len(&self, length: u64) -> io::Result<()> {
        if length < self.file.len()? {
            self.disk.keep(&self.path)?;
        }
        self.file.set_len(length)
    }

    fn len(&self) -> io::Result<u64> {
        self.file.len()
    }
}
