//! The one commit journal: whatever somebody was told is in here before they are told.
//!
//! A journal is a folder of segments: files of a fixed size, filled with zeroes before they are used
//! and used again when a checkpoint has made their rounds superfluous. So a commit is one write and
//! one sync that changes no metadata of the file system.
//!
//! ```text
//! offset size
//!      0    8  "WSegment"
//!      8    4  version, that of the store's format
//!     12    4  zero
//!     16    8  length of the file
//!     24    8  the store's origin
//!     32    8  CRC-64 of bytes 0..32
//!     40       rounds, one behind the other, each with what mends it (see `frame.rs`)
//! ```
//!
//! Rounds are numbered without gaps. A round is written when the one before it is durable, so at
//! most the last one can be torn. A failed write or sync poisons the journal: what is on disk is not
//! known any more, and only opening it anew can tell.

mod aside;
mod frame;
mod recover;
mod scan;
mod segment;

use std::io;

use thiserror::Error;

pub use self::aside::DAMAGED_FOLDER;
pub use self::frame::FRAME_BYTES;
pub use self::recover::{Needed, Recovered, Rounds, Torn};
pub(crate) use self::segment::{SEGMENT_SUFFIX, SegmentHeader};
use crate::disk::{Disk, DiskFile};
use crate::format::Origin;
use crate::limits::{SEGMENT_BYTES_FIRST, SEGMENT_BYTES_MAX};
use crate::round::Round;

/// Folder of the journal.
pub const JOURNAL_FOLDER: &str = "journal";

/// Zeroes that are written at once.
const ZEROES: usize = 1024 * 1024;

/// Suffix of a segment that is being made.
const UNFINISHED: &str = ".new";

/// Why a round was not committed. None of its content may be taken for durable.
#[derive(Debug, Error)]
pub enum CommitError {
    /// The disk refused. The journal takes no further round.
    #[error("the journal cannot be written: {0}")]
    Io(#[from] io::Error),
    /// An earlier commit failed.
    #[error("the journal takes no more rounds, because an earlier one could not be written")]
    Poisoned,
}

/// Why a journal cannot be opened. Nothing was changed.
#[derive(Debug, Error)]
pub enum OpenError {
    /// The disk refused.
    #[error("cannot {what} {path}")]
    Io {
        /// What was tried.
        what: &'static str,
        /// On what.
        path: String,
        /// What the system says.
        source: io::Error,
    },
    /// A file of another store, or of none.
    #[error("{path} does not belong to this store; nothing was changed")]
    Foreign {
        /// The file.
        path: String,
    },
    /// A round is damaged beyond repair, and later ones were begun: it was durable once.
    #[error("round {round} is damaged in {path} at byte {offset}; nothing was changed")]
    Damaged {
        /// The file.
        path: String,
        /// Where in it.
        offset: u64,
        /// Number of the round.
        round: u64,
    },
    /// A round is nowhere, though later ones are there.
    #[error("round {round} of the journal is missing; nothing was changed")]
    Missing {
        /// Number of the round.
        round: u64,
    },
}

impl OpenError {
    fn io(what: &'static str, path: &str) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Io { what, path, source }
    }
}

/// A file of the journal.
#[derive(Debug)]
struct Segment<F> {
    path: String,
    file: F,
    length: u64,
    /// Number of the last round in it; `None` if it may be used from its start.
    last_round: Option<u64>,
}

/// The journal, open for commits.
#[derive(Debug)]
pub struct Journal<D: Disk> {
    disk: D,
    origin: Origin,
    segments: Vec<Segment<D::File>>,
    /// Index of the segment that is being written.
    current: Option<usize>,
    /// Where in it the next round goes.
    offset: u64,
    next_round: u64,
    next_name: u64,
    poisoned: bool,
}

impl<D: Disk> Journal<D> {
    /// Number that the next round must have.
    pub fn next_round(&self) -> u64 {
        self.next_round
    }

    /// Makes a round durable.
    pub fn commit(&mut self, round: &Round) -> Result<(), CommitError> {
        if self.poisoned {
            return Err(CommitError::Poisoned);
        }
        assert_eq!(round.number(), self.next_round, "rounds are numbered without gaps");
        self.write(round).inspect_err(|_| self.poisoned = true)?;
        self.next_round += 1;
        Ok(())
    }

    /// Rounds up to `round` are needed no more: what they say is durable elsewhere.
    pub fn release(&mut self, round: u64) {
        for (index, segment) in self.segments.iter_mut().enumerate() {
            if self.current != Some(index) && segment.last_round.is_some_and(|last| last <= round) {
                segment.last_round = None;
            }
        }
    }

    fn write(&mut self, round: &Round) -> io::Result<()> {
        let behind = round.bytes().len() as u64;
        let length = behind + FRAME_BYTES as u64;
        let index = match self.current {
            Some(index) if self.offset + length <= self.segments[index].length => index,
            _ => self.advance(length)?,
        };
        let segment = &mut self.segments[index];
        segment.file.write_at(round.bytes(), self.offset)?;
        segment.file.write_at(&frame::tail(round), self.offset + behind)?;
        segment.file.sync()?;
        segment.last_round = Some(round.number());
        self.offset += length;
        Ok(())
    }

    /// Goes on in another segment, which has room for a round of `length` bytes.
    fn advance(&mut self, length: u64) -> io::Result<usize> {
        let needed = SegmentHeader::BYTES as u64 + length;
        let free = self.segments.iter().enumerate().filter(|(index, segment)| {
            Some(*index) != self.current && segment.last_round.is_none() && segment.length >= needed
        });
        let index = if let Some((index, _)) = free.max_by_key(|(_, segment)| segment.length) {
            index
        } else {
            let segment = self.create(needed)?;
            self.segments.push(segment);
            self.segments.len() - 1
        };
        self.current = Some(index);
        self.offset = SegmentHeader::BYTES as u64;
        Ok(index)
    }

    /// Makes a segment: zeroes and a header, durable before it has its name.
    fn create(&mut self, needed: u64) -> io::Result<Segment<D::File>> {
        let largest = self.segments.iter().map(|segment| segment.length).max();
        let length = largest.map_or(SEGMENT_BYTES_FIRST, |largest| largest.saturating_mul(2));
        let length = length.min(SEGMENT_BYTES_MAX).max(needed.next_multiple_of(ZEROES as u64));
        let path = format!("{JOURNAL_FOLDER}/{:08}{SEGMENT_SUFFIX}", self.next_name);
        let unfinished = format!("{path}{UNFINISHED}");
        self.next_name += 1;
        self.disk.remove(&unfinished)?;
        let file = self.disk.create(&unfinished)?;
        let zeroes = vec![0; ZEROES];
        let mut at = 0;
        while at < length {
            let count = usize::try_from(length - at).unwrap_or(ZEROES).min(ZEROES);
            file.write_at(&zeroes[..count], at)?;
            at += count as u64;
        }
        file.write_at(&SegmentHeader::new(length, self.origin).encode(), 0)?;
        file.sync()?;
        self.disk.rename(&unfinished, &path)?;
        self.disk.sync_dir(JOURNAL_FOLDER)?;
        Ok(Segment { path, file, length, last_round: None })
    }
}
