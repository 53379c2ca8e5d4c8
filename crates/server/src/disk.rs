//! A folder of this machine's file system, as the store's disk.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, FileExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use watershed_store::{Disk, DiskFile};

/// A folder of this machine. Folders are made for their owner alone, and so are files.
#[derive(Debug, Clone)]
pub(crate) struct OsDisk {
    root: PathBuf,
}

/// A file in it.
#[derive(Debug)]
pub(crate) struct OsFile(File);

impl OsDisk {
    /// The folder `root`, made if it isn't there.
    pub(crate) fn new(root: &Path) -> io::Result<Self> {
        make_dir(root)?;
        // A store in a folder that is gone after a power cut is gone too.
        if let Some(parent) = root.parent().filter(|parent| !parent.as_os_str().is_empty()) {
            File::open(parent)?.sync_all()?;
        }
        Ok(Self { root: root.to_owned() })
    }

    fn path(&self, path: &str) -> PathBuf {
        if path.is_empty() { self.root.clone() } else { self.root.join(path) }
    }
}

fn make_dir(path: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(path)
}

impl Disk for OsDisk {
    type File = OsFile;

    fn open(&self, path: &str) -> io::Result<OsFile> {
        OpenOptions::new().read(true).write(true).open(self.path(path)).map(OsFile)
    }

    fn create(&self, path: &str) -> io::Result<OsFile> {
        let mut options = OpenOptions::new();
        options.read(true).write(true).create_new(true).mode(0o600);
        options.open(self.path(path)).map(OsFile)
    }

    fn list(&self, folder: &str) -> io::Result<Vec<String>> {
        let entries = match fs::read_dir(self.path(folder)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            entries => entries?,
        };
        let mut names = Vec::new();
        for entry in entries {
            // Names of the store's own are plain; whatever else lies here is not the store's.
            if let Ok(name) = entry?.file_name().into_string() {
                names.push(name);
            }
        }
        names.sort();
        Ok(names)
    }

    fn create_dir(&self, folder: &str) -> io::Result<()> {
        make_dir(&self.path(folder))
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        fs::rename(self.path(from), self.path(to))
    }

    fn remove(&self, path: &str) -> io::Result<()> {
        match fs::remove_file(self.path(path)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            result => result,
        }
    }

    fn sync_dir(&self, folder: &str) -> io::Result<()> {
        File::open(self.path(folder))?.sync_all()
    }
}

impl DiskFile for OsFile {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        let mut done = 0;
        while done < buffer.len() {
            match self.0.read_at(&mut buffer[done..], offset + done as u64) {
                Ok(0) => break,
                Ok(count) => done += count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(done)
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        self.0.write_all_at(bytes, offset)
    }

    fn sync(&self) -> io::Result<()> {
        // fdatasync: bytes, and the length where it changed.
        self.0.sync_data()?;
        if self.0.metadata()?.nlink() == 0 {
            // Nobody will find what is in it: the file goes with the process.
            return Err(io::Error::new(io::ErrorKind::NotFound, "the file was deleted"));
        }
        Ok(())
    }

    fn set_len(&self, length: u64) -> io::Result<()> {
        self.0.set_len(length)
    }

    fn len(&self) -> io::Result<u64> {
        self.0.metadata().map(|metadata| metadata.len())
    }
}
