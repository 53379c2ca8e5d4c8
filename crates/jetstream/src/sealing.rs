//! Footers of blocks that are full are made while others are served, and written behind the records of
//! their blocks. A checkpoint that refers to a block comes behind its footer.

use watershed_store::LogId;
use watershed_store::keeper::Job;

use crate::jetstream::JetStream;
use crate::output::DiskOutput;
use crate::state::StreamKey;

/// Records and keys of footers that are looked at in one turn: a quarter of a millisecond's work.
pub(crate) const SEALED_PER_TURN: usize = 4096;

impl JetStream {
    /// A block of a log is full.
    pub(crate) fn seal_later(&mut self, log: LogId) {
        self.sealing.push_back(log);
    }

    /// Goes on with footers, looking at about `budget` records and keys. Says whether there is more
    /// to do.
    pub(crate) fn seal_blocks(&mut self, mut budget: usize) -> bool {
        let Self { sealing, sealed, state, .. } = self;
        while let Some(log) = sealing.front().copied() {
            let key = state.by_log(log);
            let stream = key.and_then(|key| state.streams.get_mut(key.index()));
            if let Some(stream) = stream {
                if let Some(made) = stream.log.seal_some(&mut budget) {
                    sealed.push((log, made));
                    continue;
                }
                if stream.log.is_sealing() {
                    return true;
                }
            }
            sealing.pop_front();
        }
        self.write_footers();
        false
    }

    /// Has the blocks of a stream compressed that are full, if it wants that: they may be from before it did.
    pub(crate) fn compress_full_blocks(&mut self, key: StreamKey) {
        let stream = self.state.stream(key);
        if stream.is_compressed() && !stream.is_memory() {
            let log = stream.log.id();
            let blocks = stream.log.full_blocks().map(|block| (log, block)).collect();
            self.outputs.push(DiskOutput::Keep(Job::CompressLater(blocks)));
        }
    }

    /// Has the footers written that are made, unless records of their blocks are still to be.
    pub(crate) fn write_footers(&mut self) {
        if self.sealed.is_empty() || self.rounds.is_between() {
            return;
        }
        let mut made = std::mem::take(&mut self.sealed);
        // What was given up meanwhile would come back.
        made.retain_mut(|(log, sealed)| {
            let Some(key) = self.state.by_log(*log) else { return false };
            let stream = self.state.stream(key);
            sealed.compressed = stream.is_compressed();
            stream.log.has_block(sealed.block)
        });
        if !made.is_empty() {
            self.outputs.push(DiskOutput::Keep(Job::Seal(made)));
        }
    }
}
