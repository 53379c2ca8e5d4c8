//! How far a copy is cleared of what a consumer has done.

use super::search::Found;

/// How far the copy is cleared of what a consumer has done.
#[derive(Debug, Default)]
pub(super) struct Clearing {
    /// Which copy, and which consumer.
    pub(super) of: (String, String),
    /// Up to this sequence of the origin nothing of it was done.
    pub(super) left: u64,
    /// The origin, where the copy has other sequences.
    pub(super) origin: Option<String>,
    /// Whether everything before its position is done.
    pub(super) by_position: bool,
    /// Index of the next of its filters.
    pub(super) filter: usize,
    pub(super) stage: Stage,
}

/// What is to be known, or done, next.
#[derive(Debug, Clone, Copy, Default)]
pub(super) enum Stage {
    /// The first message that the copy has is not known.
    #[default]
    First,
    /// All that is before the position goes, and this is the first one.
    All(u64),
    /// Nothing that was left before is in the copy: what comes before the first message that the origin
    /// still has can go at once.
    Survivor,
    /// All before this sequence of the origin goes.
    Purge(u64),
    /// What comes behind what was left before is looked at.
    Left,
    /// The next message of the copy, from this sequence on, is looked at.
    Next(u64),
    /// Whether the origin still has this one, at its other sequence, is not known.
    Check(u64, u64),
    /// The origin has lost it: it goes from the copy.
    Remove(u64),
    /// Nothing is left to do.
    Over,
}

impl Clearing {
    /// Takes the message that was looked for.
    pub(super) fn found(&mut self, found: Option<&Found>) {
        // What the copy has of its own is behind all of this.
        let before = |found: &Found| match &self.origin {
            Some(origin) => found.sequence_in(origin).unwrap_or(u64::MAX),
            None => found.seq,
        };
        self.stage = match (self.stage, found) {
            (Stage::First, Some(first)) if self.by_position => Stage::All(first.seq),
            (Stage::First, Some(first)) if before(first) > self.left => Stage::Survivor,
            (Stage::First, Some(_)) => Stage::Left,
            (Stage::Survivor, found) => Stage::Purge(found.map_or(u64::MAX, |found| found.seq)),
            (Stage::Next(_), Some(next)) => Stage::Check(next.seq, before(next)),
            (Stage::First | Stage::Next(_), None) => Stage::Over,
            (Stage::Check(sequence, _), Some(_)) => Stage::Next(sequence + 1),
            (Stage::Check(sequence, _), None) => Stage::Remove(sequence),
            (stage, _) => stage,
        };
    }
}
