//! Footers of blocks that are full are made while others are served, and written behind the records of
//! their blocks. A checkpoint that refers to a block comes behind its footer.

use watershed_store::LogId;
use watershed_store::keeper::Job;

use crate::jetstream::JetStream;
use crate::output::DiskOutput;

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

    /// Has the footers written that are made, unless records of their blocks are still to be.
    pub(crate) fn write_footers(&mut self) {
        if self.sealed.is_empty() || self.rounds.is_between() {
            return;
        }
        let mut made = std::mem::take(&mut self.sealed);
        // What was given up meanwhile would come back.
        made.retain(|(log, sealed)| {
            let key = self.state.by_log(*log);
            key.is_some_and(|key| self.state.stream(key).log.has_block(sealed.block))
        });
        if !made.is_empty() {
            self.outputs.push(DiskOutput::Keep(Job::Seal(made)));
        }
    }
}
