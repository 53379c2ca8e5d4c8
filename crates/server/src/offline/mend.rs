//! Mending a store: opening it mends most, blocks and a lost checkpoint are written here.

use std::io;
use std::path::{Path, PathBuf};

use watershed_engine::DiskOutput;
use watershed_store::blocks::{BlockWriter, block_path};
use watershed_store::journal::DAMAGED_FOLDER;
use watershed_store::keeper::Job;
use watershed_store::{Disk as _, DiskFile as _};

use super::Progress;
use super::disk::Copying;
use super::look::{Looked, Mend};
use crate::clock::Clock;
use crate::disk::OsDisk;
use crate::store::StoreError;

/// Mends the store in `folder`. Says where the copies are, if anything was changed.
pub(super) fn mend(folder: &Path, progress: Progress<'_>) -> Result<Option<PathBuf>, StoreError> {
    let io = |what: &'static str| {
        let path = folder.to_owned();
        move |source| StoreError::Io { what, path, source }
    };
    let copies = format!("{DAMAGED_FOLDER}/{}", Clock::new().now().wall.0);
    let disk = Copying::new(OsDisk::existing(folder), copies);
    let mut looked = Looked::open(folder, &disk)?;
    looked.read_blocks(progress);
    for mend in &looked.mends {
        put(&disk, mend).map_err(io("mend a block of"))?;
    }
    if looked.lacks_checkpoint() {
        write_checkpoint(&disk, &mut looked).map_err(io("write a checkpoint of"))?;
    }
    Ok(disk.copies().map(|copies| folder.join(copies)))
}

fn put(disk: &Copying, mend: &Mend) -> io::Result<()> {
    let file = disk.open(&block_path(mend.log, mend.block))?;
    file.write_at(&mend.bytes, u64::from(mend.offset))?;
    file.sync()
}

/// Writes blocks up to the last round, and a checkpoint of all of it.
fn write_checkpoint(disk: &Copying, looked: &mut Looked<Copying>) -> io::Result<()> {
    let mut blocks = BlockWriter::new(disk.clone())?;
    for output in looked.engine.condense() {
        match output {
            DiskOutput::Keep(Job::Place(placed)) => {
                blocks.place(&placed.round, &placed.placements)?;
            }
            DiskOutput::Keep(Job::Seal(all)) => {
                for (log, sealed) in &all {
                    blocks.seal(*log, sealed)?;
                }
            }
            DiskOutput::Keep(Job::Checkpoint(checkpoint)) => {
                blocks.sync().map_err(io::Error::other)?;
                looked.checkpoints.write(&checkpoint)?;
            }
            // Blocks that hold nothing any more go at the next start.
            DiskOutput::Keep(Job::Drop(_) | Job::CompressLater(_))
            | DiskOutput::Damaged(_)
            | DiskOutput::Forgotten(_)
            | DiskOutput::Commit(_)
            | DiskOutput::Read { .. } => {}
        }
    }
    Ok(())
}
