//! Messages that come in fast batches (ADR-50): each is stored as it comes, as any other, and their publisher is
//! told of many at once. Whoever is told "up to here" is told when all of it is on disk.
//!
//! Where it takes a while to find out whether a message may be stored, those of its batch behind it wait.

use watershed_wire::jetstream::error::{ApiError, table};
use watershed_wire::jetstream::fast::{Gap, Operation, Part, Told};
use watershed_wire::jetstream::json;
use watershed_wire::jetstream::publish::BatchAck;
use watershed_wire::op::Publish;

use crate::fast::FastBatch;
use crate::jetstream::{JetStream, TimerKey};
use crate::limits::{BATCH_ID_BYTES_MAX, BATCH_IDLE_MAX, PUBLISH_BYTES_WAITING_MAX};
use crate::live::admit::refuse_size;
use crate::network::Network;
use crate::publishes::Waiting;
use crate::rounds::{Asked, Owed};
use crate::state::StreamKey;

/// Messages that waited behind others and are looked at in one turn.
const LOOKED_AT_PER_TURN: usize = 256;

/// What became of a message of a fast batch.
#[derive(Debug)]
pub(crate) enum Decided {
    /// It is accepted, under this sequence.
    Stored(u64),
    /// It was stored before.
    Duplicate,
    /// It is not stored.
    Refused(ApiError),
}

impl JetStream {
    /// A message came that says what it is to a fast batch.
    pub(crate) fn store_fast(
        &mut self,
        net: &mut impl Network,
        key: StreamKey,
        message: &Publish<'_>,
    ) {
        let stream = self.state.stream(key);
        let reply = message.reply.unwrap_or_default();
        let owed = Owed { account: stream.account, subject: reply, asked: Asked::Publish };
        let part = match refuse_size(stream, message) {
            Some(error) => Err(error),
            None if !stream.config.allow_batched => Err(table::BATCH_PUBLISH_DISABLED.into()),
            None => Part::read(reply),
        };
        let (log, quiet) = (stream.log.id(), stream.config.no_ack);
        let begun = part.and_then(|part| self.begin_fast(net, key, owed, part).map(|()| part));
        let part = match begun {
            Ok(part) => part,
            Err(_) if quiet => return,
            Err(error) => return self.refuse_in(net, key, owed, error),
        };
        let until = self.now.tick.after(BATCH_IDLE_MAX);
        let Some(batch) = self.fast.get(key, part.id) else { return };
        batch.until = until;
        if batch.undecided || !batch.waiting.is_empty() {
            let waiting = Waiting::new(log, owed.account, message, None);
            let length = waiting.len();
            if self.expecting.bytes + length <= PUBLISH_BYTES_WAITING_MAX {
                batch.waiting.push_back(waiting);
                self.expecting.bytes += length;
            } else {
                self.give_up_fast_batch(key, part.id);
                Self::refuse_publish(net, owed, table::INSUFFICIENT_RESOURCES.into());
            }
            return;
        }
        self.take_fast(net, key, message, owed, part);
    }

    /// Begins a batch with its first message. Says why this is none of a batch.
    fn begin_fast(
        &mut self,
        net: &mut impl Network,
        key: StreamKey,
        owed: Owed<'_>,
        part: Part<'_>,
    ) -> Result<(), ApiError> {
        if part.id.len() > BATCH_ID_BYTES_MAX {
            return Err(table::BATCH_PUBLISH_INVALID_BATCH_ID.into());
        }
        match self.fast.get(key, part.id) {
            Some(batch) if batch.over => return Err(table::BATCH_PUBLISH_UNKNOWN_BATCH_ID.into()),
            Some(_) => return Ok(()),
            None if !part.is_first() => return Err(table::BATCH_PUBLISH_UNKNOWN_BATCH_ID.into()),
            None => {}
        }
        if !self.fast.begin(key, part.id, part.gap, part.flow) {
            return Err(table::BATCH_PUBLISH_TOO_MANY_INFLIGHT.into());
        }
        let timer = TimerKey::FastBatches(key);
        if self.timers.get(timer).is_none() {
            self.timers.set(timer, self.now.tick.after(BATCH_IDLE_MAX));
        }
        if part.operation == Operation::Start
            && !self.state.stream(key).config.no_ack
            && let Some(batch) = self.fast.get(key, part.id)
        {
            let (seq, msgs) = batch.told();
            Self::tell_fast(net, owed, &Told::Ack { seq, msgs });
        }
        Ok(())
    }

    /// The next message of a batch has its turn.
    fn take_fast(
        &mut self,
        net: &mut impl Network,
        key: StreamKey,
        message: &Publish<'_>,
        owed: Owed<'_>,
        part: Part<'_>,
    ) {
        let Part { id, number, operation, .. } = part;
        let batches = self.fast.count(key);
        let Some(batch) = self.fast.get(key, id) else { return };
        let expected = batch.last.saturating_add(1);
        // A ping says which one was the last.
        let is_ping = operation == Operation::Ping;
        let came = if is_ping { number.saturating_add(1) } else { number };
        if came < expected && !is_ping {
            return self.finish_fast(net, key, owed, id, None);
        }
        if came > expected {
            Self::tell_fast(net, owed, &Told::Gap { last_seq: expected, seq: came });
            if batch.gap == Gap::Fail {
                return self.finish_fast(net, key, owed, id, None);
            }
        }
        batch.last = batch.last.max(came - 1);
        match operation {
            Operation::Ping => {
                let (seq, msgs) = batch.acknowledge(batches).unwrap_or(batch.told());
                self.hold_fast(net, key, owed, &Told::Ack { seq, msgs });
            }
            Operation::End => self.finish_fast(net, key, owed, id, None),
            Operation::Start | Operation::Append | Operation::Commit => {
                batch.last = number;
                batch.undecided = true;
                batch.ends = operation == Operation::Commit;
                let lookup = self.expecting.lookup();
                self.store_looking(net, key, message, lookup);
            }
        }
    }

    /// It is known what becomes of a message of a batch.
    pub(crate) fn fast_decided(
        &mut self,
        net: &mut impl Network,
        key: StreamKey,
        owed: Owed<'_>,
        decided: Decided,
    ) {
        let owed = Owed { asked: Asked::Publish, ..owed };
        let Ok(Part { id, .. }) = Part::read(owed.subject) else { return };
        let batches = self.fast.count(key);
        let Some(batch) = self.fast.get(key, id) else { return };
        batch.undecided = false;
        if batch.over {
            self.fast.remove(key, id);
            return;
        }
        let number = batch.last;
        match decided {
            Decided::Stored(sequence) => batch.stored = sequence,
            Decided::Duplicate => {}
            Decided::Refused(error) => {
                let fails = batch.gap == Gap::Fail;
                let ends = fails || batch.ends;
                if fails && number == 1 {
                    self.end_fast(key, id);
                    return self.refuse_in(net, key, owed, error);
                }
                Self::tell_fast(net, owed, &Told::Err { seq: number, error });
                if ends {
                    return self.finish_fast(net, key, owed, id, Some(number - 1));
                }
                return self.go_on_with_fast(key, id);
            }
        }
        if batch.ends {
            return self.finish_fast(net, key, owed, id, None);
        }
        if let Some((seq, msgs)) = batch.acknowledge(batches) {
            self.hold_fast(net, key, owed, &Told::Ack { seq, msgs });
        }
        self.go_on_with_fast(key, id);
    }

    /// What waits in a batch has its turn.
    fn go_on_with_fast(&mut self, key: StreamKey, id: &[u8]) {
        if self.fast.get(key, id).is_some_and(|batch| !batch.waiting.is_empty()) {
            self.fast.ready.push_back((key, id.into()));
        }
    }

    /// Goes on with batches of which something has waited. Says whether there is more to do.
    pub(crate) fn store_fast_waiting(&mut self, net: &mut impl Network) -> bool {
        for _ in 0..LOOKED_AT_PER_TURN {
            let Some((key, id)) = self.fast.ready.pop_front() else { return false };
            let Some(batch) = self.fast.get(key, &id) else { continue };
            if batch.undecided {
                continue;
            }
            let Some(waiting) = batch.waiting.pop_front() else { continue };
            self.expecting.bytes -= waiting.len();
            let owed = Owed { asked: Asked::Publish, ..waiting.owed() };
            if let Ok(part) = Part::read(owed.subject) {
                self.take_fast(net, key, &waiting.publish(), owed, part);
            }
            if !self.fast.ready.back().is_some_and(|(own, of)| *own == key && *of == id) {
                // A ping decides nothing.
                self.go_on_with_fast(key, &id);
            }
        }
        !self.fast.ready.is_empty()
    }

    /// A batch has ended: its publisher is told how many of its messages came.
    fn finish_fast(
        &mut self,
        net: &mut impl Network,
        key: StreamKey,
        owed: Owed<'_>,
        id: &[u8],
        count: Option<u64>,
    ) {
        let Some(batch) = self.end_fast(key, id) else { return };
        let ack = BatchAck {
            stream: &self.state.stream(key).config.name,
            domain: &self.domain,
            seq: batch.stored,
            batch: &String::from_utf8_lossy(id),
            count: count.unwrap_or(batch.last),
        };
        let payload = json::encode(&ack);
        let is_memory = self.state.stream(key).is_memory();
        self.reply_when(net, is_memory, owed, payload);
    }

    /// Takes a batch away of which nothing is undecided, and what waits in it.
    fn end_fast(&mut self, key: StreamKey, id: &[u8]) -> Option<FastBatch> {
        let mut batch = self.fast.remove(key, id)?;
        let left: Vec<Waiting> = batch.waiting.drain(..).collect();
        self.forget_waiting(&left);
        Some(batch)
    }

    /// Says something that follows from messages that were accepted, when these are on disk.
    fn hold_fast(&mut self, net: &mut impl Network, key: StreamKey, owed: Owed<'_>, told: &Told) {
        let is_memory = self.state.stream(key).is_memory();
        self.reply_when(net, is_memory, owed, json::encode(told));
    }

    fn tell_fast(net: &mut impl Network, owed: Owed<'_>, told: &Told) {
        Self::reply(net, owed.account, owed.subject, b"", &json::encode(told));
    }

    /// Gives up batches of a stream that have waited for too long.
    pub(crate) fn give_up_fast(&mut self, key: StreamKey) {
        let now = self.now.tick;
        let (left, next) = self.fast.end(key, |_, batch| batch.until <= now && !batch.undecided);
        self.forget_waiting(&left);
        if let Some(next) = next {
            // One that is undecided may be late.
            let next = if next > now { next } else { now.after(BATCH_IDLE_MAX / 10) };
            self.timers.set(TimerKey::FastBatches(key), next);
        }
    }

    fn give_up_fast_batch(&mut self, key: StreamKey, id: &[u8]) {
        let (left, _) = self.fast.end(key, |own, _| own == id);
        self.forget_waiting(&left);
    }

    /// Nobody may go on with any batch of a stream.
    pub(crate) fn end_fast_of(&mut self, key: StreamKey) {
        let (left, _) = self.fast.end(key, |_, _| true);
        self.forget_waiting(&left);
    }

    /// A stream is gone.
    pub(crate) fn forget_fast_of(&mut self, key: StreamKey) {
        let left = self.fast.forget(key);
        self.forget_waiting(&left);
        self.timers.cancel(TimerKey::FastBatches(key));
    }

    fn forget_waiting(&mut self, left: &[Waiting]) {
        self.expecting.bytes -= left.iter().map(Waiting::len).sum::<usize>();
    }
}
