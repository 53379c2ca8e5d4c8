//! The consumers of a stream: found by name, and by what concerns them.
//!
//! What a message concerns is found by an index over filters, and how much each consumer has before
//! it is not counted at each: those with the same filters share a count. Both are made anew at a start.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Index;

use slab::Slab;
use watershed_store::Log;
use watershed_store::log::{KeyId, KeyState};
use watershed_wire::jetstream::{ConsumerConfig, level};
use watershed_wire::time::UnixNanos;

use super::consumer::{Consumer, Finished, Tally};
use super::groups::Groups;
use crate::garbage::Garbage;
use crate::record::Event;

/// The consumers of a stream.
#[derive(Debug, Default)]
pub(crate) struct Consumers {
    all: Slab<Consumer>,
    names: BTreeMap<String, usize>,
    groups: Groups,
    /// Those that begin behind the last message, by where.
    early: BTreeSet<(u64, usize)>,
    /// Those whose backlog is being counted.
    counting: BTreeSet<usize>,
    /// Those that may hold messages which their filters, changed since, do not take.
    strays: BTreeSet<usize>,
    /// Where those that a message concerns are gathered.
    concerned: Vec<usize>,
}

impl Index<usize> for Consumers {
    type Output = Consumer;

    fn index(&self, index: usize) -> &Consumer {
        &self.all[index]
    }
}

impl Consumers {
    pub(crate) fn len(&self) -> usize {
        self.all.len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    pub(crate) fn get(&self, index: usize) -> Option<&Consumer> {
        self.all.get(index)
    }

    /// The consumer with this name, and its place.
    pub(crate) fn find(&self, name: &str) -> Option<(usize, &Consumer)> {
        let index = *self.names.get(name)?;
        Some((index, &self.all[index]))
    }

    /// All of them, by their places.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (usize, &Consumer)> {
        self.all.iter()
    }

    /// Those that a checkpoint has, by their names.
    pub(super) fn kept(&self) -> impl Iterator<Item = usize> {
        self.names.values().copied().filter(|index| !self.all[*index].in_memory)
    }

    /// Lets those go that no journal has. Says which they were, and where.
    pub(super) fn remove_in_memory(&mut self, garbage: &mut Vec<Garbage>) -> Vec<(usize, String)> {
        let all = self.all.iter().filter(|(_, own)| own.in_memory);
        let gone: Vec<_> = all.map(|(index, own)| (index, own.config.name.clone())).collect();
        for (_, name) in &gone {
            self.remove(name, garbage);
        }
        gone
    }

    /// All of them, by their names.
    pub(crate) fn by_name(&self) -> impl ExactSizeIterator<Item = (&str, usize)> {
        self.names.iter().map(|(name, index)| (name.as_str(), *index))
    }

    /// Messages that match a consumer's filters and were never delivered.
    pub(crate) fn backlog(&self, index: usize) -> u64 {
        let consumer = &self.all[index];
        consumer.backlog(self.groups.group(consumer.group).taken)
    }

    /// Takes in a consumer, unless there is one of this name. Says where.
    pub(super) fn insert(&mut self, consumer: Consumer, log: &Log) -> Option<usize> {
        let name = consumer.config.name.clone();
        if self.names.contains_key(&name) {
            return None;
        }
        // It was restored, if it has delivered anything.
        let has_stray = consumer.has_stray(log);
        let index = self.all.insert(consumer);
        if has_stray {
            self.strays.insert(index);
        }
        self.names.insert(name, index);
        self.join(index, log);
        Some(index)
    }

    /// Lets a consumer go. Says where it was.
    pub(super) fn remove(&mut self, name: &str, garbage: &mut Vec<Garbage>) -> Option<usize> {
        let index = self.names.remove(name)?;
        self.leave(index);
        let consumer = self.all.remove(index);
        garbage.push(Garbage::Unacked(consumer.unacked));
        Some(index)
    }

    /// Gives a consumer another configuration. What its filters newly take is delivered from `cursor`
    /// on.
    pub(super) fn configure(
        &mut self,
        index: usize,
        config: ConsumerConfig,
        cursor: Option<u64>,
        log: &Log,
    ) {
        if self.all[index].config.filters() == config.filters() {
            self.all[index].config = config;
            return;
        }
        self.leave(index);
        let consumer = &mut self.all[index];
        consumer.configure(config, cursor);
        // Whether its filters take each of a million is not looked at.
        if consumer.unacked.len() > 0 {
            self.strays.insert(index);
        }
        self.join(index, log);
    }

    /// Lets a consumer deliver nothing before a time. Says where it is.
    pub(super) fn pause(
        &mut self,
        name: &str,
        until: Option<UnixNanos>,
        level: u32,
    ) -> Option<usize> {
        let index = *self.names.get(name)?;
        let config = &mut self.all[index].config;
        config.pause_until = until;
        level::keep(&mut config.metadata, level);
        Some(index)
    }

    /// Lets a consumer go on from a sequence. Says where it is.
    pub(super) fn reset(
        &mut self,
        name: &str,
        sequence: u64,
        log: &Log,
        garbage: &mut Vec<Garbage>,
    ) -> Option<usize> {
        let index = *self.names.get(name)?;
        self.leave(index);
        garbage.push(Garbage::Unacked(self.all[index].reset(sequence)));
        self.join(index, log);
        Some(index)
    }

    fn leave(&mut self, index: usize) {
        let consumer = &self.all[index];
        self.groups.leave(consumer.config.filters(), index);
        self.early.remove(&(consumer.cursor, index));
        self.counting.remove(&index);
        self.strays.remove(&index);
    }

    fn join(&mut self, index: usize, log: &Log) {
        let consumer = &mut self.all[index];
        consumer.group = self.groups.join(consumer.config.filters(), index);
        if consumer.cursor > log.last() + 1 {
            consumer.tally = Tally::Early;
            self.early.insert((consumer.cursor, index));
        } else if consumer.count_at_once(log) {
            consumer.tally = Tally::Since(self.groups.group(consumer.group).taken);
        } else {
            consumer.tally = Tally::Counting(KeyId::FIRST);
            self.counting.insert(index);
        }
    }

    /// Goes on with the counting of a consumer's backlog, looking at `budget` keys. Tells `last` of
    /// messages that are to be delivered because they were the last of their subjects. Says whether
    /// all is counted.
    pub(crate) fn count(
        &mut self,
        index: usize,
        log: &Log,
        budget: usize,
        last: impl FnMut(u64),
    ) -> bool {
        let Some(consumer) = self.all.get_mut(index) else { return true };
        if !consumer.is_counting() {
            return true;
        }
        if !consumer.count(log, budget, last) {
            return false;
        }
        consumer.tally = Tally::Since(self.groups.group(consumer.group).taken);
        self.counting.remove(&index);
        true
    }

    /// Counts a consumer's backlog once more, so that [`Consumers::count`] tells everything again.
    pub(crate) fn recount(&mut self, index: usize) {
        if let Some(consumer) = self.all.get_mut(index) {
            consumer.recount();
            self.counting.insert(index);
        }
    }

    /// A message was stored behind all others. Appends to `fed` the groups that take it.
    pub(super) fn stored(
        &mut self,
        sequence: u64,
        log: &Log,
        subject: &[u8],
        fed: &mut Vec<usize>,
    ) {
        while let Some((cursor, index)) = self.early.first().copied()
            && cursor <= sequence
        {
            self.early.pop_first();
            if let Some(consumer) = self.all.get_mut(index)
                && matches!(consumer.tally, Tally::Early)
            {
                consumer.tally = Tally::Since(self.groups.group(consumer.group).taken);
            }
        }
        self.groups.stored(subject, fed);
        if !self.counting.is_empty()
            && let Some(key) = log.key_id_of(sequence)
        {
            for index in &self.counting {
                self.all[*index].stored(key, subject);
            }
        }
    }

    /// A message is about to be removed, and with it all before the sequence `until`. Appends to
    /// `lost` the consumers that would have delivered it, now or again.
    pub(super) fn removed(
        &mut self,
        sequence: u64,
        (id, key): (KeyId, &KeyState),
        until: u64,
        lost: &mut Vec<(usize, u64)>,
    ) {
        if self.all.is_empty() {
            return;
        }
        self.concerned.clear();
        self.concerned.extend(&self.strays);
        let (groups, strays, concerned) = (&self.groups, &self.strays, &mut self.concerned);
        groups.visit(key.name(), |group| {
            let members = groups.group(group).members.iter();
            concerned.extend(members.filter(|index| !strays.contains(index)));
        });
        for index in &self.concerned {
            let consumer = &mut self.all[*index];
            consumer.catch_up(self.groups.group(consumer.group).taken);
            if consumer.removed(sequence, id, key, until) {
                lost.push((*index, sequence));
            }
        }
    }

    /// All messages have gone.
    pub(super) fn emptied(&mut self, garbage: &mut Vec<Garbage>) {
        for (_, consumer) in &mut self.all {
            consumer.catch_up(self.groups.group(consumer.group).taken);
            garbage.push(Garbage::Unacked(consumer.emptied()));
        }
    }

    /// The stream has gone: what was not acknowledged is to be freed. The rest stays, for those who wait there.
    pub(super) fn discard(&mut self, garbage: &mut Vec<Garbage>) {
        let all = self.all.iter_mut().map(|(_, consumer)| std::mem::take(&mut consumer.unacked));
        garbage.extend(all.map(Garbage::Unacked));
    }

    /// Whether the filters of any consumer take `subject`.
    pub(crate) fn take(&self, subject: &[u8]) -> bool {
        let mut taken = false;
        self.groups.visit(subject, |_| taken = true);
        taken
    }

    /// Whether interest retention must keep a message for any consumer.
    pub(super) fn need(&self, sequence: u64, key: &KeyState) -> bool {
        let needs = |index: &usize| self.all[*index].needs(sequence, key);
        let mut needed = self.strays.iter().any(needs);
        self.groups.visit(key.name(), |group| {
            needed = needed || self.groups.group(group).members.iter().any(needs);
        });
        needed
    }

    /// Changes a consumer's position. `key` is that of a message that was delivered, if the stream
    /// still has it. It was delivered under the filters of that time.
    pub(super) fn apply(
        &mut self,
        index: usize,
        time: UnixNanos,
        event: Event,
        key: Option<KeyId>,
        log: &Log,
    ) -> Finished {
        let consumer = &mut self.all[index];
        consumer.catch_up(self.groups.group(consumer.group).taken);
        let finished = consumer.apply(time, event, key);
        if key.is_some_and(|key| !consumer.wants(log.key_name(key))) {
            self.strays.insert(index);
        }
        finished
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use watershed_store::LogId;
    use watershed_wire::jetstream::consumer::{AckPolicy, DeliverPolicy};

    use super::*;

    const KEYS: [&str; 5] = ["a.x", "a.y", "b.x", "b.y", "c"];
    const FILTERS: [&[&str]; 6] =
        [&[], &["a.*"], &["b.x", "c"], &["*.x", "c"], &[">"], &["nobody.publishes.this"]];

    #[derive(Debug, Clone, Copy)]
    enum Step {
        Store(usize),
        Remove(u64),
        RemoveBefore(u64),
        Clear,
        Put(usize, usize, DeliverPolicy, u64),
        Configure(usize, usize),
        Count(usize, usize),
        Deliver(usize),
        Delete(usize),
    }

    fn step() -> impl Strategy<Value = Step> {
        let policy = prop_oneof![
            Just(DeliverPolicy::All),
            Just(DeliverPolicy::New),
            Just(DeliverPolicy::ByStartSequence),
            Just(DeliverPolicy::LastPerSubject),
        ];
        prop_oneof![
            12 => (0..KEYS.len()).prop_map(Step::Store),
            4 => (1..40_u64).prop_map(Step::Remove),
            1 => (1..40_u64).prop_map(Step::RemoveBefore),
            1 => Just(Step::Clear),
            4 => (0..4_usize, 0..FILTERS.len(), policy, 1..40_u64)
                .prop_map(|(name, filters, policy, start)| Step::Put(name, filters, policy, start)),
            1 => (0..4_usize, 0..FILTERS.len()).prop_map(|(name, own)| Step::Configure(name, own)),
            6 => (0..4_usize, 1..3_usize).prop_map(|(name, budget)| Step::Count(name, budget)),
            8 => (0..4_usize).prop_map(Step::Deliver),
            1 => (0..4_usize).prop_map(Step::Delete),
        ]
    }

    /// What a consumer should have before it.
    #[derive(Debug, Default)]
    struct Expected {
        filters: usize,
        /// The last messages of all subjects when it was made, for those that deliver them.
        listed: BTreeSet<u64>,
        /// From here on everything is delivered.
        from: u64,
        is_listing: bool,
        /// What the consumer said it delivers because it was the last.
        told: BTreeSet<u64>,
        unacked: BTreeSet<u64>,
        deliveries: u64,
    }

    fn takes(filters: usize, key: &str) -> bool {
        let filters = FILTERS[filters];
        let matches = |own: &&str| watershed_wire::subject::matches(own.as_bytes(), key.as_bytes());
        filters.is_empty() || filters.iter().any(matches)
    }

    impl Expected {
        fn pending(&self, messages: &BTreeMap<u64, &str>) -> BTreeSet<u64> {
            let behind = messages.range(self.from..).map(|(sequence, _)| *sequence);
            let all = self.listed.iter().copied().chain(behind);
            let wanted =
                all.filter(|own| messages.get(own).is_some_and(|key| takes(self.filters, key)));
            wanted.collect()
        }
    }

    #[derive(Debug)]
    struct Both {
        log: Log,
        consumers: Consumers,
        messages: BTreeMap<u64, &'static str>,
        expected: BTreeMap<usize, Expected>,
    }

    fn config(name: usize, filters: usize, policy: DeliverPolicy, start: u64) -> ConsumerConfig {
        ConsumerConfig {
            name: format!("c{name}"),
            filter_subjects: FILTERS[filters].iter().map(|own| (*own).to_owned()).collect(),
            deliver_policy: policy,
            ack_policy: AckPolicy::Explicit,
            opt_start_seq: start,
            ..ConsumerConfig::default()
        }
    }

    impl Both {
        fn remove(&mut self, sequence: u64) {
            if let Some(key) = self.log.key_entry_of(sequence) {
                self.consumers.removed(sequence, key, 0, &mut Vec::new());
            }
            self.log.remove(sequence);
            self.messages.remove(&sequence);
        }

        fn remove_before(&mut self, end: u64) {
            let Self { log, consumers, .. } = self;
            let mut lost = Vec::new();
            log.remove_before_each(end, usize::MAX, |sequence, id, key| {
                consumers.removed(sequence, (id, key), end, &mut lost);
            });
            self.messages = self.messages.split_off(&end);
        }

        fn put(&mut self, name: usize, filters: usize, policy: DeliverPolicy, start: u64) {
            if self.expected.contains_key(&name) {
                return;
            }
            let consumer =
                Consumer::new(config(name, filters, policy, start), UnixNanos(0), None, &self.log);
            self.consumers.insert(consumer, &self.log).unwrap();
            let mut own = Expected { filters, from: self.log.last() + 1, ..Expected::default() };
            match policy {
                DeliverPolicy::All => own.from = 0,
                DeliverPolicy::ByStartSequence => own.from = start,
                DeliverPolicy::LastPerSubject => {
                    let last = |key: &&str| self.log.key(key.as_bytes()).map(KeyState::last);
                    own.listed = KEYS.iter().filter_map(last).collect();
                    own.is_listing = true;
                }
                _ => {}
            }
            self.expected.insert(name, own);
        }

        fn deliver(&mut self, name: usize) {
            let Some((index, own)) = self.consumers.find(&format!("c{name}")) else { return };
            if own.is_counting() {
                return;
            }
            let own = self.expected.get_mut(&name).unwrap();
            let Some(sequence) = own.pending(&self.messages).first().copied() else { return };
            own.deliveries += 1;
            own.from = own.from.max(sequence + 1);
            own.listed = own.listed.split_off(&(sequence + 1));
            own.unacked.insert(sequence);
            let event = Event::Delivered { sequence, consumer_seq: own.deliveries, deliveries: 1 };
            let key = self.log.key_id_of(sequence);
            self.consumers.apply(index, UnixNanos(0), event, key, &self.log);
        }

        fn count(&mut self, name: usize, budget: usize) {
            let Some((index, _)) = self.consumers.find(&format!("c{name}")) else { return };
            let told = &mut self.expected.get_mut(&name).unwrap().told;
            self.consumers.count(index, &self.log, budget, |sequence| {
                assert!(told.insert(sequence), "each is told once");
            });
        }

        fn configure(&mut self, name: usize, filters: usize) {
            let Some(own) = self.expected.get_mut(&name).filter(|own| !own.is_listing) else {
                return;
            };
            own.filters = filters;
            let (index, consumer) = self.consumers.find(&format!("c{name}")).unwrap();
            let mut config = consumer.config.clone();
            config.filter_subjects =
                self::config(name, filters, DeliverPolicy::All, 0).filter_subjects;
            self.consumers.configure(index, config, None, &self.log);
        }

        fn act(&mut self, step: Step) {
            match step {
                Step::Store(key) => {
                    let key = KEYS[key];
                    self.log.append(key.as_bytes(), 0, 100, 1);
                    let sequence = self.log.last();
                    self.messages.insert(sequence, key);
                    let mut fed = Vec::new();
                    self.consumers.stored(sequence, &self.log, key.as_bytes(), &mut fed);
                    for (name, own) in &self.expected {
                        let (_, consumer) = self.consumers.find(&format!("c{name}")).unwrap();
                        assert_eq!(fed.contains(&consumer.group), takes(own.filters, key));
                    }
                }
                Step::Remove(sequence) => self.remove(sequence),
                Step::RemoveBefore(end) => self.remove_before(end),
                Step::Clear => {
                    self.log.clear();
                    self.consumers.emptied(&mut Vec::new());
                    self.messages.clear();
                }
                Step::Put(name, filters, policy, start) => self.put(name, filters, policy, start),
                Step::Configure(name, filters) => self.configure(name, filters),
                Step::Count(name, budget) => self.count(name, budget),
                Step::Deliver(name) => self.deliver(name),
                Step::Delete(name) => {
                    self.consumers.remove(&format!("c{name}"), &mut Vec::new());
                    self.expected.remove(&name);
                }
            }
        }

        fn check(&self) {
            for (name, own) in &self.expected {
                let (index, consumer) = self.consumers.find(&format!("c{name}")).unwrap();
                let there = |found: &&u64| self.messages.contains_key(*found);
                let unacked: Vec<u64> = own.unacked.iter().filter(there).copied().collect();
                let found: Vec<u64> = consumer.unacked.iter().map(|(found, _)| found).collect();
                assert_eq!(found, unacked, "c{name}");
                if consumer.is_counting() {
                    continue;
                }
                let pending = own.pending(&self.messages);
                assert_eq!(self.consumers.backlog(index), pending.len() as u64, "c{name}");
                assert!(pending.intersection(&own.listed).all(|last| own.told.contains(last)));
            }
            for (sequence, key) in &self.messages {
                let needs = |own: &Expected| {
                    own.unacked.contains(sequence) || own.pending(&self.messages).contains(sequence)
                };
                let needed = self.expected.values().any(needs);
                let key = self.log.key(key.as_bytes()).unwrap();
                assert_eq!(self.consumers.need(*sequence, key), needed, "{sequence}");
            }
        }
    }

    proptest! {
        /// Whatever is stored and removed while consumers are being counted, they have before them
        /// what they are to deliver, and are concerned by what their filters take.
        #[test]
        fn consumers_have_before_them_what_they_are_to_deliver(
            steps in proptest::collection::vec(step(), 1..120)
        ) {
            let mut both = Both {
                log: Log::new(LogId(1), 1, 1000),
                consumers: Consumers::default(),
                messages: BTreeMap::new(),
                expected: BTreeMap::new(),
            };
            for step in steps {
                both.act(step);
                both.check();
            }
        }
    }
}
