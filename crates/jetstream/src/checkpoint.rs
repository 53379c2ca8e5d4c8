//! When a checkpoint is made. While it is written no record is applied, so that it is the state after
//! one round; everything else goes on.

use watershed_store::checkpoint::Checkpoint;

use crate::jetstream::JetStream;
use crate::output::DiskOutput;
use crate::state::Writer;

/// Records, keys and the like that are written in one turn: less than half a millisecond's work.
pub(crate) const CHECKPOINT_PER_TURN: usize = 8192;

impl JetStream {
    /// Begins a checkpoint after `round`, the last one that was applied, if one is due.
    pub(crate) fn checkpoint_if_due(&mut self, round: u64) {
        let due = self
            .settings
            .is_some_and(|settings| self.journal_bytes >= settings.journal_bytes_per_checkpoint);
        if due && !self.checkpointing {
            self.begin_checkpoint(round);
        }
    }

    /// Makes a checkpoint before the server stops, so that its next start has nothing to replay.
    pub fn checkpoint_at_stop(&mut self) {
        self.write_checkpoint(usize::MAX);
        if let Some(round) = self.rounds.last_applied()
            && self.journal_bytes > 0
        {
            self.begin_checkpoint(round);
            self.write_checkpoint(usize::MAX);
        }
    }

    fn begin_checkpoint(&mut self, round: u64) {
        self.journal_bytes = 0;
        self.checkpointing = true;
        self.writing = Some((round, Writer::new(&self.state)));
    }

    /// Goes on with a checkpoint that is being written. Says whether none is any more.
    pub(crate) fn write_checkpoint(&mut self, budget: usize) -> bool {
        let Some((_, writer)) = &mut self.writing else { return true };
        if !writer.go_on(&self.state, budget) {
            return false;
        }
        if let Some((round, writer)) = self.writing.take() {
            let blocks = self.state.known_blocks().into_iter().collect();
            let checkpoint = Checkpoint { round, blocks, state: writer.finish() };
            self.outputs.push(DiskOutput::Checkpoint(checkpoint));
        }
        true
    }
}
