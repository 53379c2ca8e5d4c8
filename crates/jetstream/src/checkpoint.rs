//! When a checkpoint is made. While it is written no record is applied, so that it is the state after
//! one round; everything else goes on.

use std::time::Duration;

use watershed_store::checkpoint::Checkpoint;
use watershed_store::keeper::Job;

use crate::jetstream::{JetStream, TimerKey};
use crate::output::DiskOutput;
use crate::state::Writer;

/// Records, keys and the like that are written in one turn: less than half a millisecond's work.
pub(crate) const CHECKPOINT_PER_TURN: usize = 8192;

/// Longest time until checkpoints are made for blocks that hold nothing any more.
const SPACE_WAIT: Duration = Duration::from_secs(10);

impl JetStream {
    /// Makes a checkpoint before the server stops, so that its next start has nothing to replay.
    pub fn checkpoint_at_stop(&mut self) {
        self.write_checkpoint(usize::MAX);
        if self.rounds.is_settled() && self.journal_bytes > 0 {
            self.begin_checkpoint();
            self.write_checkpoint(usize::MAX);
        }
    }

    /// Begins a checkpoint, if one is due. In the middle of a round none can be; its end asks again.
    pub(crate) fn checkpoint_if_due(&mut self) {
        let Some(settings) = self.settings else { return };
        let usual = settings.journal_bytes_per_checkpoint;
        if !self.rounds.is_between() && self.disk.begin_checkpoint(self.journal_bytes, usual) {
            self.begin_checkpoint();
        }
    }

    /// Blocks hold nothing any more. Their space is free when checkpoints have said so, which many such
    /// changes share, unless there is none left.
    pub(crate) fn free_space_soon(&mut self) {
        if self.disk.is_full() {
            self.disk.free_space();
        } else if self.timers.get(TimerKey::Space).is_none() {
            self.timers.set(TimerKey::Space, self.now.tick.after(SPACE_WAIT));
        }
    }

    /// Blocks that hold nothing any more have waited long enough.
    pub(crate) fn free_space(&mut self) {
        self.disk.free_space();
        self.checkpoint_if_due();
    }

    /// Keeps the state as it is after the last round that was applied.
    pub(crate) fn begin_checkpoint(&mut self) {
        self.journal_bytes = 0;
        self.writing = Some((self.rounds.applied(), Writer::new(&self.state)));
    }

    /// Goes on with a checkpoint that is being written. Says whether none is any more.
    pub(crate) fn write_checkpoint(&mut self, budget: usize) -> bool {
        // It refers to the footers of blocks that are full.
        if self.writing.is_some() && self.seal_blocks(budget) {
            return false;
        }
        let Some((_, writer)) = &mut self.writing else { return true };
        if !writer.go_on(&self.state, budget) {
            return false;
        }
        if let Some((round, writer)) = self.writing.take() {
            let blocks = self.state.known_blocks().into_iter().collect();
            let checkpoint = Checkpoint { round, blocks, state: writer.finish() };
            self.outputs.push(DiskOutput::Keep(Job::Checkpoint(checkpoint)));
        }
        true
    }
}
