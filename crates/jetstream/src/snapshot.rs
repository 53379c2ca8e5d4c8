//! Making a snapshot, in turns, of what a stream holds when it is asked for.

use std::time::Duration;

use watershed_archive::{BLOCK_BYTES, Message, Position};
use watershed_store::Record;
use watershed_wire::jetstream::StreamConfig;
use watershed_wire::jetstream::consumer::ConsumerConfig;
use watershed_wire::op::Publish;

use crate::chunk::{CHUNK_BYTES, Chunk};
use crate::jetstream::{JetStream, TimerKey};
use crate::network::Network;
use crate::output::DiskOutput;
use crate::reading::Reading;
use crate::snapshots::{Part, Snapshot};
use crate::state::{Kept, Pin, Stored, StreamKey};
use watershed_store::keeper::Job;

/// Messages of a snapshot that are looked at in one turn, and their bytes.
const MESSAGES_PER_TURN: usize = 256;
const BYTES_PER_TURN: usize = 256 * 1024;

/// How long a client may keep a snapshot or a restore waiting.
pub(crate) const PATIENCE: Duration = Duration::from_secs(5);

/// How long it may take until anybody listens where a snapshot is sent, and time between looks.
const FIRST_PATIENCE: Duration = Duration::from_secs(2);
const LOOK_FIRST: Duration = Duration::from_millis(5);

/// Time between looks at who keeps us waiting.
pub(crate) const LOOK: Duration = Duration::from_secs(1);

const DONE: &str = "NATS/1.0 204\r\n\r\n";

/// What became of one step.
enum Step {
    /// There is more to do at once.
    Again,
    /// Nothing is to be done before something happens.
    Rest,
    /// Everything is sent, or the snapshot is given up: what is said at the end.
    End(String),
}

impl JetStream {
    /// Begins to send a snapshot, under this name.
    pub(crate) fn begin_snapshot(
        &mut self,
        id: String,
        key: StreamKey,
        mut own: Snapshot,
        consumers: bool,
    ) {
        let stream = &mut self.state.streams[key.index()];
        own.next = 1;
        own.last = stream.log.last();
        own.last_time = stream.last_time.0;
        if consumers {
            let all = stream.consumers.by_name();
            let at = |index: usize| stream.consumers[index].position(own.last);
            own.consumers = all.map(|(name, index)| (name.to_owned(), at(index))).collect();
        }
        stream.pin = Some(Box::new(Pin::new(own.last)));
        let config: &StreamConfig = &stream.config;
        own.writer.stream(stream.created, config);
        self.snapshots.insert(id, own);
        self.timers.set(TimerKey::Archives, self.now.tick.after(LOOK_FIRST));
    }

    /// The client has taken a piece: `<stream>.<id>.<bytes>.<number>`.
    pub(crate) fn snapshot_answered(&mut self, subject: &str) {
        let Some(id) = subject.split('.').nth(1) else { return };
        if let Some(own) = self.snapshots.get_mut(id) {
            own.answered(self.now.tick);
            self.wake_snapshot(id);
        }
    }

    /// A snapshot may go on.
    pub(crate) fn wake_snapshot(&mut self, id: &str) {
        if !self.snapshots_ready.iter().any(|own| own == id) {
            self.snapshots_ready.push_back(id.to_owned());
        }
    }

    /// Goes on with one snapshot. Says whether there is more to do.
    pub(crate) fn snapshot_some(&mut self, net: &mut impl Network) -> bool {
        let Some(id) = self.snapshots_ready.pop_front() else { return false };
        let Some(mut own) = self.snapshots.remove(&id) else { return true };
        match self.advance_snapshot(net, &id, &mut own) {
            Step::Again => {
                self.snapshots.insert(id.clone(), own);
                self.snapshots_ready.push_back(id);
            }
            Step::Rest => drop(self.snapshots.insert(id, own)),
            Step::End(said) => self.end_snapshot(net, &own, &said),
        }
        !self.snapshots_ready.is_empty()
    }

    /// Begins to send to those who listen, and gives up those who do not answer. Says when to look again,
    /// if any is left.
    pub(crate) fn look_at_snapshots(&mut self, net: &mut impl Network) -> Option<Duration> {
        let now = self.now.tick;
        let mut given_up = Vec::new();
        for (id, own) in &mut self.snapshots {
            let late = |patience| own.heard.after(patience) <= now;
            let listens = net.listens(own.account, &own.deliver);
            // A client may listen to all of its inboxes, and to this one in a moment.
            let by_name = listens && net.listens_by_name(own.account, &own.deliver);
            if !own.heard_of && (by_name || (listens && late(FIRST_PATIENCE))) {
                (own.heard_of, own.heard) = (true, now);
                self.snapshots_ready.push_back(id.clone());
            } else if !listens && (own.heard_of || late(FIRST_PATIENCE)) {
                given_up.push((id.clone(), "NATS/1.0 408 No Interest\r\n\r\n"));
            } else if own.is_full() && late(PATIENCE) {
                given_up.push((id.clone(), "NATS/1.0 408 No Flow Response\r\n\r\n"));
            }
        }
        for (id, said) in given_up {
            if let Some(own) = self.snapshots.remove(&id) {
                self.end_snapshot(net, &own, said);
            }
        }
        let all_heard_of = self.snapshots.values().all(|own| own.heard_of);
        (!self.snapshots.is_empty()).then_some(if all_heard_of { LOOK } else { LOOK_FIRST })
    }

    /// A snapshot is over: what was kept for it may go.
    fn end_snapshot(&mut self, net: &mut impl Network, own: &Snapshot, said: &str) {
        if let Some(key) = self.state.by_log(own.log)
            && let Some(pin) = self.state.streams[key.index()].pin.take()
        {
            let blocks: Vec<_> =
                pin.into_blocks().into_iter().map(|block| (own.log, block)).collect();
            if !blocks.is_empty() {
                self.outputs.push(DiskOutput::Keep(Job::Drop(blocks)));
            }
        }
        Self::reply(net, own.account, &own.deliver, said.as_bytes(), b"");
        if let Some(begun) = own.begun.as_ref().filter(|_| said == DONE) {
            self.notice_snapshot_complete(net, own.account, &own.stream, begun);
        }
    }

    fn advance_snapshot(&mut self, net: &mut impl Network, id: &str, own: &mut Snapshot) -> Step {
        while !own.is_full()
            && let Some((piece, number)) = own.piece()
        {
            let answer = number.map(|number| {
                format!("$JS.SNAPSHOT.ACK.{}.{id}.{}.{number}", own.stream, piece.len())
            });
            let message = Publish {
                subject: &own.deliver,
                reply: answer.as_ref().map(String::as_bytes),
                header: b"",
                payload: &piece,
                has_header: false,
            };
            net.send(own.account, &own.deliver, &message);
            if number.is_none() {
                return Step::End(DONE.to_owned());
            }
        }
        if own.has_enough() || own.reading || own.has_rest() {
            return Step::Rest;
        }
        let Some(key) = self.state.by_log(own.log) else {
            return Step::End("NATS/1.0 500 stream deleted\r\n\r\n".to_owned());
        };
        if own.writer.has_plain() {
            own.writer.pack_some();
            return Step::Again;
        }
        match own.part {
            Part::Messages => self.put_messages(id, key, own),
            Part::Consumers => {
                if let Some((name, position)) = own.consumers.pop_front() {
                    self.put_consumer(key, own, &name, &position);
                } else {
                    own.writer.end();
                    own.part = Part::Done;
                }
                Step::Again
            }
            // The last piece ended as the archive does.
            Part::Done => Step::End(DONE.to_owned()),
        }
    }

    /// Puts some messages into the block.
    fn put_messages(&mut self, id: &str, key: StreamKey, own: &mut Snapshot) -> Step {
        let before = own.writer.block_len();
        for _ in 0..MESSAGES_PER_TURN {
            if own.writer.block_len() >= BLOCK_BYTES {
                own.writer.end_block();
                return Step::Again;
            }
            if own.writer.block_len() - before >= BYTES_PER_TURN {
                return Step::Again;
            }
            let Self { state, tail, .. } = self;
            let stream = &state.streams[key.index()];
            let Some(pin) = &stream.pin else { return Step::Rest };
            let there = stream.log.next(own.next).filter(|next| *next <= own.last);
            let kept = pin.next_kept();
            let (sequence, gone) = match (there, kept) {
                (there, Some((kept, place))) if there.is_none_or(|there| kept < there) => {
                    (kept, Some(place))
                }
                (Some(there), _) => (there, None),
                (None, _) => return Self::end_messages(own),
            };
            let stored = match gone {
                None => stream.stored(sequence, tail),
                Some(Kept { position, tail: place }) => {
                    let recent = place.and_then(|place| tail.record(place));
                    Some(recent.map_or(Stored::Disk(position), Stored::Memory))
                }
            };
            match stored {
                Some(Stored::Memory(record)) => put(record, own),
                Some(Stored::Disk(position)) => {
                    let chunk = own.chunk.as_mut();
                    let record = chunk.and_then(|chunk| chunk.record(own.log, position));
                    let Some(record) = record.map(<[u8]>::to_vec) else {
                        let read = own.chunk.as_ref();
                        if read.is_some_and(|chunk| chunk.starts_at(own.log, position)) {
                            self.note_damage(own.log, sequence);
                            let said =
                                format!("NATS/1.0 500 message {sequence} is damaged\r\n\r\n");
                            return Step::End(said);
                        }
                        let length = CHUNK_BYTES.max(position.length as usize);
                        let (block, offset, log) = (position.block, position.offset, own.log);
                        let id = id.to_owned();
                        let reading = Reading::Snapshot { id, log, block, offset };
                        own.reading = true;
                        self.read_block(reading, log, position, length);
                        return Step::Rest;
                    };
                    put(&record, own);
                }
                None => {}
            }
            own.next = sequence + 1;
            if let Some(pin) = &mut self.state.streams[key.index()].pin {
                pin.pass(sequence);
            }
        }
        Step::Again
    }

    /// All messages are in the archive: what is behind them is said.
    fn end_messages(own: &mut Snapshot) -> Step {
        if own.last >= own.next {
            own.writer.empty(own.last, own.last_time);
        }
        own.writer.end_block();
        own.part = Part::Consumers;
        Step::Again
    }

    /// Puts a consumer into the archive, if it is there still.
    fn put_consumer(&self, key: StreamKey, own: &mut Snapshot, name: &str, position: &Position) {
        let Some((_, consumer)) = self.state.stream(key).consumers.find(name) else { return };
        let config: &ConsumerConfig = &consumer.config;
        own.writer.consumer(name, consumer.created, config, position);
    }

    /// A piece of a block was read for a snapshot.
    pub(crate) fn snapshot_read(&mut self, id: &str, chunk: Chunk) {
        let Some(own) = self.snapshots.get_mut(id) else { return };
        own.reading = false;
        own.chunk = Some(chunk);
        self.wake_snapshot(id);
    }
}

/// Puts a record into the block.
fn put(record: &[u8], own: &mut Snapshot) {
    let record = Record::view(record);
    let message = Message {
        sequence: record.sequence,
        time: record.time,
        subject: record.key,
        header: record.head,
        payload: record.body,
    };
    own.writer.message(&message);
}
