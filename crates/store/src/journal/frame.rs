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
use std::ops::Range;

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

/// Takes the header and the ending of a frame away: what is left is nothing that would be found.
pub(super) fn cut(file: &impl DiskFile, frame: Range<u64>) -> io::Result<()> {
    let zeroes = [0; ROUND_HEADER_BYTES];
    let ending = frame.end.saturating_sub(zeroes.len() as u64);
    for at in [frame.start, ending.max(frame.start)] {
        let rest = usize::try_from(frame.end.saturating_sub(at)).unwrap_or(zeroes.len());
        file.write_at(&zeroes[..rest.min(zeroes.len())], at)?;
    }
    file.sync()
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
