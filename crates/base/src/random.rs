//! Choices that need no secrecy: which member of a queue group gets a message.

/// SplitMix64: one multiplication-and-shift step a number, any seed is good.
/// (Steele, Lea, Flood: "Fast splittable pseudorandom number generators", 2014.)
#[derive(Debug, Clone)]
pub struct Random(u64);

impl Random {
    /// Choices that follow from `seed`.
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// The next number.
    #[expect(clippy::should_implement_trait, reason = "it never ends")]
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// An index below `len`, which is not zero.
    pub fn below(&mut self, len: usize) -> usize {
        debug_assert!(len > 0);
        let scaled = u128::from(self.next()) * (len as u128);
        usize::try_from(scaled >> 64).unwrap_or(0)
    }
}
