//! Files that nobody else may read.

use std::fmt::Write as _;
use std::fs::{File, OpenOptions};
use std::io::Read as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use sha2::{Digest as _, Sha256};

use super::error::BackupError;

/// A new file.
pub(super) fn create_file(path: &Path) -> Result<File, BackupError> {
    let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
    file.map_err(BackupError::file("create", path))
}

/// SHA-256 of a file.
pub(super) fn sum_of(path: &Path) -> Result<String, BackupError> {
    let mut file = File::open(path).map_err(BackupError::file("read", path))?;
    let (mut hash, mut some) = (Sha256::new(), vec![0; 1 << 20]);
    loop {
        match file.read(&mut some).map_err(BackupError::file("read", path))? {
            0 => return Ok(hex(&hash.finalize())),
            length => hash.update(&some[..length]),
        }
    }
}

pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}
