//! Who is who. Secrets come in with the configuration and with `CONNECT`, and go no further.

mod password;

use std::collections::HashMap;
use std::io;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};

use watershed_engine::permit::Permissions;
use watershed_engine::{ConnId, Engine, Identity};
use watershed_wire::handshake::Connect;

pub use self::password::Credential;
use crate::config::{Config, DEFAULT_ACCOUNT};
use crate::shard::{Command, Remote};
use crate::thread::spawn;

/// Somebody who may connect.
#[derive(Debug, Clone)]
pub struct User {
    /// Name.
    pub name: String,
    /// What proves that it is them.
    pub credential: Credential,
    /// Account that their connections live in.
    pub account: String,
    /// What they may do; `None` for everything.
    pub permissions: Option<Arc<Permissions>>,
}

/// Handshakes that may wait for the slow check at once. More are refused: each costs a tenth of a
/// second of one core, and nobody has proven anything yet.
const QUEUE_MAX: usize = 1024;

/// Decides who a connection is.
pub(crate) struct Authenticator {
    users: HashMap<String, (Credential, Identity)>,
    /// Who it is that shows no credential, if nobody needs one.
    anonymous: Option<Identity>,
    /// Who it is that shows a credential of no known user; nobody unless the server is open.
    stranger: Option<Identity>,
    slow: Option<SyncSender<Job>>,
}

/// A password to check against a hash that is slow by design.
struct Job {
    conn: ConnId,
    offered: String,
    credential: Credential,
    /// Who it is if the password is right; `None` for a user that does not exist, whose password
    /// is checked all the same so that the answer takes as long.
    identity: Option<Identity>,
}

/// What is known at once.
pub(crate) enum Verdict {
    /// This is who it is, or that it is nobody.
    Now(Option<Identity>),
    /// The answer comes as a [`Command::Authenticated`].
    Later,
}

impl Authenticator {
    pub(crate) fn new(config: &Config, engine: &mut Engine, remote: &Remote) -> io::Result<Self> {
        let users: HashMap<_, _> = config
            .users
            .iter()
            .map(|user| {
                let identity = Identity {
                    account: engine.account(&user.account),
                    user: user.name.clone(),
                    permissions: user.permissions.clone(),
                };
                (user.name.clone(), (user.credential.clone(), identity))
            })
            .collect();
        let open = match &config.open_account {
            Some(name) => Some(name.as_str()),
            None => users.is_empty().then_some(DEFAULT_ACCOUNT),
        };
        let stranger = open.map(|name| Identity {
            account: engine.account(name),
            user: String::new(),
            permissions: None,
        });
        let named = config.no_auth_user.as_ref().and_then(|name| users.get(name));
        let anonymous = named.map(|(_, identity)| identity.clone()).or_else(|| stranger.clone());
        let slow = users.values().any(|(credential, _)| credential.is_slow());
        let slow = if slow {
            let (sender, receiver) = sync_channel(QUEUE_MAX);
            let remote = remote.clone();
            spawn("passwords", move || check_slowly(&receiver, &remote))?;
            Some(sender)
        } else {
            None
        };
        Ok(Self { users, anonymous, stranger, slow })
    }

    /// Who a connection without a credential is.
    pub(crate) fn anonymous(&self) -> Option<Identity> {
        self.anonymous.clone()
    }

    /// Who shows this credential.
    pub(crate) fn check(&self, conn: ConnId, connect: Connect) -> Verdict {
        let offered = connect.pass.unwrap_or_default();
        let user = connect.user.as_ref().and_then(|name| self.users.get(name));
        if user.is_none() && self.stranger.is_some() {
            return Verdict::Now(self.stranger.clone());
        }
        let Some(slow) = &self.slow else {
            let right = user.filter(|(credential, _)| credential.accepts(&offered));
            return Verdict::Now(right.map(|(_, identity)| identity.clone()));
        };
        let (credential, identity) = match user {
            Some((credential, identity)) => (credential.clone(), Some(identity.clone())),
            None => (Credential::decoy(), None),
        };
        match slow.try_send(Job { conn, offered, credential, identity }) {
            Ok(()) => Verdict::Later,
            Err(TrySendError::Full(_) | TrySendError::Disconnected(_)) => Verdict::Now(None),
        }
    }
}

fn check_slowly(jobs: &Receiver<Job>, remote: &Remote) {
    for job in jobs {
        let right = job.credential.accepts(&job.offered);
        let identity = job.identity.filter(|_| right);
        remote.send(Command::Authenticated(job.conn, identity));
    }
}
