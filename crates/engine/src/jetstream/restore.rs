//! The state at a checkpoint, written and read.

use watershed_store::bytes::{BadState, Reader, put_count, put_u32};
use watershed_store::checkpoint::Checkpoint;
use watershed_store::{LogId, Round};

use super::Rounds;
use crate::consumer::{Consumer, ConsumerKey};
use crate::engine::Engine;
use crate::now::Now;
use crate::stream::{Effects, Stream, StreamKey};

/// Version of the state in a checkpoint.
const VERSION: u32 = 2;

/// What a store held when it was opened.
pub struct Restored<'a, E> {
    /// The newest checkpoint.
    pub checkpoint: Option<Checkpoint>,
    /// Reads the footer of a sealed block.
    pub footer: &'a mut dyn FnMut(LogId, u32) -> Result<Vec<u8>, E>,
    /// Rounds behind the checkpoint, in order.
    pub rounds: &'a mut dyn Iterator<Item = Round>,
    /// Number of the next round.
    pub next_round: u64,
}

impl Engine {
    /// Takes over what a store holds. To be called before anything else happens, or after
    /// [`Engine::suspend`].
    pub fn restore<E: From<BadState>>(
        &mut self,
        now: Now,
        restored: Restored<'_, E>,
    ) -> Result<(), E> {
        self.now = now;
        let block_bytes = self.jetstream.block_bytes();
        if let Some(checkpoint) = &restored.checkpoint {
            let mut reader = Reader(&checkpoint.state);
            if reader.u32()? != VERSION {
                return Err(BadState.into());
            }
            self.jetstream.last_log = reader.u32()?;
            for _ in 0..reader.count(1)? {
                let account = |name: &str| self.account(name);
                let footer = &mut *restored.footer;
                let stream = Stream::restore(&mut reader, block_bytes, account, footer)?;
                let key = self.add_stream(stream);
                for _ in 0..reader.count(1)? {
                    self.restore_consumer(&mut reader, now, key)?;
                }
            }
        }
        for round in restored.rounds {
            self.replay(now, &round);
        }
        self.jetstream.rounds = Rounds::new(restored.next_round);
        let keys: Vec<_> = self.jetstream.by_name.values().copied().collect();
        for key in keys {
            let mut effects = Effects::default();
            let stream = &mut self.jetstream.streams[key.0 as usize];
            let log = stream.log.id();
            stream.enforce_limits(None, &mut effects);
            self.tell_consumers(key, &effects);
            self.drop_blocks(log, effects.dropped);
            self.arm_expiry(now, key);
        }
        let consumers = self.jetstream.consumers.iter();
        let keys: Vec<u32> = consumers.filter_map(|(index, _)| u32::try_from(index).ok()).collect();
        for key in keys {
            // A checkpoint may hold what events behind it say again: counts are made anew.
            let consumer = &mut self.jetstream.consumers[key as usize];
            consumer.count_backlog(&self.jetstream.streams[consumer.stream.0 as usize].log);
            self.wake(ConsumerKey(key));
        }
        Ok(())
    }

    fn restore_consumer(
        &mut self,
        reader: &mut Reader<'_>,
        now: Now,
        stream: StreamKey,
    ) -> Result<(), BadState> {
        let held = &mut self.jetstream.streams[stream.0 as usize];
        let consumer = Consumer::restore(reader, now, stream, &held.log)?;
        let name = consumer.config.name.clone();
        let index = self.jetstream.consumers.insert(consumer);
        let key = ConsumerKey(u32::try_from(index).map_err(|_| BadState)?);
        held.consumers.insert(name, key);
        self.wake(key);
        Ok(())
    }

    /// Blocks that streams have, for clearing away what a crash left.
    pub fn known_blocks(&self) -> std::collections::BTreeSet<(LogId, u32)> {
        let streams = self.jetstream.streams.iter().map(|(_, stream)| &stream.log);
        streams.flat_map(|log| log.block_numbers().map(|block| (log.id(), block))).collect()
    }

    /// The state after `round`, which was the last one that was applied.
    pub(super) fn checkpoint(&self, round: u64) -> Checkpoint {
        let mut state = Vec::new();
        put_u32(&mut state, VERSION);
        put_u32(&mut state, self.jetstream.last_log);
        put_count(&mut state, self.jetstream.streams.len());
        for (_, stream) in &self.jetstream.streams {
            let account = &self.accounts[stream.account.0 as usize].name;
            stream.checkpoint(account, &mut state);
            // Consumers of what is gone with the process are gone with it.
            let kept = if stream.is_memory() { 0 } else { stream.consumers.len() };
            put_count(&mut state, kept);
            for key in stream.consumers.values().take(kept) {
                self.jetstream.consumers[key.0 as usize].checkpoint(&mut state);
            }
        }
        let blocks = self.known_blocks().into_iter().collect();
        Checkpoint { round, blocks, state }
    }
}
