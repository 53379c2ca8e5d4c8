//! The few verbs that the store needs of a disk. The operating system's implementation is the
//! server's; the simulation has one that lies, tears and forgets.
//!
//! What survives a power cut is what the verbs promise and no more: bytes and length of a file after
//! [`DiskFile::sync`], an entry of a folder after [`Disk::sync_dir`] of that folder. Of everything
//! else any part may survive, in any order.

use std::fmt::Debug;
use std::io;

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
