//! Who comes: connections that are accepted, what they begin with, and how long they may take.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use mio::net::TcpStream;
use mio::{Interest, Token};
use watershed_engine::{ConnId, Now, Peer};

use crate::auth::Way;
use crate::connection::Connection;
use crate::door::Wait;
use crate::shard::Shard;
use crate::tls::{Acceptor, Session};
use crate::transport::Transport;
use crate::web::{WebEntry, WebSession};

/// Connections accepted in one turn, so that a flood of them does not starve those that are there.
const ACCEPTED_PER_TURN: usize = 64;

/// Time without a new connection after running out of file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

impl Shard {
    pub(crate) fn accept(&mut self, now: Now, way: Way) {
        for _ in 0..ACCEPTED_PER_TURN {
            let listener = match (way, &self.web) {
                (Way::Standard, _) => self.listener.as_ref(),
                (Way::WebSocket, web) => web.as_ref().and_then(|web| web.listener.as_ref()),
            };
            let Some(listener) = listener else { return };
            match listener.accept() {
                Ok((stream, address)) => self.open(now, stream, address, way),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
                // The peer left before it was looked at.
                Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => {}
                Err(error) => {
                    // Most likely the system is out of file descriptors; those who are connected
                    // go on.
                    tracing::debug!(%error, "a connection could not be accepted");
                    self.door.refused(now.tick, "the system refuses to accept them");
                    self.accept_paused = Some(now.tick.after(ACCEPT_PAUSE));
                    return;
                }
            }
        }
        // There may be more: come back after the others had their turn.
        self.accept_paused = Some(now.tick);
    }

    fn open(&mut self, now: Now, mut stream: TcpStream, source: SocketAddr, way: Way) {
        let _ = stream.set_nodelay(true);
        let peer = Peer {
            ip: source.ip().to_string(),
            port: source.port(),
            handshake: self.handshake_time(way),
            anonymous: self.authenticator.anonymous(way),
            signs: self.gate.is_some() || self.authenticator.wants_signatures(),
            websocket: self.web.as_ref().filter(|_| way == Way::WebSocket).map(WebEntry::port),
        };
        let id = self.engine.opened(now, peer);
        let slot = id.slot as usize;
        let interest = Interest::READABLE | Interest::WRITABLE;
        if let Err(error) = self.poll.registry().register(&mut stream, Token(slot), interest) {
            tracing::warn!(%error, "a connection could not be watched");
            self.engine.closed(id);
            return;
        }
        if self.connections.len() <= slot {
            self.connections.resize_with(slot + 1, || None);
        }
        tracing::debug!(connection = id.number, %source, "connection opened");
        let known = self.authenticator.anonymous(way).is_some();
        let transport = self.transport(now, id, stream, way);
        let connection = Connection::new(id, source.ip(), transport, self.decoder.clone(), known);
        self.connections[slot] = Some(connection);
        if !self.door.enter(now.tick, id) {
            self.turn_away(now, slot, "maximum connections exceeded");
        }
    }

    /// Time that passes before a connection can say who it is.
    fn handshake_time(&self, way: Way) -> Duration {
        match (way, &self.web) {
            (Way::WebSocket, Some(web)) => {
                let (request, tls) = web.timeouts();
                request + tls.unwrap_or_default()
            }
            _ => self.acceptor.as_ref().map_or(Duration::ZERO, Acceptor::timeout),
        }
    }

    /// What a connection begins with, and has to do in time.
    fn transport(&mut self, now: Now, id: ConnId, stream: TcpStream, way: Way) -> Transport {
        if let (Way::WebSocket, Some(web)) = (way, &self.web) {
            if let (_, Some(handshake)) = web.timeouts() {
                self.door.wait(now.tick, id, Wait::Handshake, handshake);
            }
            self.door.wait(now.tick, id, Wait::Request, self.handshake_time(way));
            return web.transport(stream);
        }
        let Some(acceptor) = &self.acceptor else { return Transport::plain(stream) };
        self.door.wait(now.tick, id, Wait::Handshake, acceptor.timeout());
        if let Some(patience) = acceptor.patience() {
            self.door.wait(now.tick, id, Wait::FirstByte, patience);
        }
        Transport::secure(stream, acceptor.session())
    }

    /// Closes those who hold most of what was half received, when that is too much.
    pub(crate) fn shed(&mut self, now: Now) {
        for slot in self.inbound.too_much(now.tick, &self.connections) {
            self.turn_away(now, slot, "Inbound Memory Exceeded");
        }
    }

    /// Closes those who said nothing in time, and tells who was refused.
    pub(crate) fn clear_door(&mut self, now: Now) {
        while let Some((conn, wait)) = self.door.overdue(now.tick) {
            let slot = conn.slot as usize;
            let Some(Some(connection)) = self.connections.get_mut(slot) else { continue };
            if connection.id != conn {
                continue;
            }
            match wait {
                Wait::Word if !connection.is_known() => {
                    self.turn_away(now, slot, "Authentication Timeout");
                }
                Wait::Handshake if connection.transport.tls().is_some_and(Session::is_shaking) => {
                    self.door.refused(now.tick, "TLS handshake timeout");
                    self.drop_connection(slot);
                }
                Wait::FirstByte => {
                    if connection.transport.tls_mut().is_some_and(Session::greet) {
                        self.write(slot);
                    }
                }
                Wait::Request if connection.transport.web().is_some_and(WebSession::is_asking) => {
                    self.door.refused(now.tick, "WebSocket handshake timeout");
                    self.drop_connection(slot);
                }
                Wait::Word | Wait::Handshake | Wait::Request => {}
            }
        }
        self.door.report(now.tick);
    }

    /// Tells a connection why it may not stay, and closes it.
    pub(crate) fn turn_away(&mut self, now: Now, slot: usize, text: &'static str) {
        let Some(Some(connection)) = self.connections.get_mut(slot) else { return };
        connection.refuse(&mut self.engine, text);
        connection.part(text);
        self.door.refused(now.tick, text);
        self.drop_connection(slot);
    }
}
