//! Sending what a consumer picks, for as long as somebody takes it.

use std::ops::Bound;

use watershed_base::{AccountId, Tick};
use watershed_store::log::Position;
use watershed_store::{LogId, Record};
use watershed_wire::header::{HeaderBlock, HeaderWriter};
use watershed_wire::jetstream::ack::AckSubject;
use watershed_wire::limits::PAYLOAD_BYTES_MAX;
use watershed_wire::op::Publish;

use crate::chunk::CHUNK_BYTES;
use crate::consumer_key::ConsumerKey;
use crate::jetstream::{JetStream, TimerKey};
use crate::limits::EVENT_BYTES_MAX;
use crate::live::{Pick, is_exhausted};
use crate::network::{Network, Taken};
use crate::reading::Reading;
use crate::record::{Command, Event};
use crate::rounds::Owed;
use crate::state::Stored;

/// Deliveries in one turn, whoever makes them.
const DELIVERIES_PER_TURN: usize = 512;

/// Deliveries that take as long as to tell that one was given up.
const ADVISORY: usize = 8;

/// Deliveries that take as long as a search that found nothing.
const LOOK: usize = 64;

/// What became of one attempt to deliver.
enum Step {
    /// There may be more to do.
    Again,
    /// The same, and nothing was found in many messages.
    Looked,
    /// Nothing can be done before something happens.
    Rest,
}

impl JetStream {
    /// Lets a consumer be looked at when the shell next asks what there is to do.
    pub(crate) fn wake(&mut self, key: ConsumerKey) {
        self.ready.insert(key);
    }

    /// A connection has little to read again, or is gone: what was held back goes on.
    pub fn decongested(&mut self) {
        self.batch_reads.release_held();
        self.ready.append(&mut self.held);
    }

    /// Delivers some of what consumers that were woken can deliver. Says whether there is more.
    pub(crate) fn advance_ready(&mut self, net: &mut impl Network) -> bool {
        let mut left = DELIVERIES_PER_TURN;
        while left > 0
            && let Some(key) = self.next_ready()
        {
            let mut step = Step::Again;
            while left > 0 && !matches!(step, Step::Rest) {
                step = self.step(net, key);
                left = left.saturating_sub(if matches!(step, Step::Looked) { LOOK } else { 1 });
            }
            if !matches!(step, Step::Rest) {
                self.ready.insert(key);
            }
            self.arm_consumer(key);
        }
        !self.ready.is_empty()
    }

    /// Takes the consumer whose turn it is: the one behind the last one that had it.
    fn next_ready(&mut self) -> Option<ConsumerKey> {
        let behind = (Bound::Excluded(self.served), Bound::Unbounded);
        let next = self.ready.range(behind).next().or_else(|| self.ready.first()).copied()?;
        self.ready.remove(&next);
        self.served = next;
        Some(next)
    }

    fn step(&mut self, net: &mut impl Network, key: ConsumerKey) -> Step {
        if self.calls.holds_up(key) {
            return Step::Rest;
        }
        let Self { state, live, via, now, .. } = self;
        let Some(stream) = state.streams.get(key.stream.index()) else { return Step::Rest };
        let Some(consumer) = stream.consumers.get(key.index()) else { return Step::Rest };
        let Some(live) = live.get_mut(key.stream) else { return Step::Rest };
        let Some(dispatcher) = live.dispatcher(key.index()) else { return Step::Rest };
        // Of what no record can take, no more is made.
        let is_full = dispatcher.unsaved_len() > EVENT_BYTES_MAX;
        if dispatcher.reading || is_full || consumer.is_counting() {
            return Step::Rest;
        }
        if consumer.config.pause_remaining(now.wall).is_some() {
            return self.nothing_to_deliver(net, key);
        }
        let (group, is_push) = (consumer.group, consumer.config.is_push());
        via.clear();
        if is_push {
            via.extend_from_slice(consumer.config.deliver_subject.as_bytes());
            if dispatcher.flow_awaited.is_some() {
                return Step::Rest;
            }
            if !net.listens(stream.account, via) {
                live.await_food(key.index(), group);
                return Step::Rest;
            }
        } else if dispatcher.waiting.len() == 0 {
            return Step::Rest;
        }
        let (sequence, before) = match dispatcher.pick(&consumer.config, &stream.log) {
            Pick::Message(sequence, before) => (sequence, before),
            Pick::Later => return Step::Looked,
            Pick::Nothing => {
                live.await_food(key.index(), group);
                return self.nothing_to_deliver(net, key);
            }
        };
        if before > 0 && is_exhausted(&consumer.config, before) {
            self.give_up(net, key, sequence, before);
            return Step::Again;
        }
        if !is_push && !self.choose(net, key, before > 0) {
            // Who waits gets none before there are more, or another one asks.
            self.live(key.stream).await_food(key.index(), group);
            return self.nothing_to_deliver(net, key);
        }
        self.deliver(net, key, sequence, before)
    }

    /// Delivers a message, or has it read.
    fn deliver(
        &mut self,
        net: &mut impl Network,
        key: ConsumerKey,
        sequence: u64,
        before: u64,
    ) -> Step {
        let Self { state, live, tail, record: bytes, via, .. } = self;
        let stream = &state.streams[key.stream.index()];
        let Some(dispatcher) = live.dispatcher(key) else { return Step::Rest };
        let is_push = stream.consumers[key.index()].config.is_push();
        let account = match dispatcher.waiting.front() {
            Some(request) if !is_push => {
                via.extend_from_slice(&request.reply);
                request.account
            }
            _ => stream.account,
        };
        bytes.clear();
        match stream.stored(sequence, tail) {
            Some(Stored::Memory(record)) => {
                bytes.extend_from_slice(record);
                dispatcher.chunk = None;
            }
            Some(Stored::Disk(position)) => {
                let log = stream.log.id();
                let chunk = dispatcher.chunk.as_mut();
                let Some(record) = chunk.and_then(|chunk| chunk.record(log, position)) else {
                    return self.read_ahead(key, log, sequence, position);
                };
                bytes.extend_from_slice(record);
            }
            None => return Step::Again,
        }
        let (bytes, via) = (std::mem::take(bytes), std::mem::take(via));
        let step = self.send_record(net, key, account, &via, &Record::view(&bytes), before);
        (self.record, self.via) = (bytes, via);
        step
    }

    /// Has a record read from disk, with those behind it.
    fn read_ahead(
        &mut self,
        key: ConsumerKey,
        log: LogId,
        sequence: u64,
        position: Position,
    ) -> Step {
        let Some(dispatcher) = self.live.dispatcher(key) else {
            return Step::Rest;
        };
        if dispatcher.chunk.as_ref().is_some_and(|chunk| chunk.starts_at(log, position)) {
            // It was just read and is damaged. To skip it would be to lose it in silence.
            self.note_damage(log, sequence);
            return Step::Rest;
        }
        dispatcher.reading = true;
        let (block, offset) = (position.block, position.offset);
        let length = CHUNK_BYTES.max(position.length as usize);
        let reading = Reading::Consumer { consumer: key, log, block, offset };
        self.read_block(reading, log, position, length);
        Step::Rest
    }

    /// Requests that do not wait are told so, when nothing is on its way that they are to get.
    fn nothing_to_deliver(&mut self, net: &mut impl Network, key: ConsumerKey) -> Step {
        let last = self.state.stream(key.stream).log.last();
        let Some(dispatcher) = self.live.dispatcher(key) else {
            return Step::Rest;
        };
        let gone = dispatcher.waiting.impatient(last);
        if dispatcher.waiting.any_no_wait() {
            self.settling.insert(key);
        }
        let any = !gone.is_empty();
        for request in gone {
            let (account, reply) = (request.account, &request.reply);
            Self::send_status(net, account, reply, 404, "No Messages", &[]);
        }
        if any { Step::Again } else { Step::Rest }
    }

    fn send_record(
        &mut self,
        net: &mut impl Network,
        key: ConsumerKey,
        account: AccountId,
        via: &[u8],
        record: &Record<'_>,
        before: u64,
    ) -> Step {
        let Self { state, live, scratch, now, .. } = self;
        let stream = &state.streams[key.stream.index()];
        let (consumer, backlog) =
            (&stream.consumers[key.index()], stream.consumers.backlog(key.index()));
        let Some(dispatcher) = live.dispatcher(key) else { return Step::Rest };
        scratch.clear();
        AckSubject {
            stream: &stream.config.name,
            consumer: &consumer.config.name,
            deliveries: before + 1,
            stream_seq: record.sequence,
            consumer_seq: dispatcher.deliveries + 1,
            timestamp: record.time,
            pending: dispatcher.pending(backlog).saturating_sub(u64::from(before == 0)),
        }
        .encode(scratch);
        let pin = dispatcher.pin.as_ref().map(|pin| &*pin.id);
        let own_header = own_header(record, consumer.config.headers_only, pin);
        let header = own_header.as_deref().unwrap_or(record.head);
        let payload = if consumer.config.headers_only { b"".as_slice() } else { record.body };
        let size = record.key.len() + scratch.len() + header.len() + payload.len();
        if let Some(left) = dispatcher.waiting.front().and_then(|request| request.bytes)
            && left < size as u64
        {
            return self.bytes_exceeded(net, key);
        }
        let published = (before == 0).then_some((record.sequence, record.time));
        let burst = usize::try_from(stream.config.max_msg_size).ok().filter(|size| *size > 0);
        let burst = burst.unwrap_or(PAYLOAD_BYTES_MAX);
        if !dispatcher.pace.allows(&consumer.config, now.tick, size, burst, published) {
            return Step::Rest;
        }
        let has_header = !header.is_empty();
        let message =
            Publish { subject: record.key, reply: Some(scratch), header, payload, has_header };
        let taken = net.send(account, via, &message);
        self.after_send(net, key, record, before, size, taken)
    }

    /// Ends a request whose bytes do not suffice.
    fn bytes_exceeded(&mut self, net: &mut impl Network, key: ConsumerKey) -> Step {
        let dispatcher = self.live.dispatcher(key);
        if let Some(request) = dispatcher.and_then(|own| own.waiting.pop()) {
            let text = "Message Size Exceeds MaxBytes";
            let left = request.left();
            Self::send_status(net, request.account, &request.reply, 409, text, &left);
        }
        Step::Again
    }

    fn after_send(
        &mut self,
        net: &mut impl Network,
        key: ConsumerKey,
        record: &Record<'_>,
        before: u64,
        size: usize,
        taken: Taken,
    ) -> Step {
        let Self { state, live, now, .. } = self;
        let consumer = &state.streams[key.stream.index()].consumers[key.index()];
        let Some(dispatcher) = live.dispatcher(key) else { return Step::Rest };
        if taken == Taken::Nobody {
            // The client has gone; a message that nobody took was not delivered.
            return if dispatcher.waiting.pop().is_some() { Step::Again } else { Step::Rest };
        }
        dispatcher.sent(&consumer.config, *now, record.sequence, before);
        let published = (before == 0).then_some((record.sequence, record.time));
        dispatcher.pace.sent(now.tick, size, published);
        dispatcher.waiting.served(size as u64, now.tick);
        dispatcher.last_sent = now.tick;
        dispatcher.idle_since = None;
        dispatcher.flow_bytes += size;
        let ask = dispatcher.asks_for_flow(&consumer.config);
        self.note_unsaved(net, key);
        if ask {
            self.ask_for_flow(net, key);
        }
        if taken == Taken::Congested {
            // Held back until the client has read: what is not sent is not lost.
            self.held.insert(key);
            return Step::Rest;
        }
        Step::Again
    }

    /// A message was delivered as often as it may be.
    fn give_up(
        &mut self,
        net: &mut impl Network,
        key: ConsumerKey,
        sequence: u64,
        deliveries: u64,
    ) {
        let Some(dispatcher) = self.live.dispatcher(key) else { return };
        dispatcher.outstanding.remove(sequence);
        dispatcher.remember(Event::GivenUp { sequence });
        self.note_unsaved(net, key);
        self.advise_max_deliveries(net, key, sequence, deliveries);
    }

    /// A deadline of a consumer has passed. Says about how many deliveries were found to have failed.
    pub(crate) fn consumer_timeout(&mut self, net: &mut impl Network, key: ConsumerKey) -> usize {
        let Self { state, live, now, .. } = self;
        let now = *now;
        let Some(stream) = state.streams.get(key.stream.index()) else { return 0 };
        let Some(consumer) = stream.consumers.get(key.index()) else { return 0 };
        let Some(dispatcher) = live.dispatcher(key) else { return 0 };
        let mut given_up = Vec::new();
        let mut left = DELIVERIES_PER_TURN;
        while left > 0
            && let Some((sequence, deliveries)) = dispatcher.outstanding.overdue(now.tick)
        {
            // It stays outstanding, without a deadline, until it is delivered again or given up.
            dispatcher.outstanding.retry(sequence);
            left -= 1;
            if is_exhausted(&consumer.config, deliveries) {
                given_up.push((sequence, deliveries));
                left = left.saturating_sub(ADVISORY);
            }
        }
        let expired = dispatcher.waiting.expired(now.tick);
        let heartbeats = dispatcher.waiting.heartbeats(now.tick);
        let position = [
            ("Nats-Last-Consumer", dispatcher.deliveries),
            ("Nats-Last-Stream", dispatcher.delivered),
        ];
        for (sequence, deliveries) in given_up {
            self.give_up(net, key, sequence, deliveries);
        }
        for request in expired {
            let left = request.left();
            let (account, reply) = (request.account, &request.reply);
            Self::send_status(net, account, reply, 408, "Request Timeout", &left);
        }
        for (account, reply) in heartbeats {
            Self::send_status(net, account, &reply, 100, "Idle Heartbeat", &position);
        }
        self.push_heartbeat(net, key, &position);
        self.look_at_pause(net, key);
        self.look_at_pinned(net, key);
        self.forget_gone_clients(net, key);
        if self.is_abandoned(net, key) {
            self.abandon(net, key);
        }
        self.wake(key);
        DELIVERIES_PER_TURN - left
    }

    /// Requests of clients that have gone hold no credit.
    pub(crate) fn forget_gone_clients(&mut self, net: &mut impl Network, key: ConsumerKey) {
        let Some(dispatcher) = self.live.dispatcher(key) else { return };
        for (account, reply) in dispatcher.waiting.replies() {
            if !net.listens(account, &reply) {
                dispatcher.waiting.forget(&reply);
            }
        }
    }

    fn push_heartbeat(
        &mut self,
        net: &mut impl Network,
        key: ConsumerKey,
        position: &[(&str, u64)],
    ) {
        let Self { state, live, now, .. } = self;
        let stream = &state.streams[key.stream.index()];
        let config = &stream.consumers[key.index()].config;
        let Some(dispatcher) = live.dispatcher(key) else { return };
        let every = u64::try_from(config.idle_heartbeat).unwrap_or(0);
        let due = dispatcher.last_sent.0.saturating_add(every);
        if every == 0 || !config.is_push() || now.tick.0 < due {
            return;
        }
        dispatcher.last_sent = now.tick;
        let mut header = HeaderWriter::with_status(100, "Idle Heartbeat");
        for (name, value) in position {
            header.number(name, *value);
        }
        if let Some(awaited) = &dispatcher.flow_awaited {
            // Whoever lost the question can still answer it (ADR-9).
            header.field("Nats-Consumer-Stalled", awaited);
        }
        let header = header.finish();
        let via = config.deliver_subject.as_bytes();
        Self::reply(net, stream.account, via, &header, b"");
        self.ask_when_idle(net, key);
    }

    /// Whether nobody has been there for longer than the consumer waits.
    fn is_abandoned(&mut self, net: &mut impl Network, key: ConsumerKey) -> bool {
        let Self { state, live, now, .. } = self;
        let stream = &state.streams[key.stream.index()];
        let config = &stream.consumers[key.index()].config;
        let Ok(threshold) = u64::try_from(config.inactive_threshold) else { return false };
        let Some(dispatcher) = live.dispatcher(key) else { return false };
        let there = if config.is_push() {
            net.listens(stream.account, config.deliver_subject.as_bytes())
        } else {
            dispatcher.waiting.len() > 0
        };
        if there {
            dispatcher.idle_since = None;
            return false;
        }
        let since = *dispatcher.idle_since.get_or_insert(now.tick);
        threshold > 0 && now.tick.0 >= since.0.saturating_add(threshold)
    }

    /// Nobody has been at a consumer for longer than it waits.
    fn abandon(&mut self, net: &mut impl Network, key: ConsumerKey) {
        let now = self.now.tick;
        let Some(dispatcher) = self.live.dispatcher(key) else { return };
        // Until the command is applied it is not given again at every look.
        dispatcher.idle_since = Some(now);
        let name = self.state.stream(key.stream).consumers[key.index()].config.name.clone();
        // Without room it is tried again at the next deadline.
        self.submit(net, key.stream, &Command::DeleteConsumer { name }, Owed::NOTHING);
    }

    /// Sees to it that the consumer's next deadline is met.
    pub(crate) fn arm_consumer(&mut self, key: ConsumerKey) {
        let pause = self.pause_deadline(key);
        let Self { state, live, now, timers, .. } = self;
        let now = now.tick;
        let stream = state.streams.get(key.stream.index());
        let Some(consumer) = stream.and_then(|own| own.consumers.get(key.index())) else { return };
        let Some(dispatcher) = live.dispatcher(key) else { return };
        let config = &consumer.config;
        let positive = |nanos: i64| u64::try_from(nanos).ok().filter(|nanos| *nanos > 0);
        let heartbeat = positive(config.idle_heartbeat).filter(|_| config.is_push()).map(|every| {
            let last = dispatcher.last_sent.0.max(now.0.saturating_sub(every));
            Tick(last.saturating_add(every))
        });
        let idle = positive(config.inactive_threshold).map(|threshold| {
            Tick(dispatcher.idle_since.unwrap_or(now).0.saturating_add(threshold))
        });
        let deadlines = [
            dispatcher.outstanding.next_deadline(),
            dispatcher.waiting.next_deadline(),
            dispatcher.pace.rests_until.filter(|until| *until > now),
            dispatcher.pin.as_ref().map(|pin| pin.until),
            heartbeat,
            idle,
            pause,
        ];
        match deadlines.into_iter().flatten().min() {
            Some(deadline) => timers.set(TimerKey::Consumer(key), deadline),
            None => timers.cancel(TimerKey::Consumer(key)),
        }
    }
}

/// The header block of a message whose payload is left out, or that goes to a pinned client; `None` if it
/// is the message's own.
fn own_header(record: &Record<'_>, headers_only: bool, pin: Option<&str>) -> Option<Vec<u8>> {
    if !headers_only && pin.is_none() {
        return None;
    }
    let mut header = if HeaderBlock(record.head).is_well_formed() {
        HeaderWriter::extending(record.head)
    } else {
        HeaderWriter::new()
    };
    if headers_only {
        header.number("Nats-Msg-Size", record.body.len() as u64);
    }
    if let Some(id) = pin {
        header.field("Nats-Pin-Id", id.as_bytes());
    }
    Some(header.finish())
}
