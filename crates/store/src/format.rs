//! The number of the format, and what tells one store from another.

/// Number of the format. All files of a store have it.
pub const FORMAT: u32 = 4;

/// Number of the round before a store's first one. It is chosen at random, and nobody is told: so no
/// message can hold what passes for a round of the same store.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Origin(pub u64);

impl Origin {
    /// An origin out of random bits.
    pub fn random(bits: u64) -> Self {
        // Far from zero, and with more numbers above it than anybody commits rounds.
        Self(bits >> 2 | 1 << 61)
    }
}
