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
//! most the last one can be torn.
//!
//! A round that could not be written has not happened, and the next one takes its number and its
//! place. Where the disk is full, that is all: two spare segments are there for rounds that free
//! space. Where a write or a sync failed, what is on disk is not known, and the journal takes
//! nothing until [`Journal::heal`] has written over the header of that round and its ending.

mod aside;
mod frame;
mod recover;
mod scan;
mod segment;

use std::cmp::Reverse;
use std::io;

use thiserror::Error;

pub use self::aside::DAMAGED_FOLDER;
pub use self::frame::FRAME_BYTES;
pub use self::recover::{Needed, Recovered, Rounds, Torn};
pub(crate) use self::segment::{SEGMENT_SUFFIX, SegmentHeader};
use crate::disk::{Disk, DiskFile, create_filled, is_full};
use crate::format::Origin;
use crate::limits::{SEGMENT_BYTES_FIRST, SEGMENT_BYTES_MAX, SPARE_SEGMENT_BYTES, SPARE_SEGMENTS};
use crate::round::Round;

/// Folder of the journal.
pub const JOURNAL_FOLDER: &str = "journal";

/// Suffix of a segment that is being made.
const UNFINISHED: &str = ".new";

/// Why a round was not committed. None of its content may be taken for durable.
#[derive(Debug, Error)]
pub enum CommitError {
    /// The disk is full. Rounds that fit into what is spare are still taken.
    #[error("the disk is full: {0}")]
    Full(#[source] io::Error),
    /// The disk refused. The journal takes nothing until it is healed.
    #[error("the journal cannot be written: {0}")]
    Failed(#[source] io::Error),
    /// An earlier round could not be written, and the journal was not healed since.
    #[error("the journal takes nothing until the disk works again")]
    Unhealed,
}

/// How a journal is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Health {
    /// Rounds can be written.
    Well,
    /// The disk is full: rounds go into what is there, spare segments included.
    Full,
    /// What is on disk behind the last round is not known.
    Unknown,
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
    health: Health,
    /// Length of the round that was refused last, with what mends it.
    refused: u64,
    /// Longest segment to make now: a disk that was full is not asked for much at once.
    longest: u64,
}

impl<D: Disk> Journal<D> {
    /// Number that the next round must have.
    pub fn next_round(&self) -> u64 {
        self.next_round
    }

    /// Bytes that rounds and what mends them may take before the disk is asked for space, or another
    /// segment is begun.
    pub fn room(&self) -> u64 {
        // A spare segment that is missing is made with the next round.
        let asks_nothing = self.health == Health::Well && self.free().count() >= SPARE_SEGMENTS;
        let current = self.current.filter(|_| asks_nothing);
        current.map_or(0, |index| self.segments[index].length.saturating_sub(self.offset))
    }

    /// Makes a round durable.
    pub fn commit(&mut self, round: &Round) -> Result<(), CommitError> {
        if self.health == Health::Unknown {
            return Err(CommitError::Unhealed);
        }
        assert_eq!(round.number(), self.next_round, "rounds are numbered without gaps");
        let behind = round.bytes().len() as u64;
        let length = behind + FRAME_BYTES as u64;
        self.refused = length;
        let index = self.make_room(length).map_err(|error| self.refuse(error))?;
        let segment = &mut self.segments[index];
        let written = segment
            .file
            .write_at(round.bytes(), self.offset)
            .and_then(|()| segment.file.write_at(&frame::tail(round), self.offset + behind))
            .and_then(|()| segment.file.sync());
        if let Err(error) = written {
            // Even a full disk: bytes may have been written.
            self.health = Health::Unknown;
            return Err(CommitError::Failed(error));
        }
        segment.last_round = Some(round.number());
        self.offset += length;
        self.next_round += 1;
        Ok(())
    }

    /// Tries whether the disk takes what it refused. Of the round that was refused nothing can come back
    /// then. Before the first round it makes what is spare, so that nobody has to wait for it.
    pub fn heal(&mut self) -> Result<(), CommitError> {
        if self.health == Health::Unknown
            && let Some(index) = self.current
        {
            let written = frame::wipe(&self.segments[index].file, self.offset, self.refused);
            written.map_err(CommitError::Failed)?;
        }
        self.health = Health::Well;
        self.make_room(self.refused).map_err(|error| self.refuse(error))?;
        Ok(())
    }

    /// Rounds up to `round` are needed no more: what they say is durable elsewhere.
    pub fn release(&mut self, round: u64) {
        for (index, segment) in self.segments.iter_mut().enumerate() {
            if self.current != Some(index) && segment.last_round.is_some_and(|last| last <= round) {
                segment.last_round = None;
            }
        }
        if self.health == Health::Full {
            self.shrink();
        }
    }

    /// Segments that may be used from their start, and their lengths.
    fn free(&self) -> impl Iterator<Item = (usize, u64)> {
        let all = self.segments.iter().enumerate();
        let free =
            all.filter(|(index, own)| Some(*index) != self.current && own.last_round.is_none());
        free.map(|(index, own)| (index, own.length))
    }

    /// Says what an error of making room means.
    fn refuse(&mut self, error: io::Error) -> CommitError {
        // Nothing was written where rounds are: what is there is still known.
        if is_full(&error) {
            self.health = Health::Full;
            return CommitError::Full(error);
        }
        self.health = Health::Unknown;
        CommitError::Failed(error)
    }

    /// The segment in which there is room for a round of `length` bytes, at `offset`.
    fn make_room(&mut self, length: u64) -> io::Result<usize> {
        if self.health == Health::Well {
            self.keep_spares()?;
        }
        if let Some(index) = self.current
            && self.offset + length <= self.segments[index].length
        {
            return Ok(index);
        }
        let needed = SegmentHeader::BYTES as u64 + length;
        let spare = if self.health == Health::Full { 0 } else { SPARE_SEGMENTS };
        let longest = self.free().min_by_key(|(_, length)| Reverse(*length));
        let longest =
            longest.filter(|(_, length)| *length >= needed && self.free().count() > spare);
        let index = match longest {
            Some((index, _)) => index,
            // Whether there is space again is a matter of healing.
            None if self.health == Health::Full => return Err(io::ErrorKind::StorageFull.into()),
            None => self.create_ordinary(needed)?,
        };
        self.current = Some(index);
        self.offset = SegmentHeader::BYTES as u64;
        Ok(index)
    }

    /// Sees to it that there is something to write into when the disk is full.
    fn keep_spares(&mut self) -> io::Result<()> {
        while self.free().count() < SPARE_SEGMENTS {
            self.create(SPARE_SEGMENT_BYTES)?;
        }
        Ok(())
    }

    /// Gives back the space of what is free beyond what is spare. What cannot be removed is removed
    /// later, or used again.
    fn shrink(&mut self) {
        let mut surplus: Vec<(usize, u64)> = self.free().collect();
        surplus.sort_by_key(|(_, length)| Reverse(*length));
        surplus.truncate(surplus.len().saturating_sub(SPARE_SEGMENTS));
        // Those behind one that is removed move up.
        surplus.sort_by_key(|(index, _)| Reverse(*index));
        for (index, _) in surplus {
            if self.disk.remove(&self.segments[index].path).is_ok() {
                self.segments.remove(index);
                self.current = self.current.map(|own| own - usize::from(own > index));
            }
        }
    }

    /// Makes a segment for a round of `needed` bytes and those behind it; where there is little space,
    /// a short one.
    fn create_ordinary(&mut self, needed: u64) -> io::Result<usize> {
        let length = self.next_length(needed);
        let created = match self.create(length) {
            Err(error) if is_full(&error) => {
                self.longest = SEGMENT_BYTES_FIRST;
                let shorter = self.next_length(needed);
                if shorter == length {
                    return Err(error);
                }
                self.create(shorter)
            }
            created => created,
        };
        self.longest = self.longest.saturating_mul(2).min(SEGMENT_BYTES_MAX);
        created
    }

    /// Length of the next segment: twice that of the longest, and enough.
    fn next_length(&self, needed: u64) -> u64 {
        let longest = self.segments.iter().map(|segment| segment.length).max();
        let longest = longest.filter(|longest| *longest > SPARE_SEGMENT_BYTES);
        let length = longest.map_or(SEGMENT_BYTES_FIRST, |longest| longest.saturating_mul(2));
        length.min(self.longest).max(needed.next_multiple_of(SEGMENT_BYTES_FIRST))
    }

    /// Makes a segment: zeroes and a header, durable before it has its name. Nothing is left behind
    /// where the disk refuses.
    fn create(&mut self, length: u64) -> io::Result<usize> {
        let path = format!("{JOURNAL_FOLDER}/{:08}{SEGMENT_SUFFIX}", self.next_name);
        let unfinished = format!("{path}{UNFINISHED}");
        self.next_name += 1;
        let file = create_filled(&self.disk, &unfinished, length)?;
        let named = file
            .write_at(&SegmentHeader::new(length, self.origin).encode(), 0)
            .and_then(|()| file.sync())
            .and_then(|()| self.disk.rename(&unfinished, &path))
            .and_then(|()| self.disk.sync_dir(JOURNAL_FOLDER));
        if let Err(error) = named {
            let _ = self.disk.remove(&unfinished);
            let _ = self.disk.remove(&path);
            return Err(error);
        }
        self.segments.push(Segment { path, file, length, last_round: None });
        Ok(self.segments.len() - 1)
    }
}
