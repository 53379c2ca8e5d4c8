//! Streams that take in what others store: mirrors and sources inside the account.
//!
//! A copy is a record of its own kind in the follower's log, made when the origin's message is
//! durable and counted when the copy is. Nothing is read from a socket and nothing waits for one.

use std::time::Duration;

use watershed_store::{LogId, Record};
use watershed_wire::header::HeaderBlock;
use watershed_wire::jetstream::error::table;
use watershed_wire::jetstream::publish::MSG_ID;
use watershed_wire::jetstream::stream::{Retention, SourceInfo};
use watershed_wire::op::Publish;
use watershed_wire::time::UnixNanos;

use super::command::kind;
use super::{JetStream, Owed};
use crate::account::AccountId;
use crate::api::Reading;
use crate::engine::Engine;
use crate::limits::ROUND_BYTES_WAITING_MAX;
use crate::output::{Output, Placed};
use crate::stream::chunk::CHUNK_BYTES;
use crate::stream::following::copied_from;
use crate::stream::{Effects, Stored, Stream, StreamKey};
use crate::timer::TimerKey;

/// Copies made in one turn before others have theirs.
const COPIES_PER_TURN: usize = 1024;

/// Time until a follower that has no room tries again.
const RETRY: Duration = Duration::from_millis(250);

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
    /// Notes whom a new or changed stream follows.
    pub(crate) fn link(&mut self, key: StreamKey) {
        let stream = &self.streams[key.0 as usize];
        let (account, name) = (stream.account, stream.config.name.clone());
        let origins: Vec<String> = stream.following.iter().map(|f| f.origin.clone()).collect();
        for origin in origins {
            let followers = self.followers.entry((account, origin.clone())).or_default();
            followers.insert(key);
            self.tell_origin(account, &origin);
        }
        self.tell_origin(account, &name);
        self.following.insert(key);
    }

    /// Forgets whom a stream followed.
    pub(crate) fn unlink(&mut self, key: StreamKey) {
        let stream = &self.streams[key.0 as usize];
        let account = stream.account;
        let origins: Vec<String> = stream.following.iter().map(|f| f.origin.clone()).collect();
        for origin in origins {
            if let Some(followers) = self.followers.get_mut(&(account, origin.clone())) {
                followers.remove(&key);
            }
            self.tell_origin(account, &origin);
        }
        self.following.remove(&key);
        self.following_waits.remove(&key);
    }

    /// An origin knows its followers, so that a publish need not look them up by name.
    fn tell_origin(&mut self, account: AccountId, name: &str) {
        let Some((key, _)) = self.stream(account, name) else { return };
        let followers = self.followers.get(&(account, name.to_owned()));
        let list: Vec<StreamKey> = followers.into_iter().flatten().copied().collect();
        self.following.extend(&list);
        self.streams[key.0 as usize].followers = list;
    }

    /// Whether a follower has yet to copy a message.
    pub(crate) fn is_awaited(&self, origin: &Stream, sequence: u64, subject: &[u8]) -> bool {
        origin.followers.iter().any(|key| {
            let following = &self.streams[key.0 as usize].following;
            let mut own = following.iter().filter(|f| f.origin == origin.config.name);
            own.any(|following| following.awaits(sequence, subject))
        })
    }

    /// How far a stream's origins were copied, in the order of its configuration.
    pub(crate) fn source_infos(&self, stream: &Stream, now: UnixNanos) -> Vec<SourceInfo> {
        let info = |following: &crate::stream::following::Following| {
            let origin = self.stream(stream.account, &following.origin);
            SourceInfo {
                name: following.origin.clone(),
                lag: origin.map_or(0, |(_, origin)| following.lag(origin)),
                active: following.active.map_or(-1, |at| now.0.saturating_sub(at.0).max(0)),
                filter_subject: match following.filter() {
                    b">" => String::new(),
                    filter => String::from_utf8_lossy(filter).into_owned(),
                },
                error: origin.is_none().then(|| table::STREAM_NOT_FOUND.into()),
            }
        };
        stream.following.iter().map(info).collect()
    }
}

impl Engine {
    /// Copies what followers that were woken can copy.
    pub(crate) fn advance_following(&mut self) {
        let mut left = COPIES_PER_TURN;
        while let Some(key) = self.jetstream.following.pop_first() {
            let count = self.jetstream.streams.get(key.0 as usize).map_or(0, |s| s.following.len());
            for index in 0..count {
                let rest = loop {
                    if left == 0 {
                        break Step::Wait;
                    }
                    left -= 1;
                    match self.copy_next(key, index) {
                        Step::Again => {}
                        rest => break rest,
                    }
                };
                if matches!(rest, Step::Wait) {
                    self.jetstream.following_waits.insert(key);
                    let pause = if left == 0 { Duration::ZERO } else { RETRY };
                    self.set_timer(TimerKey::Follow, self.now.tick.after(pause));
                }
            }
        }
    }

    /// There may be room again.
    pub(crate) fn wake_waiting_followers(&mut self) {
        let waiting = std::mem::take(&mut self.jetstream.following_waits);
        self.jetstream.following.extend(waiting);
    }

    fn copy_next(&mut self, key: StreamKey, index: usize) -> Step {
        let jetstream = &mut self.jetstream;
        if !jetstream.rounds.works() || jetstream.rounds.bytes_waiting() > ROUND_BYTES_WAITING_MAX {
            return Step::Wait;
        }
        let Some(stream) = jetstream.streams.get(key.0 as usize) else { return Step::Rest };
        let Some(following) = stream.following.get(index) else { return Step::Rest };
        if following.reading || stream.config.sealed {
            return Step::Rest;
        }
        let Some((origin_key, _)) = jetstream.stream(stream.account, &following.origin) else {
            return Step::Rest;
        };
        let own_last = stream.assigned();
        let (follower, origin) = (key.0 as usize, origin_key.0 as usize);
        if follower == origin {
            return Step::Rest; // refused at creation
        }
        let Some((stream, origin)) = jetstream.streams.get2_mut(follower, origin) else {
            return Step::Rest;
        };
        let following = &mut stream.following[index];
        let Some(sequence) = following.next(origin, own_last) else { return Step::Rest };
        let mut bytes = std::mem::take(&mut self.record);
        bytes.clear();
        match origin.stored(sequence, &jetstream.tail) {
            Some(Stored::Memory(record)) => bytes.extend_from_slice(record),
            Some(Stored::Disk(position)) => {
                let log = origin.log.id();
                let chunk = following.chunk.as_mut();
                if let Some(record) = chunk.and_then(|chunk| chunk.record(log, position)) {
                    bytes.extend_from_slice(record);
                } else {
                    self.record = bytes;
                    if following.chunk.as_ref().is_some_and(|c| c.starts_at(log, position)) {
                        // It was just read and is damaged. To skip it would be to lose it.
                        return Step::Rest;
                    }
                    following.reading = true;
                    self.read_for_follower(key, index, log, position);
                    return Step::Rest;
                }
            }
            None => {
                following.cursor = Some(sequence + 1);
                self.record = bytes;
                return Step::Again;
            }
        }
        let step = self.copy(key, index, &Record::view(&bytes));
        self.record = bytes;
        step
    }

    fn read_for_follower(
        &mut self,
        key: StreamKey,
        index: usize,
        log: LogId,
        position: watershed_store::log::Position,
    ) {
        let (block, offset) = (position.block, position.offset);
        let length = CHUNK_BYTES.max(position.length as usize);
        let reading = Reading::Follower { stream: key, index, log, block, offset };
        let ticket = self.jetstream.expect_read(reading);
        self.outputs.push(Output::Read { ticket, log, block, offset, length });
    }

    /// Makes a copy of an origin's message a record of the follower.
    fn copy(&mut self, key: StreamKey, index: usize, original: &Record<'_>) -> Step {
        let now = self.now;
        let stream = &mut self.jetstream.streams[key.0 as usize];
        let following = &stream.following[index];
        let is_mirror = following.is_mirror;
        let keep_rollup = stream.config.allow_rollup_hdrs;
        let header = following.header(original.head, original.key, original.sequence, keep_rollup);
        let message = Publish {
            subject: original.key,
            reply: None,
            header: &header,
            payload: original.body,
            has_header: !header.is_empty(),
        };
        let id = HeaderBlock(&header).value(MSG_ID).filter(|id| !id.is_empty());
        // A mirror repeats what its origin let in; only room is its own.
        let seen = !is_mirror && id.is_some_and(|id| stream.has_seen(id, now.wall));
        if seen || stream.is_too_long(&message) {
            stream.following[index].cursor = Some(original.sequence + 1);
            return Step::Again;
        }
        let content = original.key.len() + header.len() + original.body.len();
        let room = stream.is_memory() || self.jetstream.rounds.has_room(content);
        let stream = &mut self.jetstream.streams[key.0 as usize];
        if !room || stream.is_full(&message) {
            return Step::Wait;
        }
        stream.following[index].cursor = Some(original.sequence + 1);
        stream.following[index].active = Some(now.wall);
        if is_mirror {
            stream.assign_from(original.sequence);
        }
        let weight = stream.weigh(message.subject, message.header, message.payload);
        let sequence = stream.assign(message.subject, weight, id, now.wall);
        let record = Record {
            log: stream.log.id(),
            kind: kind::COPY,
            sequence,
            // A mirror's messages are as old as their origin's.
            time: if is_mirror { original.time } else { now.wall.0 },
            key: message.subject,
            head: message.header,
            body: message.payload,
        };
        if !stream.is_memory() {
            let nobody = Owed { account: AccountId(0), subject: b"" };
            self.jetstream.rounds.push(&record, nobody);
            return Step::Again;
        }
        stream.skip_to(sequence);
        let mut effects = stream.append(&record, 0, None);
        self.after_append(now, key, &record, &mut effects);
        let dropped = self.copied(key, &record);
        self.outputs.extend((!dropped.is_empty()).then_some(Output::Drop(dropped)));
        Step::Again
    }

    /// A copy is durable: the origin need not keep the message for this follower. Says which blocks
    /// of the origin hold nothing any more.
    pub(super) fn copied(&mut self, key: StreamKey, record: &Record<'_>) -> Vec<(LogId, u32)> {
        let stream = &mut self.jetstream.streams[key.0 as usize];
        let Some((index, sequence)) =
            copied_from(&mut stream.following, record.head, record.sequence)
        else {
            return Vec::new();
        };
        let following = &mut stream.following[index];
        following.copied = following.copied.max(sequence);
        let (account, origin) = (stream.account, following.origin.clone());
        let Some((origin, held)) = self.jetstream.stream(account, &origin) else {
            return Vec::new();
        };
        let consumers = held.consumers.values();
        let needed = held.config.retention == Retention::Limits
            || self.jetstream.is_awaited(held, sequence, record.key)
            || consumers
                .into_iter()
                .any(|key| self.jetstream.consumers[key.0 as usize].needs(sequence, record.key));
        if needed {
            return Vec::new();
        }
        let mut effects = Effects::default();
        let held = &mut self.jetstream.streams[origin.0 as usize];
        let log = held.log.id();
        held.remove(sequence, &mut effects);
        self.tell_consumers(origin, &effects);
        effects.dropped.into_iter().map(|block| (log, block)).collect()
    }

    /// A copy of a durable round: what a mirror's origin left out is left out here too.
    pub(super) fn before_copy(&mut self, key: StreamKey, sequence: u64, placed: &mut Placed) {
        let stream = &mut self.jetstream.streams[key.0 as usize];
        let log = stream.log.id();
        placed.sealed.extend(stream.skip_to(sequence).map(|sealed| (log, sealed)));
    }
}
