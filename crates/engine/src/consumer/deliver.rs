//! Sending what a consumer picks, for as long as somebody takes it.

use watershed_store::log::Position;
use watershed_store::{LogId, Record};
use watershed_wire::header::{HeaderBlock, HeaderWriter};
use watershed_wire::jetstream::ack::AckSubject;
use watershed_wire::jetstream::consumer::AckPolicy;
use watershed_wire::op::Publish;

use super::{ConsumerKey, Event};
use crate::account::AccountId;
use crate::api::Reading;
use crate::delivery::Taken;
use crate::engine::Engine;
use crate::now::Tick;
use crate::output::Output;
use crate::stream::Stored;
use crate::stream::chunk::CHUNK_BYTES;
use crate::timer::TimerKey;

/// Bytes that a push consumer with flow control sends before it waits for an answer.
const FLOW_WINDOW_BYTES: usize = 512 * 1024;

/// What became of one attempt to deliver.
enum Step {
    /// There may be more to do.
    Again,
    /// Nothing can be done before something happens.
    Rest,
}

impl Engine {
    /// Lets a consumer be looked at when the shell next asks what there is to do.
    pub(crate) fn wake(&mut self, key: ConsumerKey) {
        self.jetstream.ready.insert(key);
    }

    /// Delivers what consumers that were woken can deliver.
    pub(crate) fn advance_ready(&mut self) {
        while let Some(key) = self.jetstream.ready.pop_first() {
            while matches!(self.step(key), Step::Again) {}
            self.arm_consumer(key);
        }
    }

    fn step(&mut self, key: ConsumerKey) -> Step {
        let Some(consumer) = self.jetstream.consumers.get(key.0 as usize) else {
            return Step::Rest;
        };
        if consumer.reading {
            return Step::Rest;
        }
        let Some((account, via)) = self.target(key) else { return Step::Rest };
        let jetstream = &mut self.jetstream;
        let consumer = &mut jetstream.consumers[key.0 as usize];
        let stream = &jetstream.streams[consumer.stream.0 as usize];
        let Some((sequence, before)) = consumer.pick(&stream.log) else {
            return self.nothing_to_deliver(key);
        };
        if before > 0 && consumer.is_exhausted(before) {
            self.give_up(key, sequence, before);
            return Step::Again;
        }
        let mut bytes = std::mem::take(&mut self.record);
        bytes.clear();
        match stream.stored(sequence, &jetstream.tail) {
            Some(Stored::Memory(record)) => {
                bytes.extend_from_slice(record);
                consumer.chunk = None;
            }
            Some(Stored::Disk(position)) => {
                let log = stream.log.id();
                let chunk = consumer.chunk.as_mut();
                let Some(record) = chunk.and_then(|chunk| chunk.record(log, position)) else {
                    self.record = bytes;
                    return self.read_ahead(key, log, position);
                };
                bytes.extend_from_slice(record);
            }
            None => {
                self.record = bytes;
                return Step::Again;
            }
        }
        let step = self.send_record(key, account, &via, &Record::view(&bytes), before);
        self.record = bytes;
        step
    }

    /// Has a record read from disk, with those behind it.
    fn read_ahead(&mut self, key: ConsumerKey, log: LogId, position: Position) -> Step {
        let jetstream = &mut self.jetstream;
        let consumer = &mut jetstream.consumers[key.0 as usize];
        if consumer.chunk.as_ref().is_some_and(|chunk| chunk.starts_at(log, position)) {
            // It was just read and is damaged. To skip it would be to lose it in silence.
            return Step::Rest;
        }
        consumer.reading = true;
        let (block, offset) = (position.block, position.offset);
        let length = CHUNK_BYTES.max(position.length as usize);
        let ticket = jetstream.expect_read(Reading::Consumer { consumer: key, log, block, offset });
        self.outputs.push(Output::Read { ticket, log, block, offset, length });
        Step::Rest
    }

    /// Who takes the next message: the account and the subject to send it to.
    fn target(&mut self, key: ConsumerKey) -> Option<(AccountId, Box<[u8]>)> {
        let consumer = &self.jetstream.consumers[key.0 as usize];
        if consumer.config.is_push() {
            let account = self.jetstream.streams[consumer.stream.0 as usize].account;
            let via: Box<[u8]> = consumer.config.deliver_subject.as_bytes().into();
            let open = !consumer.flow_awaited;
            return (open && self.has_listener(account, &via)).then_some((account, via));
        }
        let request = consumer.waiting.front()?;
        Some((request.account, request.reply.clone()))
    }

    /// Requests that do not wait are told so.
    fn nothing_to_deliver(&mut self, key: ConsumerKey) -> Step {
        let consumer = &mut self.jetstream.consumers[key.0 as usize];
        if !consumer.waiting.front().is_some_and(|request| request.no_wait) {
            return Step::Rest;
        }
        if let Some(request) = consumer.waiting.pop() {
            self.send_status(request.account, &request.reply, 404, "No Messages", &[]);
        }
        Step::Again
    }

    fn send_record(
        &mut self,
        key: ConsumerKey,
        account: AccountId,
        via: &[u8],
        record: &Record<'_>,
        before: u64,
    ) -> Step {
        let consumer = &self.jetstream.consumers[key.0 as usize];
        let stream = &self.jetstream.streams[consumer.stream.0 as usize];
        let mut reply = std::mem::take(&mut self.scratch);
        reply.clear();
        AckSubject {
            stream: &stream.config.name,
            consumer: &consumer.config.name,
            deliveries: before + 1,
            stream_seq: record.sequence,
            consumer_seq: consumer.deliveries + 1,
            timestamp: record.time,
            pending: consumer.pending() - u64::from(before == 0).min(consumer.pending()),
        }
        .encode(&mut reply);
        let size_header;
        let (header, payload) = if consumer.config.headers_only {
            size_header = sized(record);
            (size_header.as_slice(), b"".as_slice())
        } else {
            (record.head, record.body)
        };
        let size = record.key.len() + reply.len() + header.len() + payload.len();
        if self.exceeds_request(key, size) {
            self.scratch = reply;
            return Step::Again;
        }
        let has_header = !header.is_empty();
        let message =
            Publish { subject: record.key, reply: Some(&reply), header, payload, has_header };
        let taken = self.send_via(account, via, &message);
        self.scratch = reply;
        self.after_send(key, record, before, size, taken)
    }

    /// Ends a request whose bytes do not suffice.
    fn exceeds_request(&mut self, key: ConsumerKey, size: usize) -> bool {
        let consumer = &mut self.jetstream.consumers[key.0 as usize];
        let left = consumer.waiting.front().and_then(|request| request.bytes);
        if left.is_none_or(|left| left >= size as u64) {
            return false;
        }
        if let Some(request) = consumer.waiting.pop() {
            let text = "Message Size Exceeds MaxBytes";
            self.send_status(request.account, &request.reply, 409, text, &request.left());
        }
        true
    }

    fn after_send(
        &mut self,
        key: ConsumerKey,
        record: &Record<'_>,
        before: u64,
        size: usize,
        taken: Taken,
    ) -> Step {
        let now = self.now;
        let consumer = &mut self.jetstream.consumers[key.0 as usize];
        if taken == Taken::Nobody {
            // The client has gone; a message that nobody took was not delivered.
            let pull = !consumer.config.is_push();
            if pull {
                consumer.waiting.pop();
            }
            return if pull { Step::Again } else { Step::Rest };
        }
        consumer.sent(now, record.sequence, before);
        consumer.waiting.served(size as u64, now.tick);
        consumer.last_sent = now.tick;
        consumer.idle_since = None;
        let done = consumer.config.ack_policy == AckPolicy::None;
        consumer.flow_bytes += size;
        let ask = consumer.config.flow_control && consumer.flow_bytes >= FLOW_WINDOW_BYTES;
        let stream = consumer.stream;
        self.note_unsaved(key);
        if ask {
            self.ask_for_flow(key);
        }
        if done {
            self.done(stream, record.sequence, record.key);
        }
        if taken == Taken::Congested {
            // Held back until the client has read: what is not sent is not lost.
            self.jetstream.held.insert(key);
            return Step::Rest;
        }
        Step::Again
    }

    /// Asks a push consumer's client to say when it has got here (ADR-9).
    fn ask_for_flow(&mut self, key: ConsumerKey) {
        let consumer = &mut self.jetstream.consumers[key.0 as usize];
        let stream = &self.jetstream.streams[consumer.stream.0 as usize];
        consumer.flow_awaited = true;
        consumer.flow_bytes = 0;
        let (stream_name, name) = (&stream.config.name, &consumer.config.name);
        let reply = format!("$JS.FC.{stream_name}.{name}.{}", consumer.deliveries);
        let via = consumer.config.deliver_subject.clone();
        let account = stream.account;
        let header = HeaderWriter::with_status(100, "FlowControl Request").finish();
        let message = Publish {
            subject: via.as_bytes(),
            reply: Some(reply.as_bytes()),
            header: &header,
            payload: b"",
            has_header: true,
        };
        self.send_via(account, via.as_bytes(), &message);
    }

    /// A client answers flow control.
    pub(crate) fn flow_answered(&mut self, account: AccountId, subject: &str) {
        let mut tokens = subject.split('.').skip(2);
        let (Some(stream), Some(name)) = (tokens.next(), tokens.next()) else { return };
        if let Some(key) = self.jetstream.consumer(account, stream, name) {
            self.jetstream.consumers[key.0 as usize].flow_awaited = false;
            self.wake(key);
        }
    }

    /// A message was delivered as often as it may be.
    pub(super) fn give_up(&mut self, key: ConsumerKey, sequence: u64, deliveries: u64) {
        let now = self.now;
        let consumer = &mut self.jetstream.consumers[key.0 as usize];
        let event = Event::GivenUp { sequence };
        consumer.apply(now, event);
        consumer.remember(event);
        self.note_unsaved(key);
        self.advise_max_deliveries(key, sequence, deliveries);
    }

    /// A status in place of a message.
    pub(crate) fn send_status(
        &mut self,
        account: AccountId,
        reply: &[u8],
        code: u16,
        text: &str,
        fields: &[(&str, u64)],
    ) {
        let mut header = HeaderWriter::with_status(code, text);
        for (name, value) in fields {
            header.number(name, *value);
        }
        let header = header.finish();
        self.reply(account, reply, &header, b"");
    }

    /// A deadline of a consumer has passed.
    pub(crate) fn consumer_timeout(&mut self, key: ConsumerKey) {
        let now = self.now;
        let Some(consumer) = self.jetstream.consumers.get_mut(key.0 as usize) else { return };
        let mut given_up = Vec::new();
        while let Some((sequence, deliveries)) = consumer.outstanding.overdue(now.tick) {
            // It stays outstanding, without a deadline, until it is delivered again or given up.
            consumer.outstanding.retry(sequence);
            if consumer.is_exhausted(deliveries) {
                given_up.push((sequence, deliveries));
            }
        }
        let expired = consumer.waiting.expired(now.tick);
        let heartbeats = consumer.waiting.heartbeats(now.tick);
        let position =
            [("Nats-Last-Consumer", consumer.deliveries), ("Nats-Last-Stream", consumer.delivered)];
        for (sequence, deliveries) in given_up {
            self.give_up(key, sequence, deliveries);
        }
        for request in expired {
            self.send_status(
                request.account,
                &request.reply,
                408,
                "Request Timeout",
                &request.left(),
            );
        }
        for (account, reply) in heartbeats {
            self.send_status(account, &reply, 100, "Idle Heartbeat", &position);
        }
        self.push_heartbeat(key, &position);
        self.forget_gone_clients(key);
        if self.is_abandoned(key) {
            self.abandon(key);
        }
        self.wake(key);
    }

    /// Requests of clients that have gone hold no credit.
    fn forget_gone_clients(&mut self, key: ConsumerKey) {
        for (account, reply) in self.jetstream.consumers[key.0 as usize].waiting.replies() {
            if !self.has_listener(account, &reply) {
                self.jetstream.consumers[key.0 as usize].waiting.forget(&reply);
            }
        }
    }

    fn push_heartbeat(&mut self, key: ConsumerKey, position: &[(&str, u64)]) {
        let now = self.now;
        let consumer = &mut self.jetstream.consumers[key.0 as usize];
        let every = u64::try_from(consumer.config.idle_heartbeat).unwrap_or(0);
        if every == 0 || !consumer.config.is_push() || now.tick.0 < consumer.last_sent.0 + every {
            return;
        }
        consumer.last_sent = now.tick;
        let via = consumer.config.deliver_subject.clone();
        let account = self.jetstream.streams[consumer.stream.0 as usize].account;
        self.send_status(account, via.as_bytes(), 100, "Idle Heartbeat", position);
    }

    /// Whether nobody has been there for longer than the consumer waits.
    fn is_abandoned(&mut self, key: ConsumerKey) -> bool {
        let now = self.now.tick;
        let consumer = &self.jetstream.consumers[key.0 as usize];
        let Ok(threshold) = u64::try_from(consumer.config.inactive_threshold) else { return false };
        let account = self.jetstream.streams[consumer.stream.0 as usize].account;
        let there = if consumer.config.is_push() {
            let via = consumer.config.deliver_subject.clone();
            self.has_listener(account, via.as_bytes())
        } else {
            consumer.waiting.len() > 0
        };
        let consumer = &mut self.jetstream.consumers[key.0 as usize];
        if there {
            consumer.idle_since = None;
            return false;
        }
        let since = *consumer.idle_since.get_or_insert(now);
        threshold > 0 && now.0 >= since.0.saturating_add(threshold)
    }

    /// Sees to it that the consumer's next deadline is met.
    pub(crate) fn arm_consumer(&mut self, key: ConsumerKey) {
        let now = self.now.tick;
        let Some(consumer) = self.jetstream.consumers.get(key.0 as usize) else { return };
        let positive = |nanos: i64| u64::try_from(nanos).ok().filter(|nanos| *nanos > 0);
        let heartbeat = positive(consumer.config.idle_heartbeat)
            .filter(|_| consumer.config.is_push())
            .map(|every| Tick(consumer.last_sent.0.max(now.0.saturating_sub(every)) + every));
        let idle = positive(consumer.config.inactive_threshold)
            .map(|threshold| Tick(consumer.idle_since.unwrap_or(now).0.saturating_add(threshold)));
        let deadlines = [
            consumer.outstanding.next_deadline(),
            consumer.waiting.next_deadline(),
            heartbeat,
            idle,
        ];
        match deadlines.into_iter().flatten().min() {
            Some(deadline) => self.set_timer(TimerKey::Consumer(key), deadline),
            None => self.cancel_timer(TimerKey::Consumer(key)),
        }
    }
}

/// The header block of a message whose payload is left out.
fn sized(record: &Record<'_>) -> Vec<u8> {
    let mut header = if HeaderBlock(record.head).is_well_formed() {
        HeaderWriter::extending(record.head)
    } else {
        HeaderWriter::new()
    };
    header.number("Nats-Msg-Size", record.body.len() as u64);
    header.finish()
}
