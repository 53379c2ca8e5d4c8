//! What a snapshot has yet to come to, and goes because a later message takes its place: it is kept
//! where it is on disk for as long as the snapshot is made. What goes otherwise is left out.

use std::collections::BTreeMap;

use watershed_store::log::Position;

use crate::tail::TailPlace;

/// Where a message is that has gone.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Kept {
    pub(crate) position: Position,
    pub(crate) tail: Option<TailPlace>,
}

/// What is kept of a stream for a snapshot.
#[derive(Debug)]
pub(crate) struct Pin {
    /// What the snapshot comes to next.
    next: u64,
    /// The last message that it has.
    last: u64,
    kept: BTreeMap<u64, Kept>,
    /// Blocks that hold nothing any more, and are not to go yet.
    blocks: Vec<u32>,
}

impl Pin {
    /// A snapshot begins of what there is up to `last`.
    pub(crate) fn new(last: u64) -> Self {
        Self { next: 1, last, kept: BTreeMap::new(), blocks: Vec::new() }
    }

    /// Whether the snapshot has yet to come to a message.
    pub(super) fn wants(&self, sequence: u64) -> bool {
        (self.next..=self.last).contains(&sequence)
    }

    pub(super) fn keep(&mut self, sequence: u64, kept: Kept) {
        self.kept.insert(sequence, kept);
    }

    pub(super) fn keep_blocks(&mut self, blocks: impl IntoIterator<Item = u32>) {
        self.blocks.extend(blocks);
    }

    /// The next message that has gone and is kept.
    pub(crate) fn next_kept(&self) -> Option<(u64, Kept)> {
        self.kept.first_key_value().map(|(sequence, kept)| (*sequence, *kept))
    }

    /// The snapshot is past this message.
    pub(crate) fn pass(&mut self, sequence: u64) {
        self.next = sequence + 1;
        while self.kept.first_key_value().is_some_and(|(own, _)| *own <= sequence) {
            self.kept.pop_first();
        }
    }

    /// The blocks that may go now.
    pub(crate) fn into_blocks(self) -> Vec<u32> {
        self.blocks
    }
}
