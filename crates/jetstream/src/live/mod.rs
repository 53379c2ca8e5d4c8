//! What runs over the state: publishes on their way, deliveries, copies. All of it is made anew from
//! the state at a start.

pub(crate) mod admit;
mod copier;
mod dispatcher;
mod intake;
mod outstanding;
mod waiting;

use watershed_base::Now;

pub(crate) use self::copier::Copier;
pub(crate) use self::dispatcher::{Dispatcher, ack_wait, is_exhausted};
pub(crate) use self::intake::Intake;
pub(crate) use self::waiting::Request;
use crate::consumer_key::ConsumerKey;
use crate::state::{Stream, StreamKey};

/// A stream at work.
#[derive(Debug)]
pub(crate) struct Live {
    pub(crate) intake: Intake,
    /// Consumers at work, by their places in the stream.
    pub(crate) dispatchers: Vec<Option<Dispatcher>>,
    /// One for each origin, in the order of the configuration.
    pub(crate) copiers: Vec<Copier>,
    /// Whether any consumer has events that no record has taken.
    pub(crate) unsaved: bool,
    /// Whether a record that does a part of its chores is on its way.
    pub(crate) sweeping: bool,
    /// Whether a record that removes what is too old is on its way.
    pub(crate) expiring: bool,
}

impl Live {
    /// A stream that goes on from where it is.
    pub(crate) fn new(stream: &Stream, now: Now) -> Self {
        let mut live = Self {
            intake: Intake::new(stream.log.last()),
            dispatchers: Vec::new(),
            copiers: Copier::for_each(&stream.origins, Vec::new()),
            unsaved: false,
            sweeping: false,
            expiring: false,
        };
        for (index, consumer) in &stream.consumers {
            live.put(index, Dispatcher::new(consumer, now));
        }
        live
    }

    /// A consumer begins to work.
    pub(crate) fn put(&mut self, index: usize, dispatcher: Dispatcher) {
        if self.dispatchers.len() <= index {
            self.dispatchers.resize_with(index + 1, || None);
        }
        self.dispatchers[index] = Some(dispatcher);
    }

    /// A consumer at work.
    pub(crate) fn dispatcher(&mut self, index: usize) -> Option<&mut Dispatcher> {
        self.dispatchers.get_mut(index)?.as_mut()
    }
}

/// Streams at work, by their places.
#[derive(Debug, Default)]
pub(crate) struct LiveTable(Vec<Option<Live>>);

impl LiveTable {
    pub(crate) fn insert(&mut self, key: StreamKey, live: Live) {
        if self.0.len() <= key.index() {
            self.0.resize_with(key.index() + 1, || None);
        }
        self.0[key.index()] = Some(live);
    }

    pub(crate) fn remove(&mut self, key: StreamKey) {
        if let Some(place) = self.0.get_mut(key.index()) {
            *place = None;
        }
    }

    /// A stream that has begun to work.
    pub(crate) fn get(&self, key: StreamKey) -> Option<&Live> {
        self.0.get(key.index())?.as_ref()
    }

    /// A stream that has begun to work.
    pub(crate) fn get_mut(&mut self, key: StreamKey) -> Option<&mut Live> {
        self.0.get_mut(key.index())?.as_mut()
    }

    /// A consumer at work.
    pub(crate) fn dispatcher(&mut self, key: ConsumerKey) -> Option<&mut Dispatcher> {
        self.get_mut(key.stream)?.dispatcher(key.index())
    }
}
