//! Events of consumers become records, at the place where they were decided: before whatever comes
//! after them in the same stream.

use std::time::Duration;

use crate::consumer_key::ConsumerKey;
use crate::jetstream::{JetStream, TimerKey};
use crate::limits::{EVENT_BYTES_PER_RECORD, FINISHED_PER_RECORD};
use crate::network::Network;
use crate::record::events_record;
use crate::rounds::Owed;
use crate::state::StreamKey;

/// Longest time that events wait for a round.
const EVENTS_WAIT_MAX: Duration = Duration::from_millis(20);

/// What became of a consumer's events.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Saved {
    /// They are a record.
    Record,
    /// There were none.
    Nothing,
    /// There is no room, or no disk: they wait, and nobody may be told of them.
    Impossible,
}

impl JetStream {
    /// A consumer has events to keep: they become a record before anything else of its stream does,
    /// or after a moment at the latest.
    pub(crate) fn note_unsaved(&mut self, net: &mut impl Network, key: ConsumerKey) {
        let live = self.live(key.stream);
        live.unsaved = true;
        if live.dispatcher(key.index()).is_some_and(|own| {
            own.unsaved_len() > EVENT_BYTES_PER_RECORD
                || own.unsaved_finished() >= FINISHED_PER_RECORD
        }) {
            self.save_events(net, key, Owed::NOTHING);
        }
        self.unsaved.insert(key.stream);
        if self.timers.get(TimerKey::Events).is_none() {
            self.timers.set(TimerKey::Events, self.now.tick.after(EVENTS_WAIT_MAX));
        }
    }

    /// Makes a consumer's events a record, with the reply that is owed when it is applied.
    pub(crate) fn save_events(
        &mut self,
        net: &mut impl Network,
        key: ConsumerKey,
        owed: Owed<'_>,
    ) -> Saved {
        let stream = &self.state.streams[key.stream.index()];
        let Some(live) = self.live.get_mut(key.stream) else { return Saved::Nothing };
        let (Some(dispatcher), Some(consumer)) =
            (live.dispatcher(key.index()), stream.consumers.get(key.index()))
        else {
            return Saved::Nothing;
        };
        let length = dispatcher.unsaved_len();
        if length == 0 {
            return Saved::Nothing;
        }
        let name = consumer.config.name.clone();
        let memory = stream.has_in_memory(key.index());
        if !memory && (!self.disk.takes_records() || !self.rounds.has_room(name.len() + length)) {
            return Saved::Impossible;
        }
        let body = dispatcher.take_unsaved();
        let record = events_record(stream.log.id(), self.now.wall, &name, &body);
        if memory {
            self.apply_local(net, &record, owed);
        } else {
            self.rounds.push(&record, owed);
            dispatcher.saving(body);
        }
        Saved::Record
    }

    /// Makes records of the events of all consumers of a stream.
    pub(crate) fn save_events_of(&mut self, net: &mut impl Network, key: StreamKey) {
        let count = self.live(key).dispatchers.len();
        let mut all = true;
        for index in 0..count {
            let saved = self.save_events(net, ConsumerKey::new(key, index), Owed::NOTHING);
            all &= saved != Saved::Impossible;
        }
        if all {
            self.live(key).unsaved = false;
            self.unsaved.remove(&key);
        }
    }

    /// Makes records of all events that wait for one.
    pub(crate) fn save_all_events(&mut self, net: &mut impl Network) {
        self.timers.cancel(TimerKey::Events);
        for key in self.unsaved.clone() {
            self.save_events_of(net, key);
        }
        if !self.unsaved.is_empty() {
            self.timers.set(TimerKey::Events, self.now.tick.after(EVENTS_WAIT_MAX));
        }
    }
}
