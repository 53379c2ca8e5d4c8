//! The one commit journal: whatever somebody was told is in here before they are told.
//!
//! A journal is a folder of segments: files of a fixed size, filled with zeroes before they are used
//! and used again when a checkpoint has made their rounds superfluous. So a commit is one write and
//! one sync that changes no metadata of the file system.
//!
//! ```text
//! offset size
//!      0    8  "WSegment"
//!      8    4  version, 1
//!     12    4  zero
//!     16    8  length of the file
//!     24    8  CRC-64 of bytes 0..24
//!     32       rounds, one behind the other
//! ```
//!
//! Rounds are numbered without gaps. A round is written when the one before it is durable, so at
//! most the last one can be torn.
//!
//! A round that could not be written has not happened, and the next one takes its number and its
//! place. Where the disk is full, that is all: two spare segments are there for rounds that free
//! space. Where a write or a sync failed, what is on disk is not known, and the journal takes
//! nothing until [`Journal::heal`] has written over the beginning of that round.

mod recover;

use std::io;

use thiserror::Error;

pub use self::recover::{Recovered, Rounds, Torn};
use crate::checksum::checksum;
use crate::disk::{Disk, DiskFile, create_filled, is_full};
use crate::limits::{SEGMENT_BYTES_FIRST, SEGMENT_BYTES_MAX, SPARE_SEGMENT_BYTES, SPARE_SEGMENTS};
use crate::record::{u32_at, u64_at};
use crate::round::{ROUND_HEADER_BYTES, Round};

/// Folder of the journal.
pub const JOURNAL_FOLDER: &str = "journal";

/// Bytes before the first round of a segment.
const SEGMENT_HEADER_BYTES: usize = 32;

const MAGIC: &[u8; 8] = b"WSegment";
const VERSION: u32 = 1;

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
    /// A file that is none of ours, or of another version.
    #[error("{path} is no journal segment of version {VERSION}")]
    Foreign {
        /// The file.
        path: String,
    },
    /// A round is damaged beyond repair, and later ones are whole: it was durable once.
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
    segments: Vec<Segment<D::File>>,
    /// Index of the segment that is being written.
    current: Option<usize>,
    /// Where in it the next round goes.
    offset: u64,
    next_round: u64,
    next_name: u64,
    health: Health,
    /// Length of the round that was refused last.
    refused: u64,
    /// Longest segment to make now: a disk that was full is not asked for much at once.
    longest: u64,
}

impl<D: Disk> Journal<D> {
    /// Number that the next round must have.
    pub fn next_round(&self) -> u64 {
        self.next_round
    }

    /// Makes a round durable.
    pub fn commit(&mut self, round: &Round) -> Result<(), CommitError> {
        if self.health == Health::Unknown {
            return Err(CommitError::Unhealed);
        }
        assert_eq!(round.number(), self.next_round, "rounds are numbered without gaps");
        let length = round.bytes().len() as u64;
        self.refused = length;
        let index = self.make_room(length).map_err(|error| self.refuse(error))?;
        let segment = &mut self.segments[index];
        let written = segment.file.write_at(round.bytes(), self.offset);
        if let Err(error) = written.and_then(|()| segment.file.sync()) {
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
            let segment = &self.segments[index];
            let rest = segment.length.saturating_sub(self.offset);
            let zeroes = [0; ROUND_HEADER_BYTES];
            let count = usize::try_from(rest).unwrap_or(zeroes.len()).min(zeroes.len());
            // A round without its header is none. That the sync says so is worth something because
            // the page was written again: one whose write failed counts as written. (Rebello et
            // al., "Can Applications Recover from fsync Failures?", ATC 2020.)
            let written = segment.file.write_at(&zeroes[..count], self.offset);
            written.and_then(|()| segment.file.sync()).map_err(CommitError::Failed)?;
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

    /// Segments that may be used from their start, the longest first.
    fn free(&self) -> Vec<usize> {
        let all = self.segments.iter().enumerate();
        let free =
            all.filter(|(index, own)| Some(*index) != self.current && own.last_round.is_none());
        let mut free: Vec<usize> = free.map(|(index, _)| index).collect();
        free.sort_by_key(|index| std::cmp::Reverse(self.segments[*index].length));
        free
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
        let needed = SEGMENT_HEADER_BYTES as u64 + length;
        let free = self.free();
        let spare = if self.health == Health::Full { 0 } else { SPARE_SEGMENTS };
        let longest = free.first().filter(|_| free.len() > spare).copied();
        let index = match longest.filter(|index| self.segments[*index].length >= needed) {
            Some(index) => index,
            // Whether there is space again is a matter of healing.
            None if self.health == Health::Full => return Err(io::ErrorKind::StorageFull.into()),
            None => self.create_ordinary(needed)?,
        };
        self.current = Some(index);
        self.offset = SEGMENT_HEADER_BYTES as u64;
        Ok(index)
    }

    /// Sees to it that there is something to write into when the disk is full.
    fn keep_spares(&mut self) -> io::Result<()> {
        while self.free().len() < SPARE_SEGMENTS {
            self.create(SPARE_SEGMENT_BYTES)?;
        }
        Ok(())
    }

    /// Gives back the space of what is free beyond what is spare. What cannot be removed is removed
    /// later, or used again.
    fn shrink(&mut self) {
        let surplus = self.free().len().saturating_sub(SPARE_SEGMENTS);
        let mut longest: Vec<usize> = self.free().into_iter().take(surplus).collect();
        longest.sort_unstable();
        for index in longest.into_iter().rev() {
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
        let path = format!("{JOURNAL_FOLDER}/{:08}.wj", self.next_name);
        let unfinished = format!("{path}{UNFINISHED}");
        self.next_name += 1;
        let file = create_filled(&self.disk, &unfinished, length)?;
        let named = file
            .write_at(&header(length), 0)
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

fn header(length: u64) -> [u8; SEGMENT_HEADER_BYTES] {
    let mut header = [0; SEGMENT_HEADER_BYTES];
    header[..8].copy_from_slice(MAGIC);
    header[8..12].copy_from_slice(&VERSION.to_le_bytes());
    header[16..24].copy_from_slice(&length.to_le_bytes());
    let crc = checksum(&[&header[..24]]);
    header[24..].copy_from_slice(&crc.to_le_bytes());
    header
}

/// Whether a segment begins as ours do. The checksum is not needed for that: nothing in the header
/// is used, so one damaged bit in it harms nobody.
fn is_ours(bytes: &[u8]) -> bool {
    let Some(found) = bytes.first_chunk::<SEGMENT_HEADER_BYTES>() else { return false };
    let expected = header(u64_at(found, 16));
    let differing = found.iter().zip(expected).map(|(a, b)| (a ^ b).count_ones()).sum::<u32>();
    (found[..8] == *MAGIC && u32_at(found, 8) == VERSION) || differing <= 1
}
