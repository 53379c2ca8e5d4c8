//! Opening a journal: which rounds are there, which one was being written, what is damaged.
//!
//! Nothing is written before everything is decided. What was found is written once more and synced
//! before it is shown to anybody: a round that was still in the page cache must not be seen now and gone after the next
//! power cut.

use std::collections::BTreeMap;

use super::aside;
use super::frame::{FRAME_BYTES, tail, wipe};
use super::scan::{Broken, Scan, scan};
use super::segment::{SEGMENT_SUFFIX, SegmentHeader};
use super::{Disk, DiskFile, Health, JOURNAL_FOLDER, Journal, OpenError, Segment, UNFINISHED};
use crate::disk::read_all;
use crate::format::{Origin, is_known};
use crate::limits::{ROUND_BYTES_MAX, SEGMENT_BYTES_MAX};
use crate::round::Round;

/// Which rounds a store needs.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Needed {
    /// Number of the round before the store's first one.
    pub origin: Origin,
    /// Rounds up to this one are needed no more, even if the newest checkpoint should be damaged.
    pub older: u64,
    /// Rounds up to this one are in the newest checkpoint.
    pub newest: u64,
}

/// A journal that was opened, and what was found in it.
#[derive(Debug)]
pub struct Recovered<D: Disk> {
    /// The journal, ready for the round behind the last one that was found.
    pub journal: Journal<D>,
    /// The rounds above the newest checkpoint, in order.
    pub rounds: Rounds,
    /// A last round that is not whole.
    pub torn: Option<Torn>,
    /// Numbers of rounds that were damaged and are whole again.
    pub mended: Vec<u64>,
}

/// A last round that is not whole: it was being written when the power went, or it was damaged since.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Torn {
    /// Its number.
    pub round: u64,
    /// Its records.
    pub records: u32,
    /// The file.
    pub path: String,
    /// Where in it.
    pub offset: u64,
    /// Where its bytes are kept, if there was room for them.
    pub aside: Option<String>,
}

/// Rounds to replay.
#[derive(Debug)]
pub struct Rounds(std::vec::IntoIter<Round>);

impl Iterator for Rounds {
    type Item = Round;

    fn next(&mut self) -> Option<Round> {
        self.0.next()
    }
}

impl<D: Disk> Journal<D> {
    /// Opens the journal of `disk`, or makes an empty one.
    pub fn open(disk: D, needed: Needed) -> Result<Recovered<D>, OpenError> {
        disk.create_dir(JOURNAL_FOLDER).map_err(OpenError::io("create", JOURNAL_FOLDER))?;
        disk.sync_dir("").map_err(OpenError::io("sync", "the store"))?;
        // A segment may have its name from a process that ended before the name was durable.
        disk.sync_dir(JOURNAL_FOLDER).map_err(OpenError::io("sync", JOURNAL_FOLDER))?;
        let names = disk.list(JOURNAL_FOLDER).map_err(OpenError::io("list", JOURNAL_FOLDER))?;
        for name in names.iter().filter(|name| name.ends_with(UNFINISHED)) {
            let path = format!("{JOURNAL_FOLDER}/{name}");
            disk.remove(&path).map_err(OpenError::io("remove", &path))?;
        }
        let mut segments = Vec::new();
        let mut scans = Vec::new();
        for name in names.iter().filter(|name| !name.ends_with(UNFINISHED)) {
            let path = format!("{JOURNAL_FOLDER}/{name}");
            let file = disk.open(&path).map_err(OpenError::io("open", &path))?;
            let max = 2 * ROUND_BYTES_MAX as u64;
            let bytes = read_all(&file, max).map_err(OpenError::io("read", &path))?;
            if !name.ends_with(SEGMENT_SUFFIX) || !is_ours(&bytes, needed.origin) {
                return Err(OpenError::Foreign { path });
            }
            scans.push(scan(&bytes, needed.newest));
            let length = bytes.len() as u64;
            segments.push(Segment { path, file, length, last_round: None });
        }
        let last_name = names.iter().filter_map(|name| name.get(..8)?.parse::<u64>().ok()).max();
        let next_round = next_round(&segments, &scans, needed.newest)?;
        let journal = Self {
            disk,
            origin: needed.origin,
            segments,
            current: None,
            offset: 0,
            next_round,
            next_name: last_name.map_or(1, |last| last + 1),
            health: Health::Well,
            refused: 0,
            longest: SEGMENT_BYTES_MAX,
        };
        journal.take(&scans, needed)
    }

    /// Takes over what was found.
    fn take(mut self, scans: &[Scan], needed: Needed) -> Result<Recovered<D>, OpenError> {
        let torn = self.torn(scans)?;
        let (mut rounds, mut mended) = (BTreeMap::new(), Vec::new());
        for (index, scan) in scans.iter().enumerate() {
            let segment = &mut self.segments[index];
            segment.last_round = scan.last.filter(|last| *last > needed.older);
            if scan.last.is_some_and(|last| last + 1 == self.next_round) {
                self.current = Some(index);
                self.offset = scan.end;
            }
            let Some(last) = scan.entries.last() else { continue };
            for entry in &scan.entries {
                let number = entry.round.number();
                if entry.mended {
                    mended.push(number);
                }
                // After a sync that failed, a page may count as written that is not: only writing
                // it again makes the next sync mean something. (Rebello et al., "Can Applications
                // Recover from fsync Failures?", ATC 2020.)
                if entry.mended || entry.at == last.at {
                    let behind = entry.at + entry.round.bytes().len() as u64;
                    let write = OpenError::io("write", &segment.path);
                    let written = segment.file.write_at(entry.round.bytes(), entry.at);
                    written
                        .and_then(|()| segment.file.write_at(&tail(&entry.round), behind))
                        .map_err(write)?;
                }
                rounds.insert(number, entry.round.clone());
            }
            segment.file.sync().map_err(OpenError::io("sync", &segment.path))?;
        }
        mended.sort_unstable();
        let rounds = Rounds(rounds.into_values().collect::<Vec<_>>().into_iter());
        Ok(Recovered { journal: self, rounds, torn, mended })
    }

    /// The last round, if it was begun and is not whole. Its bytes are kept: nobody can say whether it
    /// was durable once.
    fn torn(&self, scans: &[Scan]) -> Result<Option<Torn>, OpenError> {
        let begun = |broken: &&Broken| broken.said.is_some_and(|s| s.number == self.next_round);
        for (segment, scan) in self.segments.iter().zip(scans) {
            let Some(broken) = scan.broken.iter().find(begun) else { continue };
            let Some(said) = broken.said else { continue };
            let mut bytes = vec![0; said.length];
            let read = segment.file.read_at(&mut bytes, broken.at);
            bytes.truncate(read.map_err(OpenError::io("read", &segment.path))?);
            let aside = aside::keep(&self.disk, said.number, &bytes).ok();
            if aside.is_some() {
                // The next opening would see once more that a round was begun here.
                wipe(&segment.file, broken.at, (said.length + FRAME_BYTES) as u64)
                    .map_err(OpenError::io("write", &segment.path))?;
            }
            let (path, offset) = (segment.path.clone(), broken.at);
            return Ok(Some(Torn {
                round: said.number,
                records: said.records,
                path,
                offset,
                aside,
            }));
        }
        Ok(None)
    }
}

/// Whether a segment may be one of this store. One whose header is damaged may: nothing in it is used.
fn is_ours(bytes: &[u8], origin: Origin) -> bool {
    let header = bytes.first_chunk().and_then(SegmentHeader::decode);
    header.is_none_or(|header| is_known(header.version) && header.origin == origin)
}

/// The number of the next round; an error if a round that was durable is not there.
fn next_round<F>(
    segments: &[Segment<F>],
    scans: &[Scan],
    checkpoint: u64,
) -> Result<u64, OpenError> {
    let entries = scans.iter().flat_map(|scan| &scan.entries);
    let mut numbers: Vec<u64> = entries.map(|entry| entry.round.number()).collect();
    numbers.sort_unstable();
    let next = numbers
        .into_iter()
        .fold(checkpoint + 1, |next, number| if number == next { next + 1 } else { next });
    // A round is begun when the one before it is durable.
    if scans.iter().all(|scan| scan.begun <= next) {
        return Ok(next);
    }
    for (segment, scan) in segments.iter().zip(scans) {
        let is_it = |broken: &&Broken| match (broken.said, broken.behind) {
            (Some(said), _) => said.number == next,
            (None, Some(behind)) => behind + 1 == next,
            (None, None) => scan.entries.first().is_some_and(|entry| entry.round.number() > next),
        };
        if let Some(broken) = scan.broken.iter().find(is_it) {
            let (path, offset) = (segment.path.clone(), broken.at);
            return Err(OpenError::Damaged { path, offset, round: next });
        }
    }
    Err(OpenError::Missing { round: next })
}
