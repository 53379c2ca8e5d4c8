//! A stream's place.

/// A stream's place in the table.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct StreamKey(pub(crate) u32);

impl StreamKey {
    pub(crate) fn at(index: usize) -> Self {
        Self(u32::try_from(index).expect("streams fit 32 bits"))
    }

    pub(crate) fn index(self) -> usize {
        self.0 as usize
    }
}
