//! A piece of a block that was read: the record that was asked for, and those behind it.

use watershed_store::log::Position;
use watershed_store::record::repair;
use watershed_store::{LogId, Record};

/// Bytes that a reader of a whole stream asks for at once.
pub(crate) const CHUNK_BYTES: usize = 512 * 1024;

/// A piece of a block.
#[derive(Debug)]
pub(crate) struct Chunk {
    pub(crate) log: LogId,
    pub(crate) block: u32,
    pub(crate) offset: u32,
    pub(crate) bytes: Vec<u8>,
}

impl Chunk {
    /// What was read from a position on.
    pub(crate) fn at(log: LogId, position: Position, bytes: Vec<u8>) -> Self {
        Self { log, block: position.block, offset: position.offset, bytes }
    }

    /// The record at `position`, if it is in here and whole. One wrong bit is repaired.
    pub(crate) fn record(&mut self, log: LogId, position: Position) -> Option<&[u8]> {
        if (self.log, self.block) != (log, position.block) {
            return None;
        }
        let start = position.offset.checked_sub(self.offset)? as usize;
        let bytes = self.bytes.get_mut(start..start + position.length as usize)?;
        // The index says how long it is, whatever its header says.
        if Record::decode(bytes).is_err() {
            repair(bytes, position.length as usize);
        }
        let (record, _) = Record::decode(bytes).ok()?;
        (record.log == log).then_some(&*bytes)
    }

    /// Whether this was read for the record at `position`.
    pub(crate) fn starts_at(&self, log: LogId, position: Position) -> bool {
        (self.log, self.block, self.offset) == (log, position.block, position.offset)
    }
}
