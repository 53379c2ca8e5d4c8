//! What changes while clients are connected: who may still be here, and that the server is about to stop.

use std::sync::Arc;
use std::time::Duration;

use watershed_base::AccountId;
use watershed_wire::encode;

use crate::core::{ACCOUNT_FULL, Core, subscription_violation};
use crate::output::{CloseReason, ConnId};
use crate::permit::{Permissions, Permit};
use crate::router::SubKey;
use crate::session::{Identity, Phase};
use crate::settings::Most;

/// What a new configuration says of a user who is connected.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Standing {
    /// Nothing new.
    Same,
    /// Their permissions from now on; `None` for everything.
    May(Option<Arc<Permissions>>),
    /// Who they are from now on, in the same account.
    Is(Box<Identity>),
    /// They have to go.
    Gone,
    /// They have to go: who issued their credential has taken it back.
    Revoked,
    /// They have to go: their account was deleted or has expired.
    Over,
}

/// What may change in [`crate::Settings`] while the core runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Changeable {
    /// Time between pings; of those who are connected, from their next one on.
    pub ping_interval: Duration,
    /// Pings that may go unanswered.
    pub ping_max: u32,
    /// Time in which a client must show its credential.
    pub auth_timeout: Duration,
    /// Longest message, as clients are told.
    pub max_payload: usize,
    /// Whether a credential is needed, as clients are told.
    pub auth_required: bool,
    /// What one connection may take.
    pub most: Most,
}

impl Core {
    /// Takes over what has changed in the settings. Clients that take `INFO` at any time are told.
    pub fn change(&mut self, new: &Changeable) {
        self.settings.ping_interval = new.ping_interval;
        self.settings.ping_max = new.ping_max;
        self.settings.auth_timeout = new.auth_timeout;
        self.settings.most = new.most;
        self.clients.set_room(new.most.pending_bytes);
        let info = &mut self.settings.info;
        let told = (info.max_payload, info.auth_required);
        (info.max_payload, info.auth_required) = (new.max_payload, new.auth_required);
        if told != (new.max_payload, new.auth_required) {
            self.tell_all();
        }
    }

    /// Bounds the connections of an account; the newest beyond that have to go.
    pub fn bound_connections(&mut self, account: AccountId, most: Option<usize>) {
        self.accounts[account.index()].connections_max = most;
        let Some(most) = most else { return };
        let all = self.connected().into_iter().filter_map(|conn| self.clients.slot(conn));
        let own = all.filter(|slot| {
            let session = &self.clients.sessions[*slot];
            session.phase == Phase::Ready && session.account == account
        });
        for slot in own.skip(most).collect::<Vec<_>>() {
            self.refuse(slot, ACCOUNT_FULL, CloseReason::AccountConnections);
        }
        self.close_overflowed();
    }

    /// Judges everybody who is connected anew: by account and name of the user, empty for nobody in particular.
    pub fn judge(&mut self, standing: impl Fn(ConnId, &str, &str) -> Standing) {
        for slot in self.slots() {
            let session = &self.clients.sessions[slot];
            if session.phase != Phase::Ready {
                continue;
            }
            match standing(session.id, self.account_name(session.account), &session.user) {
                Standing::Same => {}
                Standing::May(permissions) => self.permit(slot, permissions),
                Standing::Is(identity) => {
                    let session = &mut self.clients.sessions[slot];
                    (session.key, session.bounds) = (identity.key, identity.bounds);
                    self.permit(slot, identity.permissions);
                    self.watch_end(slot);
                }
                Standing::Gone => {
                    self.refuse(slot, "Authorization Violation", CloseReason::Authentication);
                }
                Standing::Revoked => {
                    self.refuse(slot, "User Authentication Revoked", CloseReason::Revoked);
                }
                Standing::Over => self.expire(slot, true),
            }
        }
        self.close_overflowed();
    }

    /// A connection may do this from now on: what it listens to and may not any more ends.
    fn permit(&mut self, slot: usize, permissions: Option<Arc<Permissions>>) {
        let permit = Permit::new(permissions);
        let session = &mut self.clients.sessions[slot];
        session.allow(permit.clone());
        let mut keys: Vec<SubKey> = session.subscriptions.values().copied().collect();
        keys.sort_unstable();
        for key in keys {
            let subscription = &mut self.clients.subscriptions[key as usize];
            let (filter, queue) = (&*subscription.filter, subscription.queue.as_deref());
            subscription.judged = permit.judges_deliveries(filter, queue);
            if permit.subscribe(filter, queue) {
                continue;
            }
            let text = subscription_violation(filter, queue);
            self.clients.send(slot, |out| encode::error(out, &text));
            self.drop_subscription(key);
        }
    }

    /// The server is about to stop: who takes `INFO` at any time is told, so that it goes elsewhere.
    pub fn lame_duck(&mut self) {
        self.settings.info.ldm = true;
        self.tell_all();
    }

    /// One client is told to go elsewhere. Says whether it takes `INFO` at this time.
    pub fn ask_to_leave(&mut self, conn: ConnId) -> bool {
        let Some(slot) = self.clients.slot(conn) else { return false };
        let session = &self.clients.sessions[slot];
        let options = session.options;
        let listens = session.phase == Phase::Ready && options.takes_info && !options.awaits_info;
        if listens {
            let ends = std::mem::replace(&mut self.settings.info.ldm, true);
            self.send_info(slot);
            self.settings.info.ldm = ends;
        }
        listens
    }

    /// Everybody who is connected, the oldest first.
    pub fn connected(&self) -> Vec<ConnId> {
        let sessions = self.clients.sessions.iter();
        let mut all: Vec<ConnId> = sessions.map(|(_, session)| session.id).collect();
        all.sort_unstable_by_key(|conn| conn.number);
        all
    }

    /// Whether anybody is connected.
    pub fn has_connections(&self) -> bool {
        !self.clients.sessions.is_empty()
    }

    /// Ends a connection.
    pub fn end(&mut self, conn: ConnId, reason: CloseReason) {
        if let Some(slot) = self.clients.slot(conn) {
            self.close(slot, reason);
        }
    }

    fn tell_all(&mut self) {
        for slot in self.slots() {
            let session = &self.clients.sessions[slot];
            if session.phase == Phase::Ready && session.options.takes_info {
                self.send_info(slot);
            }
        }
        self.close_overflowed();
    }

    fn slots(&self) -> Vec<usize> {
        self.clients.sessions.iter().map(|(slot, _)| slot).collect()
    }
}
