//! A stream as its documentation describes it: messages in a map, every question answered by looking
//! at all of them. No index, no slices, no disk. What is right here is what a client sees.

use std::collections::{BTreeMap, BTreeSet};

use super::consumer::{Consumer, ConsumerRules, Delivery, Said};

/// When messages go because of consumers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Retention {
    Limits,
    Interest,
    WorkQueue,
}

impl Retention {
    pub(crate) const EVERY: [Self; 3] = [Self::Limits, Self::Interest, Self::WorkQueue];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Limits => "limits",
            Self::Interest => "interest",
            Self::WorkQueue => "workqueue",
        }
    }
}

/// A stream's configuration. A limit of 0 is none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Rules {
    pub(crate) retention: Retention,
    pub(crate) max_msgs: u64,
    pub(crate) max_bytes: u64,
    pub(crate) max_age: i64,
    pub(crate) max_per_subject: u64,
    /// Whether a full stream refuses what is new.
    pub(crate) discard_new: bool,
    pub(crate) window: i64,
    /// Whether one subject becomes another one, see [`RENAMED`].
    pub(crate) renames: bool,
    /// Whether messages are acknowledged before they are durable.
    pub(crate) is_async: bool,
    /// Whether messages count.
    pub(crate) counts: bool,
}

/// Last tokens of a subject that may be stored as another one, and of that one.
pub(crate) const RENAMED: [&str; 2] = ["3", "1"];

impl Rules {
    /// Whether a server takes them together.
    pub(crate) fn are_valid(&self) -> bool {
        !self.counts || (self.retention == Retention::Limits && !self.discard_new)
    }

    /// The subject under which a message is stored.
    fn stored_as(&self, subject: &str) -> String {
        let [from, to] = RENAMED;
        match subject.rsplit_once('.') {
            Some((stream, last)) if self.renames && last == from && !stream.contains('.') => {
                format!("{stream}.{to}")
            }
            _ => subject.to_owned(),
        }
    }
}

/// TTL and deadline of a message that never expires.
pub(crate) const NEVER: i64 = i64::MAX;

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Message {
    pub(crate) subject: String,
    pub(crate) header: String,
    pub(crate) payload: String,
    pub(crate) time: i64,
    /// When its own time to live is over, or [`NEVER`].
    deadline: Option<i64>,
    /// Whether it may have gone: one consumer has finished with it, another one has given it up, and
    /// only the server knows in which order these are recorded.
    pub(crate) open: bool,
}

impl Message {
    /// What it counts for against `max_bytes`.
    fn weight(&self) -> u64 {
        let content = self.subject.len() + self.header.len() + self.payload.len();
        content as u64 + if self.header.is_empty() { 30 } else { 34 }
    }
}

/// A message that a client sends, and what it asks for.
#[derive(Debug, Clone, Default)]
pub(crate) struct Publish {
    pub(crate) subject: String,
    pub(crate) payload: String,
    pub(crate) id: Option<String>,
    /// Nanoseconds; [`NEVER`].
    pub(crate) ttl: Option<i64>,
    pub(crate) rollup: Option<&'static str>,
    pub(crate) expected_last: Option<u64>,
    pub(crate) expected_last_of_subject: Option<u64>,
    pub(crate) expected_last_id: Option<String>,
    /// What it adds to a counter.
    pub(crate) increment: Option<i128>,
    /// Whether it is a fast batch of its own.
    pub(crate) fast: bool,
}

impl Publish {
    /// Where it wants its answer, as a message that others answer to `reply`.
    pub(crate) fn answered_to(&self, reply: &str) -> String {
        reply.to_owned() + if self.fast { ".1.fail.1.2.$FI" } else { "" }
    }

    /// Its header block.
    pub(crate) fn header(&self) -> String {
        let mut fields = Vec::new();
        let mut field = |name: &str, value: Option<String>| {
            fields.extend(value.map(|value| format!("{name}: {value}\r\n")));
        };
        field("Nats-Msg-Id", self.id.clone());
        let ttl = |nanos| match nanos {
            NEVER => "never".to_owned(),
            nanos => format!("{}s", nanos / 1_000_000_000),
        };
        field("Nats-TTL", self.ttl.map(ttl));
        field("Nats-Rollup", self.rollup.map(str::to_owned));
        field("Nats-Expected-Last-Sequence", self.expected_last.map(|last| last.to_string()));
        let of_subject = self.expected_last_of_subject.map(|last| last.to_string());
        field("Nats-Expected-Last-Subject-Sequence", of_subject);
        field("Nats-Expected-Last-Msg-Id", self.expected_last_id.clone());
        field("Nats-Incr", self.increment.map(|own| own.to_string()));
        if fields.is_empty() {
            String::new()
        } else {
            format!("NATS/1.0\r\n{}\r\n", fields.concat())
        }
    }
}

/// The present, and the time before which all that consumers did is recorded. Nanoseconds.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Now {
    pub(crate) time: i64,
    pub(crate) recorded: i64,
}

/// What a publisher is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Told {
    Stored(u64),
    Duplicate(u64),
    /// An error code.
    Refused(u64),
}

const TTL_DISABLED: u64 = 10166;
const INCREMENT_DISABLED: u64 = 10168;
const INCREMENT_MISSING: u64 = 10169;
const INCREMENT_WITH_PAYLOAD: u64 = 10170;
const INCREMENT_INVALID: u64 = 10171;
const WRONG_LAST_SEQUENCE: u64 = 10071;
const WRONG_LAST_ID: u64 = 10070;
const STORE_FAILED: u64 = 10077;

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Stream {
    pub(crate) rules: Rules,
    pub(crate) messages: BTreeMap<u64, Message>,
    pub(crate) last: u64,
    pub(crate) consumers: BTreeMap<String, Consumer>,
    last_id: String,
    /// Ids with the sequence and the time that they were stored under.
    ids: Vec<(String, u64, i64)>,
    /// Gone since the client last knew everything: may have been delivered before.
    pub(crate) just_gone: BTreeMap<u64, Message>,
    /// What consumers have finished with, and what they have given up, and when, since then.
    finished: BTreeMap<(u64, String), i64>,
    given_up: BTreeMap<(u64, String), i64>,
}

impl Stream {
    pub(crate) fn new(rules: Rules) -> Self {
        Self {
            rules,
            messages: BTreeMap::new(),
            last: 0,
            consumers: BTreeMap::new(),
            last_id: String::new(),
            ids: Vec::new(),
            just_gone: BTreeMap::new(),
            finished: BTreeMap::new(),
            given_up: BTreeMap::new(),
        }
    }

    /// The first sequence that is there, or would be next.
    pub(crate) fn first(&self) -> u64 {
        self.messages.keys().next().copied().unwrap_or(self.last + 1)
    }

    pub(crate) fn bytes(&self) -> u64 {
        self.messages.values().map(Message::weight).sum()
    }

    pub(crate) fn subjects(&self) -> usize {
        self.messages.values().map(|message| &message.subject).collect::<BTreeSet<_>>().len()
    }

    pub(crate) fn of_subject<'a>(
        &'a self,
        subject: &'a str,
    ) -> impl DoubleEndedIterator<Item = u64> + 'a {
        let own = self.messages.iter().filter(move |(_, message)| message.subject == subject);
        own.map(|(sequence, _)| *sequence)
    }

    /// Why a message cannot be counted, or counts where none does.
    fn refuses_to_count(&self, publish: &Publish) -> Option<u64> {
        let counts = self.rules.counts;
        if publish.increment.is_some() {
            if !counts {
                return Some(INCREMENT_DISABLED);
            }
            if !publish.payload.is_empty() {
                return Some(INCREMENT_WITH_PAYLOAD);
            }
            if publish.expects() || publish.rollup.is_some() {
                return Some(INCREMENT_INVALID);
            }
        }
        (counts && publish.ttl.is_some()).then_some(TTL_DISABLED)
    }

    /// What a message of this subject holds.
    fn counted(&self, subject: &str, publish: &Publish) -> String {
        let Some(increment) = publish.increment else { return publish.payload.clone() };
        let last = self.of_subject(subject).next_back();
        let last = last.map_or("0", |sequence| {
            self.messages[&sequence].payload.split('"').nth(3).unwrap_or_default()
        });
        format!("{{\"val\":\"{}\"}}", last.parse::<i128>().unwrap_or_default() + increment)
    }

    pub(crate) fn publish(&mut self, now: i64, publish: &Publish) -> Told {
        if let Some(code) = self.refuses_to_count(publish) {
            return Told::Refused(code);
        }
        if let Some(id) = &publish.id
            && let Some((_, sequence, time)) = self.ids.iter().rev().find(|(own, ..)| own == id)
            && now - time < self.rules.window
        {
            return Told::Duplicate(*sequence);
        }
        let subject = self.rules.stored_as(&publish.subject);
        if publish.expected_last.is_some_and(|expected| expected != self.last) {
            return Told::Refused(WRONG_LAST_SEQUENCE);
        }
        if publish.expected_last_id.as_ref().is_some_and(|expected| *expected != self.last_id) {
            return Told::Refused(WRONG_LAST_ID);
        }
        if let Some(expected) = publish.expected_last_of_subject
            && self.of_subject(&subject).next_back().unwrap_or(0) != expected
        {
            return Told::Refused(WRONG_LAST_SEQUENCE);
        }
        if self.rules.counts && publish.increment.is_none() {
            return Told::Refused(INCREMENT_MISSING);
        }
        let message = Message {
            header: publish.header(),
            payload: self.counted(&subject, publish),
            subject,
            time: now,
            deadline: publish.ttl.map(|ttl| now.saturating_add(ttl)),
            open: false,
        };
        if self.is_full_for(&message) {
            return Told::Refused(STORE_FAILED);
        }
        self.store(now, publish, message);
        Told::Stored(self.last)
    }

    /// Whether there is no room for a message, in a stream that refuses what is new. One that
    /// replaces another of its subject needs the room of that one only.
    fn is_full_for(&self, message: &Message) -> bool {
        let rules = &self.rules;
        if !rules.discard_new || self.is_unwanted(&message.subject) {
            return false;
        }
        let own: Vec<u64> = self.of_subject(&message.subject).collect();
        let full = rules.max_per_subject > 0 && own.len() as u64 >= rules.max_per_subject;
        let replaced = own.first().filter(|_| full);
        let freed = replaced.map_or(0, |sequence| self.messages[sequence].weight());
        let count = self.messages.len() as u64;
        (rules.max_msgs > 0 && replaced.is_none() && count >= rules.max_msgs)
            || (rules.max_bytes > 0 && self.bytes() + message.weight() - freed > rules.max_bytes)
    }

    fn store(&mut self, now: i64, publish: &Publish, message: Message) {
        self.last += 1;
        let sequence = self.last;
        self.last_id = publish.id.clone().unwrap_or_default();
        if let Some(id) = &publish.id {
            let window = self.rules.window;
            self.ids.retain(|(_, _, time)| now - time < window);
            self.ids.push((id.clone(), sequence, now));
        }
        let subject = message.subject.clone();
        let wanted = !self.is_unwanted(&subject);
        self.messages.extend(wanted.then_some((sequence, message)));
        match publish.rollup {
            Some("all") => self.remove_where(|own, _| own < sequence),
            Some(_) => {
                self.remove_where(|own, message| own < sequence && message.subject == subject)
            }
            None => 0,
        };
        if wanted {
            self.enforce_per_subject();
            self.enforce_size();
        }
    }

    /// Whether a message that comes now is kept for nobody.
    fn is_unwanted(&self, subject: &str) -> bool {
        self.rules.retention == Retention::Interest
            && !self.consumers.values().any(|consumer| consumer.wants(subject))
    }

    fn enforce_per_subject(&mut self) {
        let max = self.rules.max_per_subject;
        let mut seen: BTreeMap<&str, u64> = BTreeMap::new();
        let mut over = BTreeSet::new();
        for (sequence, message) in self.messages.iter().rev() {
            let count = seen.entry(&message.subject).or_default();
            *count += 1;
            over.extend((max > 0 && *count > max).then_some(*sequence));
        }
        self.remove_where(|sequence, _| over.contains(&sequence));
    }

    fn enforce_size(&mut self) {
        let Rules { max_msgs, max_bytes, discard_new, .. } = self.rules;
        while !discard_new
            && !self.messages.is_empty()
            && ((max_msgs > 0 && self.messages.len() as u64 > max_msgs)
                || (max_bytes > 0 && self.bytes() > max_bytes))
        {
            let first = self.first();
            self.remove_where(|sequence, _| sequence == first);
        }
    }

    /// Whether a consumer has yet to take a message.
    fn is_needed(&self, sequence: u64) -> bool {
        let subject = &self.messages[&sequence].subject;
        self.consumers.values().any(|consumer| consumer.needs(sequence, subject))
    }

    /// Lets go what no consumer has yet to take.
    fn drop_unneeded(&mut self) {
        if self.rules.retention == Retention::Interest {
            let needed: BTreeSet<u64> =
                self.messages.keys().copied().filter(|own| self.is_needed(*own)).collect();
            self.remove_where(|sequence, _| !needed.contains(&sequence));
        }
    }

    /// Lets go what consumers have finished with. What none of them ever wanted stays.
    fn drop_finished(&mut self) {
        if self.rules.retention == Retention::Interest {
            let kept: BTreeSet<u64> = self
                .messages
                .iter()
                .filter(|(own, message)| {
                    self.is_needed(**own) || self.is_unwanted(&message.subject)
                })
                .map(|(own, _)| *own)
                .collect();
            self.remove_where(|sequence, _| !kept.contains(&sequence));
        }
    }

    /// Removes messages. Says how many.
    fn remove_where(&mut self, mut goes: impl FnMut(u64, &Message) -> bool) -> u64 {
        let going: Vec<u64> = self
            .messages
            .iter()
            .filter(|(sequence, message)| goes(**sequence, message))
            .map(|(sequence, _)| *sequence)
            .collect();
        for sequence in &going {
            if let Some(message) = self.messages.remove(sequence) {
                self.just_gone.insert(*sequence, message);
            }
            for consumer in self.consumers.values_mut() {
                consumer.outstanding.remove(sequence);
            }
        }
        going.len() as u64
    }

    pub(crate) fn configure(&mut self, now: i64, rules: Rules) {
        let old = std::mem::replace(&mut self.rules, rules);
        if self.rules.window > old.window {
            self.ids.retain(|(_, _, time)| now - time < old.window);
        }
        // In this order: what is too much for the stream goes before what is too much for a subject.
        self.enforce_size();
        self.enforce_per_subject();
        if old.retention != self.rules.retention {
            self.drop_finished();
        }
        self.pass(now);
    }

    /// What is too old goes.
    pub(crate) fn pass(&mut self, now: i64) {
        let age = self.rules.max_age;
        self.remove_where(|_, message| {
            let aged = age > 0 && message.time + age <= now;
            message.deadline.map_or(aged, |own| own != NEVER && (aged || own <= now))
        });
    }

    /// The messages that a purge removes.
    pub(crate) fn purged(&self, filter: Option<&str>, before: u64, keep: u64) -> Vec<u64> {
        let matching = self.messages.iter().filter(|(_, message)| {
            filter.is_none_or(|filter| super::matches(filter, &message.subject))
        });
        let matching: Vec<u64> = matching.map(|(sequence, _)| *sequence).collect();
        let count = matching.len().saturating_sub(usize::try_from(keep).unwrap_or(usize::MAX));
        let going = if keep > 0 { &matching[..count] } else { &matching[..] };
        going.iter().copied().filter(|own| before == 0 || *own < before).collect()
    }

    pub(crate) fn remove(&mut self, sequences: &[u64]) -> u64 {
        self.remove_where(|sequence, _| sequences.contains(&sequence))
    }

    /// Creates a consumer, or changes it. What filters newly take begins behind what the consumer has
    /// passed over, and how far that is only the server knows: every way is returned.
    pub(crate) fn put_consumer(&self, now: i64, name: &str, rules: &ConsumerRules) -> Vec<Self> {
        let Some(old) = self.consumers.get(name) else {
            let mut with = self.clone();
            with.consumers.insert(name.to_owned(), Consumer::new(rules.clone(), self));
            return vec![with];
        };
        if old.rules == *rules {
            return vec![self.clone()];
        }
        let refilters = old.rules.filters != rules.filters;
        let mut positions = old.positions(self);
        positions.truncate(if refilters { usize::MAX } else { 1 });
        let with = |(lasts, cursor)| {
            let mut with = self.clone();
            if let Some(consumer) = with.consumers.get_mut(name) {
                consumer.configure(now, rules.clone());
                (consumer.lasts, consumer.cursor) = (lasts, cursor);
            }
            if refilters {
                with.drop_unneeded();
            }
            with
        };
        positions.into_iter().map(with).collect()
    }

    pub(crate) fn delete_consumer(&mut self, name: &str) -> bool {
        let known = self.consumers.remove(name).is_some();
        self.drop_unneeded();
        known
    }

    pub(crate) fn reset_consumer(&mut self, name: &str, sequence: u64) -> bool {
        let Some(consumer) = self.consumers.get_mut(name) else { return false };
        consumer.reset(sequence);
        self.drop_unneeded();
        true
    }

    /// A client got a message. Says why it should not have.
    pub(crate) fn delivered(&mut self, now: Now, delivery: &Delivery) -> Result<(), String> {
        let sequence = delivery.sequence;
        let exists = self.messages.contains_key(&sequence);
        let message = self.messages.get(&sequence).or_else(|| self.just_gone.get(&sequence));
        let message = message.ok_or("a message that is gone")?;
        if message.subject != delivery.subject || message.payload != delivery.payload {
            return Err("another content".into());
        }
        let subject = message.subject.clone();
        let consumer = self.consumers.get(&delivery.consumer).ok_or("a consumer that is gone")?;
        let skipped = consumer.skipped(sequence, self);
        let consumer = self.consumers.get_mut(&delivery.consumer).ok_or("no consumer")?;
        if consumer.take(now.time, delivery, &subject, exists, skipped)? {
            self.finish(now, sequence, &delivery.consumer);
        }
        Ok(())
    }

    /// A consumer has finished with a message.
    fn finish(&mut self, now: Now, sequence: u64, name: &str) {
        self.finished.insert((sequence, name.to_owned()), now.time);
        let goes = match self.rules.retention {
            Retention::Limits => false,
            Retention::WorkQueue => true,
            Retention::Interest => {
                self.messages.contains_key(&sequence) && !self.is_needed(sequence)
            }
        };
        let interest = self.rules.retention == Retention::Interest;
        if goes && interest && lately_by_another(&self.given_up, now, sequence, name) {
            self.open(sequence);
        } else if goes {
            self.remove_where(|own, _| own == sequence);
        }
    }

    fn open(&mut self, sequence: u64) {
        if let Some(message) = self.messages.get_mut(&sequence) {
            message.open = true;
        }
    }

    /// What may have gone has, or has not.
    pub(crate) fn resolve(&mut self, is_there: impl Fn(u64) -> bool) {
        self.remove_where(|own, message| message.open && !is_there(own));
        self.messages.values_mut().for_each(|message| message.open = false);
    }

    /// A client says something to a delivery. Says whether anybody hears it.
    pub(crate) fn answered(&mut self, now: Now, name: &str, sequence: u64, said: Said) -> bool {
        let kept = self.rules.retention != Retention::Limits;
        let message = self.messages.get(&sequence).map(|message| message.subject.clone());
        let delivered =
            self.consumers.get(name).is_some_and(|own| own.has_delivered(sequence, self));
        let Some(consumer) = self.consumers.get_mut(name).filter(|_| delivered) else {
            return false;
        };
        let late = kept && message.is_some_and(|subject| consumer.wants(&subject));
        for finished in consumer.hear(now.time, sequence, said, late) {
            self.finish(now, finished, name);
        }
        true
    }

    /// A consumer gives a message up that was delivered as often as it may be.
    pub(crate) fn given_up(&mut self, now: Now, name: &str, sequence: u64) -> Result<(), String> {
        let consumer = self.consumers.get_mut(name).ok_or("a consumer that is gone gives up")?;
        if !self.messages.contains_key(&sequence) {
            return Ok(());
        }
        consumer.give_up(now.time, sequence)?;
        self.given_up.insert((sequence, name.to_owned()), now.time);
        let interest = self.rules.retention == Retention::Interest;
        let finished = lately_by_another(&self.finished, now, sequence, name);
        if interest && finished && !self.is_needed(sequence) {
            self.open(sequence);
        }
        Ok(())
    }

    /// Everything that was done is on disk, and nothing is on its way.
    pub(crate) fn settled(&mut self) {
        self.just_gone.clear();
        self.finished.clear();
        self.given_up.clear();
        for consumer in self.consumers.values_mut() {
            consumer.lasts.retain(|own, _| self.messages.contains_key(own));
        }
    }

    /// The server starts again, or goes back to what is on disk.
    pub(crate) fn restarted(&mut self, now: i64) {
        self.pass(now);
        self.settled();
        for consumer in self.consumers.values_mut() {
            consumer.restarted(now);
        }
    }

    /// Whether a consumer has something to deliver now.
    pub(crate) fn can_deliver(&self, now: i64, name: &str) -> bool {
        let Some(consumer) = self.consumers.get(name) else { return false };
        if consumer.is_paused(now) {
            return false;
        }
        consumer.has_due(now) || (!consumer.is_full() && consumer.pending(self) > 0)
    }
}

/// Whether another consumer than `name` did something to a message so lately that it may not be recorded.
fn lately_by_another(
    all: &BTreeMap<(u64, String), i64>,
    now: Now,
    sequence: u64,
    name: &str,
) -> bool {
    let mut own = all.range((sequence, String::new())..(sequence + 1, String::new()));
    own.any(|((_, other), at)| other != name && *at >= now.recorded)
}
