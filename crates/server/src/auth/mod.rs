//! Who is who. Secrets come in with the configuration and with `CONNECT`, and go no further.

mod password;

use std::collections::HashMap;
use std::hash::{BuildHasher as _, RandomState};
use std::io;
use std::net::IpAddr;
use std::sync::Arc;

use watershed_engine::permit::Permissions;
use watershed_engine::{ConnId, Engine, Identity};
use watershed_wire::handshake::Connect;

pub use self::password::Credential;
use crate::config::{Config, DEFAULT_ACCOUNT};
use crate::queue::{Queue, Share};
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

/// Decides who a connection is.
pub(crate) struct Authenticator {
    users: HashMap<String, (Credential, Identity)>,
    /// Who it is that shows no credential, if nobody needs one.
    anonymous: Option<Identity>,
    /// Who it is that shows a credential of no known user; nobody unless the server is open.
    stranger: Option<Identity>,
    /// Where hashes are checked, if there are any.
    slow: Option<Slow>,
}

/// Passwords that may wait to be checked.
const PASSWORDS: Share = Share { of_source: 64, of_all: 1024 };

/// A password to check.
struct Job {
    offered: String,
    hash: String,
    /// Who it is if the password is right; `None` for a user that does not exist, whose password
    /// is checked all the same so that the answer takes as long.
    identity: Option<Identity>,
}

/// Checks passwords against hashes, on a thread of its own.
struct Slow {
    queue: Arc<Queue<Job>>,
    /// All hashes. One of them stands for each name that is nobody's, so that an answer says nothing
    /// about names.
    hashes: Vec<String>,
    choice: RandomState,
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
        let hashes = users.values().filter_map(|(credential, _)| credential.hash());
        let hashes: Vec<String> = hashes.map(str::to_owned).collect();
        let slow = if hashes.is_empty() { None } else { Some(Slow::start(hashes, remote)?) };
        Ok(Self { users, anonymous, stranger, slow })
    }

    /// Who a connection without a credential is.
    pub(crate) fn anonymous(&self) -> Option<Identity> {
        self.anonymous.clone()
    }

    /// Who shows this credential. Whoever has a plain password gets in at once; where there are hashes,
    /// everybody who may not takes as long as one of them.
    pub(crate) fn check(&self, conn: ConnId, source: IpAddr, connect: Connect) -> Verdict {
        let offered = connect.pass.unwrap_or_default();
        let name = connect.user.unwrap_or_default();
        let user = self.users.get(&name);
        if user.is_none() && self.stranger.is_some() {
            return Verdict::Now(self.stranger.clone());
        }
        let hashed = match user {
            Some((Credential::Plain(_), identity))
                if user.is_some_and(|u| u.0.accepts(&offered)) =>
            {
                return Verdict::Now(Some(identity.clone()));
            }
            Some((Credential::Bcrypt(hash), identity)) => Some((hash, identity.clone())),
            _ => None,
        };
        let Some(slow) = &self.slow else { return Verdict::Now(None) };
        let (hash, identity) = match hashed {
            Some((hash, identity)) => (hash.clone(), Some(identity)),
            None => (slow.any_hash(&name), None),
        };
        if slow.queue.push(source, conn, Job { offered, hash, identity }) {
            Verdict::Later
        } else {
            Verdict::Now(None)
        }
    }

    /// A connection whose credential was being checked is gone.
    pub(crate) fn forget(&self, conn: ConnId, source: IpAddr) {
        if let Some(slow) = &self.slow {
            slow.queue.forget(source, conn);
        }
    }
}

impl Slow {
    fn start(hashes: Vec<String>, remote: &Remote) -> io::Result<Self> {
        let queue = Arc::new(Queue::new(PASSWORDS));
        let (jobs, remote) = (Arc::clone(&queue), remote.clone());
        spawn("passwords", move || check_slowly(&jobs, &remote))?;
        Ok(Self { queue, hashes, choice: RandomState::new() })
    }

    /// The hash that stands for a name, always the same.
    fn any_hash(&self, name: &str) -> String {
        let count = self.hashes.len() as u64;
        let index = usize::try_from(self.choice.hash_one(name) % count).unwrap_or_default();
        self.hashes[index].clone()
    }
}

impl Drop for Slow {
    fn drop(&mut self) {
        self.queue.close();
    }
}

fn check_slowly(jobs: &Queue<Job>, remote: &Remote) {
    while let Some((conn, job)) = jobs.next() {
        let right = password::is_hashed(&job.offered, &job.hash);
        let identity = job.identity.filter(|_| right);
        remote.send(Command::Authenticated(conn, identity));
    }
}

#[cfg(test)]
mod tests {
    use mio::Poll;
    use watershed_engine::Settings;

    use super::*;
    use crate::shard::Shard;

    /// An answer at once is only for those who may come in: all others take as long as a hash.
    #[test]
    fn a_refusal_says_nothing_about_names() {
        let hash = bcrypt::hash("s3", 4).unwrap();
        let user = |name: &str, password: &str| User {
            name: name.into(),
            credential: Credential::from_config(password),
            account: "A".into(),
            permissions: None,
        };
        let config =
            Config { users: vec![user("plain", "s3"), user("hashed", &hash)], ..Config::default() };
        let mut engine = Engine::new(Settings::default());
        let (remote, _commands) = Shard::remote(&Poll::new().unwrap()).unwrap();
        let authenticator = Authenticator::new(&config, &mut engine, &remote).unwrap();
        for (name, pass, at_once) in [
            ("plain", "s3", true),
            ("plain", "s4", false),
            ("hashed", "s3", false),
            ("hashed", "s4", false),
            ("nobody", "s3", false),
        ] {
            let (user, pass) = (Some(name.into()), Some(pass.into()));
            let connect = Connect { user, pass, ..Connect::default() };
            let conn = ConnId { slot: 0, number: 1 };
            let verdict = authenticator.check(conn, [10, 0, 0, 1].into(), connect);
            let found = matches!(verdict, Verdict::Now(Some(_)));
            assert_eq!(found, at_once, "{name}");
            assert!(found || matches!(verdict, Verdict::Later), "{name}");
        }
    }
}
