//! What a store says of itself: the file `FORMAT`.
//!
//! ```text
//! watershed store 5
//! 0123456789abcdef 0123456789abcdef
//! ```
//!
//! The second line has the store's origin and the CRC-64 of what stands before it. One wrong bit is
//! mended. Each segment of the journal says the same, so the file can be written anew without loss.

use std::io;

use thiserror::Error;

use crate::checksum::checksum;
use crate::disk::{Disk, DiskFile, read_all};
use crate::format::{EARLIER, FORMAT, Origin, is_known};
use crate::journal::{JOURNAL_FOLDER, SEGMENT_SUFFIX, SegmentHeader};

const FILE: &str = "FORMAT";
const UNFINISHED: &str = "FORMAT.new";
const NAME: &str = "watershed store ";

/// Above any length that the file ever had.
const FILE_BYTES_MAX: u64 = 4096;

/// Why a folder cannot be opened as a store. Nothing was changed.
#[derive(Debug, Error)]
pub enum FormatError {
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
    /// A store of another format, or nothing that a store says of itself.
    #[error("{0:?}")]
    Other(String),
    /// Neither `FORMAT` nor any segment of the journal says what the folder is.
    #[error(
        "FORMAT and the start of each journal segment are damaged or missing; nothing was changed"
    )]
    Unreadable,
    /// The folder has files, and none of them is a store's.
    #[error("the folder holds no store")]
    Foreign,
}

/// What [`identify`] found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Identified {
    /// A store that says what it is.
    Whole(Origin),
    /// One bit was wrong in what it says.
    Bit(Origin),
    /// Its files say what it is; the file that should is missing or damaged.
    Restored(Origin),
    /// A store of an earlier format, which says what it is.
    Earlier(u32, Origin),
    /// A folder for a new store.
    New,
}

/// Finds out whether `disk` is a store of a format that is known. Changes nothing.
pub fn identify(disk: &impl Disk) -> Result<Identified, FormatError> {
    let said = match disk.open(FILE) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => None,
        file => {
            let read = file.and_then(|file| read_all(&file, FILE_BYTES_MAX));
            Some(read.map_err(io_error("read", FILE))?)
        }
    };
    match said.as_deref().and_then(decode) {
        Some((FORMAT, origin)) => return Ok(Identified::Whole(origin)),
        Some((earlier, origin)) => return Ok(Identified::Earlier(earlier, origin)),
        None => {}
    }
    if let Some(origin) = said.as_deref().and_then(decode_mended) {
        return Ok(Identified::Bit(origin));
    }
    let other = |said: &[u8]| {
        let text = String::from_utf8_lossy(said);
        FormatError::Other(text.lines().next().unwrap_or_default().chars().take(80).collect())
    };
    if let Some(said) = said.as_deref().filter(|said| is_other(said)) {
        return Err(other(said));
    }
    let names = disk.list("").map_err(io_error("list", "the store"))?;
    let untouched = || names.iter().all(|name| OWN.contains(&name.as_str()));
    match (by_segments(disk)?, said) {
        (Segments::Of(origin), _) => Ok(Identified::Restored(origin)),
        (Segments::None, _) if untouched() => Ok(Identified::New),
        (Segments::None, None) => Err(FormatError::Foreign),
        (Segments::Other(version), None) => {
            Err(FormatError::Other(format!("journal segments of version {version}")))
        }
        (Segments::Unreadable, _) => Err(FormatError::Unreadable),
        (_, Some(said)) => Err(other(&said)),
    }
}

/// What a store has before its first round.
const OWN: [&str; 5] = ["LOCK", FILE, UNFINISHED, JOURNAL_FOLDER, crate::blocks::BLOCKS_FOLDER];

/// Writes what a store says of itself.
pub fn write(disk: &impl Disk, origin: Origin) -> Result<(), FormatError> {
    disk.remove(UNFINISHED).map_err(io_error("remove", UNFINISHED))?;
    let file = disk.create(UNFINISHED).map_err(io_error("create", UNFINISHED))?;
    file.write_at(encode(FORMAT, origin).as_bytes(), 0).map_err(io_error("write", UNFINISHED))?;
    file.sync().map_err(io_error("sync", UNFINISHED))?;
    disk.rename(UNFINISHED, FILE).map_err(io_error("create", FILE))?;
    disk.sync_dir("").map_err(io_error("sync", "the store"))
}

fn io_error(what: &'static str, path: &str) -> impl FnOnce(io::Error) -> FormatError {
    let path = path.to_owned();
    move |source| FormatError::Io { what, path, source }
}

fn encode(format: u32, Origin(origin): Origin) -> String {
    let said = format!("{NAME}{format}\n{origin:016x}");
    let crc = checksum(&[said.as_bytes()]);
    format!("{said} {crc:016x}\n")
}

fn decode(said: &[u8]) -> Option<(u32, Origin)> {
    let second = std::str::from_utf8(said).ok()?.lines().nth(1)?;
    let origin = Origin(u64::from_str_radix(second.get(..16)?, 16).ok()?);
    let mut known = std::iter::once(FORMAT).chain(EARLIER);
    let format = known.find(|format| encode(*format, origin).as_bytes() == said)?;
    Some((format, origin))
}

/// The same, with one bit wrong.
fn decode_mended(said: &[u8]) -> Option<Origin> {
    let mut mended = said.to_vec();
    (0..said.len() * 8).find_map(|bit| {
        mended[bit / 8] ^= 1 << (bit % 8);
        let found = decode(&mended);
        mended[bit / 8] ^= 1 << (bit % 8);
        found.map(|(_, origin)| origin)
    })
}

/// Whether this is what a store of another format says of itself.
fn is_other(said: &[u8]) -> bool {
    let text = std::str::from_utf8(said).ok();
    let number = text.and_then(|text| text.strip_prefix(NAME)?.lines().next()?.parse::<u32>().ok());
    number.is_some_and(|number| !is_known(number))
}

/// What the journal's segments say.
enum Segments {
    /// There is none.
    None,
    /// They are a store's of this format.
    Of(Origin),
    /// They are of another version.
    Other(u32),
    /// None can be read.
    Unreadable,
}

fn by_segments(disk: &impl Disk) -> Result<Segments, FormatError> {
    let mut found = Segments::None;
    for name in disk.list(JOURNAL_FOLDER).map_err(io_error("list", JOURNAL_FOLDER))? {
        if !name.ends_with(SEGMENT_SUFFIX) {
            continue;
        }
        let path = format!("{JOURNAL_FOLDER}/{name}");
        let file = disk.open(&path).map_err(io_error("open", &path))?;
        let mut bytes = [0; SegmentHeader::BYTES];
        file.read_at(&mut bytes, 0).map_err(io_error("read", &path))?;
        match SegmentHeader::decode(&bytes) {
            Some(header) if is_known(header.version) => return Ok(Segments::Of(header.origin)),
            Some(header) => found = Segments::Other(header.version),
            None if matches!(found, Segments::None) => found = Segments::Unreadable,
            None => {}
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_wrong_bit_is_mended() {
        let origin = Origin::random(0x1234_5678_9abc_def0);
        for format in [FORMAT, EARLIER[0]] {
            let said = encode(format, origin).into_bytes();
            assert_eq!(decode(&said), Some((format, origin)));
            for bit in 0..said.len() * 8 {
                let mut damaged = said.clone();
                damaged[bit / 8] ^= 1 << (bit % 8);
                assert_eq!(decode(&damaged), None);
                assert_eq!(decode_mended(&damaged), Some(origin), "bit {bit}");
            }
        }
    }

    #[test]
    fn other_formats_are_named() {
        let check =
            |said: &str, other: bool| assert_eq!(is_other(said.as_bytes()), other, "{said}");
        check("watershed store 3\n", true);
        check("watershed store 6\nwhat comes next\n", true);
        check("watershed store 4\n", false);
        check("watershed store 5\n", false);
        check("\0\0\0", false);
    }
}
