//! What is kept of rounds that are given up.

use std::io;

use crate::disk::{Disk, DiskFile};

/// Folder of what is kept of damaged files.
pub const DAMAGED_FOLDER: &str = "damaged";

/// Rounds of which the bytes are kept; older ones go.
const ROUNDS_MAX: usize = 16;

/// What the names of these files begin with.
const NAME: &str = "round-";

/// Keeps the bytes of a round. Says where.
pub(super) fn keep<D: Disk>(disk: &D, round: u64, bytes: &[u8]) -> io::Result<String> {
    disk.create_dir(DAMAGED_FOLDER)?;
    disk.sync_dir("")?;
    let path = format!("{DAMAGED_FOLDER}/{NAME}{round:020}");
    disk.remove(&path)?;
    let file = disk.create(&path)?;
    file.write_at(bytes, 0)?;
    file.sync()?;
    let names = disk.list(DAMAGED_FOLDER)?;
    let rounds: Vec<&String> = names.iter().filter(|name| name.starts_with(NAME)).collect();
    for name in rounds.iter().take(rounds.len().saturating_sub(ROUNDS_MAX)) {
        disk.remove(&format!("{DAMAGED_FOLDER}/{name}"))?;
    }
    disk.sync_dir(DAMAGED_FOLDER)?;
    Ok(path)
}
