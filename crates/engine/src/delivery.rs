//! From a published message to the outboxes of those who listen.

use slab::Slab;
use watershed_wire::header::HeaderWriter;
use watershed_wire::op::Publish;
use watershed_wire::{encode, subject};

use crate::account::AccountId;
use crate::api::USER_INFO;
use crate::engine::Engine;
use crate::limits::{OUTBOX_BYTES_HIGH, OUTBOX_BYTES_MAX};
use crate::monitor::Traffic;
use crate::now::Now;
use crate::output::{CloseReason, Flow, Output};
use crate::router::{Group, SubKey};
use crate::session::{Phase, Session, Subscription};
use crate::stream::StreamKey;

/// What became of one delivery.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Delivered {
    /// The subscription does not get this message.
    No,
    /// It does.
    Yes,
    /// It does, and its connection has much to read already.
    Congested,
}

/// Whether a subject will come again.
#[derive(Clone, Copy)]
enum Lookup<'a> {
    /// It will: that of the message.
    Remembered,
    /// It will not: this one.
    Once(&'a [u8]),
}

/// Whether somebody took a delivery.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Taken {
    /// Nobody listens there.
    Nobody,
    /// Somebody does.
    Yes,
    /// Somebody does, and has much to read already.
    Congested,
}

/// Who took a message.
struct Listeners {
    /// Whether any subscription did.
    anybody: bool,
    /// The stream that is to store it.
    stream: Option<StreamKey>,
}

/// What became of a message that was published.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Published {
    /// Whether anybody took it: a subscription, a stream, the server itself.
    pub(crate) anybody: bool,
    /// Whether there is room for more.
    pub(crate) flow: Flow,
}

impl Published {
    /// Nobody took it.
    pub(crate) const NOWHERE: Self = Self { anybody: false, flow: Flow::Continue };

    /// What became of it here and there.
    pub(crate) fn and(self, other: Self) -> Self {
        let stall = self.flow == Flow::Stall || other.flow == Flow::Stall;
        Self {
            anybody: self.anybody | other.anybody,
            flow: if stall { Flow::Stall } else { Flow::Continue },
        }
    }
}

/// The tables that a delivery touches, apart from the router that is being read meanwhile.
struct Tables<'a> {
    sessions: &'a mut Slab<Session>,
    subscriptions: &'a mut Slab<Subscription>,
    outputs: &'a mut Vec<Output>,
    ended: &'a mut Vec<SubKey>,
    congested: &'a mut usize,
    traffic: &'a mut Traffic,
    overflowed: Vec<usize>,
}

impl Engine {
    /// A client publishes.
    #[inline]
    pub(crate) fn publish_from(&mut self, now: Now, slot: usize, message: &Publish<'_>) -> Flow {
        self.traffic.in_msgs += 1;
        self.traffic.in_bytes += (message.header.len() + message.payload.len()) as u64;
        let session = &self.sessions[slot];
        if message.has_header && !session.options.headers {
            self.close(slot, CloseReason::Protocol);
            return Flow::Close;
        }
        if session.options.pedantic && !subject::is_literal(message.subject) {
            // nats-server says so, and delivers all the same.
            self.send(slot, |out| encode::error(out, "Invalid Publish Subject"));
        }
        let session = &self.sessions[slot];
        if !session.permit.publish(message.subject) {
            let subject = String::from_utf8_lossy(message.subject);
            let text = format!("Permissions Violation for Publish to \"{subject}\"");
            self.send(slot, |out| encode::error(out, &text));
            return Flow::Continue;
        }
        if session.options.verbose {
            self.acknowledge(slot);
        }
        let account = self.sessions[slot].account;
        // The server's own subjects are few, and begin alike.
        let own =
            message.subject.first() == Some(&b'$') && self.own_subject(now, slot, account, message);
        let mut published = self.publish_in(now, account, Some(slot), message, Lookup::Remembered);
        if self.shares {
            published = published.and(self.pass_on(now, account, message));
        }
        if !(own || published.anybody)
            && let Some(reply) = message.reply
            && self.sessions[slot].options.no_responders
        {
            self.no_responders(slot, message.subject, reply);
        }
        published.flow
    }

    /// Answers what is asked of the server itself. Says whether it listens to the subject.
    #[cold]
    fn own_subject(
        &mut self,
        now: Now,
        slot: usize,
        account: AccountId,
        message: &Publish<'_>,
    ) -> bool {
        if message.subject == USER_INFO {
            self.user_info(slot, account, message);
            return true;
        }
        message.subject.starts_with(b"$JS.") && self.jetstream_call(now, account, message)
    }

    /// The server itself sends a message in `account`.
    pub(crate) fn send_in(&mut self, account: AccountId, message: &Publish<'_>) {
        if self.send_elsewhere(account, message.subject, message).is_some() {
            return;
        }
        self.route(account, None, message, Lookup::Once(message.subject));
    }

    /// Sends a stored message to those who listen to `via`. It keeps its own subject.
    pub(crate) fn send_via(
        &mut self,
        account: AccountId,
        via: &[u8],
        message: &Publish<'_>,
    ) -> Taken {
        if let Some(taken) = self.send_elsewhere(account, via, message) {
            return taken;
        }
        match self.route(account, None, message, Lookup::Once(via)) {
            (Listeners { anybody: false, .. }, _) => Taken::Nobody,
            (_, Flow::Stall) => Taken::Congested,
            _ => Taken::Yes,
        }
    }

    /// The server publishes a message of its own, which streams may store.
    pub(crate) fn publish_own(&mut self, account: AccountId, subject: &[u8], payload: &[u8]) {
        let message = Publish { subject, reply: None, header: b"", payload, has_header: false };
        self.publish_in(self.now, account, None, &message, Lookup::Remembered);
    }

    /// Publishes in `account` what comes from another one.
    pub(crate) fn publish_once(
        &mut self,
        now: Now,
        account: AccountId,
        message: &Publish<'_>,
    ) -> Published {
        self.publish_in(now, account, None, message, Lookup::Once(message.subject))
    }

    /// Delivers a message to everybody who listens in `account`, and has it stored.
    #[inline]
    fn publish_in(
        &mut self,
        now: Now,
        account: AccountId,
        from: Option<usize>,
        message: &Publish<'_>,
        lookup: Lookup<'_>,
    ) -> Published {
        let (Listeners { mut anybody, stream }, mut flow) =
            self.route(account, from, message, lookup);
        if let Some(stream) = stream {
            anybody = true;
            if !self.store(now, stream, message) {
                flow = Flow::Stall;
            }
        }
        Published { anybody, flow }
    }

    /// Whether anybody in `account` listens to a subject.
    pub(crate) fn has_listener(&mut self, account: AccountId, subject: &[u8]) -> bool {
        if let Some(listens) = self.has_listener_elsewhere(account, subject) {
            return listens;
        }
        !self.accounts[account.0 as usize].router.matched_once(subject).is_empty()
    }

    /// Delivers a message to everybody who listens in `account`.
    fn route(
        &mut self,
        account: AccountId,
        from: Option<usize>,
        message: &Publish<'_>,
        lookup: Lookup<'_>,
    ) -> (Listeners, Flow) {
        let Self {
            accounts,
            sessions,
            subscriptions,
            outputs,
            ended,
            random,
            congested,
            traffic,
            ..
        } = self;
        let router = &mut accounts[account.0 as usize].router;
        let matched = match lookup {
            Lookup::Remembered => router.matched(message.subject),
            Lookup::Once(via) => router.matched_once(via),
        };
        let mut listeners = Listeners { anybody: false, stream: matched.stream };
        if matched.is_empty() {
            return (listeners, Flow::Continue);
        }
        let mut tables = Tables {
            sessions,
            subscriptions,
            outputs,
            ended,
            congested,
            traffic,
            overflowed: Vec::new(),
        };
        let mut stall = false;
        let mut note = |delivered| {
            listeners.anybody |= delivered != Delivered::No;
            stall |= delivered == Delivered::Congested;
        };
        for key in &matched.plain {
            note(tables.deliver(*key, from, message));
        }
        for group in &matched.groups {
            let start = random.below(group.members.len());
            note(tables.deliver_to_group(group, start, from, message));
        }
        let overflowed = tables.overflowed;
        for slot in overflowed {
            self.traffic.slow_consumers += 1;
            self.close(slot, CloseReason::SlowConsumer);
        }
        while let Some(key) = self.ended.pop() {
            self.drop_subscription(key);
        }
        (listeners, if stall { Flow::Stall } else { Flow::Continue })
    }

    /// Tells a requester that nobody listens, on its own subscription to the reply subject
    /// (ADR-22).
    fn no_responders(&mut self, slot: usize, subject: &[u8], reply: &[u8]) {
        let mut header = HeaderWriter::with_status(503, "");
        header.field("Nats-Subject", subject);
        let header = header.finish();
        let account = self.sessions[slot].account.0 as usize;
        let message = Publish {
            subject: reply,
            reply: None,
            header: &header,
            payload: b"",
            has_header: true,
        };
        let Self { accounts, sessions, subscriptions, outputs, ended, congested, traffic, .. } =
            self;
        let matched = accounts[account].router.matched(reply);
        let members = matched.groups.iter().flat_map(|group| &group.members);
        let own = matched
            .plain
            .iter()
            .chain(members)
            .copied()
            .find(|key| subscriptions[*key as usize].slot == slot);
        let mut tables = Tables {
            sessions,
            subscriptions,
            outputs,
            ended,
            congested,
            traffic,
            overflowed: Vec::new(),
        };
        if let Some(key) = own {
            tables.deliver(key, None, &message);
        }
        while let Some(key) = self.ended.pop() {
            self.drop_subscription(key);
        }
    }
}

impl Tables<'_> {
    /// Delivers to one member, the one at `start` or the next one that takes it.
    fn deliver_to_group(
        &mut self,
        group: &Group,
        start: usize,
        from: Option<usize>,
        message: &Publish<'_>,
    ) -> Delivered {
        let (before, after) = group.members.split_at(start);
        after
            .iter()
            .chain(before)
            .map(|key| self.deliver(*key, from, message))
            .find(|delivered| *delivered != Delivered::No)
            .unwrap_or(Delivered::No)
    }

    #[inline]
    fn deliver(&mut self, key: SubKey, from: Option<usize>, message: &Publish<'_>) -> Delivered {
        let subscription = &mut self.subscriptions[key as usize];
        let slot = subscription.slot;
        let session = &mut self.sessions[slot];
        let own_echo = from == Some(slot) && !session.options.echo;
        let ended = subscription.max.is_some_and(|max| subscription.delivered >= max);
        if session.phase != Phase::Ready || own_echo || ended {
            return Delivered::No;
        }
        if subscription.judged && !session.permit.deliver(message.subject) {
            return Delivered::No;
        }
        let header = if session.options.headers { message.header } else { b"" };
        let sid = &subscription.sid;
        let out = session.outbox.buffer();
        encode::message(out, message.subject, sid, message.reply, header, message.payload);
        if !session.flush_requested {
            session.flush_requested = true;
            self.outputs.push(Output::Flush(session.id));
        }
        subscription.delivered += 1;
        self.traffic.out_msgs += 1;
        self.traffic.out_bytes += (header.len() + message.payload.len()) as u64;
        if subscription.max == Some(subscription.delivered) {
            self.ended.push(key);
        }
        if session.outbox.len() < OUTBOX_BYTES_HIGH {
            return Delivered::Yes;
        }
        if !session.congested {
            session.congested = true;
            *self.congested += 1;
        }
        if session.outbox.len() > OUTBOX_BYTES_MAX {
            self.overflowed.push(slot);
        }
        Delivered::Congested
    }
}
