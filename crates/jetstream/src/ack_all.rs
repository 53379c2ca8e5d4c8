//! An acknowledgement of everything up to a message counts at once. What it finishes may be a million
//! messages: they go a slice at a time, a record each, while others are served, and who asked for
//! confirmation gets it behind the last one. A power cut may forget the rest: nobody was told of it.

use std::ops::Bound;

use watershed_base::AccountId;

use crate::consumer_key::ConsumerKey;
use crate::events::Saved;
use crate::jetstream::{JetStream, OwnedOwed};
use crate::limits::FINISHED_PER_RECORD;
use crate::network::Network;
use crate::record::Event;
use crate::rounds::Owed;

/// Messages that are finished in one turn, whoever acknowledges them.
const FINISHED_PER_TURN: u64 = 1024;

impl JetStream {
    /// A client acknowledges everything up to a message.
    pub(crate) fn ack_all(&mut self, net: &mut impl Network, key: ConsumerKey, sequence: u64) {
        let Some(dispatcher) = self.live.dispatcher(key) else { return };
        if dispatcher.outstanding.finish_up_to(sequence)
            && !self.acknowledging.contains_key(&key)
            && !matches!(self.finish_some(net, key), Slice::Last)
        {
            self.acknowledging.insert(key, Vec::new());
        }
    }

    /// Goes on with what was acknowledged. Says whether there is more to do at once.
    pub(crate) fn finish_acknowledged(&mut self, net: &mut impl Network) -> bool {
        self.finished = 0;
        while let Some(key) = self.next_acknowledging() {
            match self.finish_some(net, key) {
                Slice::Last => self.acknowledged(net, key),
                Slice::More if self.finished < FINISHED_PER_TURN => {}
                Slice::More => break,
                // It is tried again when there is anything else to do.
                Slice::NoRoom => {
                    self.finished = 0;
                    return false;
                }
            }
        }
        // Until the next time, as much may go at once.
        self.finished = 0;
        !self.acknowledging.is_empty()
    }

    /// Whether any consumer of an account has acknowledged messages that are still to go.
    pub(crate) fn is_acknowledging(&self, account: AccountId) -> bool {
        let mut keys = self.acknowledging.keys();
        keys.any(|key| self.state.stream(key.stream).account == account)
    }

    /// Replies when all that a consumer has acknowledged has gone. Gives the reply back if it has.
    pub(crate) fn confirm_later<'a>(
        &mut self,
        key: ConsumerKey,
        owed: Owed<'a>,
    ) -> Option<Owed<'a>> {
        match self.acknowledging.get_mut(&key) {
            Some(waiting) => waiting.push(OwnedOwed::new(owed)),
            None => return Some(owed),
        }
        None
    }

    /// The consumer whose turn it is: the one behind the last one that had it.
    fn next_acknowledging(&mut self) -> Option<ConsumerKey> {
        let behind = (Bound::Excluded(self.finished_for), Bound::Unbounded);
        let next = self.acknowledging.range(behind).next();
        let (key, _) = next.or_else(|| self.acknowledging.first_key_value())?;
        self.finished_for = *key;
        Some(*key)
    }

    fn finish_some(&mut self, net: &mut impl Network, key: ConsumerKey) -> Slice {
        let slice = self.state.stream(key.stream).slice().min(FINISHED_PER_RECORD);
        let limit = slice.min(FINISHED_PER_TURN.saturating_sub(self.finished));
        let Some(dispatcher) = self.live.dispatcher(key) else { return Slice::Last };
        if limit == 0 {
            return Slice::More;
        }
        let is_full = dispatcher.unsaved_finished() >= FINISHED_PER_RECORD;
        if is_full && self.save_events(net, key, Owed::NOTHING) == Saved::Impossible {
            return Slice::NoRoom;
        }
        let Some(dispatcher) = self.live.dispatcher(key) else { return Slice::Last };
        let (count, sequence) = dispatcher.outstanding.remove_done(limit);
        let more = dispatcher.outstanding.first_done().is_some();
        self.finished += count;
        if count > 0 {
            dispatcher.remember_finished(count, Event::AckedAll { sequence });
            self.note_unsaved(net, key);
            // There is room for others.
            self.wake(key);
        }
        if more { Slice::More } else { Slice::Last }
    }

    /// All that a consumer has acknowledged has gone: who waits for that is told when it is durable.
    fn acknowledged(&mut self, net: &mut impl Network, key: ConsumerKey) {
        for owed in self.acknowledging.remove(&key).unwrap_or_default() {
            self.confirm(net, key, owed.borrow());
        }
        // Calls that came meanwhile are decided on what is true then.
        self.save_events(net, key, Owed::NOTHING);
        let account = self.state.stream(key.stream).account;
        self.calls.wait_for(account, self.rounds.last_open());
    }
}

/// What became of a slice.
enum Slice {
    /// It was the last one.
    Last,
    /// There are others.
    More,
    /// No record can take it now.
    NoRoom,
}
