//! What streams hold and where it is: for whoever looks at a store on which no server runs.

use watershed_store::LogId;
use watershed_store::log::Position;
use watershed_wire::jetstream::stream::StreamState;

use crate::jetstream::JetStream;
use crate::output::DiskOutput;
use crate::state::Stored;

/// A stream, and where its messages are.
#[derive(Debug, Clone)]
pub struct StoredStream {
    /// Account that it belongs to.
    pub account: String,
    /// Name.
    pub name: String,
    /// Log of its messages.
    pub log: LogId,
    /// Whether its messages are in memory only.
    pub memory: bool,
    /// What it holds.
    pub state: StreamState,
}

/// A message, and where it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StoredMessage {
    /// Its sequence.
    pub sequence: u64,
    /// Where it is in the blocks, or will be.
    pub position: Position,
    /// Whether it is in a round behind the checkpoint, and need not be in its block yet.
    pub in_journal: bool,
}

impl JetStream {
    /// All streams, by account and name.
    pub fn stored_streams(&self) -> Vec<StoredStream> {
        let streams = self.state.keys().map(|key| {
            let stream = self.state.stream(key);
            StoredStream {
                account: self.state.accounts.name(stream.account).to_owned(),
                name: stream.config.name.clone(),
                log: stream.log.id(),
                memory: stream.is_memory(),
                state: stream.state(),
            }
        });
        streams.collect()
    }

    /// The messages of a log that are on disk, in order.
    pub fn stored_messages(&self, log: LogId) -> impl Iterator<Item = StoredMessage> {
        let stream = self.state.by_log(log).map(|key| self.state.stream(key));
        let stream = stream.filter(|stream| !stream.is_memory());
        let mut next = stream.and_then(|stream| stream.log.next(0));
        std::iter::from_fn(move || {
            let (stream, sequence) = (stream?, next?);
            next = stream.log.next(sequence + 1);
            let position = stream.log.position(sequence)?;
            let in_journal = matches!(stream.stored(sequence, &self.tail)?, Stored::Memory(_));
            Some(StoredMessage { sequence, position, in_journal })
        })
    }

    /// What the disk has to do so that nothing of what was restored is to be replayed again: write blocks,
    /// and then a checkpoint.
    pub fn condense(&mut self) -> Vec<DiskOutput> {
        self.begin_checkpoint();
        self.write_checkpoint(usize::MAX);
        std::mem::take(&mut self.outputs)
    }
}
