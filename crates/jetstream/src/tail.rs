//! Recent rounds in memory: what consumers read first, and what is not in its block yet.

use std::collections::VecDeque;

use watershed_store::{LogId, Place, Round};

/// Bytes of rounds that are kept after they were placed.
const KEPT_BYTES: usize = 8 * 1024 * 1024;

/// Rounds that were applied, the newest last.
#[derive(Debug, Default)]
pub(crate) struct Tail {
    rounds: VecDeque<Round>,
    bytes: usize,
    /// Which logs know places in which round, in the order of rounds.
    known: VecDeque<(u64, LogId)>,
    /// Last round whose records are in their blocks.
    placed: u64,
}

/// Where a record is in the tail.
#[derive(Debug, Clone, Copy)]
pub(crate) struct TailPlace {
    pub(crate) round: u64,
    pub(crate) place: Place,
}

impl Tail {
    pub(crate) fn push(&mut self, round: Round) {
        self.bytes += round.bytes().len();
        self.rounds.push_back(round);
        self.trim();
    }

    /// Bytes of all rounds that are here.
    pub(crate) fn len(&self) -> usize {
        self.bytes
    }

    /// The bytes of a record, if its round is still here.
    pub(crate) fn record(&self, at: TailPlace) -> Option<&[u8]> {
        let first = self.rounds.front()?.number();
        let index = usize::try_from(at.round.checked_sub(first)?).ok()?;
        self.rounds.get(index).map(|round| round.slice(at.place))
    }

    /// Number of the oldest round that is here.
    pub(crate) fn first_round(&self) -> u64 {
        self.rounds.front().map_or(u64::MAX, Round::number)
    }

    /// Rounds up to `round` are in their blocks.
    pub(crate) fn placed(&mut self, round: u64) {
        self.placed = round;
        self.trim();
    }

    /// A log knows a place in a round, the newest that is here.
    pub(crate) fn note(&mut self, round: u64, log: LogId) {
        self.known.push_back((round, log));
    }

    /// A log that knows places in a round that is not here any more. Each is named once.
    pub(crate) fn next_outdated(&mut self) -> Option<LogId> {
        let first = self.first_round();
        let outdated = self.known.front().is_some_and(|(round, _)| *round < first);
        if outdated { self.known.pop_front().map(|(_, log)| log) } else { None }
    }

    fn trim(&mut self) {
        while self.bytes > KEPT_BYTES
            && let Some(oldest) = self.rounds.front()
            && oldest.number() <= self.placed
        {
            self.bytes -= oldest.bytes().len();
            self.rounds.pop_front();
        }
    }
}

#[cfg(test)]
mod tests {
    use watershed_store::{Record, RoundBuilder};

    use super::*;

    #[test]
    fn only_logs_of_rounds_that_went_are_outdated() {
        let mut tail = Tail::default();
        let body = vec![0; KEPT_BYTES / 2];
        for number in 1..=3_u64 {
            let mut builder = RoundBuilder::new(number);
            let log = LogId(u32::try_from(number).unwrap());
            let (key, head) = (&b"s"[..], &b""[..]);
            builder.push(&Record { log, kind: 1, sequence: 1, time: 0, key, head, body: &body });
            tail.push(builder.close());
            tail.note(number, log);
        }
        assert_eq!(tail.next_outdated(), None, "nothing is in its block");
        tail.placed(2);
        let outdated: Vec<_> = std::iter::from_fn(|| tail.next_outdated()).collect();
        assert_eq!(outdated, [LogId(1), LogId(2)]);
        tail.placed(3);
        assert_eq!(tail.next_outdated(), None, "the newest is kept");
    }
}
