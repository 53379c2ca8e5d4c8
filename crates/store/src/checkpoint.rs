//! Checkpoints: everything that the journal said up to some round, in one small file.
//!
//! ```text
//! offset size
//!      0    4  "WChk"
//!      4    4  version, that of the store's format
//!      8    8  round
//!     16    8  length of the state
//!     24    8  CRC-64 of bytes 0..24 and of the state
//!     32       state: the blocks that it refers to (count, then log and number of each), and what
//!              the store's user keeps
//! ```
//!
//! Two files take turns, so the one before is still there when one is damaged. The journal is
//! released only up to the older of the two, also at an opening, and a block is there for as long as
//! one of the two refers to it. Before there are two, the journal has everything from its first round.

use std::collections::BTreeSet;
use std::io;

use thiserror::Error;

use crate::bytes::{Reader, put_count, put_u32};

use crate::checksum::{Flipped, checksum, flipped_bit};
use crate::disk::{Disk, DiskFile, read_all};
use crate::format::{FORMAT, Origin, is_known};
use crate::record::{LogId, u32_at, u64_at};

const FILES: [&str; 2] = ["checkpoint-0", "checkpoint-1"];
const UNFINISHED: &str = "checkpoint.new";
const MAGIC: &[u8; 4] = b"WChk";
const HEADER_BYTES: usize = 32;
const CRC_AT: usize = 24;

/// Largest checkpoint. Far above what any store has; bounds what a damaged one can ask for.
const CHECKPOINT_BYTES_MAX: u64 = 8 * 1024 * 1024 * 1024;

/// Everything that the journal said up to `round`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checkpoint {
    /// Last round that is covered.
    pub round: u64,
    /// Blocks that the state refers to.
    pub blocks: Vec<(LogId, u32)>,
    /// What the store's user keeps; not looked at here.
    pub state: Vec<u8>,
}

/// Why no checkpoint can be read. Nothing was changed.
#[derive(Debug, Error)]
pub enum CheckpointError {
    /// The disk refused.
    #[error("cannot read {path}")]
    Io {
        /// The file.
        path: &'static str,
        /// What the system says.
        source: io::Error,
    },
    /// Made by a newer version.
    #[error("{path} is of version {version}, which this program does not know")]
    Newer {
        /// The file.
        path: &'static str,
        /// Its version.
        version: u32,
    },
}

/// What [`Checkpoints::open`] found.
#[derive(Debug)]
pub struct Found<D: Disk> {
    /// The checkpoints, ready for the next one.
    pub checkpoints: Checkpoints<D>,
    /// The newest one.
    pub newest: Option<Checkpoint>,
    /// Round of the older one; the store's origin if there is none.
    pub older: u64,
    /// Those that are damaged.
    pub damaged: Vec<&'static str>,
    /// Blocks that either one refers to.
    pub referred: BTreeSet<(LogId, u32)>,
}

/// The checkpoints of a store.
#[derive(Debug)]
pub struct Checkpoints<D: Disk> {
    disk: D,
    /// Round of the newest checkpoint.
    newest: u64,
    /// Which of the files is written next.
    turn: usize,
}

impl<D: Disk> Checkpoints<D> {
    /// Opens the checkpoints of `disk`, and reads the newest one that is whole.
    pub fn open(disk: D, origin: Origin) -> Result<Found<D>, CheckpointError> {
        let (mut found, mut damaged) = (Vec::new(), Vec::new());
        for (index, path) in FILES.into_iter().enumerate() {
            let file = match disk.open(path) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                file => file.map_err(|source| CheckpointError::Io { path, source })?,
            };
            let bytes = read_all(&file, CHECKPOINT_BYTES_MAX);
            let mut bytes = bytes.map_err(|source| CheckpointError::Io { path, source })?;
            match decode(&mut bytes) {
                Some((version, checkpoint)) if is_known(version) => {
                    found.push((checkpoint, index));
                }
                Some((version, _)) => return Err(CheckpointError::Newer { path, version }),
                None => damaged.push(path),
            }
        }
        let blocks = found.iter().flat_map(|(checkpoint, _)| &checkpoint.blocks);
        let referred = blocks.copied().collect();
        let older = match found.as_slice() {
            [(one, _), (other, _)] => one.round.min(other.round),
            _ => origin.0,
        };
        let newest = found.into_iter().max_by_key(|(checkpoint, _)| checkpoint.round);
        let turn = newest.as_ref().map_or(0, |(_, index)| 1 - index);
        let newest = newest.map(|(checkpoint, _)| checkpoint);
        let round = newest.as_ref().map_or(origin.0, |checkpoint| checkpoint.round);
        let checkpoints = Self { disk, newest: round, turn };
        Ok(Found { checkpoints, newest, older, damaged, referred })
    }

    /// Writes a checkpoint. Everything that it refers to is durable already. Returns the round up
    /// to which the journal may be released.
    pub fn write(&mut self, checkpoint: &Checkpoint) -> io::Result<u64> {
        let mut state = Vec::new();
        put_count(&mut state, checkpoint.blocks.len());
        for (log, block) in &checkpoint.blocks {
            put_u32(&mut state, log.0);
            put_u32(&mut state, *block);
        }
        state.extend_from_slice(&checkpoint.state);
        let mut bytes = vec![0; HEADER_BYTES];
        bytes[0..4].copy_from_slice(MAGIC);
        bytes[4..8].copy_from_slice(&FORMAT.to_le_bytes());
        bytes[8..16].copy_from_slice(&checkpoint.round.to_le_bytes());
        bytes[16..24].copy_from_slice(&(state.len() as u64).to_le_bytes());
        let crc = checksum(&[&bytes[..CRC_AT], &state]);
        bytes[CRC_AT..].copy_from_slice(&crc.to_le_bytes());
        bytes.extend_from_slice(&state);
        self.disk.remove(UNFINISHED)?;
        let file = self.disk.create(UNFINISHED)?;
        file.write_at(&bytes, 0)?;
        file.sync()?;
        self.disk.rename(UNFINISHED, FILES[self.turn])?;
        self.disk.sync_dir("")?;
        self.turn = 1 - self.turn;
        Ok(std::mem::replace(&mut self.newest, checkpoint.round))
    }
}

/// The version and the content, with one wrong bit repaired.
fn decode(bytes: &mut [u8]) -> Option<(u32, Checkpoint)> {
    let (header, state) = bytes.split_at_mut_checked(HEADER_BYTES)?;
    let stored = u64_at(header, CRC_AT);
    let computed = checksum(&[&header[..CRC_AT], state]);
    if stored != computed {
        match flipped_bit(CRC_AT + state.len(), stored, computed)? {
            Flipped::Checksum => {}
            Flipped::Data { byte, mask } => match byte.checked_sub(CRC_AT) {
                Some(at) => state[at] ^= mask,
                None => header[byte] ^= mask,
            },
        }
    }
    let whole = header[0..4] == *MAGIC && u64_at(header, 16) == state.len() as u64;
    let (version, round) = (u32_at(header, 4), u64_at(header, 8));
    if !whole {
        return None;
    }
    let mut reader = Reader(state);
    let count = reader.count(8).ok()?;
    let block = |reader: &mut Reader<'_>| Some((LogId(reader.u32().ok()?), reader.u32().ok()?));
    let blocks = (0..count).map(|_| block(&mut reader)).collect::<Option<_>>()?;
    Some((version, Checkpoint { round, blocks, state: reader.0.to_vec() }))
}
