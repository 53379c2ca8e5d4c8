//! A round that could not be written: nothing that is not durable has happened, and everybody who waits is told so.

use watershed_wire::jetstream::error::{Coded, table};

use crate::consumer_key::ConsumerKey;
use crate::jetstream::{JetStream, OwnedOwed};
use crate::live::Live;
use crate::network::Network;
use crate::state::StreamKey;

/// Publishers that are told in one turn.
const TOLD_PER_TURN: usize = 512;

impl JetStream {
    /// A round could not be written. Those before it are durable, and applied first.
    pub(crate) fn disk_refused(&mut self, full: bool) {
        self.disk.refused(full);
        self.ahead.refused();
        self.refused.round = true;
    }

    /// Does what follows from a refused round: at once when all before it is applied, but publishers are told a slice
    /// at a time. Says whether there is more.
    pub(crate) fn refuse_some(&mut self, net: &mut impl Network) -> bool {
        if self.refused.round && !self.rounds.has_durable() && self.writing.is_none() {
            self.refused.round = false;
            self.forget_round(net);
        }
        let mut budget = TOLD_PER_TURN;
        while budget > 0
            && let Some((batch, next)) = self.refused.publishes.front_mut()
        {
            let Some((_, owed)) = batch.record(*next) else {
                self.refused.publishes.pop_front();
                continue;
            };
            *next += 1;
            budget -= 1;
            if owed.asked.is_publish() {
                Self::refuse_publish(net, owed, table::INSUFFICIENT_RESOURCES.into());
            }
        }
        self.refused.round || !self.refused.publishes.is_empty()
    }

    /// What ran over the state, and was not durable, is forgotten.
    fn forget_round(&mut self, net: &mut impl Network) {
        self.forget_acknowledged();
        let error: Coded = if self.disk.is_full() {
            table::INSUFFICIENT_RESOURCES
        } else {
            table::CLUSTER_NOT_AVAIL
        };
        for mut batch in self.rounds.fail() {
            for owed in batch.calls() {
                self.refuse(net, owed, error.into());
            }
            for held in batch.take_held() {
                let owed = OwnedOwed {
                    account: held.account,
                    subject: held.subject.into(),
                    asked: held.asked,
                };
                let error =
                    if held.asked.is_publish() { table::INSUFFICIENT_RESOURCES } else { error };
                self.refuse(net, owed.borrow(), error.into());
            }
            self.refused.publishes.push_back((batch, 0));
        }
        self.calls.nothing_comes();
        self.restores_failed(net);
        self.begin_anew();
        self.answer_calls(net);
        self.checkpoint_if_due();
    }

    /// The disk may take again what it refused.
    pub(crate) fn go_on_storing(&mut self) {
        self.wake_waiting_followers();
        for (key, stream) in &self.state.streams {
            let places = stream.consumers.iter().map(|(index, _)| index);
            self.ready.extend(places.map(|index| ConsumerKey::new(StreamKey::at(key), index)));
        }
    }

    /// Lets what runs over the state begin anew from it. Requests that wait go on waiting, and deliveries that the state
    /// knows of keep their deadlines.
    fn begin_anew(&mut self) {
        let Self { state, acknowledging, .. } = self;
        acknowledging.retain(|key, _| state.stream(key.stream).has_in_memory(key.index()));
        self.work.nothing_comes();
        let keys: Vec<StreamKey> = self.state.keys().collect();
        for key in keys {
            let stream = self.state.stream(key);
            self.following.insert(key);
            if stream.is_memory() {
                self.live(key).updating = false;
                continue;
            }
            let fresh = match self.live.get_mut(key) {
                Some(old) => Live::undone(old, stream, self.now),
                None => Live::new(stream, self.now),
            };
            let unsaved = fresh.unsaved;
            self.live.insert(key, fresh);
            // What was accepted of them is gone.
            self.end_fast_of(key);
            self.keep_later(key);
            if !unsaved {
                self.unsaved.remove(&key);
            }
            let keys = self.consumers_of(key);
            for place in &keys {
                if !self.state.stream(key).has_in_memory(place.index()) {
                    self.tell_lasts_again(*place);
                }
            }
            self.ready.extend(keys);
        }
    }
}
