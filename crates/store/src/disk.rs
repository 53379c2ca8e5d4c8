//! The few verbs that the store needs of a disk. The operating system's implementation is the
//! server's; the simulation has one that lies, tears and forgets.
//!
//! What survives a power cut is what the verbs promise and no more: bytes and length of a file after
//! [`DiskFile::sync`], an entry of a folder after [`Disk::sync_dir`] of that folder. Of everything
//! else any part may survive, in any order.

use std::fmt::Debug;
use std::io;

/// Zeroes that are written at once.
const ZEROES: usize = 1024 * 1024;

/// A folder to keep things in. Paths are relative to it, `/` between parts.
pub trait Disk: Debug + Send + Sync + 'static {
    /// A file of this disk.
    type File: DiskFile;

    /// Opens a file that exists, for reading and writing.
    fn open(&self, path: &str) -> io::Result<Self::File>;

    /// Creates a file that does not exist yet.
    fn create(&self, path: &str) -> io::Result<Self::File>;

    /// Names in a folder, sorted; none if there is no such folder.
    fn list(&self, folder: &str) -> io::Result<Vec<String>>;

    /// Creates a folder, if it isn't there.
    fn create_dir(&self, folder: &str) -> io::Result<()>;

    /// Gives a file another name, replacing what had it.
    fn rename(&self, from: &str, to: &str) -> io::Result<()>;

    /// Removes a file. One that isn't there is no error.
    fn remove(&self, path: &str) -> io::Result<()>;

    /// Makes the entries of a folder durable.
    fn sync_dir(&self, folder: &str) -> io::Result<()>;
}

/// An open file.
pub trait DiskFile: Debug + Send + Sync + 'static {
    /// Reads from `offset` until the buffer or the file ends; says how many bytes.
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize>;

    /// Writes all bytes at `offset`, growing the file if need be.
    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()>;

    /// Makes bytes and length durable.
    fn sync(&self) -> io::Result<()>;

    /// Cuts or grows the file; new bytes are zero.
    fn set_len(&self, length: u64) -> io::Result<()>;

    /// Length in bytes.
    fn len(&self) -> io::Result<u64>;

    /// Whether the file has no bytes.
    fn is_empty(&self) -> io::Result<bool> {
        Ok(self.len()? == 0)
    }
}

/// Whether a disk refused because it, or what its user may take of it, is full: removing something
/// helps.
pub fn is_full(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
}

/// Makes a file of `length` zeroes: the space is taken, not promised. One of that name is replaced;
/// nothing is left behind where the disk refuses.
pub(crate) fn create_filled<D: Disk>(disk: &D, path: &str, length: u64) -> io::Result<D::File> {
    disk.remove(path)?;
    let file = disk.create(path)?;
    let zeroes = vec![0; ZEROES];
    let mut at = 0;
    let mut filled = Ok(());
    while filled.is_ok() && at < length {
        let count = usize::try_from(length - at).unwrap_or(ZEROES).min(ZEROES);
        filled = file.write_at(&zeroes[..count], at);
        at += count as u64;
    }
    if filled.is_err() {
        // Whoever lacks space must not lose more of it.
        let _ = disk.remove(path);
    }
    filled.map(|()| file)
}

/// Reads a whole file, of at most `max` bytes.
pub(crate) fn read_all(file: &impl DiskFile, max: u64) -> io::Result<Vec<u8>> {
    let length = file.len()?;
    if length > max {
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, format!("{length} bytes")));
    }
    let mut bytes = vec![0; usize::try_from(length).map_err(io::Error::other)?];
    let read = file.read_at(&mut bytes, 0)?;
    bytes.truncate(read);
    Ok(bytes)
}
