//! What the core knows of one connection.

use std::ops::AddAssign;
use std::sync::Arc;
use std::time::Duration;

use hashbrown::HashMap;
use serde_json::{Value, json};
use watershed_base::{AccountId, Tick};
use watershed_wire::handshake::Connect;
use watershed_wire::time::UnixNanos;

use crate::about::About;
use crate::answers::Answers;
use crate::outbox::Outbox;
use crate::output::{CloseReason, ConnId};
use crate::permit::{Permissions, Permit};
use crate::router::SubKey;

/// Somebody that the shell has proven a connection to be. The core never sees a secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// Account that the connection lives in.
    pub account: AccountId,
    /// Name of the user; empty for nobody in particular.
    pub user: String,
    /// What the user may do; `None` for everything.
    pub permissions: Option<Arc<Permissions>>,
    /// The key that proved it, if one did.
    pub key: Option<Arc<Key>>,
    /// What bounds it beside the server's own limits.
    pub bounds: Bounds,
}

/// What bounds a connection beside the server's own limits.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Bounds {
    /// Most subscriptions at once.
    pub subscriptions: Option<usize>,
    /// Longest message in bytes, headers included.
    pub payload: Option<usize>,
    /// When it has to go.
    pub until: Option<Until>,
}

/// When a connection has to go.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Until {
    /// The time.
    pub time: UnixNanos,
    /// Whether it is the account's, and not only the user's.
    pub of_account: bool,
}

impl Identity {
    /// Somebody who needed no key.
    pub fn new(account: AccountId, user: &str, permissions: Option<Arc<Permissions>>) -> Self {
        Self { account, user: user.to_owned(), permissions, key: None, bounds: Bounds::default() }
    }
}

/// What people are told of a user who is known by a key.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Key {
    /// Who vouches for it: a public key, or the account whose configuration names it.
    pub issuer: String,
    /// Name that its issuer gave it; empty for none.
    pub name: String,
    /// Name of its account, for people.
    pub account_name: String,
    /// Tags that its issuer gave it.
    pub tags: Vec<String>,
}

/// What the shell knows of a new connection.
#[derive(Debug, Clone, Default)]
pub struct Peer {
    /// Address that it comes from.
    pub ip: String,
    /// Its port.
    pub port: u16,
    /// Time that passes before it can say who it is: that of a handshake.
    pub handshake: Duration,
    /// Who it is if it shows no credential; `None` if it must show one.
    pub anonymous: Option<Identity>,
    /// Whether it is given something to sign.
    pub signs: bool,
    /// The port that it comes in at by WebSocket, if it does.
    pub websocket: Option<u16>,
}

/// Messages, and the bytes of their headers and payloads.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Messages that the connection published.
    pub in_msgs: u64,
    /// Their bytes.
    pub in_bytes: u64,
    /// Messages that were delivered to it.
    pub out_msgs: u64,
    /// Their bytes.
    pub out_bytes: u64,
}

impl Counts {
    /// What was delivered to it, as monitoring and events have it.
    pub fn sent(&self) -> Value {
        json!({"msgs": self.out_msgs, "bytes": self.out_bytes})
    }

    /// What it published, in the same form.
    pub fn received(&self) -> Value {
        json!({"msgs": self.in_msgs, "bytes": self.in_bytes})
    }
}

impl AddAssign for Counts {
    fn add_assign(&mut self, other: Self) {
        self.in_msgs += other.in_msgs;
        self.in_bytes += other.in_bytes;
        self.out_msgs += other.out_msgs;
        self.out_bytes += other.out_bytes;
    }
}

/// How far a connection is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Phase {
    /// `INFO` was sent.
    Greeted,
    /// The shell is finding out who it is.
    Authenticating,
    /// Its operations have effect.
    Ready,
    /// It is being closed; nothing of it has effect any more.
    Closing,
}

/// One connection.
#[derive(Debug)]
pub(crate) struct Session {
    pub(crate) id: ConnId,
    pub(crate) phase: Phase,
    pub(crate) outbox: Outbox,
    /// Whether the shell knows that bytes wait.
    pub(crate) flush_requested: bool,
    /// Whether its peer took nothing of what waits when it was last tried.
    pub(crate) blocked: bool,
    /// Whether so much waits that publishers are held back.
    pub(crate) congested: bool,
    /// Who it is without a credential.
    pub(crate) anonymous: Option<Identity>,
    pub(crate) account: AccountId,
    /// Name of the user; empty for nobody in particular.
    pub(crate) user: String,
    pub(crate) key: Option<Arc<Key>>,
    /// What it has to sign, until it is known who it is.
    pub(crate) nonce: String,
    /// What stands in for what its `CONNECT` leaves out.
    pub(crate) carried: Option<Box<Connect>>,
    pub(crate) bounds: Bounds,
    permit: Permit,
    /// What it was asked, if it may answer that.
    pub(crate) answers: Option<Box<Answers>>,
    pub(crate) options: Options,
    pub(crate) about: Box<About>,
    /// Subscriptions by the id that the client gave them.
    pub(crate) subscriptions: HashMap<Box<[u8]>, SubKey, foldhash::fast::FixedState>,
    /// Pings that were sent since the peer was last heard of.
    pub(crate) pings_unanswered: u32,
    /// When the ping was sent that was not answered yet.
    pub(crate) pinged: Option<Tick>,
    /// Time that an answer took.
    pub(crate) round_trip: Option<Duration>,
    pub(crate) counts: Counts,
    /// When it last did something.
    pub(crate) active: UnixNanos,
    /// Why the server ends it.
    pub(crate) ended: Option<CloseReason>,
}

/// What a client asked for in `CONNECT`.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Options {
    pub(crate) verbose: bool,
    pub(crate) pedantic: bool,
    pub(crate) echo: bool,
    pub(crate) headers: bool,
    pub(crate) no_responders: bool,
    /// Whether it takes `INFO` at any time, and was not sent the one that follows its first `PING`.
    pub(crate) awaits_info: bool,
    /// Whether it takes `INFO` at any time.
    pub(crate) takes_info: bool,
}

impl From<&Connect> for Options {
    fn from(connect: &Connect) -> Self {
        Self {
            verbose: connect.verbose,
            pedantic: connect.pedantic,
            echo: connect.echo,
            headers: connect.headers,
            no_responders: connect.no_responders,
            awaits_info: connect.protocol >= 1,
            takes_info: connect.protocol >= 1,
        }
    }
}

impl Session {
    pub(crate) fn new(id: ConnId, anonymous: Option<Identity>) -> Self {
        Self {
            id,
            phase: Phase::Greeted,
            outbox: Outbox::default(),
            flush_requested: false,
            blocked: false,
            congested: false,
            anonymous,
            // Of no effect before the session is ready, when its identity sets it.
            account: AccountId(u32::MAX),
            user: String::new(),
            key: None,
            nonce: String::new(),
            carried: None,
            bounds: Bounds::default(),
            permit: Permit::default(),
            answers: None,
            options: Options::from(&Connect::default()),
            about: Box::default(),
            subscriptions: HashMap::default(),
            pings_unanswered: 0,
            pinged: None,
            round_trip: None,
            counts: Counts::default(),
            active: UnixNanos::default(),
            ended: None,
        }
    }

    /// The connection is this user's from now on.
    pub(crate) fn admit(&mut self, identity: Identity) {
        self.account = identity.account;
        self.user = identity.user;
        self.allow(Permit::new(identity.permissions));
        self.key = identity.key;
        self.bounds = identity.bounds;
        self.nonce = String::new();
        self.carried = None;
        self.phase = Phase::Ready;
    }

    /// What it may do.
    pub(crate) fn permit(&self) -> &Permit {
        &self.permit
    }

    /// It may do this from now on.
    pub(crate) fn allow(&mut self, permit: Permit) {
        match permit.responses() {
            None => self.answers = None,
            Some(_) => drop(self.answers.get_or_insert_default()),
        }
        self.permit = permit;
    }

    /// Whether it may publish to `subject`, for itself or because it was asked to.
    #[inline]
    pub(crate) fn may_publish(&mut self, subject: &[u8], now: Tick) -> bool {
        self.permit.publish(subject)
            || self.answers.as_mut().is_some_and(|answers| answers.allow(subject, now))
    }

    /// A message was delivered to it whose sender waits on `reply`.
    #[inline]
    pub(crate) fn was_asked(&mut self, reply: Option<&[u8]>, now: Tick) {
        if let (Some(answers), Some(reply)) = (&mut self.answers, reply)
            && let Some(responses) = self.permit.responses()
        {
            answers.expect(reply, responses, now);
        }
    }
}

/// A subscription.
#[derive(Debug)]
pub(crate) struct Subscription {
    /// Slot of the connection that it belongs to.
    pub(crate) slot: usize,
    pub(crate) sid: Box<[u8]>,
    pub(crate) filter: Box<[u8]>,
    pub(crate) queue: Option<Box<[u8]>>,
    /// Messages delivered so far.
    pub(crate) delivered: u64,
    /// Deliveries after which it ends.
    pub(crate) max: Option<u64>,
    /// Whether each delivery must be judged by the permit.
    pub(crate) judged: bool,
}
