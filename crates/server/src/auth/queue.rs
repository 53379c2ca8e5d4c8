//! Passwords that wait to be checked against a hash, which is slow on purpose.
//!
//! Sources take turns, and each has a bounded share: whoever tries many passwords holds up himself.

use std::collections::VecDeque;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

use watershed_engine::{ConnId, Identity};

/// Checks that may wait for one source at once.
const PER_SOURCE_MAX: usize = 64;

/// Checks that may wait at once.
const ALL_MAX: usize = 1024;

/// A password to check.
#[derive(Debug)]
pub(super) struct Job {
    pub(super) conn: ConnId,
    pub(super) offered: String,
    pub(super) hash: String,
    /// Who it is if the password is right; `None` for a user that does not exist, whose password
    /// is checked all the same so that the answer takes as long.
    pub(super) identity: Option<Identity>,
}

/// The jobs of all sources. Between the loop, which puts them in, and the thread that does them.
#[derive(Debug, Default)]
pub(super) struct Queue {
    waiting: Mutex<Waiting>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct Waiting {
    /// By source, the one whose turn it is first. None is empty.
    sources: VecDeque<(IpAddr, VecDeque<Job>)>,
    closed: bool,
}

impl Queue {
    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds a job. Says whether there was room for it.
    pub(super) fn push(&self, source: IpAddr, job: Job) -> bool {
        let mut waiting = self.lock();
        let fits = waiting.push(source, job);
        drop(waiting);
        self.changed.notify_one();
        fits
    }

    /// Takes the job of a connection out that is gone.
    pub(super) fn forget(&self, source: IpAddr, conn: ConnId) {
        self.lock().forget(source, conn);
    }

    /// Waits for the next job; `None` when there will be none.
    pub(super) fn next(&self) -> Option<Job> {
        let mut waiting = self.lock();
        loop {
            if waiting.closed {
                return None;
            }
            if let Some(job) = waiting.pop() {
                return Some(job);
            }
            waiting = self.changed.wait(waiting).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Ends what [`Queue::next`] waits for.
    pub(super) fn close(&self) {
        self.lock().closed = true;
        self.changed.notify_all();
    }
}

impl Waiting {
    fn push(&mut self, source: IpAddr, job: Job) -> bool {
        let source = network(source);
        let all: usize = self.sources.iter().map(|(_, jobs)| jobs.len()).sum();
        if all >= ALL_MAX {
            return false;
        }
        match self.sources.iter_mut().find(|(other, _)| *other == source) {
            Some((_, jobs)) if jobs.len() >= PER_SOURCE_MAX => return false,
            Some((_, jobs)) => jobs.push_back(job),
            None => self.sources.push_back((source, VecDeque::from([job]))),
        }
        true
    }

    fn pop(&mut self) -> Option<Job> {
        let (source, mut jobs) = self.sources.pop_front()?;
        let job = jobs.pop_front();
        if !jobs.is_empty() {
            self.sources.push_back((source, jobs));
        }
        job
    }

    fn forget(&mut self, source: IpAddr, conn: ConnId) {
        let source = network(source);
        if let Some((_, jobs)) = self.sources.iter_mut().find(|(other, _)| *other == source) {
            jobs.retain(|job| job.conn != conn);
            self.sources.retain(|(_, jobs)| !jobs.is_empty());
        }
    }
}

/// What one party is sure to have to itself: an address, of IPv6 a network of 64 bits.
fn network(source: IpAddr) -> IpAddr {
    match source.to_canonical() {
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() >> 64 << 64).into(),
        address @ IpAddr::V4(_) => address,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn job(number: u64) -> Job {
        let conn = ConnId { slot: 0, number };
        Job { conn, offered: String::new(), hash: String::new(), identity: None }
    }

    fn order(queue: &Queue) -> Vec<u64> {
        let next = || queue.lock().pop().map(|job| job.conn.number);
        std::iter::from_fn(next).collect()
    }

    #[test]
    fn sources_take_turns() {
        let queue = Queue::default();
        let [many, few] = [IpAddr::from([10, 0, 0, 1]), IpAddr::from([10, 0, 0, 2])];
        for number in 0..4 {
            assert!(queue.push(many, job(number)));
        }
        assert!(queue.push(few, job(10)) && queue.push(few, job(11)));
        queue.forget(many, job(1).conn);
        queue.forget(few, job(0).conn);
        assert_eq!(order(&queue), [0, 10, 2, 11, 3]);
    }

    #[test]
    fn a_source_has_its_share_and_no_more() {
        let queue = Queue::default();
        let network = |host: u16| IpAddr::from([0x2001, 0xdb8, 0, 0, 0, 0, 0, host]);
        let fits = |host| queue.push(network(host), job(0));
        assert_eq!((0..100).filter(|host| fits(*host)).count(), PER_SOURCE_MAX);
        assert!(queue.push([10, 0, 0, 1].into(), job(1)));
        queue.close();
        assert!(queue.next().is_none());
    }
}
