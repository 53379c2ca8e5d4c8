//! The number of the format, and what tells one store from another.

/// Number of the format. What a store says of itself has it, and each file whose layout it changed.
pub const FORMAT: u32 = 5;

/// The earlier formats that are opened, and become this one then. Format 4 has no compressed blocks.
pub const EARLIER: [u32; 1] = [4];

/// Whether files of this format can be read.
pub(crate) fn is_known(format: u32) -> bool {
    format == FORMAT || EARLIER.contains(&format)
}

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
