//! Who may come in, how long they may stay without a word, and what is said of those who may not.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use mio::net::TcpListener;
use socket2::{Domain, Protocol, Socket, Type};
use watershed_engine::{ConnId, Tick};

/// Connections that the system completes before they are accepted. A client that finds the queue
/// full waits for a second before it tries again.
const BACKLOG: i32 = 4096;

/// Time whose refusals share one line of the log.
const REPORT: Duration = Duration::from_secs(1);

/// Listens on `address`.
pub(crate) fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    Ok(TcpListener::from_std(socket.into()))
}

/// What a connection has to have done in time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Wait {
    /// Said something.
    Word,
    /// Sent its first byte, if it begins.
    FirstByte,
    /// Agreed on TLS.
    Handshake,
    /// Asked for a WebSocket.
    Request,
}

/// Keeps count of those who come.
#[derive(Debug)]
pub(crate) struct Door {
    connections_max: usize,
    connect_timeout: Duration,
    open: usize,
    /// Connections that may not have said anything yet, and until when they must.
    silent: VecDeque<(ConnId, Tick)>,
    /// What else is waited for of connections, which may have happened meanwhile.
    waits: BTreeSet<(Tick, ConnId, Wait)>,
    /// Connections that were refused since the last report, by reason.
    refused: BTreeMap<&'static str, u64>,
    report_at: Option<Tick>,
}

impl Door {
    pub(crate) fn new(connections_max: usize, connect_timeout: Duration) -> Self {
        Self {
            connections_max,
            connect_timeout,
            open: 0,
            silent: VecDeque::new(),
            waits: BTreeSet::new(),
            refused: BTreeMap::new(),
            report_at: None,
        }
    }

    /// Sets the limits for connections that come from now on.
    pub(crate) fn set_room(&mut self, connections_max: usize, connect_timeout: Duration) {
        (self.connections_max, self.connect_timeout) = (connections_max, connect_timeout);
    }

    /// A connection came. Says whether there is room for it.
    pub(crate) fn enter(&mut self, now: Tick, conn: ConnId) -> bool {
        self.open += 1;
        self.silent.push_back((conn, now.after(self.connect_timeout)));
        self.open <= self.connections_max
    }

    /// A connection is gone.
    pub(crate) fn leave(&mut self) {
        self.open -= 1;
    }

    /// Waits for something more of a connection.
    pub(crate) fn wait(&mut self, now: Tick, conn: ConnId, wait: Wait, time: Duration) {
        self.waits.insert((now.after(time), conn, wait));
    }

    /// The next connection that has missed a deadline.
    pub(crate) fn overdue(&mut self, now: Tick) -> Option<(ConnId, Wait)> {
        if let Some((conn, _)) = self.silent.pop_front_if(|(_, until)| *until <= now) {
            return Some((conn, Wait::Word));
        }
        let first = *self.waits.first()?;
        let (until, conn, wait) = first;
        if until > now {
            return None;
        }
        self.waits.remove(&first);
        Some((conn, wait))
    }

    /// Somebody was refused, or ended before they were known.
    pub(crate) fn refused(&mut self, now: Tick, reason: &'static str) {
        *self.refused.entry(reason).or_default() += 1;
        self.report_at.get_or_insert(now.after(REPORT));
    }

    /// Tells of those who were refused, once a second.
    pub(crate) fn report(&mut self, now: Tick) {
        if self.report_at.is_some_and(|at| at <= now) {
            self.report_at = None;
            for (reason, count) in std::mem::take(&mut self.refused) {
                tracing::warn!(count, "connections refused: {reason}");
            }
        }
    }

    /// When there is something to do here.
    pub(crate) fn next_deadline(&self) -> Option<Tick> {
        let silent = self.silent.front().map(|(_, until)| *until);
        let wait = self.waits.first().map(|(until, ..)| *until);
        silent.into_iter().chain(wait).chain(self.report_at).min()
    }
}

#[cfg(test)]
mod tests {
    use std::net::TcpStream;

    use super::*;

    /// Who comes while the loop is busy waits in the queue.
    #[test]
    fn a_burst_of_connections_is_queued() {
        let listener = listen(([127, 0, 0, 1], 0).into()).unwrap();
        let address = listener.local_addr().unwrap();
        let patience = Duration::from_millis(500);
        let burst = (0..400).map(|_| TcpStream::connect_timeout(&address, patience));
        let connected: Result<Vec<_>, _> = burst.collect();
        assert_eq!(connected.unwrap().len(), 400);
    }
}
