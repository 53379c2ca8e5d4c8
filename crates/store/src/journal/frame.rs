//! A round as the journal keeps it: with what mends it behind it.
//!
//! ```text
//! round, its parity (512), ending (40): the round's header once more, with "WEnd" in place of "WRnd"
//! ```
//!
//! A frame is longer than a sector, so a damaged sector touches two frames at most: the end of one,
//! whose header tells its length, and the beginning of the next, whose ending does. What is left of
//! each is mended by its parity. So no single sector of a journal loses anything.

use std::io;

use crate::checksum::checksum;
use crate::disk::DiskFile;
use crate::parity::{SECTOR_BYTES, mend, parity};
use crate::record::{u32_at, u64_at};
use crate::round::{self, ROUND_ALIGNMENT, ROUND_HEADER_BYTES, Round};

const ENDING: &[u8; 4] = b"WEnd";
const BEGINNING: &[u8; 4] = b"WRnd";
const BODY_CRC_AT: usize = 24;
const HEADER_CRC_AT: usize = 32;

/// Bytes behind a round.
pub const FRAME_BYTES: usize = SECTOR_BYTES + ROUND_HEADER_BYTES;

/// What stands behind a round.
pub(super) fn tail(round: &Round) -> Vec<u8> {
    let mut tail = parity(round.bytes()).to_vec();
    tail.extend_from_slice(&ending(round.bytes(), ENDING));
    tail
}

/// The header at the start of `bytes`, with another magic.
fn ending(bytes: &[u8], magic: &[u8; 4]) -> [u8; ROUND_HEADER_BYTES] {
    let mut header = [0; ROUND_HEADER_BYTES];
    header.copy_from_slice(&bytes[..ROUND_HEADER_BYTES]);
    header[..4].copy_from_slice(magic);
    let crc = checksum(&[&header[..HEADER_CRC_AT]]);
    header[HEADER_CRC_AT..].copy_from_slice(&crc.to_le_bytes());
    header
}

/// Takes away what a frame of `length` bytes at `offset` could be known by: its header, what mends it
/// and its ending, as far as the file reaches.
pub(super) fn wipe(file: &impl DiskFile, offset: u64, length: u64) -> io::Result<()> {
    let end = (offset + length).min(file.len()?);
    // That the sync says so is worth something because the pages are written again: one whose write
    // failed counts as written. (Rebello et al., "Can Applications Recover from fsync Failures?",
    // ATC 2020.)
    for at in [offset, end.saturating_sub(FRAME_BYTES as u64).max(offset)] {
        let count = usize::try_from(end.saturating_sub(at)).unwrap_or(FRAME_BYTES).min(FRAME_BYTES);
        file.write_at(&[0; FRAME_BYTES][..count], at)?;
    }
    file.sync()
}

/// What the header or the ending of a round says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Said {
    /// Number of the round.
    pub(super) number: u64,
    /// Bytes of the round.
    pub(super) length: usize,
    /// Its records.
    pub(super) records: u32,
}

/// What stands at a place where a frame may begin.
#[derive(Debug)]
pub(super) enum Found {
    /// A round, whole.
    Whole(Round),
    /// A round that was damaged and is whole again.
    Mended(Round),
    /// The header of a round that cannot be mended.
    Broken(Said),
    /// Nothing that begins a frame.
    Nothing,
}

/// Looks at the start of `bytes`, the rest of a segment from the offset `at` on.
pub(super) fn find(bytes: &[u8], at: usize) -> Found {
    let said = match round::find(bytes) {
        round::Found::Round(round) => return Found::Whole(round),
        round::Found::Repaired(round) => return Found::Mended(round),
        round::Found::Broken { number, length } => {
            Said { number, length, records: u32_at(bytes, 16) }
        }
        round::Found::Nothing => return Found::Nothing,
    };
    match mended(bytes, at, said.length) {
        Some(round) => Found::Mended(round),
        None => Found::Broken(said),
    }
}

/// The round at the start of `bytes` whose header is damaged, by its ending.
pub(super) fn find_by_ending(bytes: &[u8], at: usize, length: usize) -> Option<Round> {
    let end = bytes.get(length + SECTOR_BYTES..)?.get(..ROUND_HEADER_BYTES)?;
    let mut frame = bytes[..length + SECTOR_BYTES].to_vec();
    frame[..ROUND_HEADER_BYTES].copy_from_slice(&ending(end, BEGINNING));
    match round::find(&frame) {
        round::Found::Round(round) | round::Found::Repaired(round) => Some(round),
        _ => mended(&frame, at, length),
    }
}

/// The round of `length` bytes whose header is whole and whose body is not.
fn mended(bytes: &[u8], at: usize, length: usize) -> Option<Round> {
    let mut frame = bytes.get(..length + SECTOR_BYTES)?.to_vec();
    let body = ROUND_HEADER_BYTES..ROUND_HEADER_BYTES + u32_at(&frame, 4) as usize;
    let computed = checksum(&[&frame[8..16], frame.get(body.clone())?]);
    let wrong = computed ^ u64_at(&frame, BODY_CRC_AT);
    let boundary = (SECTOR_BYTES - at % SECTOR_BYTES) % SECTOR_BYTES;
    if !mend(&mut frame, boundary, body, wrong) {
        return None;
    }
    match round::find(&frame) {
        round::Found::Round(round) => Some(round),
        _ => None,
    }
}

/// A header or an ending that is whole.
#[derive(Debug, Clone, Copy)]
pub(super) struct Mark {
    /// Offset from where the search began.
    pub(super) at: usize,
    pub(super) said: Said,
    pub(super) is_ending: bool,
}

/// Headers and endings in `bytes` of rounds above `number`.
pub(super) fn marks(bytes: &[u8], number: u64) -> impl Iterator<Item = Mark> {
    let places = (0..bytes.len().saturating_sub(ROUND_HEADER_BYTES - 1)).step_by(ROUND_ALIGNMENT);
    places.filter_map(move |at| {
        let header = &bytes[at..at + ROUND_HEADER_BYTES];
        let is_ending = header[..4] == *ENDING;
        let whole = (is_ending || header[..4] == *BEGINNING)
            && u64_at(header, 8) > number
            && checksum(&[&header[..HEADER_CRC_AT]]) == u64_at(header, HEADER_CRC_AT);
        let length =
            (ROUND_HEADER_BYTES + u32_at(header, 4) as usize).next_multiple_of(ROUND_ALIGNMENT);
        let said = Said { number: u64_at(header, 8), length, records: u32_at(header, 16) };
        whole.then_some(Mark { at, said, is_ending })
    })
}
