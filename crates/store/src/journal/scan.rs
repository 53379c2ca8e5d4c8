//! What one segment holds.

use super::frame::{self, FRAME_BYTES, Found, Said};
use super::segment::SegmentHeader;
use crate::parity::SECTOR_BYTES;
use crate::round::{Round, peek};

/// A round that was found.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) round: Round,
    /// Offset in the segment.
    pub(super) at: u64,
    /// Whether it was damaged.
    pub(super) mended: bool,
}

/// A place where a round begins that is not whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Broken {
    pub(super) at: u64,
    /// Number of the round before it in this segment, if there is one.
    pub(super) behind: Option<u64>,
    /// What its header or its ending says, where one of them is whole.
    pub(super) said: Option<Said>,
}

/// What one segment holds.
#[derive(Debug, Default)]
pub(super) struct Scan {
    /// Whole rounds above the checkpoint, in order.
    pub(super) entries: Vec<Entry>,
    /// Number of the last whole round, the checkpoint's included.
    pub(super) last: Option<u64>,
    /// Where the last whole round ends.
    pub(super) end: u64,
    pub(super) broken: Vec<Broken>,
    /// Highest number of a round of which any header or ending is here.
    pub(super) begun: u64,
}

/// Reads a segment. What stands behind a damaged round is found by its header: a segment is filled
/// from its start, so whatever has a higher number than what stands before it belongs to it.
pub(super) fn scan(bytes: &[u8], checkpoint: u64) -> Scan {
    let mut scan = Scan::default();
    let mut at = SegmentHeader::BYTES;
    // Whether the next round may have any number above the last one.
    let mut anew = true;
    loop {
        let rest = bytes.get(at..).unwrap_or_default();
        let follows = |number: u64| match scan.last {
            Some(last) if anew => number > last,
            Some(last) => number == last + 1,
            None => true,
        };
        // What a checkpoint covers is passed over: its content is needed no more.
        if let Some((number, length)) = peek(rest)
            && number <= checkpoint
            && follows(number)
            && length <= rest.len()
        {
            at += length + FRAME_BYTES;
            scan.pass(number, at);
            anew = false;
            continue;
        }
        let found = match frame::find(rest, at) {
            Found::Whole(round) if follows(round.number()) => Ok((round, false)),
            Found::Mended(round) if follows(round.number()) => Ok((round, true)),
            Found::Broken(said) if follows(said.number) => Err(Some(said)),
            _ => Err(None),
        };
        let said = match found {
            Ok((round, mended)) => {
                at = scan.add(round, at, mended, checkpoint);
                anew = false;
                continue;
            }
            Err(said) => said,
        };
        match scan.resume(rest, at, said, checkpoint) {
            Resumed::Here(round) => {
                at = scan.add(round, at, true, checkpoint);
                anew = false;
            }
            Resumed::At(offset) => {
                at += offset;
                anew = true;
            }
            Resumed::Nowhere => return scan,
        }
    }
}

/// Where to go on behind a place that no whole round begins at.
enum Resumed {
    /// The ending of the round tells what it was.
    Here(Round),
    /// So many bytes further.
    At(usize),
    Nowhere,
}

impl Scan {
    fn add(&mut self, round: Round, at: usize, mended: bool, checkpoint: u64) -> usize {
        let number = round.number();
        let end = at + round.bytes().len() + FRAME_BYTES;
        if number > checkpoint {
            self.entries.push(Entry { round, at: at as u64, mended });
        }
        self.pass(number, end);
        end
    }

    fn pass(&mut self, number: u64, end: usize) {
        self.last = Some(number);
        self.begun = self.begun.max(number);
        self.end = end as u64;
    }

    /// Finds out what stands behind a place that no whole round begins at. `said` is what the header
    /// there says, if it is whole.
    fn resume(&mut self, rest: &[u8], at: usize, said: Option<Said>, checkpoint: u64) -> Resumed {
        let floor = self.last.unwrap_or(0);
        let mut broken = Broken { at: at as u64, behind: self.last, said };
        let mut resumed = Resumed::Nowhere;
        for mark in frame::marks(rest, floor) {
            let own_ending = mark.is_ending && mark.at == mark.said.length + SECTOR_BYTES;
            if own_ending
                && said.is_none()
                && self.last.is_none_or(|last| mark.said.number == last + 1)
            {
                if let Some(round) = frame::find_by_ending(rest, at, mark.said.length) {
                    return Resumed::Here(round);
                }
                broken.said = Some(mark.said);
            }
            self.begun = self.begun.max(mark.said.number);
            let behind = rest.get(mark.at..).unwrap_or_default();
            let whole = !mark.is_ending
                && mark.at > 0
                && (mark.said.number <= checkpoint
                    || matches!(
                        frame::find(behind, at + mark.at),
                        Found::Whole(_) | Found::Mended(_)
                    ));
            if whole {
                resumed = Resumed::At(mark.at);
                break;
            }
        }
        if broken.said.is_some() || matches!(resumed, Resumed::At(_)) {
            self.broken.push(broken);
        }
        resumed
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::Origin;
    use crate::journal::frame::tail;
    use crate::record::{LogId, Record};
    use crate::round::RoundBuilder;

    fn round(number: u64, body: usize) -> Round {
        let mut builder = RoundBuilder::new(number);
        let body: Vec<u8> = (0..body).map(|at| (at * 7 + body).to_le_bytes()[0]).collect();
        let record = Record {
            log: LogId(1),
            kind: 1,
            sequence: 1,
            time: 0,
            key: b"k",
            head: b"",
            body: &body,
        };
        builder.push(&record);
        builder.close()
    }

    /// A segment of rounds from 1 on, with an earlier use behind them.
    fn segment(bodies: &[usize]) -> (Vec<u8>, Vec<Round>) {
        let mut bytes = SegmentHeader::new(0, Origin(0)).encode().to_vec();
        let rounds: Vec<Round> =
            (100..).zip(bodies).map(|(number, body)| round(number, *body)).collect();
        for round in &rounds {
            bytes.extend_from_slice(round.bytes());
            bytes.extend_from_slice(&tail(round));
        }
        let old = round(7, 3000);
        bytes.extend_from_slice(&old.bytes()[1000..]);
        bytes.extend_from_slice(&tail(&old));
        bytes.resize(bytes.len() + 2000, 0);
        (bytes, rounds)
    }

    #[test]
    fn any_damaged_sector_is_mended() {
        let (whole, rounds) = segment(&[1, 900, 20, 0, 3000, 450, 470, 472, 512, 5000, 17]);
        for checkpoint in [0, 103] {
            for begin in (0..whole.len()).step_by(SECTOR_BYTES) {
                for noise in [0_usize, 1, 5] {
                    let mut bytes = whole.clone();
                    let end = (begin + SECTOR_BYTES).min(bytes.len());
                    for (at, byte) in bytes[begin..end].iter_mut().enumerate() {
                        *byte = (at * at * noise + noise * 31).to_le_bytes()[0];
                    }
                    let scan = scan(&bytes, checkpoint);
                    let found: Vec<_> = scan.entries.iter().map(|e| e.round.bytes()).collect();
                    let expected = rounds.iter().filter(|round| round.number() > checkpoint);
                    let expected: Vec<_> = expected.map(Round::bytes).collect();
                    let numbers: Vec<u64> = scan.entries.iter().map(|e| e.round.number()).collect();
                    assert!(found == expected, "{begin}, {noise}: {numbers:?}, {:?}", scan.broken);
                    assert!(
                        scan.broken.is_empty() && scan.begun == 110,
                        "{begin}: {:?}",
                        scan.broken
                    );
                }
            }
        }
    }

    #[test]
    fn what_stands_behind_more_damage_is_found() {
        let (mut bytes, _) = segment(&[100, 200, 300, 400]);
        // The second round's body, beyond what its parity mends.
        let at = SegmentHeader::BYTES + round(100, 100).bytes().len() + FRAME_BYTES;
        bytes[at + 60] ^= 1;
        bytes[at + 60 + SECTOR_BYTES] ^= 2;
        bytes[at + 90] ^= 1;
        bytes[at + 90 + SECTOR_BYTES] ^= 2;
        let scan = scan(&bytes, 0);
        let numbers: Vec<u64> = scan.entries.iter().map(|entry| entry.round.number()).collect();
        assert_eq!(numbers, [100, 102, 103]);
        let broken = &scan.broken[0];
        assert_eq!((broken.at, broken.behind), (at as u64, Some(100)));
        assert_eq!(broken.said.map(|said| said.number), Some(101));
    }
}
