//! Streams that take in what others store: mirrors and sources inside the account.
//!
//! A copy is a record of its own kind in the follower's log, made when the origin's message is
//! durable and counted when the copy is. Nothing is read from a socket and nothing waits for one.

use std::time::Duration;

use watershed_store::log::Position;
use watershed_store::{Log, LogId, Record};
use watershed_wire::header::HeaderBlock;
use watershed_wire::jetstream::error::{ApiError, table};
use watershed_wire::jetstream::publish::MSG_ID;
use watershed_wire::jetstream::stream::{SourceInfo, StreamSource};
use watershed_wire::op::Publish;

use crate::chunk::CHUNK_BYTES;
use crate::counters::{Counted, Problem, count_copy};
use crate::jetstream::{JetStream, TimerKey};
use crate::limits::ROUND_BYTES_WAITING_MAX;
use crate::live::admit::{refuse_full, refuse_size, seen};
use crate::markers::lengthened;
use crate::network::Network;
use crate::reading::Reading;
use crate::record::kind;
use crate::rounds::Owed;
use crate::state::{Origin, Stored, Stream, StreamKey};

/// Copies made in one turn before others have theirs.
const COPIES_PER_TURN: usize = 256;

/// Time until a follower that has no room tries again.
const RETRY: Duration = Duration::from_millis(250);

/// What a mirror cannot have of its origin, which was created again under the same name.
fn missed(own: &Origin, log: &Log) -> Option<ApiError> {
    let last = own.missed_of(log);
    let text = || {
        format!(
            "stream `{}` was created again: what it has up to sequence {last} is not mirrored, because the \
             mirror has other messages there; to have it, delete the mirror and create it again",
            own.name
        )
    };
    let there = last > 0 && log.first() <= last && log.records() > 0;
    there.then(|| ApiError { description: text().into(), ..table::STREAM_NOT_MATCH.into() })
}

/// What became of one attempt to copy.
enum Step {
    /// There may be more.
    Again,
    /// Nothing is to be done before something happens.
    Rest,
    /// There is no room: in the round, which goes first, or in the follower.
    Wait,
}

impl JetStream {
    /// How far a stream's origins were copied, in the order of its configuration.
    pub(crate) fn source_infos(&self, key: StreamKey, stream: &Stream) -> Vec<SourceInfo> {
        let copiers = self.live.get(key).map(|live| live.copiers.as_slice());
        let copiers = copiers.unwrap_or_default();
        let configs = stream.config.mirror.iter().chain(&stream.config.sources);
        let info = |(index, (own, config)): (usize, (&Origin, &StreamSource))| {
            let origin = self.state.find(stream.account, &own.name);
            let copier = copiers.get(index);
            SourceInfo {
                name: own.name.clone(),
                lag: match (origin, copier) {
                    (Some((_, origin)), Some(copier)) => copier.lag(own, origin),
                    _ => 0,
                },
                active: copier.map_or(-1, |copier| copier.idle(self.now, origin.is_some())),
                filter_subject: config.filter_subject.clone(),
                subject_transforms: config.subject_transforms.clone(),
                error: match origin {
                    Some((_, origin)) => missed(own, &origin.log),
                    None => Some(table::STREAM_NOT_FOUND.into()),
                },
            }
        };
        stream.origins.iter().zip(configs).enumerate().map(info).collect()
    }

    /// Copies what followers that were woken can copy.
    pub(crate) fn advance_following(&mut self, net: &mut impl Network) {
        let mut left = COPIES_PER_TURN;
        while let Some(key) = self.following.pop_first() {
            let count = self.state.streams.get(key.index()).map_or(0, |own| own.origins.len());
            for index in 0..count {
                let rest = loop {
                    if left == 0 {
                        break Step::Wait;
                    }
                    left -= 1;
                    match self.copy_next(net, key, index) {
                        Step::Again => {}
                        rest => break rest,
                    }
                };
                if matches!(rest, Step::Wait) {
                    self.following_waits.insert(key);
                    let pause = if left == 0 { Duration::ZERO } else { RETRY };
                    self.timers.set(TimerKey::Follow, self.now.tick.after(pause));
                }
            }
        }
    }

    /// There may be room again.
    pub(crate) fn wake_waiting_followers(&mut self) {
        self.following.append(&mut self.following_waits);
    }

    fn copy_next(&mut self, net: &mut impl Network, key: StreamKey, index: usize) -> Step {
        if !self.takes_messages() || self.rounds.bytes_waiting() > ROUND_BYTES_WAITING_MAX {
            return Step::Wait;
        }
        let Self { state, live, tail, record: bytes, now, .. } = self;
        let Some(stream) = state.streams.get(key.index()) else { return Step::Rest };
        let Some(live) = live.get_mut(key) else { return Step::Rest };
        let own_last = live.intake.assigned();
        let (Some(own), Some(copier)) = (stream.origins.get(index), live.copiers.get_mut(index))
        else {
            return Step::Rest;
        };
        if copier.reading || stream.config.sealed || live.updating {
            return Step::Rest;
        }
        let Some((origin_key, origin)) = state.find(stream.account, &own.name) else {
            return Step::Rest;
        };
        if origin_key == key {
            return Step::Rest; // refused at creation
        }
        copier.found(now.wall);
        let Some(sequence) = copier.next(own, origin, own_last) else { return Step::Rest };
        bytes.clear();
        match origin.stored(sequence, tail) {
            Some(Stored::Memory(record)) => bytes.extend_from_slice(record),
            Some(Stored::Disk(position)) => {
                let log = origin.log.id();
                let chunk = copier.chunk.as_mut();
                let Some(record) = chunk.and_then(|chunk| chunk.record(log, position)) else {
                    if copier.chunk.as_ref().is_some_and(|own| own.starts_at(log, position)) {
                        // It was just read and is damaged. To skip it would be to lose it.
                        self.note_damage(log, sequence);
                        return Step::Rest;
                    }
                    copier.reading = true;
                    self.read_for_follower(key, index, log, position);
                    return Step::Rest;
                };
                bytes.extend_from_slice(record);
            }
            None => {
                copier.pass(&origin.log, sequence);
                return Step::Again;
            }
        }
        let bytes = std::mem::take(&mut self.record);
        let step = self.copy(net, key, index, origin_key, &Record::view(&bytes));
        self.record = bytes;
        step
    }

    fn read_for_follower(&mut self, key: StreamKey, index: usize, log: LogId, position: Position) {
        let (block, offset) = (position.block, position.offset);
        let length = CHUNK_BYTES.max(position.length as usize);
        let reading = Reading::Follower { stream: key, index, log, block, offset };
        self.read_block(reading, log, position, length);
    }

    /// Makes a copy of an origin's message a record of the follower.
    fn copy(
        &mut self,
        net: &mut impl Network,
        key: StreamKey,
        index: usize,
        origin: StreamKey,
        original: &Record<'_>,
    ) -> Step {
        if self.live(key).unsaved {
            self.save_events_of(net, key);
        }
        let Self { state, live, now, random, .. } = self;
        let (stream, log) = (state.stream(key), &state.stream(origin).log);
        let Some(live) = live.get_mut(key) else { return Step::Rest };
        let own = &stream.origins[index];
        let subject = own.transformed(original.key, random.next());
        let subject = subject.as_deref().unwrap_or(original.key);
        let transformed = live.transformed(subject, random);
        let keep_rollup = stream.config.allow_rollup_hdrs;
        let header = own.header(original.head, original.key, original.sequence, keep_rollup);
        // A mirror has no markers.
        let header = lengthened(&stream.config, &header);
        let message = Publish {
            subject: transformed.as_deref().unwrap_or(subject),
            reply: None,
            header: &header,
            payload: original.body,
            has_header: !header.is_empty(),
        };
        let id = HeaderBlock(&header).value(MSG_ID).unwrap_or_default();
        // A mirror repeats what its origin let in; only room is its own.
        let known =
            !own.is_mirror && !id.is_empty() && seen(stream, &live.intake, id, now.wall).is_some();
        if known || refuse_size(stream, &message).is_some() {
            live.copiers[index].pass(log, original.sequence);
            return Step::Again;
        }
        self.keep_copy(net, key, (index, origin), original, &message)
    }

    /// Makes a copy, as its origin lets it be, a record of the follower.
    fn keep_copy(
        &mut self,
        net: &mut impl Network,
        key: StreamKey,
        (index, origin): (usize, StreamKey),
        original: &Record<'_>,
        message: &Publish<'_>,
    ) -> Step {
        let stream = self.state.stream(key);
        let left = self.room(stream.account, stream.config.storage);
        let Self { state, live, tail, rounds, now, work, .. } = self;
        let (stream, log) = (state.stream(key), &state.stream(origin).log);
        let Some(live) = live.get_mut(key) else { return Step::Rest };
        let (own, copier) = (&stream.origins[index], &mut live.copiers[index]);
        if left.changing && stream.config.allow_msg_counter {
            return Step::Wait;
        }
        let values = (&live.counters, &mut live.intake, &*tail);
        let counted = match count_copy(stream, values, &own.name, original, message) {
            Ok(counted) => counted,
            Err(Problem::Refused(_)) => {
                copier.pass(log, original.sequence);
                return Step::Again;
            }
            Err(unread) => {
                copier.reading = true;
                self.read_counter_for_copy(net, key, index, unread);
                return Step::Rest;
            }
        };
        let message = match &counted {
            Some(Counted { header, payload, .. }) => Publish { header, payload, ..*message },
            None => *message,
        };
        let content = message.subject.len() + message.header.len() + message.payload.len();
        let weight = stream.weigh(message.subject, message.header, message.payload);
        let room = stream.is_memory() || rounds.has_room(content);
        let room = room && !left.server_full && u64::from(weight) <= left.account;
        if !room || refuse_full(stream, &mut live.intake, &message).is_some() {
            return Step::Wait;
        }
        copier.pass(log, original.sequence);
        copier.copied(now.wall);
        if own.is_mirror {
            live.intake.assign_from(original.sequence);
        }
        work.accepted(stream.account, u64::from(weight));
        let id = HeaderBlock(message.header).value(MSG_ID).unwrap_or_default();
        let record = Record {
            log: stream.log.id(),
            kind: kind::COPY,
            sequence: live.intake.accept(message.subject, weight, id),
            // A mirror's messages are as old as their origin's.
            time: if own.is_mirror { original.time } else { now.wall.0 },
            key: message.subject,
            head: message.header,
            body: message.payload,
        };
        if let Some(counted) = &counted {
            let (counter, durable) = (Ok(counted.counter.clone()), stream.log.last());
            live.counters.put(message.subject, record.sequence, counter, durable);
        }
        if stream.is_memory() {
            self.apply_local(net, &record, Owed::NOTHING);
        } else {
            rounds.push(&record, Owed::NOTHING);
        }
        Step::Again
    }
}
