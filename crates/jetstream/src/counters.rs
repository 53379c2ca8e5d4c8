//! Streams of counters (ADR-49): what a message adds becomes the value of its subject before it is a
//! record, so what is on disk is what clients read, and a restart counts nothing again.
//!
//! The value before is on its way, known, in the tail, or read first. Who waits for that may be stored
//! behind what came later: increments add up in whatever order they come.

use hashbrown::HashMap;
use watershed_store::Record;
use watershed_store::log::Position;
use watershed_wire::header::HeaderBlock;
use watershed_wire::jetstream::asked::Asked as AskedFor;
use watershed_wire::jetstream::counter::{Broken, Counter, is_increment};
use watershed_wire::jetstream::error::{ApiError, table};
use watershed_wire::jetstream::publish::INCREMENT;
use watershed_wire::limits::HEADER_BYTES_MAX;
use watershed_wire::op::Publish;

use crate::chunk::Chunk;
use crate::jetstream::JetStream;
use crate::limits::PUBLISH_BYTES_WAITING_MAX;
use crate::live::admit::seen;
use crate::live::{Counters, Intake, Unknown};
use crate::network::Network;
use crate::publishes::Waiting;
use crate::reading::{DAMAGED, Reading};
use crate::rounds::{Asked, Owed};
use crate::staged::Staged;
use crate::state::{Lookup, Stream, StreamKey};
use crate::tail::Tail;
use crate::uncounted::{Uncounted, UncountedBatch, Wanted};

/// Why a message is not counted.
pub(crate) enum Problem {
    Refused(ApiError),
    /// The value of this subject is to be read.
    Unread(Box<[u8]>, u64, Position),
}

impl Problem {
    fn of(unknown: Unknown, subject: &[u8]) -> Self {
        match unknown {
            Unknown::Broken => Self::Refused(table::MESSAGE_COUNTER_BROKEN.into()),
            Unknown::Unread(sequence, position) => Self::Unread(subject.into(), sequence, position),
        }
    }
}

/// Adds to a counter what a message says. Gives the header block and the payload that it is stored with.
fn count(
    counter: &mut Counter,
    message: &Publish<'_>,
    asked: &AskedFor<'_>,
) -> Result<(Vec<u8>, Vec<u8>), ApiError> {
    let Some(increment) = asked.increment else { return Err(table::MESSAGE_INCR_MISSING.into()) };
    if asked.source.is_some() {
        // Only what is copied is taken over as a value.
        return Err(table::MESSAGE_COUNTER_BROKEN.into());
    }
    counter.add(increment).map_err(|Broken| table::MESSAGE_INCR_INVALID)?;
    let (header, body) = (counter.header(message.header, None).into_owned(), counter.body());
    // What a client says of sources is what the next message goes on from.
    *counter = Counter::read(&header, &body).map_err(|Broken| table::MESSAGE_COUNTER_BROKEN)?;
    Ok((header, body))
}

/// What is stored of a message that counts.
pub(crate) struct Counted {
    pub(crate) counter: Counter,
    pub(crate) header: Vec<u8>,
    pub(crate) payload: Vec<u8>,
}

/// Takes over a message of an origin as a part of the sum, in a stream that counts.
pub(crate) fn count_copy(
    stream: &Stream,
    (counters, intake, tail): (&Counters, &mut Intake, &Tail),
    origin: &str,
    original: &Record<'_>,
    message: &Publish<'_>,
) -> Result<Option<Counted>, Problem> {
    if !stream.config.allow_msg_counter {
        return Ok(None);
    }
    let broken = |Broken| Problem::Refused(table::MESSAGE_COUNTER_BROKEN.into());
    let counts = HeaderBlock(original.head).value(INCREMENT).is_some_and(is_increment);
    if !counts {
        return Err(Problem::Refused(table::MESSAGE_INCR_MISSING.into()));
    }
    let sum = counters.last(None, stream, intake, tail, message.subject);
    let mut sum = sum.map_err(|unknown| Problem::of(unknown, message.subject))?;
    let other = Counter::read(b"", original.body).map_err(broken)?;
    let subject = String::from_utf8_lossy(original.key);
    let added = sum.take_over(origin, &subject, &other).map_err(broken)?;
    let header = sum.header(message.header, Some(&added)).into_owned();
    if header.len() > HEADER_BYTES_MAX {
        return Err(Problem::Refused(table::STREAM_HEADER_EXCEEDS_MAXIMUM.into()));
    }
    let payload = sum.body();
    Ok(Some(Counted { counter: sum, header, payload }))
}

impl JetStream {
    /// Stores a message of a stream of counters.
    pub(crate) fn store_counted(
        &mut self,
        net: &mut impl Network,
        key: StreamKey,
        message: &Publish<'_>,
        lookup: Lookup,
    ) {
        let stream = &self.state.streams[key.index()];
        let Some(live) = self.live.get_mut(key) else { return };
        let asked = AskedFor::read(HeaderBlock(message.header));
        let owed = Owed::to_publisher(stream.account, message.reply, stream.config.no_ack);
        let refused =
            asked.refused_count(message.payload).or_else(|| asked.refused(&stream.config));
        if let Some(error) = refused {
            return self.refuse_in(net, key, owed, error);
        }
        let now = self.now.wall;
        let known = asked.msg_id.is_some_and(|id| seen(stream, &live.intake, id, now).is_some());
        if known || asked.increment.is_none() {
            return self.store_admitted(net, key, message, lookup, None);
        }
        let log = stream.log.id();
        if self.calls.is_changing(stream.account) {
            let waiting = Uncounted::Publish(Waiting::new(log, owed.account, message, None));
            return self.count_when_settled(net, waiting);
        }
        let last = live.counters.last(None, stream, &mut live.intake, &self.tail, message.subject);
        let counted = last.map_err(|unknown| Problem::of(unknown, message.subject));
        let counted = counted.and_then(|mut counter| {
            let (header, payload) =
                count(&mut counter, message, &asked).map_err(Problem::Refused)?;
            Ok((counter, header, payload))
        });
        match counted {
            Ok((counter, header, payload)) => {
                let message = Publish { header: &header, payload: &payload, ..*message };
                self.store_admitted(net, key, &message, lookup, Some(counter));
            }
            Err(Problem::Refused(error)) => self.refuse_in(net, key, owed, error),
            Err(Problem::Unread(subject, sequence, position)) => {
                let waiting = Waiting::new(log, owed.account, message, None);
                let wanted = Wanted { log, subject, sequence, position };
                self.read_counter(net, Uncounted::Publish(waiting), wanted);
            }
        }
    }

    /// The messages of a batch as they are stored, with what they count to. `found` was read for it.
    /// `None` if something is read first, or the batch is refused.
    pub(crate) fn count_batch(
        &mut self,
        net: &mut impl Network,
        key: StreamKey,
        id: &[u8],
        messages: Vec<Staged>,
        found: Counters,
        owed: Owed<'_>,
    ) -> Option<(Vec<Staged>, Vec<Counter>)> {
        let stream = &self.state.streams[key.index()];
        let log = stream.log.id();
        let waits = |messages, found| {
            let (account, reply) = (owed.account, owed.subject.into());
            let id = id.into();
            Uncounted::Batch(Box::new(UncountedBatch { log, id, account, reply, messages, found }))
        };
        if self.calls.is_changing(stream.account) {
            self.count_when_settled(net, waits(messages, found));
            return None;
        }
        let live = self.live.get_mut(key)?;
        let mut running: HashMap<&[u8], Counter, foldhash::fast::FixedState> = HashMap::default();
        let mut counted = (Vec::new(), Vec::new());
        let mut problem = None;
        for message in messages.iter().map(Staged::publish) {
            let asked = AskedFor::read(HeaderBlock(message.header));
            let before = || {
                let (counters, intake) = (&live.counters, &mut live.intake);
                counters.last(Some(&found), stream, intake, &self.tail, message.subject)
            };
            let known = running.get(message.subject).cloned().map_or_else(before, Ok);
            let one = asked.refused_count(message.payload).map_or(Ok(()), Err);
            let one = one.map_err(Problem::Refused).and_then(|()| {
                let mut counter = known.map_err(|unknown| Problem::of(unknown, message.subject))?;
                let (header, payload) =
                    count(&mut counter, &message, &asked).map_err(Problem::Refused)?;
                let message = Publish { header: &header, payload: &payload, ..message };
                Ok((Staged::new(&message), counter))
            });
            match one {
                Ok((staged, counter)) => {
                    running.insert(message.subject, counter.clone());
                    counted.0.push(staged);
                    counted.1.push(counter);
                }
                Err(found) => {
                    problem = Some(found);
                    break;
                }
            }
        }
        drop(running);
        match problem {
            None => return Some(counted),
            Some(Problem::Refused(error)) => self.refuse_in(net, key, owed, error),
            Some(Problem::Unread(subject, sequence, position)) => {
                let wanted = Wanted { log, subject, sequence, position };
                self.read_counter(net, waits(messages, found), wanted);
            }
        }
        None
    }

    /// A message was accepted that has this value.
    pub(crate) fn has_counted(
        &mut self,
        key: StreamKey,
        subject: &[u8],
        sequence: u64,
        counter: Counter,
    ) {
        let durable = self.state.stream(key).log.last();
        self.live(key).counters.put(subject, sequence, Ok(counter), durable);
    }

    /// Something is counted when the change is made that is on its way: it may remove the last value.
    fn count_when_settled(&mut self, net: &mut impl Network, waiting: Uncounted) {
        if let Some(waiting) = self.wait_to_count(net, waiting) {
            self.unsettled.push_back(waiting);
        }
    }

    /// Has the message read that a copy counts on from.
    pub(crate) fn read_counter_for_copy(
        &mut self,
        net: &mut impl Network,
        stream: StreamKey,
        index: usize,
        unread: Problem,
    ) {
        let Problem::Unread(subject, sequence, position) = unread else { return };
        let log = self.state.stream(stream).log.id();
        let wanted = Wanted { log, subject, sequence, position };
        self.read_counter(net, Uncounted::Copy { stream, index }, wanted);
    }

    /// Has a message read that has the value of a counter.
    fn read_counter(&mut self, net: &mut impl Network, waiting: Uncounted, wanted: Wanted) {
        let Some(waiting) = self.wait_to_count(net, waiting) else { return };
        let (log, position) = (wanted.log, wanted.position);
        let reading = Reading::Counter { waiting: Box::new(waiting), wanted };
        self.read_record(reading, log, position);
    }

    /// Sees to it that not too much waits.
    fn wait_to_count(&mut self, net: &mut impl Network, waiting: Uncounted) -> Option<Uncounted> {
        if self.expecting.bytes + waiting.len() <= PUBLISH_BYTES_WAITING_MAX {
            self.expecting.bytes += waiting.len();
            return Some(waiting);
        }
        self.refuse_uncounted(net, &waiting, table::INSUFFICIENT_RESOURCES.into());
        None
    }

    fn refuse_uncounted(&mut self, net: &mut impl Network, waiting: &Uncounted, error: ApiError) {
        match waiting {
            Uncounted::Publish(own) => self.refuse_waiting(net, own.log, own.owed(), error),
            Uncounted::Batch(own) => Self::refuse_publish(net, own.owed(), error),
            Uncounted::Copy { .. } => {}
        }
    }

    /// The message with the value of a counter was read.
    pub(crate) fn counter_read(
        &mut self,
        net: &mut impl Network,
        mut waiting: Uncounted,
        wanted: Wanted,
        bytes: Option<Vec<u8>>,
    ) {
        self.expecting.bytes -= waiting.len();
        let Wanted { log, subject, sequence, position } = wanted;
        if let Some(key) = self.state.by_log(log)
            && self.state.stream(key).log.position(sequence).is_some()
        {
            let mut chunk = bytes.map(|bytes| Chunk::at(log, position, bytes));
            let record = chunk.as_mut().and_then(|chunk| chunk.record(log, position));
            let Some(record) = record.map(Record::view) else {
                self.note_damage(log, sequence);
                let error = table::STREAM_STORE_FAILED.with(DAMAGED);
                // A copy rests rather than counts from nothing.
                return self.refuse_uncounted(net, &waiting, error);
            };
            let counter = Counter::read(record.head, record.body);
            let durable = self.state.stream(key).log.last();
            if let Uncounted::Batch(batch) = &mut waiting {
                batch.found.put(&subject, sequence, counter, u64::MAX);
            } else if let Some(live) = self.live.get_mut(key) {
                live.counters.put(&subject, sequence, counter, durable);
            }
        }
        self.count_again(net, waiting);
    }

    /// Tries again to count something.
    fn count_again(&mut self, net: &mut impl Network, waiting: Uncounted) {
        match waiting {
            Uncounted::Publish(own) => {
                let Some(key) = self.state.by_log(own.log) else {
                    return Self::refuse_publish(net, own.owed(), table::STREAM_NOT_FOUND.into());
                };
                self.store_looking(net, key, &own.publish(), Lookup::new(0));
            }
            Uncounted::Batch(own) => {
                let Some(key) = self.state.by_log(own.log) else {
                    return Self::refuse_publish(net, own.owed(), table::STREAM_NOT_FOUND.into());
                };
                let UncountedBatch { id, account, reply, messages, found, .. } = *own;
                let owed = Owed { account, subject: &reply, asked: Asked::Publish };
                self.commit_batch(net, key, &id, messages, found, owed);
            }
            Uncounted::Copy { stream, index } => {
                let Some(live) = self.live.get_mut(stream) else { return };
                let Some(copier) = live.copiers.get_mut(index) else { return };
                copier.reading = false;
                self.following.insert(stream);
            }
        }
    }

    /// Counts what has waited for a change that is made. Says whether there is more to count.
    pub(crate) fn count_settled(&mut self, net: &mut impl Network) -> bool {
        for _ in 0..self.unsettled.len() {
            let Some(waiting) = self.unsettled.pop_front() else { break };
            if self.is_unsettled(&waiting) {
                self.unsettled.push_back(waiting);
            } else {
                self.expecting.bytes -= waiting.len();
                self.count_again(net, waiting);
            }
        }
        self.has_settled()
    }

    /// Whether something has waited long enough to be counted.
    pub(crate) fn has_settled(&self) -> bool {
        self.unsettled.iter().any(|waiting| !self.is_unsettled(waiting))
    }

    fn is_unsettled(&self, waiting: &Uncounted) -> bool {
        match waiting {
            Uncounted::Publish(own) => self.calls.is_changing(own.account),
            Uncounted::Batch(own) => self.calls.is_changing(own.account),
            Uncounted::Copy { .. } => false,
        }
    }
}
