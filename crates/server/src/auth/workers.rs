//! What takes longer than the loop may: hashes of passwords and tokens, and signatures, each on a thread of
//! its own, so that a flood of the one holds up nobody who shows the other.

use std::hash::{BuildHasher as _, RandomState};
use std::io;
use std::net::IpAddr;
use std::sync::Arc;

use watershed_engine::{ConnId, Identity};

use super::credential::is_hashed;
use super::nkey::Nkey;
use crate::queue::{Queue, Share};
use crate::shard::{Command, Remote};
use crate::thread::spawn;

/// Checks of one kind that may wait.
const CHECKS: Share = Share { of_source: 64, of_all: 1024 };

/// A thread that checks what is in its queue.
pub(crate) struct Worker<J> {
    queue: Arc<Queue<J>>,
}

impl<J: Send + 'static> Worker<J> {
    /// Starts a thread; what it finds comes as a command.
    pub(crate) fn start(
        name: &'static str,
        remote: &Remote,
        check: impl Fn(ConnId, J) -> Command + Send + 'static,
    ) -> io::Result<Self> {
        let queue = Arc::new(Queue::new(CHECKS));
        let (jobs, remote) = (Arc::clone(&queue), remote.clone());
        spawn(name, move || {
            while let Some((conn, job)) = jobs.next() {
                remote.send(check(conn, job));
            }
        })?;
        Ok(Self { queue })
    }

    /// Adds a check. Says whether there was room for it.
    pub(crate) fn check(&self, source: IpAddr, conn: ConnId, job: J) -> bool {
        self.queue.push(source, conn, job)
    }

    /// A connection is gone.
    pub(crate) fn forget(&self, source: IpAddr, conn: ConnId) {
        self.queue.forget(source, conn);
    }
}

impl<J> Drop for Worker<J> {
    fn drop(&mut self) {
        self.queue.close();
    }
}

/// Something to be held against a hash.
pub(super) struct Hashed {
    pub(super) offered: String,
    pub(super) hash: String,
    /// Who it is if it is right; `None` for a user that does not exist, whose password is checked all the
    /// same so that the answer takes as long.
    pub(super) identity: Option<Identity>,
}

/// Checks passwords and tokens against hashes.
pub(super) struct Hashes {
    pub(super) worker: Worker<Hashed>,
    /// All hashes. One of them stands for each name that is nobody's, so that an answer says nothing
    /// about names.
    all: Vec<String>,
    choice: RandomState,
}

impl Hashes {
    pub(super) fn start(hashes: Vec<String>, remote: &Remote) -> io::Result<Self> {
        let check = |conn, job: Hashed| {
            let right = is_hashed(&job.offered, &job.hash);
            Command::Authenticated(conn, job.identity.filter(|_| right))
        };
        let worker = Worker::start("passwords", remote, check)?;
        Ok(Self { worker, all: hashes, choice: RandomState::new() })
    }

    /// The hash that stands for a name, always the same.
    pub(super) fn any(&self, name: &str) -> String {
        let count = self.all.len() as u64;
        let index = usize::try_from(self.choice.hash_one(name) % count).unwrap_or_default();
        self.all[index].clone()
    }
}

/// A signature of what a connection was given to sign.
pub(super) struct Signed {
    pub(super) key: Nkey,
    pub(super) nonce: String,
    pub(super) signature: String,
    /// Who it is if it is right.
    pub(super) identity: Identity,
}

/// Starts the thread that checks signatures.
pub(super) fn signatures(remote: &Remote) -> io::Result<Worker<Signed>> {
    Worker::start("signatures", remote, |conn, job: Signed| {
        let right = job.key.has_signed(job.nonce.as_bytes(), &job.signature);
        Command::Authenticated(conn, right.then_some(job.identity))
    })
}
