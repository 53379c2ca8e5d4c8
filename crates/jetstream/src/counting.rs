//! What a consumer has before it is counted while others are served: a filter may take any of a
//! million subjects, so each is looked at. It delivers when all is counted; who asked for the
//! consumer hears of it then.

use std::collections::VecDeque;

use watershed_wire::jetstream::error::table;

use crate::consumer_key::ConsumerKey;
use crate::jetstream::{Counting, JetStream, OwnedOwed};
use crate::network::Network;
use crate::rounds::Owed;
use crate::state::Consumer;

/// Subjects that are looked at in one turn: less than half a millisecond's work.
const SUBJECTS_PER_TURN: usize = 4096;

impl JetStream {
    /// Sees to it that what a consumer has before it is counted, and replies when it is. Calls behind
    /// the one that made it have their turn meanwhile.
    pub(crate) fn count_later(&mut self, key: ConsumerKey, owed: Owed<'_>) {
        let owed = OwnedOwed::new(self.let_others_go(owed));
        self.counting.push_back(Counting { key, owed });
    }

    /// Goes on counting. Says whether there is more to do.
    pub(crate) fn count_backlogs(&mut self, net: &mut impl Network) -> bool {
        if let Some(Counting { key, .. }) = self.counting.front()
            && self.count(*key, SUBJECTS_PER_TURN)
            && let Some(Counting { key, owed }) = self.counting.pop_front()
        {
            self.wake(key);
            self.tell_of_consumer(net, key, owed.borrow());
        }
        !self.counting.is_empty()
    }

    /// Counts what a consumer has before it, looking at `budget` subjects at most. Says whether it is done.
    pub(crate) fn count(&mut self, key: ConsumerKey, budget: usize) -> bool {
        let Self { state, live, .. } = self;
        let Some(stream) = state.streams.get_mut(key.stream.index()) else { return true };
        let Some(dispatcher) = live.dispatcher(key) else { return true };
        if stream.consumers.get(key.index()).is_some_and(Consumer::begins_to_count) {
            dispatcher.forget_lasts();
        }
        let log = &stream.log;
        stream.consumers.count(key.index(), log, budget, |sequence| dispatcher.add_last(sequence))
    }

    /// A consumer begins to work anew: it is to hear again what it delivers because it was the last of
    /// its subject.
    pub(crate) fn tell_lasts_again(&mut self, key: ConsumerKey) {
        let consumers = &mut self.state.streams[key.stream.index()].consumers;
        if !consumers[key.index()].delivers_lasts() {
            return;
        }
        consumers.recount(key.index());
        if !self.counting.iter().any(|own| own.key == key) {
            self.count_later(key, Owed::NOTHING);
        }
    }

    /// A consumer is gone: who waits for it to be counted is told so.
    pub(crate) fn forget_counting(&mut self, net: &mut impl Network, key: ConsumerKey) {
        if !self.counting.iter().any(|own| own.key == key) {
            return;
        }
        let all = std::mem::take(&mut self.counting).into_iter();
        let (gone, left): (VecDeque<_>, VecDeque<_>) = all.partition(|own| own.key == key);
        self.counting = left;
        for Counting { owed, .. } in gone {
            self.refuse(net, owed.borrow(), table::CONSUMER_NOT_FOUND.into());
        }
    }
}
