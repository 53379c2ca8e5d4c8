//! A client of a node on a simulated disk. It does whatever comes to mind, remembers what it was told,
//! and says where what it sees is not what the model says.

mod hearing;
mod trouble;

use std::collections::BTreeMap;

use fastrand::Rng;
use serde_json::Value;
use watershed_sim::node::{Node, Received};

use super::api::{self, Server, StreamView};
use super::consumer::{Delivery, Said};
use super::operation::{Operation, STREAMS, Taste, operations};
use super::outcome::{agrees, every_outcome, outcomes};
use super::past::Past;
use super::stream::{Now, Stream, Told};

/// Longest time that events of consumers wait for a record, and a little more.
const EVENTS_WAIT: u64 = 25_000_000;

/// Time after which what the disk had no room for is tried again, and a little more.
const RETRY: u64 = 300_000_000;

/// Rounds that a client waits for an answer.
const PATIENCE: u32 = 10;

/// Codes of errors that say that the disk does not work.
const UNAVAILABLE: [u64; 3] = [10023, 10008, 503];

/// How the disk keeps up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Pace {
    /// After each operation everything is on disk.
    Stepwise,
    /// It is sometimes ahead and sometimes behind.
    Hasty,
}

/// Whether the node can still make things durable.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Health {
    Works,
    /// The journal could not be written.
    Failed,
    /// The process was killed.
    Dead,
}

/// A publish or an acknowledgement on its way.
struct Asked {
    operation: u64,
    stream: &'static str,
    /// What the publisher is to be told; `None` for an acknowledgement.
    told: Option<Told>,
}

/// A publish that was acknowledged before it was durable.
struct Ahead {
    operation: u64,
    stream: &'static str,
    /// The round that it is in.
    round: u64,
}

/// How often each operation was tried on each retention.
pub(crate) type Tried = BTreeMap<(&'static str, &'static str), u64>;

/// What was done, and what came of it.
pub(crate) struct Step {
    pub(crate) stream: &'static str,
    pub(crate) operation: Operation,
    pub(crate) answer: Option<Value>,
    /// Whether there was any answer.
    pub(crate) heard: bool,
    pub(crate) got: Vec<Delivery>,
}

pub(crate) struct Client<'a> {
    pub(crate) node: Node,
    pub(crate) rng: &'a mut Rng,
    pub(crate) taste: Taste,
    pub(crate) pace: Pace,
    /// Whether an error of the disk is the process's end.
    pub(crate) dies: bool,
    pub(crate) world: BTreeMap<&'static str, Past>,
    pub(crate) tried: Tried,
    asked: BTreeMap<u64, Asked>,
    ahead: Vec<Ahead>,
    deliveries: Vec<Delivery>,
    /// Operations so far, over all lives of the node.
    pub(crate) operations: u64,
    /// Deliveries since the last operation.
    served: u64,
    /// Deliveries and what was given up, so far.
    happened: u64,
    health: Health,
    /// What came while the client waited for something else.
    unheard: Vec<Received>,
    /// The call that the client waits for.
    awaited: Option<(u64, &'static str, Operation)>,
    /// The operation that was answered last.
    answered: u64,
    /// The last one that was refused for want of a disk.
    refused: u64,
    /// A publish that has no effect before it is answered, and what the stream is then.
    doubted: Option<(u64, Stream)>,
    /// What was done, for who wants to do the same elsewhere.
    pub(crate) journal: Option<Vec<Step>>,
    /// Whether everything is printed.
    traced: bool,
}

impl Server for Node {
    fn ask(&mut self, subject: &str, body: &str) -> Option<String> {
        self.say(format!("PUB {subject} r.0 {}\r\n{body}\r\n", body.len()).as_bytes());
        self.received().pop().map(|answer| answer.payload)
    }
}

impl Server for Client<'_> {
    fn ask(&mut self, subject: &str, body: &str) -> Option<String> {
        self.node.say(format!("PUB {subject} r.0 {}\r\n{body}\r\n", body.len()).as_bytes());
        for _ in 0..PATIENCE {
            let (own, others): (Vec<_>, Vec<_>) =
                self.node.received().into_iter().partition(|message| message.subject == "r.0");
            self.unheard.extend(others);
            if let Some(answer) = own.into_iter().next() {
                return Some(answer.payload);
            }
            // What is on its way is applied, or refused, before any answer.
            let (Ok(()) | Err(_)) = self.node.commit();
        }
        None
    }
}

impl<'a> Client<'a> {
    pub(crate) fn new(
        node: Node,
        rng: &'a mut Rng,
        taste: Taste,
        pace: Pace,
        dies: bool,
        world: BTreeMap<&'static str, Past>,
        operations: u64,
    ) -> Self {
        let mut client = Self {
            node,
            rng,
            taste,
            pace,
            dies,
            world,
            tried: Tried::new(),
            asked: BTreeMap::new(),
            ahead: Vec::new(),
            deliveries: Vec::new(),
            operations,
            served: 0,
            happened: 0,
            health: Health::Works,
            unheard: Vec::new(),
            awaited: None,
            answered: 0,
            refused: 0,
            doubted: None,
            journal: None,
            traced: std::env::var_os("WATERSHED_TRACE").is_some(),
        };
        client.node.say(b"SUB d.> 2\r\nSUB $JS.EVENT.ADVISORY.CONSUMER.MAX_DELIVERIES.> 3\r\n");
        client.node.wait(0);
        client
    }

    pub(crate) fn is_dead(&self) -> bool {
        self.health == Health::Dead
    }

    pub(crate) fn works(&self) -> bool {
        self.health == Health::Works
    }

    /// Prints what `WATERSHED_TRACE` asks for.
    #[expect(clippy::print_stdout, reason = "somebody asked for it")]
    fn trace(&self, text: impl FnOnce() -> String) {
        if self.traced {
            println!("{}", text());
        }
    }

    fn now(&self) -> i64 {
        self.node.now().wall.0
    }

    /// The present, as streams want to know it: a disk that fails records nothing.
    fn present(&self) -> Now {
        let time = self.now();
        let wait = i64::try_from(EVENTS_WAIT).unwrap_or(i64::MAX);
        Now { time, recorded: if self.works() { time - wait } else { i64::MIN } }
    }

    /// Does what comes to mind.
    pub(crate) fn act(&mut self) -> Result<(), String> {
        let stream = STREAMS[self.rng.usize(..STREAMS.len())];
        let known = self.world[stream].now();
        let now = self.node.now().wall.0;
        let all = operations(self.rng, self.taste, stream, known, now, &mut self.deliveries);
        for operation in all {
            if self.is_dead() {
                return Ok(());
            }
            if let Err(error) = self.perform(stream, &operation) {
                let known = self.world[stream].now().map(StreamView::of);
                let seen = StreamView::seen(self, stream).ok().flatten();
                let differs = seen.zip(known).map(|(seen, known)| seen.differs(&known));
                let differs = differs.unwrap_or_default();
                return Err(format!("{operation:?} at {stream}: {error}\n{differs}"));
            }
        }
        Ok(())
    }

    fn perform(&mut self, stream: &'static str, operation: &Operation) -> Result<(), String> {
        self.operations += 1;
        self.served = 0;
        self.trace(|| format!("{} {}: {operation:?} at {stream}", self.now(), self.operations));
        if let Some(journal) = &mut self.journal {
            let operation = operation.clone();
            let (answer, heard, got) = (None, false, Vec::new());
            journal.push(Step { stream, operation, answer, heard, got });
        }
        let retention = self.world[stream].now().map_or("none", |own| own.rules.retention.name());
        *self.tried.entry((operation.name(), retention)).or_default() += 1;
        match operation {
            Operation::Wait(nanos) => return self.pass(u64::try_from(*nanos).unwrap_or(0)),
            Operation::Publish(publish) => {
                // Whether there is room, and what is the last of a subject, is known when nothing
                // is on its way, and all that was said to deliveries is on disk.
                let exact = publish.expected_last_of_subject.is_some()
                    || self.world[stream].now().is_some_and(|own| {
                        // What counts is read first, and others are not kept waiting.
                        own.rules.discard_new || own.rules.counts
                    });
                if exact {
                    self.rest()?;
                }
                self.publish(stream, operation)?;
                if exact {
                    self.settle()?;
                }
            }
            Operation::Pull { .. } => self.say(operation, stream)?,
            Operation::Answer { .. } => self.answer(stream, operation)?,
            _ => self.call(stream, operation)?,
        }
        match self.pace {
            Pace::Stepwise => {
                self.settle()?;
                // What is due by now, after a change of the consumer, is looked at in the next turn.
                self.node.wait(0);
                self.settle()?;
                self.check_served(stream, operation)
            }
            Pace::Hasty => {
                for _ in 0..self.rng.u8(..4) {
                    self.work()?;
                }
                Ok(())
            }
        }
    }

    fn say(&mut self, operation: &Operation, stream: &str) -> Result<(), String> {
        let frame = api::encode(operation, stream, &format!("r.{}", self.operations));
        self.node.say(frame.as_bytes());
        self.listen()
    }

    /// The disk does a part of its work.
    fn work(&mut self) -> Result<(), String> {
        if self.is_dead() {
            return Ok(());
        }
        if self.rng.bool() { self.commit() } else { self.keep() }
    }

    fn keep(&mut self) -> Result<(), String> {
        if self.node.keep().is_err() && self.dies {
            self.health = Health::Dead;
            return Ok(());
        }
        self.listen()
    }

    fn commit(&mut self) -> Result<(), String> {
        if self.dies {
            if self.node.commit().is_err() {
                self.health = Health::Dead;
                return Ok(());
            }
        } else if !self.node.try_commit() {
            return self.failed();
        }
        self.made_durable();
        self.listen()
    }

    /// What was acknowledged before it was durable is bound to stay when it is.
    fn made_durable(&mut self) {
        let applied = self.node.applied();
        for ahead in self.ahead.extract_if(.., |own| own.round <= applied).collect::<Vec<_>>() {
            self.past(ahead.stream).told(ahead.operation);
        }
    }

    /// Lets the disk do all of its work.
    pub(crate) fn settle(&mut self) -> Result<(), String> {
        self.listen()?;
        let mut patience = 1_000;
        while self.node.has_work() && !self.is_dead() && patience > 0 {
            self.commit()?;
            self.keep()?;
            // A full disk is full for longer than anybody waits.
            patience -= 1;
        }
        Ok(())
    }

    /// Lets time pass, the disk keeping up.
    pub(crate) fn pass(&mut self, nanos: u64) -> Result<(), String> {
        self.settle()?;
        let mut left = nanos;
        while left > 0 && !self.is_dead() {
            left = self.node.wait_for_deadline(left);
            let (now, operation) = (self.now(), self.operations);
            for past in self.world.values_mut() {
                let Some(mut stream) = past.now().cloned() else { continue };
                let before = stream.messages.len();
                stream.pass(now);
                if stream.messages.len() < before {
                    past.push(operation, Some(stream));
                }
            }
            self.listen()?;
            self.settle()?;
        }
        Ok(())
    }

    /// Lets moments pass until nothing happens in one: what was said to deliveries is on disk then.
    fn rest(&mut self) -> Result<(), String> {
        for _ in 0..100 {
            let before = self.happened;
            self.pass(EVENTS_WAIT)?;
            if self.happened == before {
                break;
            }
        }
        for stream in STREAMS {
            let open = |own: &Stream| own.messages.values().any(|message| message.open);
            let Some(mut next) = self.world[stream].now().filter(|own| open(own)).cloned() else {
                continue;
            };
            if let Ok(Some(seen)) = StreamView::seen(self, stream) {
                next.resolve(|sequence| seen.has(sequence));
                let number = self.operations;
                self.past(stream).push(number, Some(next));
            }
        }
        Ok(())
    }

    fn publish(&mut self, stream: &'static str, operation: &Operation) -> Result<(), String> {
        let Operation::Publish(publish) = operation else { return Ok(()) };
        let number = self.operations;
        let now = self.now();
        let Some(mut next) = self.world[stream].now().cloned() else { return Ok(()) };
        let told = next.publish(now, publish);
        let works = self.works();
        if works {
            self.past(stream).push(number, Some(next));
            let asked = Asked { operation: number, stream, told: Some(told) };
            self.asked.insert(number, asked);
            self.say(operation, stream)?;
            if self.refused == number {
                // A disk that is known to be full: from now on nothing is taken for granted.
                self.past(stream).undo(number);
                self.health = Health::Failed;
            }
            return Ok(());
        }
        // Nothing is held to be true before it is answered.
        self.doubted = Some((number, next.clone()));
        self.asked.insert(number, Asked { operation: number, stream, told: Some(told) });
        self.say(operation, stream)?;
        if !self.asked.contains_key(&number) && self.answered != number {
            // Refused at once: that nothing was written is certain.
            return Ok(());
        }
        if self.answered != number {
            self.past(stream).push_doubtful(number, Some(next));
        }
        for _ in 0..4 {
            if self.asked.contains_key(&number) && self.node.has_work() && !self.is_dead() {
                self.commit()?;
            }
        }
        self.doubted = None;
        Ok(())
    }

    fn answer(&mut self, stream: &'static str, operation: &Operation) -> Result<(), String> {
        let Operation::Answer { delivery, said, confirm } = operation else { return Ok(()) };
        let Some(stream) = STREAMS.into_iter().find(|own| *own == delivery.stream) else {
            return Err(format!("a delivery of {stream} is {delivery:?}"));
        };
        let number = self.operations;
        if let Some(mut next) = self.world[stream].now().cloned() {
            let heard = next.answered(self.present(), &delivery.consumer, delivery.sequence, *said);
            // What changes nothing on disk is confirmed, whatever is on its way.
            let changes = *said != Said::Progress && self.world[stream].now() != Some(&next);
            self.past(stream).push(number, Some(next));
            if *confirm && heard && changes {
                self.asked.insert(number, Asked { operation: number, stream, told: None });
            }
        }
        self.say(operation, stream)
    }

    /// A call, which a client waits for.
    fn call(&mut self, stream: &'static str, operation: &Operation) -> Result<(), String> {
        if let Operation::PutConsumer(..)
        | Operation::ResetConsumer(..)
        | Operation::UpdateStream(..)
        | Operation::Purge { keep: 1.., .. } = operation
        {
            // What is delivered meanwhile is delivered before or after, and how many are pending says
            // how far the consumer was; when all is settled it says so exactly. What consumers finish
            // with goes by the retention before or after. And which messages are the last ones depends
            // on which they have finished with.
            self.rest()?;
        }
        let number = self.operations;
        self.awaited = Some((number, stream, operation.clone()));
        self.say(operation, stream)?;
        let mut patience = 200;
        while self.awaited.is_some() && self.node.has_work() && !self.is_dead() && patience > 0 {
            patience -= 1;
            // Others may be served meanwhile, too.
            if self.rng.bool() { self.commit()? } else { self.keep()? }
        }
        // What is said to a consumer that is not there is not answered.
        let answered = !matches!(operation, Operation::ResetConsumer(..));
        if self.awaited.is_some() && self.works() && answered {
            return Err("no answer".into());
        }
        self.not_answered();
        Ok(())
    }

    /// The call that the client waits for is answered.
    fn call_answered(&mut self, text: &str) -> Result<(), String> {
        let Some((number, stream, operation)) = self.awaited.clone() else { return Ok(()) };
        let reply: Value =
            serde_json::from_str(text).map_err(|error| format!("{error}: {text}"))?;
        let after = outcomes(self.world[stream].now(), self.now(), &operation);
        match api::code(&reply) {
            None => {
                let states = after.ok_or_else(|| format!("it should be refused: {reply}"))?;
                let purges = matches!(operation, Operation::Purge { .. });
                let exact = purges || states.len() > 1;
                let mut states = states.into_iter();
                let right = states.find(|state| !exact || agrees(state, &operation, &reply));
                let (_, right) =
                    right.ok_or_else(|| format!("that is not what happens: {reply}"))?;
                // What was so before says nothing of what is on its way.
                let is_there = matches!(&operation, Operation::PutConsumer(name, rules)
                if self.world[stream].now().is_some_and(|own| {
                    own.consumers.get(*name).is_some_and(|own| own.rules == *rules)
                }));
                let changes = !is_there && self.world[stream].now() != right.as_ref();
                self.past(stream).push(number, right);
                if changes {
                    self.past(stream).told(number);
                }
            }
            Some(code) if UNAVAILABLE.contains(&code) && !self.dies => self.not_answered(),
            Some(code) => {
                let gone = |sequence| {
                    let own = self.world[stream].now();
                    own.is_some_and(|own| own.just_gone.contains_key(&sequence))
                };
                // While the disk fails, what the call was about may be among what is not stored.
                let certain = self.works()
                    && match operation {
                        Operation::PutConsumer(..) => false,
                        Operation::DeleteMessage(sequence) => !gone(sequence),
                        _ => true,
                    };
                if after.is_some() && certain {
                    return Err(format!("it should be done, and is refused with {code}"));
                }
            }
        }
        self.awaited = None;
        Ok(())
    }

    /// What the client waits for may happen, or not.
    fn not_answered(&mut self) {
        let Some((number, stream, operation)) = self.awaited.take() else { return };
        let now = self.now();
        let state = self.world[stream].now().cloned();
        for next in every_outcome(state.as_ref(), now, &operation) {
            self.past(stream).push_doubtful(number, next);
        }
    }

    /// Who asked for messages and did not want to wait got all that there are.
    fn check_served(&self, stream: &str, operation: &Operation) -> Result<(), String> {
        let Operation::Pull { consumer, batch, expires: 0 } = operation else { return Ok(()) };
        let own = self.world[stream].now().filter(|_| self.works());
        let Some(own) =
            own.filter(|own| own.consumers.get(*consumer).is_some_and(|c| !c.rules.push))
        else {
            return Ok(());
        };
        if self.served < *batch && own.can_deliver(self.now(), consumer) {
            return Err("there is more to deliver".into());
        }
        Ok(())
    }

    /// Compares everything that a client can see with the model; everything must be settled.
    pub(crate) fn compare(&mut self) -> Result<(), String> {
        self.trace(|| "    compare".into());
        self.rest()?;
        if !self.works() {
            return Ok(());
        }
        for stream in STREAMS {
            let now = self.now();
            let past = self.past(stream);
            past.settled();
            let right = past.now().map(StreamView::of);
            if let Some(own) = past.now()
                && own.consumers.values().any(|consumer| consumer.has_overdue(now))
            {
                return Err(format!("{stream}: a message should have been given up"));
            }
            for (name, own) in past.now().into_iter().flat_map(|own| &own.consumers) {
                if own.rules.push && past.now().is_some_and(|own| own.can_deliver(now, name)) {
                    return Err(format!("{stream}: {name} has more to deliver: {own:?}"));
                }
            }
            let seen = StreamView::seen(self, stream)?;
            match (&seen, &right) {
                (Some(seen), Some(right)) if seen != right => {
                    return Err(format!("{stream} differs:\n{}", seen.differs(right)));
                }
                _ if seen.is_some() != right.is_some() => {
                    return Err(format!("{stream} is {seen:?}, not {right:?}"));
                }
                _ => {}
            }
        }
        Ok(())
    }

    fn past(&mut self, stream: &'static str) -> &mut Past {
        self.world.entry(stream).or_insert_with(|| Past::of(0, None))
    }
}
