//! Recent rounds in memory: what consumers read first, and what is not in its block yet.

use std::collections::VecDeque;

use watershed_store::{Place, Round};

/// Bytes of rounds that are kept after they were placed.
const KEPT_BYTES: usize = 8 * 1024 * 1024;

/// Rounds that were applied, the newest last.
#[derive(Debug, Default)]
pub(crate) struct Tail {
    rounds: VecDeque<Round>,
    bytes: usize,
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
