//! How far a copy is cleared of what a consumer has done.

/// How far the copy is cleared of what a consumer has done.
#[derive(Debug, Default)]
pub(super) struct Clearing {
    /// Which copy, and which consumer.
    pub(super) of: (String, String),
    /// Up to here nothing of it was done.
    pub(super) left: u64,
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
    /// All before this sequence goes.
    Purge(u64),
    /// The next message of the copy, from this sequence on, is looked at.
    Next(u64),
    /// Whether the origin still has this one is not known.
    Check(u64),
    /// The origin has lost it: it goes from the copy.
    Remove(u64),
    /// Nothing is left to do.
    Over,
}

impl Clearing {
    /// Takes the sequence of the message that was looked for.
    pub(super) fn found(&mut self, found: Option<u64>) {
        self.stage = match (self.stage, found) {
            (Stage::First, Some(first)) if self.by_position => Stage::All(first),
            (Stage::First, Some(first)) if first > self.left => Stage::Survivor,
            (Stage::First, Some(_)) => Stage::Next(self.left + 1),
            (Stage::Survivor, found) => Stage::Purge(found.unwrap_or(u64::MAX)),
            (Stage::Next(_), Some(sequence)) => Stage::Check(sequence),
            (Stage::First | Stage::Next(_), None) => Stage::Over,
            (Stage::Check(sequence), Some(_)) => Stage::Next(sequence + 1),
            (Stage::Check(sequence), None) => Stage::Remove(sequence),
            (stage, _) => stage,
        };
    }
}
