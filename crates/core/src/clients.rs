//! Connections and their subscriptions, and the bytes that wait for them.

use slab::Slab;
use watershed_base::Tick;
use watershed_wire::encode;
use watershed_wire::op::Publish;

use crate::limits::{
    OUTBOX_BYTES_HIGH, OUTBOX_BYTES_MAX, OUTBOX_BYTES_UNKNOWN_MAX, OUTBOXES_BYTES_MAX,
};
use crate::output::{CloseReason, ConnId, Output};
use crate::router::{Group, Matched, SubKey};
use crate::session::{Phase, Session, Subscription};

/// Whether somebody took a delivery.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Taken {
    /// Nobody listens there.
    Nobody,
    /// Somebody does.
    Yes,
    /// Somebody does, and has much to read already.
    Congested,
}

/// The connections.
#[derive(Debug, Default)]
pub(crate) struct Clients {
    pub(crate) sessions: Slab<Session>,
    pub(crate) subscriptions: Slab<Subscription>,
    pub(crate) outputs: Vec<Output>,
    /// When the last message was routed.
    pub(crate) now: Tick,
    backlog: Backlog,
    /// Subscriptions that reached their last delivery while a message was routed.
    ended: Vec<SubKey>,
}

/// How many bytes may wait.
#[derive(Debug, Clone, Copy)]
struct Room {
    /// For one connection.
    one: usize,
    /// For one connection, before those who publish to it are held back.
    high: usize,
    /// For all together.
    all: usize,
}

impl Room {
    /// The bounds, where one connection may have this many bytes waiting.
    fn new(one: usize) -> Self {
        let all = OUTBOXES_BYTES_MAX.max(one.saturating_mul(2));
        Self { one, high: OUTBOX_BYTES_HIGH.min(one / 2), all }
    }
}

impl Default for Room {
    fn default() -> Self {
        Self::new(OUTBOX_BYTES_MAX)
    }
}

/// What waits in all outboxes together.
#[derive(Debug, Default)]
struct Backlog {
    room: Room,
    bytes: usize,
    /// Sessions with more than [`Room::high`] waiting, until half of that has gone.
    congested: usize,
    /// Connections with too much to read, that are to be closed.
    overflowed: Vec<usize>,
}

impl Backlog {
    /// Appends to the outbox of the session in `slot` and asks for a flush.
    #[inline]
    fn append(
        &mut self,
        slot: usize,
        session: &mut Session,
        outputs: &mut Vec<Output>,
        write: impl FnOnce(&mut Vec<u8>),
    ) -> Taken {
        let before = session.outbox.len();
        write(session.outbox.buffer());
        let length = session.outbox.len();
        self.bytes += length - before;
        if !session.flush_requested {
            session.flush_requested = true;
            outputs.push(Output::Flush(session.id));
        }
        let room = self.room;
        if length <= OUTBOX_BYTES_UNKNOWN_MAX.min(room.high) {
            return Taken::Yes;
        }
        let unknown = session.phase != Phase::Ready && length > OUTBOX_BYTES_UNKNOWN_MAX;
        if unknown || length > room.one || self.bytes > room.all {
            self.overflowed.push(slot);
        }
        if length < room.high {
            return Taken::Yes;
        }
        if !session.congested {
            session.congested = true;
            self.congested += 1;
        }
        Taken::Congested
    }
}

impl Clients {
    /// Bounds what may wait for one connection, in bytes. Who has more waiting is closed with the next that comes.
    pub(crate) fn set_room(&mut self, bytes: usize) {
        self.backlog.room = Room::new(bytes);
    }

    pub(crate) fn slot(&self, conn: ConnId) -> Option<usize> {
        let slot = conn.slot as usize;
        self.sessions.get(slot).filter(|session| session.id == conn).map(|_| slot)
    }

    /// Whether anybody has so much to read that those who publish to it should wait.
    pub(crate) fn is_congested(&self) -> bool {
        self.backlog.congested > 0
    }

    /// Appends a control line to an outbox, and asks for a flush.
    pub(crate) fn send(&mut self, slot: usize, write: impl FnOnce(&mut Vec<u8>)) {
        let Self { sessions, backlog, outputs, .. } = self;
        let session = &mut sessions[slot];
        let before = session.outbox.len();
        backlog.append(slot, session, outputs, write);
        session.outbox.count_answer(session.outbox.len() - before);
    }

    /// The peer took `count` bytes of its outbox. Says whether those who are held back for it may
    /// go on.
    pub(crate) fn sent(&mut self, slot: usize, count: usize) -> bool {
        let high = self.backlog.room.high;
        let session = &mut self.sessions[slot];
        session.outbox.take(count);
        self.backlog.bytes -= count;
        session.flush_requested = !session.outbox.is_empty();
        let relieved = session.congested && session.outbox.len() < high / 2;
        if relieved {
            session.congested = false;
            self.backlog.congested -= 1;
        }
        relieved
    }

    /// Forgets a connection. Says whether those who were held back for it may go on.
    pub(crate) fn remove(&mut self, slot: usize) -> bool {
        let session = self.sessions.remove(slot);
        self.backlog.bytes -= session.outbox.len();
        self.backlog.congested -= usize::from(session.congested);
        session.congested
    }

    /// Forgets what waits for a connection that will not read it.
    pub(crate) fn discard(&mut self, slot: usize) {
        let session = &mut self.sessions[slot];
        self.backlog.bytes -= session.outbox.len();
        session.outbox.clear();
    }

    /// Takes a subscription that reached its last delivery.
    pub(crate) fn take_ended(&mut self) -> Option<SubKey> {
        self.ended.pop()
    }

    /// Takes a connection that has too much to read: the one that has most, where all of them
    /// together have too much.
    pub(crate) fn take_overflowed(&mut self) -> Option<usize> {
        while let Some(slot) = self.backlog.overflowed.pop() {
            let Some(session) = self.sessions.get(slot) else { continue };
            if session.outbox.len() > self.backlog.room.one || session.phase != Phase::Ready {
                return Some(slot);
            }
            if self.backlog.bytes > self.backlog.room.all {
                return self.worst();
            }
        }
        None
    }

    fn worst(&self) -> Option<usize> {
        let longest = self.sessions.iter().max_by_key(|(_, session)| session.outbox.len());
        longest.map(|(slot, _)| slot)
    }

    /// Marks a connection as closing, and asks for it. Says whether it was not before.
    pub(crate) fn close(&mut self, slot: usize, reason: CloseReason) -> bool {
        let session = &mut self.sessions[slot];
        if session.phase == Phase::Closing {
            return false;
        }
        session.phase = Phase::Closing;
        session.ended = Some(reason);
        let conn = session.id;
        if reason.is_slow() {
            self.discard(slot);
        }
        self.outputs.push(Output::Close { conn, reason });
        true
    }

    /// Delivers a message to all of `matched`, one of each group.
    #[inline]
    pub(crate) fn deliver_all(
        &mut self,
        matched: &Matched,
        choose: &mut impl FnMut(usize) -> usize,
        from: Option<usize>,
        message: &Publish<'_>,
    ) -> Taken {
        let mut taken = Taken::Nobody;
        for key in &matched.plain {
            taken = taken.max(self.deliver(*key, from, message));
        }
        for group in &matched.groups {
            let start = choose(group.members.len());
            taken = taken.max(self.deliver_to_group(group, start, from, message));
        }
        taken
    }

    /// Delivers to one member, the one at `start` or the next one that takes it.
    fn deliver_to_group(
        &mut self,
        group: &Group,
        start: usize,
        from: Option<usize>,
        message: &Publish<'_>,
    ) -> Taken {
        let (before, after) = group.members.split_at(start);
        after
            .iter()
            .chain(before)
            .map(|key| self.deliver(*key, from, message))
            .find(|taken| *taken != Taken::Nobody)
            .unwrap_or(Taken::Nobody)
    }

    /// What a subscription listens to.
    pub(crate) fn filter_of(&self, key: SubKey) -> Option<&[u8]> {
        self.subscriptions.get(key as usize).map(|own| &*own.filter)
    }

    /// Delivers to a subscription, unless it does not get this message.
    #[inline]
    pub(crate) fn deliver(
        &mut self,
        key: SubKey,
        from: Option<usize>,
        message: &Publish<'_>,
    ) -> Taken {
        let subscription = &mut self.subscriptions[key as usize];
        let slot = subscription.slot;
        let session = &mut self.sessions[slot];
        let own_echo = from == Some(slot) && !session.options.echo;
        let ended = subscription.max.is_some_and(|max| subscription.delivered >= max);
        if session.phase != Phase::Ready || own_echo || ended {
            return Taken::Nobody;
        }
        if subscription.judged
            && !session.permit().deliver(message.subject, subscription.queue.as_deref())
        {
            return Taken::Nobody;
        }
        session.was_asked(message.reply, self.now);
        let header = if session.options.headers { message.header } else { b"" };
        subscription.delivered += 1;
        session.counts.out_msgs += 1;
        session.counts.out_bytes += (header.len() + message.payload.len()) as u64;
        if subscription.max == Some(subscription.delivered) {
            self.ended.push(key);
        }
        // Disjoint fields: the id of the subscription is read while the outbox is written.
        let Self { sessions, subscriptions, backlog, outputs, .. } = self;
        let sid = &subscriptions[key as usize].sid;
        backlog.append(slot, &mut sessions[slot], outputs, |out| {
            encode::message(out, message.subject, sid, message.reply, header, message.payload);
        })
    }
}
