//! The engine: who is connected, and what becomes of each operation.

use std::time::Duration;

use slab::Slab;
use watershed_wire::handshake::{Connect, Info};
use watershed_wire::jetstream::check::Bounds;
use watershed_wire::limits::PAYLOAD_BYTES_MAX;
use watershed_wire::subject;
use watershed_wire::{ClientOp, DecodeError, DecodeErrorKind, encode};

use crate::account::{Account, AccountId, AccountStore};
use crate::consumer::ConsumerKey;
use crate::jetstream::{JetStream, JetStreamSettings};
use crate::limits::{FILTER_TOKENS_MAX, OUTBOX_BYTES_HIGH, SUBSCRIPTIONS_MAX};
use crate::monitor::Traffic;
use crate::now::{Now, Tick};
use crate::outbox::Outbox;
use crate::output::{CloseReason, ConnId, Flow, Output};
use crate::passage::Replies;
use crate::random::Random;
use crate::router::SubKey;
use crate::session::{Identity, Options, Peer, Phase, Session, Subscription};
use crate::timer::{TimerKey, Timers};

/// What does not change while the engine runs.
#[derive(Debug, Clone)]
pub struct Settings {
    /// What every client is told first; the engine fills in what differs by connection.
    pub info: Info,
    /// Time between pings.
    pub ping_interval: Duration,
    /// Pings that may go unanswered.
    pub ping_max: u32,
    /// Time in which a client must show its credential.
    pub auth_timeout: Duration,
    /// What JetStream may use; `None` where it is off.
    pub jetstream: Option<JetStreamSettings>,
    /// Seed of all choices.
    pub seed: u64,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            info: Info {
                max_payload: PAYLOAD_BYTES_MAX,
                headers: true,
                proto: 1,
                ..Info::default()
            },
            ping_interval: Duration::from_mins(2),
            ping_max: 2,
            auth_timeout: Duration::from_secs(2),
            jetstream: None,
            seed: 0,
        }
    }
}

/// Everything that one node decides. See the crate's documentation.
#[derive(Debug)]
pub struct Engine {
    pub(crate) settings: Settings,
    pub(crate) accounts: Vec<Account>,
    pub(crate) sessions: Slab<Session>,
    pub(crate) subscriptions: Slab<Subscription>,
    pub(crate) outputs: Vec<Output>,
    pub(crate) random: Random,
    /// Subscriptions that reached their last delivery while a message was routed.
    pub(crate) ended: Vec<SubKey>,
    /// Sessions with more than [`OUTBOX_BYTES_HIGH`] waiting, until half of that has gone.
    pub(crate) congested: usize,
    pub(crate) jetstream: JetStream,
    /// The present, as the shell last told it.
    pub(crate) now: Now,
    /// Where replies are put together.
    pub(crate) scratch: Vec<u8>,
    /// Where a record is kept while it is delivered.
    pub(crate) record: Vec<u8>,
    pub(crate) traffic: Traffic,
    timers: Timers,
    /// Whether anything passes between accounts.
    pub(crate) shares: bool,
    /// What other accounts are to answer.
    pub(crate) replies: Replies,
    pub(crate) connections_ever: u64,
}

impl Engine {
    /// An engine without accounts and connections.
    pub fn new(settings: Settings) -> Self {
        Self {
            random: Random::new(settings.seed),
            jetstream: JetStream::new(settings.jetstream),
            settings,
            accounts: Vec::new(),
            sessions: Slab::new(),
            subscriptions: Slab::new(),
            outputs: Vec::new(),
            ended: Vec::new(),
            congested: 0,
            now: Now::default(),
            scratch: Vec::new(),
            record: Vec::new(),
            traffic: Traffic::default(),
            timers: Timers::default(),
            shares: false,
            replies: Replies::default(),
            connections_ever: 0,
        }
    }

    /// The account with this name, made if it isn't there.
    pub fn account(&mut self, name: &str) -> AccountId {
        let found = self.accounts.iter().position(|account| account.name == name);
        let index = found.unwrap_or_else(|| {
            self.accounts.push(Account::new(name));
            self.accounts.len() - 1
        });
        AccountId(u32::try_from(index).expect("accounts are few"))
    }

    /// Says what an account may keep.
    pub fn limit_account(&mut self, account: AccountId, store: AccountStore) {
        self.accounts[account.0 as usize].store = store;
    }

    /// What an account's streams and consumers are held to: its own bounds and the server's.
    pub(crate) fn bounds(&self, account: AccountId) -> Bounds {
        let server = self.jetstream.settings.map(|settings| settings.bounds);
        self.accounts[account.0 as usize].store.bounds.and(server.unwrap_or_default())
    }

    /// A connection opened. Its first bytes are in its outbox.
    pub fn opened(&mut self, now: Now, peer: Peer) -> ConnId {
        self.connections_ever += 1;
        let entry = self.sessions.vacant_entry();
        let slot = u32::try_from(entry.key()).expect("connections fit 32 bits");
        let id = ConnId { slot, number: self.connections_ever };
        let must_authenticate = peer.anonymous.is_none();
        entry.insert(Session::new(id, peer.anonymous));
        let mut info = self.settings.info.clone();
        info.client_id = id.number;
        info.client_ip = peer.ip;
        let json = serde_json::to_string(&info).expect("INFO is JSON");
        self.send(id.slot as usize, |out| encode::json_line(out, "INFO", &json));
        if must_authenticate {
            let deadline = now.tick.after(self.settings.auth_timeout);
            self.timers.set(TimerKey::Authentication(id), deadline);
        }
        self.timers.set(TimerKey::Ping(id), now.tick.after(self.settings.ping_interval));
        id
    }

    /// The shell found out who a connection is, or that its credential is wrong.
    pub fn authenticated(&mut self, conn: ConnId, identity: Option<Identity>) {
        let Some(slot) = self.slot(conn) else { return };
        if self.sessions[slot].phase != Phase::Authenticating {
            return;
        }
        match identity {
            Some(identity) => self.admit(slot, identity),
            None => self.refuse(slot, "Authorization Violation", CloseReason::Authentication),
        }
    }

    /// An operation arrived.
    #[inline]
    pub fn received(&mut self, now: Now, conn: ConnId, op: ClientOp<'_>) -> Flow {
        self.now = now;
        let Some(slot) = self.slot(conn) else { return Flow::Close };
        let session = &mut self.sessions[slot];
        session.pings_unanswered = 0;
        match (session.phase, &op) {
            (Phase::Ready, ClientOp::Publish(message)) => {
                return self.publish_from(now, slot, message);
            }
            (Phase::Closing, _) => return Flow::Close,
            (Phase::Authenticating, _) => return Flow::Wait,
            (Phase::Greeted, ClientOp::Connect(_) | ClientOp::Ping | ClientOp::Pong) => {}
            (Phase::Greeted, _) => {
                // Without CONNECT a client is nobody in particular, if the server knows nobody.
                let Some(identity) = session.anonymous.clone() else {
                    self.refuse(slot, "Authorization Violation", CloseReason::Authentication);
                    return Flow::Close;
                };
                session.admit(identity);
                return self.received(now, conn, op);
            }
            (Phase::Ready, _) => {}
        }
        match op {
            ClientOp::Connect(json) => self.connect(slot, json),
            ClientOp::Subscribe { filter, queue, sid } => self.subscribe(slot, filter, queue, sid),
            ClientOp::Unsubscribe { sid, max } => self.unsubscribe(slot, sid, max),
            ClientOp::Ping => self.send(slot, |out| out.extend_from_slice(encode::PONG)),
            ClientOp::Pong | ClientOp::Ignored | ClientOp::Publish(_) => {}
        }
        match self.sessions[slot].phase {
            Phase::Authenticating => Flow::Wait,
            Phase::Closing => Flow::Close,
            Phase::Greeted | Phase::Ready => Flow::Continue,
        }
    }

    /// A connection's bytes are not the protocol.
    pub fn malformed(&mut self, conn: ConnId, error: DecodeError) {
        let Some(slot) = self.slot(conn) else { return };
        match error.kind {
            DecodeErrorKind::UnknownOperation => {
                self.refuse(slot, "Unknown Protocol Operation", CloseReason::Protocol);
            }
            DecodeErrorKind::LineTooLong => {
                self.refuse(slot, "maximum control line exceeded", CloseReason::Protocol);
            }
            DecodeErrorKind::PayloadTooLong => {
                self.refuse(slot, "Maximum Payload Violation", CloseReason::Payload);
            }
            // nats-server closes without a word.
            DecodeErrorKind::MalformedArguments => self.close(slot, CloseReason::Protocol),
        }
    }

    /// A connection is gone; nothing is delivered to it any more.
    pub fn closed(&mut self, conn: ConnId) {
        let Some(slot) = self.slot(conn) else { return };
        self.drop_subscriptions(slot);
        self.timers.cancel(TimerKey::Authentication(conn));
        self.timers.cancel(TimerKey::Ping(conn));
        let session = self.sessions.remove(slot);
        if session.congested {
            self.decongested();
        }
    }

    /// Deadlines up to `now` have passed.
    pub fn timeout(&mut self, now: Now) {
        self.now = now;
        while let Some(key) = self.timers.expired(now.tick) {
            match key {
                TimerKey::Authentication(conn) => {
                    let Some(slot) = self.slot(conn) else { continue };
                    if self.sessions[slot].phase != Phase::Ready {
                        let reason = CloseReason::AuthenticationTimeout;
                        self.refuse(slot, "Authentication Timeout", reason);
                    }
                }
                TimerKey::Ping(conn) => self.ping(now, conn),
                TimerKey::Expire(stream) => self.expire(now, stream),
                TimerKey::Consumer(consumer) => self.consumer_timeout(consumer),
                TimerKey::Events => self.save_all_events(),
                // What the shell drains next lets it go.
                TimerKey::Round => {}
                TimerKey::Follow => self.wake_waiting_followers(),
            }
        }
    }

    /// When [`Engine::timeout`] must be called next.
    pub fn next_deadline(&self) -> Option<Tick> {
        self.timers.next()
    }

    /// Takes what the shell has to do, appending to `out`.
    pub fn drain(&mut self, out: &mut Vec<Output>) {
        self.advance_following();
        self.advance_ready();
        self.close_round();
        out.append(&mut self.outputs);
    }

    /// The bytes that wait for a connection.
    pub fn outbox(&self, conn: ConnId) -> Option<&Outbox> {
        self.slot(conn).map(|slot| &self.sessions[slot].outbox)
    }

    /// The peer took `count` bytes of its outbox. If more wait, the shell knows.
    pub fn sent(&mut self, conn: ConnId, count: usize) {
        let Some(slot) = self.slot(conn) else { return };
        let session = &mut self.sessions[slot];
        session.outbox.take(count);
        session.flush_requested = !session.outbox.is_empty();
        if session.congested && session.outbox.len() < OUTBOX_BYTES_HIGH / 2 {
            session.congested = false;
            self.decongested();
        }
    }

    /// A connection has little to read again, or is gone: consumers that held something back go on.
    fn decongested(&mut self) {
        self.congested -= 1;
        let held = std::mem::take(&mut self.jetstream.held);
        self.jetstream.ready.extend(held);
    }

    /// Whether everything that was accepted is durable. What may wait for a round does not any more.
    pub fn settle(&mut self) -> bool {
        self.save_all_events();
        // What is not copied yet is copied after the next start.
        self.jetstream.following.clear();
        self.jetstream.rounds.is_settled()
    }

    /// Whether any connection has so much to read that those who publish to it should wait.
    pub fn is_congested(&self) -> bool {
        self.congested > 0
    }

    /// The server stops: every client is told and closed.
    pub fn shutdown(&mut self) {
        let slots: Vec<usize> = self.sessions.iter().map(|(slot, _)| slot).collect();
        for slot in slots {
            self.close(slot, CloseReason::Shutdown);
        }
    }

    pub(crate) fn set_timer(&mut self, key: TimerKey, tick: Tick) {
        self.timers.set(key, tick);
    }

    pub(crate) fn cancel_timer(&mut self, key: TimerKey) {
        self.timers.cancel(key);
    }

    pub(crate) fn has_timer(&self, key: TimerKey) -> bool {
        self.timers.is_set(key)
    }

    fn slot(&self, conn: ConnId) -> Option<usize> {
        let slot = conn.slot as usize;
        self.sessions.get(slot).filter(|session| session.id == conn).map(|_| slot)
    }

    /// Appends to an outbox and asks for a flush.
    pub(crate) fn send(&mut self, slot: usize, write: impl FnOnce(&mut Vec<u8>)) {
        let session = &mut self.sessions[slot];
        write(session.outbox.buffer());
        if !session.flush_requested {
            session.flush_requested = true;
            self.outputs.push(Output::Flush(session.id));
        }
    }

    fn refuse(&mut self, slot: usize, text: &str, reason: CloseReason) {
        self.send(slot, |out| encode::error(out, text));
        self.close(slot, reason);
    }

    pub(crate) fn close(&mut self, slot: usize, reason: CloseReason) {
        let session = &mut self.sessions[slot];
        if session.phase == Phase::Closing {
            return;
        }
        session.phase = Phase::Closing;
        let conn = session.id;
        self.drop_subscriptions(slot);
        self.outputs.push(Output::Close { conn, reason });
    }

    fn ping(&mut self, now: Now, conn: ConnId) {
        let Some(slot) = self.slot(conn) else { return };
        let session = &mut self.sessions[slot];
        if session.pings_unanswered >= self.settings.ping_max {
            self.refuse(slot, "Stale Connection", CloseReason::Stale);
            return;
        }
        session.pings_unanswered += 1;
        self.send(slot, |out| out.extend_from_slice(encode::PING));
        self.timers.set(TimerKey::Ping(conn), now.tick.after(self.settings.ping_interval));
    }

    fn connect(&mut self, slot: usize, json: &[u8]) {
        let Some(connect) = Connect::decode(json) else {
            self.close(slot, CloseReason::Protocol);
            return;
        };
        if !(0..=1).contains(&connect.protocol) {
            self.refuse(slot, "invalid client protocol", CloseReason::Protocol);
            return;
        }
        if connect.no_responders && !connect.headers {
            let text = "no responders requires headers support";
            self.refuse(slot, text, CloseReason::Protocol);
            return;
        }
        let credential_needed = self.settings.info.auth_required;
        let session = &mut self.sessions[slot];
        if session.phase == Phase::Ready {
            // Who it is was settled by its first operation.
            self.acknowledge(slot);
            return;
        }
        session.options = Options::from(&connect);
        let offered = connect.user.is_some()
            || connect.auth_token.is_some()
            || connect.nkey.is_some()
            || connect.jwt.is_some();
        match session.anonymous.clone() {
            Some(identity) if !credential_needed || !offered => self.admit(slot, identity),
            _ => {
                session.phase = Phase::Authenticating;
                let conn = session.id;
                self.outputs.push(Output::Authenticate { conn, connect: Box::new(connect) });
            }
        }
    }

    fn admit(&mut self, slot: usize, identity: Identity) {
        let session = &mut self.sessions[slot];
        session.admit(identity);
        let conn = session.id;
        self.timers.cancel(TimerKey::Authentication(conn));
        self.acknowledge(slot);
    }

    /// `+OK`, to those who want it.
    pub(crate) fn acknowledge(&mut self, slot: usize) {
        if self.sessions[slot].options.verbose {
            self.send(slot, |out| out.extend_from_slice(encode::OK));
        }
    }

    fn subscribe(&mut self, slot: usize, filter: &[u8], queue: Option<&[u8]>, sid: &[u8]) {
        let valid = subject::is_valid(filter)
            && subject::tokens(filter).take(FILTER_TOKENS_MAX + 1).count() <= FILTER_TOKENS_MAX;
        if !valid {
            self.send(slot, |out| encode::error(out, "Invalid Subject"));
            return;
        }
        let session = &mut self.sessions[slot];
        if !session.permit.subscribe(filter) {
            let text = subscription_violation(filter, queue);
            self.send(slot, |out| encode::error(out, &text));
            return;
        }
        if session.subscriptions.len() >= SUBSCRIPTIONS_MAX {
            let reason = CloseReason::Subscriptions;
            self.refuse(slot, "maximum subscriptions exceeded", reason);
            return;
        }
        // An id that is taken is left with what it has, as nats-server does.
        if !session.subscriptions.contains_key(sid) {
            let key = self.subscriptions.insert(Subscription {
                slot,
                sid: sid.into(),
                filter: filter.into(),
                delivered: 0,
                max: None,
                judged: session.permit.judges_deliveries(filter),
            });
            let key = SubKey::try_from(key).expect("subscriptions fit 32 bits");
            session.subscriptions.insert(sid.into(), key);
            let account = session.account.0 as usize;
            self.accounts[account].router.insert(filter, queue, key);
            self.wake_push_consumers(filter);
        }
        self.acknowledge(slot);
    }

    /// Somebody subscribed: push consumers that deliver there have a listener.
    fn wake_push_consumers(&mut self, filter: &[u8]) {
        let JetStream { consumers, ready, .. } = &mut self.jetstream;
        for (index, consumer) in consumers.iter() {
            let target = consumer.config.deliver_subject.as_bytes();
            if !target.is_empty() && subject::matches(filter, target) {
                ready.insert(ConsumerKey(u32::try_from(index).expect("consumers fit 32 bits")));
            }
        }
    }

    fn unsubscribe(&mut self, slot: usize, sid: &[u8], max: Option<u64>) {
        if let Some(key) = self.sessions[slot].subscriptions.get(sid).copied() {
            let subscription = &mut self.subscriptions[key as usize];
            match max {
                Some(max) if subscription.delivered < max => subscription.max = Some(max),
                _ => self.drop_subscription(key),
            }
        }
        self.acknowledge(slot);
    }

    /// Ends one subscription.
    pub(crate) fn drop_subscription(&mut self, key: SubKey) {
        let subscription = self.subscriptions.remove(key as usize);
        let session = &mut self.sessions[subscription.slot];
        session.subscriptions.remove(&subscription.sid);
        let account = session.account.0 as usize;
        self.accounts[account].router.remove(&subscription.filter, key);
    }

    fn drop_subscriptions(&mut self, slot: usize) {
        let mut keys: Vec<SubKey> = self.sessions[slot].subscriptions.values().copied().collect();
        keys.sort_unstable();
        for key in keys {
            self.drop_subscription(key);
        }
    }
}

fn subscription_violation(filter: &[u8], queue: Option<&[u8]>) -> String {
    let filter = String::from_utf8_lossy(filter);
    match queue.map(String::from_utf8_lossy) {
        None => format!("Permissions Violation for Subscription to \"{filter}\""),
        Some(queue) => {
            format!(
                "Permissions Violation for Subscription to \"{filter}\" using queue \"{queue}\""
            )
        }
    }
}
