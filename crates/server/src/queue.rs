//! Work for connections that is too long for the loop: passwords, which are slow to check on purpose,
//! signatures, and steps of TLS handshakes.
//!
//! Sources take turns, and each has a bounded share: whoever asks for much holds up himself.

use std::collections::VecDeque;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

use watershed_engine::ConnId;

/// How many jobs may wait.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Share {
    /// For one source at once.
    pub(crate) of_source: usize,
    /// For all of them.
    pub(crate) of_all: usize,
}

/// The jobs of all sources. Between the loop, which puts them in, and the thread that does them.
#[derive(Debug)]
pub(crate) struct Queue<J> {
    waiting: Mutex<Waiting<J>>,
    changed: Condvar,
}

#[derive(Debug)]
struct Waiting<J> {
    share: Share,
    /// By source, the one whose turn it is first. None is empty.
    sources: VecDeque<(IpAddr, VecDeque<(ConnId, J)>)>,
    /// Jobs of all sources.
    count: usize,
    closed: bool,
}

impl<J> Queue<J> {
    pub(crate) fn new(share: Share) -> Self {
        let waiting = Waiting { share, sources: VecDeque::new(), count: 0, closed: false };
        Self { waiting: Mutex::new(waiting), changed: Condvar::new() }
    }

    fn lock(&self) -> MutexGuard<'_, Waiting<J>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds a job. Says whether there was room for it.
    pub(crate) fn push(&self, source: IpAddr, conn: ConnId, job: J) -> bool {
        let mut waiting = self.lock();
        let fits = waiting.push(source, conn, job);
        drop(waiting);
        self.changed.notify_one();
        fits
    }

    /// Takes the job of a connection out that is gone.
    pub(crate) fn forget(&self, source: IpAddr, conn: ConnId) {
        self.lock().forget(source, conn);
    }

    /// Waits for the next job; `None` when there will be none.
    pub(crate) fn next(&self) -> Option<(ConnId, J)> {
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
    pub(crate) fn close(&self) {
        self.lock().closed = true;
        self.changed.notify_all();
    }
}

impl<J> Waiting<J> {
    fn push(&mut self, source: IpAddr, conn: ConnId, job: J) -> bool {
        let source = network(source);
        if self.count >= self.share.of_all {
            return false;
        }
        match self.sources.iter_mut().find(|(other, _)| *other == source) {
            Some((_, jobs)) if jobs.len() >= self.share.of_source => return false,
            Some((_, jobs)) => jobs.push_back((conn, job)),
            None => self.sources.push_back((source, VecDeque::from([(conn, job)]))),
        }
        self.count += 1;
        true
    }

    fn pop(&mut self) -> Option<(ConnId, J)> {
        let (source, mut jobs) = self.sources.pop_front()?;
        let job = jobs.pop_front();
        self.count -= usize::from(job.is_some());
        if !jobs.is_empty() {
            self.sources.push_back((source, jobs));
        }
        job
    }

    fn forget(&mut self, source: IpAddr, conn: ConnId) {
        let source = network(source);
        if let Some((_, jobs)) = self.sources.iter_mut().find(|(other, _)| *other == source) {
            let before = jobs.len();
            jobs.retain(|(other, _)| *other != conn);
            self.count -= before - jobs.len();
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

    const SHARE: Share = Share { of_source: 64, of_all: 100 };

    fn conn(number: u64) -> ConnId {
        ConnId { slot: 0, number }
    }

    fn order(queue: &Queue<()>) -> Vec<u64> {
        let next = || queue.lock().pop().map(|(conn, ())| conn.number);
        std::iter::from_fn(next).collect()
    }

    #[test]
    fn sources_take_turns() {
        let queue = Queue::new(SHARE);
        let [many, few] = [IpAddr::from([10, 0, 0, 1]), IpAddr::from([10, 0, 0, 2])];
        for number in 0..4 {
            assert!(queue.push(many, conn(number), ()));
        }
        assert!(queue.push(few, conn(10), ()) && queue.push(few, conn(11), ()));
        queue.forget(many, conn(1));
        queue.forget(few, conn(0));
        assert_eq!(order(&queue), [0, 10, 2, 11, 3]);
    }

    #[test]
    fn a_source_has_its_share_and_no_more() {
        let queue = Queue::new(SHARE);
        let network = |host: u16| IpAddr::from([0x2001, 0xdb8, 0, 0, 0, 0, 0, host]);
        let fits = |host| queue.push(network(host), conn(0), ());
        assert_eq!((0..100).filter(|host| fits(*host)).count(), SHARE.of_source);
        let other = |number| queue.push([10, 0, 0, 1].into(), conn(number), ());
        assert_eq!((0..100).filter(|number| other(*number)).count(), 36);
        queue.forget([10, 0, 0, 1].into(), conn(7));
        assert!(other(7) && !other(8));
        queue.close();
        assert!(queue.next().is_none());
    }
}
