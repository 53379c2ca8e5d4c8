//! What a store held when it was opened.

use watershed_base::Now;
use watershed_store::bytes::BadState;
use watershed_store::checkpoint::Checkpoint;
use watershed_store::journal::FRAME_BYTES;
use watershed_store::keeper::{Job, Placed};
use watershed_store::{LogId, Record, Round};

use crate::jetstream::JetStream;
use crate::network::Network;
use crate::output::DiskOutput;
use crate::record::{Command, kind};
use crate::rounds::Rounds;
use crate::state::{Effects, Outcome, StreamKey};
use crate::tail::TailPlace;

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
    /// Bytes of rounds that can be written without asking for space.
    pub room: u64,
}

impl JetStream {
    /// Takes over what a store holds. To be called before anything else happens.
    pub fn restore<E: From<BadState>>(
        &mut self,
        net: &mut impl Network,
        now: Now,
        restored: Restored<'_, E>,
    ) -> Result<(), E> {
        self.now = now;
        if let Some(checkpoint) = &restored.checkpoint {
            let mut account = |name: &str| net.account(name);
            self.state.restore(&checkpoint.state, &mut account, restored.footer)?;
        }
        for round in restored.rounds {
            self.replay(net, &round)?;
        }
        self.rounds = Rounds::new(restored.next_round);
        self.ahead.set_room(restored.room);
        let keys: Vec<StreamKey> = self.state.keys().collect();
        for key in keys {
            self.start_stream(net, key);
        }
        self.clear_hidden();
        Ok(())
    }

    fn replay(&mut self, net: &mut impl Network, round: &Round) -> Result<(), BadState> {
        let number = round.number();
        let mut placed = Placed::new(round.clone());
        let mut effects = Effects::default();
        for (place, record) in round.records() {
            self.introduce(net, &record);
            effects.clear();
            self.state.apply(&record, Some(TailPlace { round: number, place }), &mut effects);
            if matches!(effects.outcome, Outcome::Unknown) {
                return Err(BadState);
            }
            effects.place(&record, place, &mut placed);
            if effects.changes.first_of_round {
                self.tail.note(number, record.log);
            }
            if effects.changes.sealed {
                self.seal_later(record.log);
            }
        }
        self.journal_bytes += round.bytes().len() + FRAME_BYTES;
        self.tail.push(round.clone());
        self.outputs.push(DiskOutput::Keep(Job::Place(Box::new(placed))));
        self.seal_blocks(usize::MAX);
        Ok(())
    }

    /// Numbers the account that a record names.
    fn introduce(&mut self, net: &mut impl Network, record: &Record<'_>) {
        if record.kind == kind::COMMAND
            && let Some(Command::CreateStream { account, .. }) = Command::decode(record.body)
        {
            let number = net.account(&account);
            self.state.accounts.insert(&account, number);
        }
    }

    /// The server stops: whoever waits for messages is told.
    pub fn shutdown(&mut self, net: &mut impl Network) {
        let keys: Vec<StreamKey> = self.state.keys().collect();
        for key in keys {
            self.end_stream(net, key, "Server Shutdown");
        }
    }

    fn end_stream(&mut self, net: &mut impl Network, key: StreamKey, why: &str) {
        let places = self.state.stream(key).consumers.iter().map(|(index, _)| index);
        for index in places.collect::<Vec<_>>() {
            self.end_requests(net, crate::consumer_key::ConsumerKey::new(key, index), why);
        }
    }

    /// Blocks that streams have, for clearing away what a crash left.
    pub fn known_blocks(&self) -> std::collections::BTreeSet<(LogId, u32)> {
        self.state.known_blocks()
    }

    /// The last round that has something of what was accepted so far.
    pub fn last_round(&self) -> u64 {
        self.rounds.last_open()
    }

    /// The whole state, as a checkpoint would keep it now: for comparing one node with another.
    pub fn state_bytes(&self) -> Vec<u8> {
        self.state.checkpoint()
    }
}
