//! A consumer's place.

use crate::state::StreamKey;

/// A consumer's place: its stream, and its place in that.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct ConsumerKey {
    pub(crate) stream: StreamKey,
    index: u32,
}

impl ConsumerKey {
    pub(crate) fn new(stream: StreamKey, index: usize) -> Self {
        Self { stream, index: u32::try_from(index).expect("consumers fit 32 bits") }
    }

    pub(crate) fn index(self) -> usize {
        self.index as usize
    }
}
