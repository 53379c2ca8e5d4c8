//! Footers of blocks that are full, made in pieces: one has an entry for each record of its block and
//! the name of each of their keys, and whoever appends the next record does not wait for all of it.
//!
//! A footer has the entries that its block had when it was sealed, and may lack some that have gone
//! since: a checkpoint says which are left.

use std::collections::VecDeque;

use super::Log;
use super::block::{Block, Encoding, finish_footer};

/// A block that is full.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sealed {
    /// Number of the block.
    pub block: u32,
    /// Where its footer goes.
    pub offset: u32,
    /// Whether the block is to be compressed, when nothing is written into it any more.
    pub compressed: bool,
    /// The footer, without what tells whether it is whole.
    body: Vec<u8>,
}

impl Sealed {
    /// The footer. Its checksums are computed here, a few milliseconds for a block of many records.
    pub fn footer(&self) -> Vec<u8> {
        let mut footer = self.body.clone();
        finish_footer(&mut footer);
        footer
    }
}

/// Blocks whose footers are still to be made, and how far that of the first is.
#[derive(Debug, Clone, Default)]
pub(super) struct Sealing {
    /// Their numbers.
    pub(super) blocks: VecDeque<u32>,
    body: Vec<u8>,
    encoding: Encoding,
}

impl Log {
    /// Whether any block is full and has no footer yet. No checkpoint may refer to it before.
    pub fn is_sealing(&self) -> bool {
        !self.sealing.blocks.is_empty()
    }

    /// Goes on with the footers of full blocks, looking at about `budget` records and keys, which is
    /// reduced by as many. Gives the next footer that is made.
    pub fn seal_some(&mut self, budget: &mut usize) -> Option<Sealed> {
        let Self { sealing, blocks, keys, .. } = self;
        while let Some(number) = sealing.blocks.front() {
            let found = blocks.binary_search_by_key(number, Block::number);
            let block = found.ok().and_then(|index| blocks.get_mut(index));
            let whole = block
                .as_ref()
                .is_none_or(|block| sealing.encoding.go_on(block, keys, budget, &mut sealing.body));
            if !whole {
                return None;
            }
            sealing.blocks.pop_front();
            sealing.encoding = Encoding::default();
            let body = std::mem::take(&mut sealing.body);
            // One that has gone meanwhile needs none.
            if let Some(block) = block {
                block.finish();
                return Some(Sealed {
                    block: block.number(),
                    offset: block.length(),
                    compressed: false,
                    body,
                });
            }
        }
        None
    }

    /// Makes no footers: nobody keeps the blocks of this log.
    pub fn seal_nothing(&mut self) {
        for number in std::mem::take(&mut self.sealing).blocks {
            if let Ok(index) = self.blocks.binary_search_by_key(&number, Block::number) {
                self.blocks[index].finish();
            }
        }
    }
}
