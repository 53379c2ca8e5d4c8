//! Opening a journal: which rounds are there, which one was being written, what is damaged.
//!
//! Nothing is written before everything is decided. What was found is written once more and synced
//! before it is shown to anybody: a round that was still in the page cache must not be seen now and gone after the next
//! power cut.

use std::collections::BTreeMap;
use std::ops::Range;

use super::{
    Disk, DiskFile, Health, JOURNAL_FOLDER, Journal, OpenError, SEGMENT_HEADER_BYTES, Segment,
    UNFINISHED, is_ours,
};
use crate::disk::read_all;
use crate::limits::{ROUND_BYTES_MAX, SEGMENT_BYTES_MAX};
use crate::round::{Found, Round, find, find_later, peek};

/// A journal that was opened, and what was found in it.
#[derive(Debug)]
pub struct Recovered<D: Disk> {
    /// The journal, ready for the round behind the last one that was found.
    pub journal: Journal<D>,
    /// The rounds above the one that was asked for, in order.
    pub rounds: Rounds,
    /// A round that was being written when the power went, and was never acknowledged.
    pub torn: Option<Torn>,
    /// Numbers of rounds in which a bit was wrong and was repaired.
    pub repaired: Vec<u64>,
}

/// A round that was being written when the power went.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Torn {
    /// Number that it would have had.
    pub round: u64,
    /// The file.
    pub path: String,
    /// Where in it.
    pub offset: u64,
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

/// What one segment holds.
#[derive(Debug, Default)]
struct Scan {
    /// Numbers of the whole rounds at its start.
    span: Range<u64>,
    /// Those of them that are above the checkpoint.
    rounds: Vec<Round>,
    repaired: Vec<u64>,
    /// Where the last whole round ends.
    end: u64,
    /// Whether a round above the checkpoint begins there and is not whole.
    begun: bool,
    /// Whether a whole round above the checkpoint stands behind one that is not: the one that is
    /// not was durable once.
    later: bool,
}

impl<D: Disk> Journal<D> {
    /// Opens the journal of `disk`, or makes an empty one. Rounds up to `checkpoint` are known to
    /// be durable elsewhere.
    pub fn open(disk: D, checkpoint: u64) -> Result<Recovered<D>, OpenError> {
        let io = |what, path: &str| {
            let path = path.to_owned();
            move |source| OpenError::Io { what, path, source }
        };
        disk.create_dir(JOURNAL_FOLDER).map_err(io("create", JOURNAL_FOLDER))?;
        disk.sync_dir("").map_err(io("sync", "the store"))?;
        // A segment may have its name from a process that ended before the name was durable.
        disk.sync_dir(JOURNAL_FOLDER).map_err(io("sync", JOURNAL_FOLDER))?;
        let names = disk.list(JOURNAL_FOLDER).map_err(io("list", JOURNAL_FOLDER))?;
        for name in names.iter().filter(|name| name.ends_with(UNFINISHED)) {
            let path = format!("{JOURNAL_FOLDER}/{name}");
            disk.remove(&path).map_err(io("remove", &path))?;
        }
        let mut segments = Vec::new();
        let mut scans = Vec::new();
        for name in names.iter().filter(|name| !name.ends_with(UNFINISHED)) {
            let path = format!("{JOURNAL_FOLDER}/{name}");
            let file = disk.open(&path).map_err(io("open", &path))?;
            let max = 2 * ROUND_BYTES_MAX as u64;
            let bytes = read_all(&file, max).map_err(io("read", &path))?;
            if !is_ours(&bytes) {
                return Err(OpenError::Foreign { path });
            }
            scans.push(scan(&bytes, checkpoint));
            let length = bytes.len() as u64;
            segments.push(Segment { path, file, length, last_round: None });
        }
        let last_name = names.iter().filter_map(|name| name.get(..8)?.parse::<u64>().ok()).max();
        let order = order(&segments, &scans, checkpoint)?;
        let journal = Self {
            disk,
            segments,
            current: None,
            offset: 0,
            next_round: checkpoint + 1,
            next_name: last_name.map_or(1, |last| last + 1),
            health: Health::Well,
            refused: 0,
            longest: SEGMENT_BYTES_MAX,
        };
        journal.take(order, scans)
    }

    /// Takes over what was found; `order` are the segments that are in use, in order.
    fn take(mut self, order: Vec<usize>, mut scans: Vec<Scan>) -> Result<Recovered<D>, OpenError> {
        let (mut rounds, mut repaired, mut torn) = (Vec::new(), Vec::new(), None);
        for index in order {
            let scan = std::mem::take(&mut scans[index]);
            let segment = &mut self.segments[index];
            let io = |what| {
                let path = segment.path.clone();
                move |source| OpenError::Io { what, path, source }
            };
            if let Some(last) = scan.rounds.last() {
                // After a sync that failed, a page may count as written that is not: only writing
                // it again makes the next sync mean something. (Rebello et al., "Can Applications
                // Recover from fsync Failures?", ATC 2020.)
                let at = scan.end - last.bytes().len() as u64;
                segment.file.write_at(last.bytes(), at).map_err(io("write"))?;
            }
            segment.file.sync().map_err(io("sync"))?;
            segment.last_round = Some(scan.span.end - 1);
            self.current = Some(index);
            self.offset = scan.end;
            self.next_round = self.next_round.max(scan.span.end);
            torn = scan.begun.then(|| Torn {
                round: scan.span.end,
                path: segment.path.clone(),
                offset: scan.end,
            });
            repaired.extend(scan.repaired);
            rounds.extend(scan.rounds);
        }
        Ok(Recovered { journal: self, rounds: Rounds(rounds.into_iter()), torn, repaired })
    }
}

/// Reads a segment's rounds from its start.
fn scan(bytes: &[u8], checkpoint: u64) -> Scan {
    let mut scan = Scan::default();
    let mut at = SEGMENT_HEADER_BYTES;
    loop {
        scan.end = at as u64;
        let follows = |number: u64| scan.span.is_empty() || number == scan.span.end;
        let rest = &bytes[at.min(bytes.len())..];
        // What a checkpoint covers is passed over: its content is needed no more.
        if let Some((number, length)) = peek(rest)
            && number <= checkpoint
            && follows(number)
            && length <= rest.len()
        {
            scan.pass(number);
            at += length;
            continue;
        }
        match find(rest) {
            Found::Round(round) if follows(round.number()) => at += scan.add(round, checkpoint),
            Found::Repaired(round) if follows(round.number()) => {
                scan.repaired.push(round.number());
                at += scan.add(round, checkpoint);
            }
            Found::Broken { number, length } if follows(number) => {
                let behind = rest.get(length..).unwrap_or_default();
                scan.later = find_later(behind, number.max(checkpoint)).is_some();
                scan.begun = number > checkpoint;
                return scan;
            }
            // Zeroes, or what an earlier use of the segment left.
            _ => {
                let last = scan.span.end.saturating_sub(1).max(checkpoint);
                scan.later = find_later(rest, last).is_some();
                return scan;
            }
        }
    }
}

impl Scan {
    /// Adds a whole round; says how long it is.
    fn add(&mut self, round: Round, checkpoint: u64) -> usize {
        let (number, length) = (round.number(), round.bytes().len());
        self.pass(number);
        if number > checkpoint {
            self.rounds.push(round);
        }
        length
    }

    /// Counts a round.
    fn pass(&mut self, number: u64) {
        let start = if self.span.is_empty() { number } else { self.span.start };
        self.span = start..number + 1;
    }
}

/// The segments to go on from, in the order of their rounds; an error if a round that was durable
/// is not there.
fn order<F>(
    segments: &[Segment<F>],
    scans: &[Scan],
    checkpoint: u64,
) -> Result<Vec<usize>, OpenError> {
    if let Some(index) = scans.iter().position(|scan| scan.later) {
        return Err(OpenError::Damaged {
            path: segments[index].path.clone(),
            offset: scans[index].end,
            round: scans[index].span.end.max(checkpoint + 1),
        });
    }
    let filled = scans.iter().enumerate().filter(|(_, scan)| !scan.span.is_empty());
    let spans: BTreeMap<u64, (usize, u64)> =
        filled.map(|(index, scan)| (scan.span.start, (index, scan.span.end))).collect();
    let highest = spans.values().map(|(_, end)| *end).max().unwrap_or(0);
    let mut order = Vec::new();
    let mut next = checkpoint + 1;
    for (start, (index, end)) in spans {
        // A segment without rounds above the checkpoint is free, unless it is the one that the
        // journal goes on in.
        if end <= checkpoint || (end == checkpoint + 1 && end < highest) {
            continue;
        }
        if start > next {
            return Err(OpenError::Missing { round: next });
        }
        next = end;
        order.push(index);
    }
    Ok(order)
}
