//! Steps of handshakes, on a thread of their own: a signature takes up to a millisecond, and whoever
//! can connect can ask for one.

use std::io;
use std::net::IpAddr;
use std::sync::Arc;

use watershed_engine::ConnId;

use super::session::Step;
use crate::queue::{Queue, Share};
use crate::shard::{Command, Remote};
use crate::thread::spawn;

/// Each connection has one step at most that waits, so that connections bound them.
const STEPS: Share = Share { of_source: usize::MAX, of_all: usize::MAX };

/// Where steps are made.
#[derive(Debug)]
pub(crate) struct Handshakes {
    queue: Arc<Queue<Step>>,
}

impl Handshakes {
    /// Starts the thread.
    pub(crate) fn start(remote: &Remote) -> io::Result<Self> {
        let queue = Arc::new(Queue::<Step>::new(STEPS));
        let (steps, remote) = (Arc::clone(&queue), remote.clone());
        spawn("handshakes", move || {
            while let Some((conn, step)) = steps.next() {
                remote.send(Command::Stepped(conn, step.make()));
            }
        })?;
        Ok(Self { queue })
    }

    /// Makes a step; the outcome comes as a [`Command::Stepped`].
    pub(crate) fn make(&self, source: IpAddr, conn: ConnId, step: Step) {
        self.queue.push(source, conn, step);
    }

    /// A connection is gone.
    pub(crate) fn forget(&self, source: IpAddr, conn: ConnId) {
        self.queue.forget(source, conn);
    }
}

impl Drop for Handshakes {
    fn drop(&mut self) {
        self.queue.close();
    }
}
