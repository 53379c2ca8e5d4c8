//! Schedules (ADR-51): messages that make others when their time has come.
//!
//! What a schedule makes is one record, and what it says of the schedule (`Nats-Scheduler`,
//! `Nats-Schedule-Next`) moves that one on, or takes it away, when the record is applied: after a restart
//! nothing is made twice, and nothing is left out. It is stored and delivered by consumers; who
//! subscribes to its subject does not get it, as on nats-server.

use std::borrow::Cow;
use std::time::Duration;

use watershed_store::Record;
use watershed_store::log::Position;
use watershed_wire::header::{HeaderBlock, HeaderWriter};
use watershed_wire::jetstream::StreamConfig;
use watershed_wire::jetstream::asked::Asked;
use watershed_wire::jetstream::publish::ROLLUP;
use watershed_wire::jetstream::schedule::Schedule;
use watershed_wire::limits::HEADER_BYTES_MAX;
use watershed_wire::op::Publish;

use crate::chunk::Chunk;
use crate::firing::Firing;
use crate::jetstream::{JetStream, TimerKey};
use crate::limits::LOOK_AGAIN;
use crate::live::admit::refuse_size;
use crate::network::Network;
use crate::reading::Reading;
use crate::rounds::Owed;
use crate::state::{Stored, StreamKey};

/// Schedules of a stream that make a message in one turn.
const FIRED_PER_TURN: usize = 64;

/// Those of them that are on their way.
const FIRING_MAX: usize = 256;

/// Those of them that rest, as what they make does not fit. The others wait for any more.
const RESTING_MAX: usize = 1024;

/// Time until one is looked at again that could not make its message.
const RETRY: Duration = Duration::from_millis(100);

/// Why a schedule does not make its message.
enum Unfired {
    /// Something is to happen first.
    Soon,
    /// Nothing can be stored as things are.
    Later,
    /// What this one makes cannot.
    Unfit,
    /// This message is to be read first.
    Unread(u64, Position),
    /// It is gone, or was moved.
    Gone,
}

/// The header block of a message as a stream keeps it: a schedule replaces the one before it.
pub(crate) fn replacing<'a>(config: &StreamConfig, block: Cow<'a, [u8]>) -> Cow<'a, [u8]> {
    if !config.allow_msg_schedules {
        return block;
    }
    let asked = Asked::read(HeaderBlock(&block));
    if asked.schedule.is_none() || asked.rollup.is_some() {
        return block;
    }
    let mut header = HeaderWriter::extending(&block);
    header.field(ROLLUP, b"sub");
    Cow::Owned(header.finish())
}

impl JetStream {
    /// Sees to it that schedules of a stream make their messages in time.
    pub(crate) fn arm_schedules(&mut self, key: StreamKey) {
        let stream = self.state.stream(key);
        if stream.schedules.next().is_none() || stream.is_hidden() {
            return;
        }
        let durable = stream.log.last();
        let Some(live) = self.live.get_mut(key) else { return };
        live.firing.retain(|_, made| *made > durable);
        let (firing, resting) = (&live.firing, &live.resting);
        let waits =
            |sequence: &u64| !firing.contains_key(sequence) && !resting.contains_key(sequence);
        let next = stream.schedules.in_order().find(|(_, sequence)| waits(sequence));
        let next = next.map(|(due, _)| {
            let left = u64::try_from(due.saturating_sub(self.now.wall.0)).unwrap_or(0);
            self.now.tick.after(Duration::from_nanos(left).min(LOOK_AGAIN))
        });
        let next = next.into_iter().chain(resting.values().copied()).min();
        if let Some(next) = next {
            self.timers.set(TimerKey::Schedules(key), next);
        }
    }

    /// The same; if something is to be tried again, not before `retry`.
    fn rearm_schedules(&mut self, key: StreamKey, retry: Option<Duration>) {
        self.arm_schedules(key);
        if let Some(wait) = retry {
            self.timers.set(TimerKey::Schedules(key), self.now.tick.after(wait));
        }
    }

    /// The time of a schedule may have come.
    pub(crate) fn fire_schedules(&mut self, net: &mut impl Network, key: StreamKey) {
        let Some(stream) = self.state.streams.get(key.index()) else { return };
        if !self.takes_messages() && !stream.is_memory() {
            return self.timers.set(TimerKey::Schedules(key), self.now.tick.after(RETRY));
        }
        let Some(live) = self.live.get_mut(key) else { return };
        let now = self.now.tick;
        live.resting.retain(|_, until| *until > now);
        let (firing, resting) = (&live.firing, &live.resting);
        let due = stream.schedules.due(self.now.wall.0);
        let due = due
            .filter(|sequence| !firing.contains_key(sequence) && !resting.contains_key(sequence));
        let room = FIRING_MAX.saturating_sub(firing.len());
        let due: Vec<u64> = due.take(FIRED_PER_TURN.min(room)).collect();
        let log = stream.log.id();
        let mut retry = None;
        for sequence in due {
            self.live(key).firing.insert(sequence, u64::MAX);
            let firing = Firing { log, sequence, schedule: None, source: None };
            let wait = self.fire(net, firing);
            retry = [retry, wait].into_iter().flatten().min();
        }
        self.rearm_schedules(key, retry);
    }

    /// Lets a schedule make its message. Says when to try again, if it could not.
    fn fire(&mut self, net: &mut impl Network, mut firing: Firing) -> Option<Duration> {
        let key = self.state.by_log(firing.log)?;
        let wait = match self.make_scheduled(net, key, &mut firing) {
            Ok(()) => return None,
            Err(Unfired::Unread(sequence, position)) => {
                let log = firing.log;
                let reading = Reading::Schedule { firing: Box::new(firing), sequence, position };
                self.read_record(reading, log, position);
                return None;
            }
            Err(Unfired::Gone) => None,
            Err(Unfired::Soon) => Some(RETRY),
            Err(Unfired::Later) => Some(LOOK_AGAIN),
            Err(Unfired::Unfit) => {
                let until = self.now.tick.after(LOOK_AGAIN);
                let resting = &mut self.live(key).resting;
                let has_room = resting.len() < RESTING_MAX;
                if has_room {
                    resting.insert(firing.sequence, until);
                }
                (!has_room).then_some(LOOK_AGAIN)
            }
        };
        self.live(key).firing.remove(&firing.sequence);
        wait
    }

    fn make_scheduled(
        &mut self,
        net: &mut impl Network,
        key: StreamKey,
        firing: &mut Firing,
    ) -> Result<(), Unfired> {
        let now = self.now.wall;
        let stream = &self.state.streams[key.index()];
        if stream.schedules.of(firing.sequence, 0, None).is_none_or(|due| due > now.0) {
            return Err(Unfired::Gone);
        }
        let stored = |sequence: u64| match stream.stored(sequence, &self.tail) {
            Some(Stored::Memory(bytes)) => Ok(Box::from(bytes)),
            Some(Stored::Disk(position)) => Err(Unfired::Unread(sequence, position)),
            None => Err(Unfired::Gone),
        };
        if firing.schedule.is_none() {
            firing.schedule = Some(stored(firing.sequence)?);
        }
        let bytes = firing.schedule.as_deref().unwrap_or_default();
        let own = Record::view(bytes);
        let read = Schedule::read(HeaderBlock(own.head));
        let Ok(Some(schedule)) = read else { return Err(Unfired::Unfit) };
        let source = schedule.source().and_then(|subject| stream.last_stored(subject));
        if let Some(source) = source
            && firing.source.as_ref().is_none_or(|(sequence, _)| *sequence != source)
        {
            firing.source = Some((source, stored(source)?));
        }
        let source = firing.source.as_ref().filter(|_| source.is_some());
        let original = source.map_or(own, |(_, bytes)| Record::view(bytes));
        let header = schedule.header(HeaderBlock(original.head), own.key, now);
        let message = Publish {
            subject: schedule.target(),
            reply: None,
            header: &header,
            payload: original.body,
            has_header: true,
        };
        self.may_store_scheduled(key, own.key, &message)?;
        self.accept(net, key, &message, b"", Owed::NOTHING);
        let live = self.live(key);
        live.firing.insert(firing.sequence, live.intake.assigned());
        Ok(())
    }

    /// Whether what the schedule under `subject` makes can be stored now.
    fn may_store_scheduled(
        &mut self,
        key: StreamKey,
        subject: &[u8],
        message: &Publish<'_>,
    ) -> Result<(), Unfired> {
        let stream = &self.state.streams[key.index()];
        let room = self.room(stream.account, stream.config.storage);
        let content = message.subject.len() + message.header.len() + message.payload.len();
        let disk = self.takes_messages() && self.rounds.has_room(content);
        let Some(live) = self.live.get_mut(key) else { return Err(Unfired::Gone) };
        // What is on its way may take the schedule away, or put another one in its place.
        let unsettled = room.changing || live.expiring || live.intake.count_of(subject) > 0;
        if unsettled || !(disk || stream.is_memory()) {
            return Err(Unfired::Soon);
        }
        let weight = stream.weigh(message.subject, message.header, message.payload);
        if message.header.len() > HEADER_BYTES_MAX || refuse_size(stream, message).is_some() {
            return Err(Unfired::Unfit);
        }
        let fits = !room.server_full && u64::from(weight) <= room.account;
        if fits { Ok(()) } else { Err(Unfired::Later) }
    }

    /// A message was read that a schedule needs.
    pub(crate) fn schedule_read(
        &mut self,
        net: &mut impl Network,
        mut firing: Firing,
        sequence: u64,
        position: Position,
        bytes: Option<Vec<u8>>,
    ) {
        let log = firing.log;
        let Some(key) = self.state.by_log(log) else { return };
        // What was thrown away since has begun again.
        if self.live(key).firing.get(&firing.sequence) != Some(&u64::MAX) {
            return;
        }
        if self.state.stream(key).log.position(sequence).is_some() {
            let mut chunk = bytes.map(|bytes| Chunk::at(log, position, bytes));
            let record = chunk.as_mut().and_then(|chunk| chunk.record(log, position));
            let Some(record) = record else {
                // It rests: to leave it out would be to lose it.
                return self.note_damage(log, sequence);
            };
            if sequence == firing.sequence {
                firing.schedule = Some(record.into());
            } else {
                firing.source = Some((sequence, record.into()));
            }
        }
        let retry = self.fire(net, firing);
        self.rearm_schedules(key, retry);
    }
}
