//! What runs over the state: publishes on their way, deliveries, copies. All of it is made anew from
//! the state at a start.

pub(crate) mod admit;
pub(crate) mod admit_batch;
mod copier;
mod counters;
mod dispatcher;
mod intake;
mod outstanding;
mod pace;
mod pin;
mod waiting;

use std::collections::{BTreeMap, BTreeSet};

use watershed_base::{Now, Random, Tick};
use watershed_wire::jetstream::StreamConfig;
use watershed_wire::subject::transform::Transform;

pub(crate) use self::copier::Copier;
pub(crate) use self::counters::{Counters, Unknown};
pub(crate) use self::dispatcher::{Dispatcher, Pick, ack_wait, is_exhausted};
pub(crate) use self::intake::Intake;
pub(crate) use self::outstanding::Outstanding;
pub(crate) use self::pin::Pin;
pub(crate) use self::waiting::Request;
use crate::consumer_key::ConsumerKey;
use crate::state::{Stream, StreamKey};

/// A stream at work.
#[derive(Debug)]
pub(crate) struct Live {
    pub(crate) intake: Intake,
    /// Consumers at work, by their places in the stream.
    pub(crate) dispatchers: Vec<Option<Dispatcher>>,
    /// Consumers that have nothing to deliver until their group is fed, behind the group.
    awaiting: BTreeSet<(usize, usize)>,
    /// One for each origin, in the order of the configuration.
    pub(crate) copiers: Vec<Copier>,
    /// Values of its counters, if it has such.
    pub(crate) counters: Counters,
    /// What subjects become before a message is stored.
    transform: Option<Transform>,
    /// As what messages are published again.
    republish: Option<Transform>,
    /// Whether another configuration is on its way: what it copies from may be none of its origins then.
    pub(crate) updating: bool,
    /// Whether any consumer has events that no record has taken.
    pub(crate) unsaved: bool,
    /// Whether a record that does a part of its chores is on its way.
    pub(crate) sweeping: bool,
    /// Schedules whose time has come, with the sequence of what each makes; the highest while it is read.
    pub(crate) firing: BTreeMap<u64, u64>,
    /// Schedules whose message does not fit, and when they are looked at again.
    pub(crate) resting: BTreeMap<u64, Tick>,
    /// Whether a record that removes what is too old is on its way.
    pub(crate) expiring: bool,
    /// The last message that was acknowledged before it was durable.
    pub(crate) acknowledged: u64,
}

impl Live {
    /// A stream that goes on from where it is.
    pub(crate) fn new(stream: &Stream, now: Now) -> Self {
        let mut live = Self::at_rest(stream);
        for (index, consumer) in stream.consumers.iter() {
            live.put(index, Dispatcher::new(consumer, stream.log.last(), now));
        }
        live
    }

    /// The same for one that has failed. What the disk has refused concerns no consumer that is in memory.
    pub(crate) fn undone(old: &mut Self, stream: &Stream, now: Now) -> Self {
        let (mut live, last) = (Self::at_rest(stream), stream.log.last());
        for (index, consumer) in stream.consumers.iter() {
            let dispatcher = match old.dispatchers.get_mut(index).and_then(Option::take) {
                Some(mut old) if consumer.in_memory => {
                    old.awaits = None;
                    live.unsaved |= old.unsaved_len() > 0;
                    old
                }
                Some(mut old) => Dispatcher::undone(&mut old, consumer, last, now),
                None => Dispatcher::new(consumer, last, now),
            };
            live.put(index, dispatcher);
        }
        live
    }

    /// A stream of which no consumer is at work yet.
    fn at_rest(stream: &Stream) -> Self {
        Self {
            intake: Intake::new(stream.log.last()),
            dispatchers: Vec::new(),
            awaiting: BTreeSet::new(),
            copiers: Copier::for_each(&stream.origins, Vec::new()),
            counters: Counters::new(),
            transform: transform(&stream.config),
            republish: republish(&stream.config),
            updating: false,
            unsaved: false,
            sweeping: false,
            expiring: false,
            firing: BTreeMap::new(),
            resting: BTreeMap::new(),
            acknowledged: 0,
        }
    }

    /// The stream has another configuration.
    pub(crate) fn configure(&mut self, stream: &Stream) {
        let before = std::mem::take(&mut self.copiers);
        self.copiers = Copier::for_each(&stream.origins, before);
        self.transform = transform(&stream.config);
        self.republish = republish(&stream.config);
        self.updating = false;
    }

    /// What the subject of a message becomes, if it changes.
    pub(crate) fn transformed(&self, subject: &[u8], random: &mut Random) -> Option<Vec<u8>> {
        apply(self.transform.as_ref()?, subject, random)
    }

    /// As what a message is published again, if it is.
    pub(crate) fn republished(&self, subject: &[u8], random: &mut Random) -> Option<Vec<u8>> {
        apply(self.republish.as_ref()?, subject, random)
    }

    /// A consumer begins to work.
    pub(crate) fn put(&mut self, index: usize, dispatcher: Dispatcher) {
        if self.dispatchers.len() <= index {
            self.dispatchers.resize_with(index + 1, || None);
        }
        self.dispatchers[index] = Some(dispatcher);
    }

    /// A consumer has nothing to deliver until its group is fed.
    pub(crate) fn await_food(&mut self, index: usize, group: usize) {
        let Some(dispatcher) = self.dispatcher(index) else { return };
        let before = dispatcher.awaits.replace(group);
        if let Some(before) = before.filter(|before| *before != group) {
            self.awaiting.remove(&(before, index));
        }
        if before != Some(group) {
            self.awaiting.insert((group, index));
        }
    }

    /// A group is fed. Calls `wake` for those of its consumers that wait for it.
    pub(crate) fn fed(&mut self, group: usize, mut wake: impl FnMut(usize)) {
        while let Some((found, index)) = self.awaiting.range((group, 0)..).next().copied()
            && found == group
        {
            self.awaiting.remove(&(group, index));
            if let Some(dispatcher) = self.dispatcher(index) {
                dispatcher.awaits = None;
            }
            wake(index);
        }
    }

    /// A consumer works no more. Gives what it waited to hear of.
    pub(crate) fn end(&mut self, index: usize) -> Outstanding {
        let dispatcher = self.dispatchers.get_mut(index).and_then(Option::take);
        let Some(dispatcher) = dispatcher else { return Outstanding::default() };
        if let Some(group) = dispatcher.awaits {
            self.awaiting.remove(&(group, index));
        }
        dispatcher.outstanding
    }

    /// A consumer at work.
    pub(crate) fn dispatcher(&mut self, index: usize) -> Option<&mut Dispatcher> {
        self.dispatchers.get_mut(index)?.as_mut()
    }
}

/// As what messages of a stream are published again, by its configuration.
fn republish(config: &StreamConfig) -> Option<Transform> {
    let own = config.republish.as_ref().filter(|own| !own.dest.is_empty())?;
    Transform::new(&own.src, &own.dest).ok()
}

fn apply(transform: &Transform, subject: &[u8], random: &mut Random) -> Option<Vec<u8>> {
    transform.apply(subject, if transform.is_random() { random.next() } else { 0 })
}

/// What subjects of a stream become, by its configuration.
fn transform(config: &StreamConfig) -> Option<Transform> {
    let own = config.subject_transform.as_ref().filter(|own| !own.dest.is_empty())?;
    Transform::new(&own.src, &own.dest).ok()
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

    pub(crate) fn remove(&mut self, key: StreamKey) -> Option<Live> {
        self.0.get_mut(key.index())?.take()
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
