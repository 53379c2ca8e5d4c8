//! A disk in memory that keeps everything that it is given.
#![expect(
    clippy::disallowed_types,
    reason = "a disk is shared by its files, and may be by threads"
)]

use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use watershed_store::{Disk, DiskFile};

type Bytes = Arc<Mutex<Vec<u8>>>;

/// The disk. Clones are the same one.
#[derive(Debug, Clone, Default)]
pub(crate) struct MemoryDisk(Arc<Mutex<BTreeMap<String, Bytes>>>);

/// A file of it.
#[derive(Debug)]
pub(crate) struct MemoryFile(Bytes);

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn missing(path: &str) -> io::Error {
    io::Error::new(io::ErrorKind::NotFound, path.to_owned())
}

impl Disk for MemoryDisk {
    type File = MemoryFile;

    fn open(&self, path: &str) -> io::Result<MemoryFile> {
        let file = locked(&self.0).get(path).cloned();
        file.map(MemoryFile).ok_or_else(|| missing(path))
    }

    fn create(&self, path: &str) -> io::Result<MemoryFile> {
        let mut files = locked(&self.0);
        if files.contains_key(path) {
            return Err(io::Error::new(io::ErrorKind::AlreadyExists, path.to_owned()));
        }
        let file = Bytes::default();
        files.insert(path.to_owned(), file.clone());
        Ok(MemoryFile(file))
    }

    fn list(&self, folder: &str) -> io::Result<Vec<String>> {
        let files = locked(&self.0);
        let inside = |path: &String| match folder {
            "" => Some(path.clone()),
            folder => path.strip_prefix(folder)?.strip_prefix('/').map(str::to_owned),
        };
        let names = files.keys().filter_map(inside);
        Ok(names.filter(|name| !name.contains('/')).collect())
    }

    fn create_dir(&self, _folder: &str) -> io::Result<()> {
        Ok(())
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        let mut files = locked(&self.0);
        let file = files.remove(from).ok_or_else(|| missing(from))?;
        files.insert(to.to_owned(), file);
        Ok(())
    }

    fn remove(&self, path: &str) -> io::Result<()> {
        locked(&self.0).remove(path);
        Ok(())
    }

    fn sync_dir(&self, _folder: &str) -> io::Result<()> {
        Ok(())
    }
}

impl DiskFile for MemoryFile {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        let bytes = locked(&self.0);
        let from = usize::try_from(offset).unwrap_or(usize::MAX).min(bytes.len());
        let there = bytes.get(from..).unwrap_or_default();
        let count = there.len().min(buffer.len());
        for (to, from) in buffer.iter_mut().zip(there) {
            *to = *from;
        }
        Ok(count)
    }

    fn write_at(&self, written: &[u8], offset: u64) -> io::Result<()> {
        let mut bytes = locked(&self.0);
        let from = usize::try_from(offset).map_err(io::Error::other)?;
        let end = from + written.len();
        if bytes.len() < end {
            bytes.resize(end, 0);
        }
        if let Some(place) = bytes.get_mut(from..end) {
            place.copy_from_slice(written);
        }
        Ok(())
    }

    fn sync(&self) -> io::Result<()> {
        Ok(())
    }

    fn set_len(&self, length: u64) -> io::Result<()> {
        locked(&self.0).resize(usize::try_from(length).map_err(io::Error::other)?, 0);
        Ok(())
    }

    fn len(&self) -> io::Result<u64> {
        Ok(locked(&self.0).len() as u64)
    }
}
