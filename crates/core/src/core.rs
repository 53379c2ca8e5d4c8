//! Who is connected, and what becomes of each operation.

use std::collections::VecDeque;
use std::time::Duration;

use watershed_base::{AccountId, Now, Random, Secrets, Tick, Timers};
use watershed_wire::handshake::{Connect, Info};
use watershed_wire::ident::unique_id;
use watershed_wire::jetstream::client::ClientInfo;
use watershed_wire::subject;
use watershed_wire::subject::transform::Transform;
use watershed_wire::{ClientOp, DecodeError, DecodeErrorKind, encode};

use crate::account::Account;
use crate::clients::Clients;
use crate::limits::{FILTER_TOKENS_MAX, SUBSCRIPTIONS_MAX};
use crate::mapping::{Mapping, Mappings};
use crate::outbox::Outbox;
use crate::output::{CloseReason, ConnId, Flow, Output};
use crate::passage::{Passage, Passages, Replies};
use crate::published::Hop;
use crate::router::{Capture, SubKey};
use crate::session::{Identity, Options, Peer, Phase, Session, Subscription};
use crate::settings::Settings;
use crate::system::ACCOUNT_OF_NOBODY;
use crate::traces::Traces;
use crate::watched::ConnectionDetail;

/// What a connection is told for whose account there are too many.
pub(crate) const ACCOUNT_FULL: &str = "maximum account active connections exceeded";

/// What a deadline is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
enum TimerKey {
    /// A connection must have authenticated.
    Authentication(ConnId),
    /// A connection is pinged, or has not answered.
    Ping(ConnId),
    /// A connection's time is over.
    Expiry(ConnId),
    /// A connection must have taken something of what waits for it.
    Write(ConnId),
}

/// Core NATS of one node. See the crate's documentation.
#[derive(Debug)]
pub struct Core {
    pub(crate) settings: Settings,
    pub(crate) accounts: Vec<Account>,
    pub(crate) clients: Clients,
    pub(crate) random: Random,
    pub(crate) secrets: Secrets,
    /// The present, as it was last told.
    pub(crate) now: Now,
    /// Whether anything passes between accounts.
    pub(crate) shares: bool,
    /// Whether any account maps subjects.
    pub(crate) maps: bool,
    /// What becomes of messages that ask to be told.
    pub(crate) traces: Traces,
    /// What the message of this turn was published to, if it was mapped.
    pub(crate) mapped_from: Option<Vec<u8>>,
    /// What other accounts are to answer.
    pub(crate) replies: Replies,
    /// What the last publish became in other accounts.
    pub(crate) hops: Vec<Hop>,
    timers: Timers<TimerKey>,
    connections_ever: u64,
    /// Connections that have ended, the oldest first.
    pub(crate) gone: VecDeque<ConnectionDetail>,
}

impl Core {
    /// A core without accounts and connections.
    pub fn new(settings: Settings) -> Self {
        let mut clients = Clients::default();
        clients.set_room(settings.most.pending_bytes);
        Self {
            random: Random::new(settings.seed),
            secrets: Secrets::new(settings.key),
            settings,
            accounts: Vec::new(),
            clients,
            now: Now::default(),
            shares: false,
            maps: false,
            traces: Traces::default(),
            mapped_from: None,
            replies: Replies::default(),
            hops: Vec::new(),
            timers: Timers::default(),
            connections_ever: 0,
            gone: VecDeque::new(),
        }
    }

    /// The names of all accounts.
    pub fn account_names(&self) -> Vec<String> {
        self.accounts.iter().map(|account| account.name.clone()).collect()
    }

    /// The account with this name, made if it isn't there.
    pub fn account(&mut self, name: &str) -> AccountId {
        let found = self.accounts.iter().position(|account| account.name == name);
        let index = found.unwrap_or_else(|| {
            self.accounts.push(Account::new(name));
            self.accounts.len() - 1
        });
        AccountId::at(index)
    }

    /// Name of an account.
    pub fn account_name(&self, account: AccountId) -> &str {
        &self.accounts[account.index()].name
    }

    /// A connection as people are told of it.
    pub fn client_info(&self, conn: ConnId) -> Option<ClientInfo> {
        let session = &self.clients.sessions[self.clients.slot(conn)?];
        let about = &session.about;
        Some(ClientInfo {
            start: about.started,
            host: about.ip.clone(),
            id: session.id.number,
            acc: match self.accounts.get(session.account.index()) {
                Some(account) => account.name.clone(),
                None => ACCOUNT_OF_NOBODY.to_owned(),
            },
            user: session.user.clone(),
            name: about.name.clone(),
            lang: about.lang.clone(),
            ver: about.version.clone(),
            server: self.settings.info.server_name.clone(),
            kind: "Client".into(),
            client_type: if about.websocket.is_some() { "websocket" } else { "nats" }.into(),
        })
    }

    /// Lets messages of `from` arrive in `to`, under other subjects.
    pub fn pass_messages(&mut self, from: AccountId, to: AccountId, transform: Transform) {
        let passage = Passage { transform, to, many: false };
        self.accounts[from.index()].passages.messages.push(passage);
        self.shares = true;
    }

    /// Lets requests of `from` be answered in `to`; `many` if there may be more than one reply.
    pub fn pass_requests(
        &mut self,
        from: AccountId,
        to: AccountId,
        transform: Transform,
        many: bool,
    ) {
        let passage = Passage { transform, to, many };
        self.accounts[from.index()].passages.requests.push(passage);
        self.shares = true;
    }

    /// Lets nothing pass between accounts any more.
    pub fn forget_passages(&mut self) {
        for account in &mut self.accounts {
            account.passages = Passages::default();
        }
        self.shares = false;
    }

    /// What is published to subjects of an account becomes this; nothing else that was said of it before.
    pub fn map_subjects(&mut self, account: AccountId, mappings: Vec<Mapping>) {
        self.accounts[account.index()].mappings = Mappings::new(mappings);
        self.mapped_from = None;
        self.maps = self.accounts.iter().any(|account| !account.mappings.is_empty());
    }

    /// Captures what a valid filter takes in an account, under a name of the caller's. Captures of
    /// one account must not overlap.
    pub fn capture(&mut self, account: AccountId, filter: &[u8], capture: Capture) {
        self.accounts[account.index()].router.capture(filter, capture);
    }

    /// Ends a capture.
    pub fn release(&mut self, account: AccountId, filter: &[u8], capture: Capture) {
        self.accounts[account.index()].router.release(filter, capture);
    }

    /// What every client is told first.
    pub fn info(&self) -> &Info {
        &self.settings.info
    }

    /// Account of a connection whose operations have effect.
    pub fn account_of(&self, conn: ConnId) -> Option<AccountId> {
        let session = &self.clients.sessions[self.clients.slot(conn)?];
        (session.phase == Phase::Ready).then_some(session.account)
    }

    /// Connections now, connections ever, subscriptions.
    pub fn counts(&self) -> (usize, u64, usize) {
        let clients = &self.clients;
        (clients.sessions.len(), self.connections_ever, clients.subscriptions.len())
    }

    /// A connection opened. Its first bytes are in its outbox.
    pub fn opened(&mut self, now: Now, peer: Peer) -> ConnId {
        self.now = now;
        self.connections_ever += 1;
        let entry = self.clients.sessions.vacant_entry();
        let slot = u32::try_from(entry.key()).expect("connections fit 32 bits");
        let id = ConnId { slot, number: self.connections_ever };
        let must_authenticate = peer.anonymous.is_none();
        let session = entry.insert(Session::new(id, peer.anonymous));
        if peer.signs {
            session.nonce = unique_id(self.secrets.next());
        }
        session.about.started = now.wall;
        session.about.ip = peer.ip;
        session.about.port = peer.port;
        session.about.websocket = peer.websocket;
        session.active = now.wall;
        self.send_info(id.slot as usize);
        if must_authenticate {
            let deadline = now.tick.after(peer.handshake).after(self.settings.auth_timeout);
            self.timers.set(TimerKey::Authentication(id), deadline);
        }
        self.timers.set(TimerKey::Ping(id), now.tick.after(self.settings.ping_interval));
        id
    }

    /// A connection brought credentials with it, which stand in for what its `CONNECT` leaves out.
    pub fn carries(&mut self, conn: ConnId, carried: Box<Connect>) {
        if let Some(slot) = self.clients.slot(conn) {
            self.clients.sessions[slot].carried = Some(carried);
        }
    }

    /// A connection has agreed on TLS, or on WebSocket: its time to say who it is begins now.
    pub fn secured(&mut self, now: Now, conn: ConnId) {
        let Some(slot) = self.clients.slot(conn) else { return };
        let session = &self.clients.sessions[slot];
        if session.phase == Phase::Greeted && session.anonymous.is_none() {
            let deadline = now.tick.after(self.settings.auth_timeout);
            self.timers.set(TimerKey::Authentication(conn), deadline);
        }
    }

    /// Tells a connection of the server, and, once it is ready, where it lives.
    pub(crate) fn send_info(&mut self, slot: usize) {
        let session = &self.clients.sessions[slot];
        let mut info = self.settings.info.clone();
        info.client_id = session.id.number;
        info.client_ip.clone_from(&session.about.ip);
        info.nonce.clone_from(&session.nonce);
        info.auth_required &= session.anonymous.is_none();
        if let Some(port) = session.about.websocket {
            // TLS is below that.
            (info.port, info.tls_required, info.tls_available, info.tls_verify) =
                (port, false, false, false);
        }
        info.max_payload = session.bounds.payload.unwrap_or(usize::MAX).min(info.max_payload);
        if session.phase == Phase::Ready {
            info.connect_info = true;
            self.account_name(session.account).clone_into(&mut info.remote_account);
        }
        let json = serde_json::to_string(&info).expect("INFO is JSON");
        self.clients.send(slot, |out| encode::json_line(out, "INFO", &json));
    }

    /// A client pings. To the first time of one that takes `INFO` at any time, one belongs.
    fn answer_ping(&mut self, slot: usize) {
        self.clients.send(slot, |out| out.extend_from_slice(encode::PONG));
        let session = &mut self.clients.sessions[slot];
        if session.phase == Phase::Ready && std::mem::take(&mut session.options.awaits_info) {
            self.send_info(slot);
        }
    }

    /// The shell found out who a connection is, or that its credential is wrong.
    pub fn authenticated(&mut self, conn: ConnId, identity: Option<Identity>) {
        let Some(slot) = self.clients.slot(conn) else { return };
        if self.clients.sessions[slot].phase != Phase::Authenticating {
            return;
        }
        match identity {
            Some(identity) => self.introduce(slot, identity),
            None => self.refuse(slot, "Authorization Violation", CloseReason::Authentication),
        }
    }

    /// An operation arrived that publishes nothing: that is [`Core::publish`].
    pub fn received(&mut self, now: Now, conn: ConnId, op: ClientOp<'_>) -> Flow {
        self.now = now;
        let Some(slot) = self.clients.slot(conn) else { return Flow::Close };
        let session = &mut self.clients.sessions[slot];
        session.pings_unanswered = 0;
        session.active = now.wall;
        let greets = matches!(op, ClientOp::Connect(_) | ClientOp::Ping | ClientOp::Pong);
        match session.phase {
            Phase::Closing => return Flow::Close,
            Phase::Authenticating => return Flow::Wait,
            Phase::Greeted if !greets => match self.ready_slot(now, conn) {
                Ok(_) => {}
                Err(flow) => return flow,
            },
            Phase::Greeted | Phase::Ready => {}
        }
        match op {
            ClientOp::Connect(json) => self.connect(slot, json),
            ClientOp::Subscribe { filter, queue, sid } => self.subscribe(slot, filter, queue, sid),
            ClientOp::Unsubscribe { sid, max } => self.unsubscribe(slot, sid, max),
            ClientOp::Ping => self.answer_ping(slot),
            ClientOp::Pong => self.answered(slot, now.tick),
            ClientOp::Ignored | ClientOp::Publish(_) => {}
        }
        self.close_overflowed();
        match self.clients.sessions[slot].phase {
            Phase::Authenticating => Flow::Wait,
            Phase::Closing => Flow::Close,
            Phase::Greeted | Phase::Ready => Flow::Continue,
        }
    }

    /// The slot of a connection that does something which needs an account. Without CONNECT a client
    /// is nobody in particular, if the server knows nobody.
    #[inline]
    pub(crate) fn ready_slot(&mut self, now: Now, conn: ConnId) -> Result<usize, Flow> {
        self.now = now;
        let slot = self.clients.slot(conn).ok_or(Flow::Close)?;
        let session = &mut self.clients.sessions[slot];
        session.pings_unanswered = 0;
        session.active = now.wall;
        match session.phase {
            Phase::Ready => Ok(slot),
            Phase::Closing => Err(Flow::Close),
            Phase::Authenticating => Err(Flow::Wait),
            Phase::Greeted => {
                let Some(identity) = session.anonymous.clone() else {
                    self.refuse(slot, "Authorization Violation", CloseReason::Authentication);
                    return Err(Flow::Close);
                };
                if self.admit(slot, identity) { Ok(slot) } else { Err(Flow::Close) }
            }
        }
    }

    /// A connection's bytes are not the protocol.
    pub fn malformed(&mut self, conn: ConnId, error: DecodeError) {
        let Some(slot) = self.clients.slot(conn) else { return };
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

    /// A connection is gone; nothing is delivered to it any more. Says whether those who were held
    /// back because it did not read may go on.
    pub fn closed(&mut self, conn: ConnId) -> bool {
        let Some(slot) = self.clients.slot(conn) else { return false };
        self.tell_disconnected(slot);
        self.remember(slot);
        self.drop_subscriptions(slot);
        self.timers.cancel(TimerKey::Authentication(conn));
        self.timers.cancel(TimerKey::Ping(conn));
        self.timers.cancel(TimerKey::Expiry(conn));
        self.timers.cancel(TimerKey::Write(conn));
        self.clients.remove(slot)
    }

    /// Deadlines up to `now` have passed.
    pub fn timeout(&mut self, now: Now) {
        self.now = now;
        while let Some(key) = self.timers.expired(now.tick) {
            match key {
                TimerKey::Authentication(conn) => {
                    let Some(slot) = self.clients.slot(conn) else { continue };
                    if self.clients.sessions[slot].phase != Phase::Ready {
                        let reason = CloseReason::AuthenticationTimeout;
                        self.refuse(slot, "Authentication Timeout", reason);
                    }
                }
                TimerKey::Ping(conn) => self.ping(now, conn),
                TimerKey::Write(conn) => {
                    if let Some(slot) = self.clients.slot(conn) {
                        self.close(slot, CloseReason::WriteDeadline);
                    }
                }
                TimerKey::Expiry(conn) => {
                    let Some(slot) = self.clients.slot(conn) else { continue };
                    let until = self.clients.sessions[slot].bounds.until;
                    self.expire(slot, until.is_some_and(|until| until.of_account));
                }
            }
        }
        self.close_overflowed();
    }

    /// When [`Core::timeout`] must be called next.
    pub fn next_deadline(&self) -> Option<Tick> {
        self.timers.next()
    }

    /// Takes what the shell has to do, appending to `out`.
    pub fn drain(&mut self, out: &mut Vec<Output>) {
        out.append(&mut self.clients.outputs);
    }

    /// The bytes that wait for a connection.
    pub fn outbox(&self, conn: ConnId) -> Option<&Outbox> {
        self.clients.slot(conn).map(|slot| &self.clients.sessions[slot].outbox)
    }

    /// The peer took `count` bytes of its outbox; if more wait, the shell knows. Says whether those
    /// who were held back because it did not read may go on.
    pub fn sent(&mut self, conn: ConnId, count: usize) -> bool {
        let Some(slot) = self.clients.slot(conn) else { return false };
        if std::mem::take(&mut self.clients.sessions[slot].blocked) {
            self.timers.cancel(TimerKey::Write(conn));
        }
        self.clients.sent(slot, count)
    }

    /// The peer takes nothing at the moment of what waits for it. If it stays so, it is closed.
    pub fn blocked(&mut self, now: Now, conn: ConnId) {
        let Some(slot) = self.clients.slot(conn) else { return };
        if !std::mem::replace(&mut self.clients.sessions[slot].blocked, true) {
            let deadline = now.tick.after(self.settings.most.write_deadline);
            self.timers.set(TimerKey::Write(conn), deadline);
        }
    }

    /// Whether any connection has so much to read that those who publish to it should wait.
    pub fn is_congested(&self) -> bool {
        self.clients.is_congested()
    }

    /// The server stops: every client is told and closed.
    pub fn shutdown(&mut self) {
        let slots: Vec<usize> = self.clients.sessions.iter().map(|(slot, _)| slot).collect();
        for slot in slots {
            self.close(slot, CloseReason::Shutdown);
        }
    }

    pub(crate) fn refuse(&mut self, slot: usize, text: &str, reason: CloseReason) {
        self.clients.send(slot, |out| encode::error(out, text));
        self.close(slot, reason);
    }

    pub(crate) fn close(&mut self, slot: usize, reason: CloseReason) {
        if self.clients.close(slot, reason) {
            self.drop_subscriptions(slot);
            if reason == CloseReason::Authentication {
                self.tell_refused(slot);
            }
        }
    }

    /// Closes connections that have too much to read.
    pub(crate) fn close_overflowed(&mut self) {
        while let Some(slot) = self.clients.take_overflowed() {
            self.close(slot, CloseReason::SlowConsumer);
        }
    }

    fn ping(&mut self, now: Now, conn: ConnId) {
        let Some(slot) = self.clients.slot(conn) else { return };
        let session = &mut self.clients.sessions[slot];
        if session.pings_unanswered >= self.settings.ping_max {
            self.refuse(slot, "Stale Connection", CloseReason::Stale);
            return;
        }
        session.pings_unanswered += 1;
        session.pinged = Some(now.tick);
        self.clients.send(slot, |out| out.extend_from_slice(encode::PING));
        self.timers.set(TimerKey::Ping(conn), now.tick.after(self.settings.ping_interval));
    }

    fn connect(&mut self, slot: usize, json: &[u8]) {
        let Some(mut connect) = Connect::decode(json) else {
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
        let session = &mut self.clients.sessions[slot];
        if session.phase == Phase::Ready {
            // Who it is was settled by its first operation.
            self.acknowledge(slot);
            return;
        }
        if let Some(carried) = session.carried.take() {
            connect.fill_in(*carried);
        }
        session.options = Options::from(&connect);
        session.about.introduce(&connect);
        // Whoever shows a credential is who it proves, or nobody: only the shell knows.
        let Connect { auth_token, user, pass, nkey, jwt, sig, .. } = &connect;
        let offered = [auth_token, user, pass, nkey, jwt, sig]
            .into_iter()
            .any(|part| part.as_ref().is_some_and(|text| !text.is_empty()));
        match session.anonymous.clone() {
            Some(identity) if !offered => self.introduce(slot, identity),
            _ => {
                session.phase = Phase::Authenticating;
                // Until it is known who it is, it is who it says.
                session.user = user.clone().unwrap_or_default();
                let (conn, nonce) = (session.id, session.nonce.clone());
                let connect = Box::new(connect);
                self.clients.outputs.push(Output::Authenticate { conn, connect, nonce });
            }
        }
    }

    fn introduce(&mut self, slot: usize, identity: Identity) {
        if self.admit(slot, identity) {
            let conn = self.clients.sessions[slot].id;
            self.timers.cancel(TimerKey::Authentication(conn));
            self.tell_connected(slot);
            self.acknowledge(slot);
        }
    }

    /// A connection becomes this user's. Says whether its account has room for it.
    fn admit(&mut self, slot: usize, identity: Identity) -> bool {
        let account = &mut self.accounts[identity.account.index()];
        if account.connections_max.is_some_and(|max| account.connected >= max) {
            self.refuse(slot, ACCOUNT_FULL, CloseReason::AccountConnections);
            return false;
        }
        account.connected += 1;
        self.clients.sessions[slot].admit(identity);
        self.watch_end(slot);
        true
    }

    /// Sees to it that a connection goes when its time is over.
    pub(crate) fn watch_end(&mut self, slot: usize) {
        let session = &self.clients.sessions[slot];
        let key = TimerKey::Expiry(session.id);
        let Some(until) = session.bounds.until else {
            self.timers.cancel(key);
            return;
        };
        let left = until.time.0.saturating_sub(self.now.wall.0);
        let left = Duration::from_nanos(u64::try_from(left).unwrap_or_default());
        self.timers.set(key, self.now.tick.after(left));
    }

    /// A connection's time, or that of its account, is over.
    pub(crate) fn expire(&mut self, slot: usize, of_account: bool) {
        let whose = if of_account { "Account" } else { "User" };
        self.refuse(slot, &format!("{whose} Authentication Expired"), CloseReason::Expired);
    }

    /// `+OK`, to those who want it.
    pub(crate) fn acknowledge(&mut self, slot: usize) {
        if self.clients.sessions[slot].options.verbose {
            self.clients.send(slot, |out| out.extend_from_slice(encode::OK));
        }
    }

    fn subscribe(&mut self, slot: usize, filter: &[u8], queue: Option<&[u8]>, sid: &[u8]) {
        let tokens = subject::tokens(filter).take(FILTER_TOKENS_MAX + 1).count();
        if !subject::is_valid(filter) || tokens > FILTER_TOKENS_MAX {
            self.clients.send(slot, |out| encode::error(out, "Invalid Subject"));
            return;
        }
        if tokens > self.settings.most.tokens {
            let text = format!("{}, too many tokens", subscription_violation(filter, None));
            self.clients.send(slot, |out| encode::error(out, &text));
            return;
        }
        let session = &mut self.clients.sessions[slot];
        if !session.permit().subscribe(filter, queue) {
            let text = subscription_violation(filter, queue);
            self.clients.send(slot, |out| encode::error(out, &text));
            return;
        }
        let most = self.settings.most.subscriptions.min(SUBSCRIPTIONS_MAX);
        if session.subscriptions.len() >= session.bounds.subscriptions.unwrap_or(most).min(most) {
            let text = "maximum subscriptions exceeded";
            self.clients.send(slot, |out| encode::error(out, text));
            return;
        }
        // An id that is taken is left with what it has, as nats-server does.
        if !session.subscriptions.contains_key(sid) {
            let key = self.clients.subscriptions.insert(Subscription {
                slot,
                sid: sid.into(),
                filter: filter.into(),
                queue: queue.map(Into::into),
                delivered: 0,
                max: None,
                judged: session.permit().judges_deliveries(filter, queue),
            });
            let key = SubKey::try_from(key).expect("subscriptions fit 32 bits");
            session.subscriptions.insert(sid.into(), key);
            let account = session.account.index();
            self.accounts[account].router.insert(filter, queue, key);
        }
        self.acknowledge(slot);
    }

    fn unsubscribe(&mut self, slot: usize, sid: &[u8], max: Option<u64>) {
        if let Some(key) = self.clients.sessions[slot].subscriptions.get(sid).copied() {
            let subscription = &mut self.clients.subscriptions[key as usize];
            match max {
                Some(max) if subscription.delivered < max => subscription.max = Some(max),
                _ => self.drop_subscription(key),
            }
        }
        self.acknowledge(slot);
    }

    /// Ends one subscription.
    pub(crate) fn drop_subscription(&mut self, key: SubKey) {
        let subscription = self.clients.subscriptions.remove(key as usize);
        let session = &mut self.clients.sessions[subscription.slot];
        session.subscriptions.remove(&subscription.sid);
        let account = session.account.index();
        self.accounts[account].router.remove(&subscription.filter, key);
    }

    fn drop_subscriptions(&mut self, slot: usize) {
        let mut keys: Vec<SubKey> =
            self.clients.sessions[slot].subscriptions.values().copied().collect();
        keys.sort_unstable();
        for key in keys {
            self.drop_subscription(key);
        }
    }
}

/// What a client is told that may not subscribe to something.
pub(crate) fn subscription_violation(filter: &[u8], queue: Option<&[u8]>) -> String {
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
