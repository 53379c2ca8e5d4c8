//! How a connection becomes somebody's: handshakes and credentials, which are checked elsewhere, and what that
//! comes to.

use std::net::IpAddr;

use watershed_engine::{ConnId, Identity, Now, Question};
use watershed_wire::handshake::Connect;

use crate::auth::{Claim, Holder, Verdict, Way};
use crate::shard::Shard;
use crate::tls::Stepped;
use crate::trust::{Answers, Change, Visitor, Vouched};
use crate::turns::MUCH;
use crate::web::WebSession;

impl Shard {
    /// Finds out who a connection is, at once or later.
    pub(crate) fn authenticate(&mut self, now: Now, conn: ConnId, connect: Connect, nonce: String) {
        let Some((source, way)) = self.origin_of(conn) else { return };
        let maps = self.authenticator.maps(way);
        let holder = if maps { self.holder_of(conn) } else { None };
        let claim = Claim { conn, source, way, holder, connect, nonce };
        let verdict = match &self.gate {
            Some(gate) => {
                if gate.check(claim) {
                    Verdict::Later
                } else {
                    Verdict::Now(None)
                }
            }
            None => self.authenticator.check(claim),
        };
        match verdict {
            Verdict::Now(identity) => self.authenticated(now, conn, identity),
            Verdict::Later => {}
        }
    }

    pub(crate) fn authenticated(&mut self, now: Now, conn: ConnId, identity: Option<Identity>) {
        let admitted = identity.is_some();
        self.engine.authenticated(conn, identity);
        let slot = conn.slot as usize;
        let Some(Some(connection)) = self.connections.get_mut(slot) else { return };
        if connection.id != conn {
            return;
        }
        connection.waiting = false;
        if admitted {
            connection.admit();
        }
        let turn = connection.resume(self.clock, MUCH, &mut self.engine);
        self.after(now, slot, turn);
    }

    /// Lets somebody in whose JWT was checked, if their account does.
    pub(crate) fn vouched(&mut self, now: Now, conn: ConnId, vouched: Box<Vouched>) {
        let (Some((source, way)), Some(gate)) = (self.origin_of(conn), &mut self.gate) else {
            return;
        };
        let visitor = Visitor { source, way };
        let identity = gate.admit(conn, vouched, visitor, &mut self.engine, now.wall);
        self.authenticated(now, conn, identity);
    }

    /// Answers a request about JWTs of accounts, and takes over what it has changed.
    pub(crate) fn kept(
        &mut self,
        now: Now,
        question: &Question,
        answers: Answers,
        changes: Vec<Change>,
    ) {
        if let Some(gate) = &mut self.gate
            && !changes.is_empty()
        {
            gate.change(changes, &mut self.engine, now.wall);
        }
        match answers {
            Answers::Said(json) => {
                let answer = self.facts.beside(json, now.wall);
                self.engine.answer(question, answer.to_string().as_bytes());
            }
            Answers::Plain(all) => {
                for answer in all {
                    self.engine.answer(question, answer.as_bytes());
                }
            }
        }
    }

    /// Hands a step of a handshake to those who make them.
    pub(crate) fn step(&mut self, slot: usize) {
        let Some(Some(connection)) = self.connections.get_mut(slot) else { return };
        let (Some(step), Some(handshakes)) = (connection.transport.step(), &self.handshakes) else {
            return;
        };
        connection.waiting = true;
        handshakes.make(connection.source, connection.id, step);
    }

    /// Goes on with a handshake.
    pub(crate) fn stepped(&mut self, now: Now, conn: ConnId, stepped: Stepped) {
        let slot = conn.slot as usize;
        let Some(Some(connection)) = self.connections.get_mut(slot) else { return };
        let Some(session) = connection.transport.tls_mut().filter(|_| connection.id == conn) else {
            return;
        };
        let outcome = session.stepped(stepped);
        let open = session.is_open();
        connection.waiting = false;
        if let Err(error) = outcome {
            tracing::debug!(connection = conn.number, source = %connection.source, error, "TLS handshake error");
            let _ = connection.transport.flush();
            self.door.refused(now.tick, "TLS handshake error");
            self.drop_connection(slot);
            return;
        }
        self.inbound.count(connection);
        if open && connection.way() == Way::Standard {
            self.engine.secured(now, conn);
        }
        // What came meanwhile was not looked at.
        self.enqueue(slot);
        self.write(slot);
    }

    /// A request became a WebSocket: its client can say who it is from now on.
    pub(crate) fn upgraded(&mut self, now: Now, slot: usize) {
        let Some(Some(connection)) = self.connections.get_mut(slot) else { return };
        let conn = connection.id;
        if let Some(carried) = connection.transport.web_mut().and_then(WebSession::carried) {
            self.engine.carries(conn, carried);
        }
        self.engine.secured(now, conn);
        self.enqueue(slot);
        self.write(slot);
    }

    /// Who a connection is by its certificate.
    fn holder_of(&self, conn: ConnId) -> Option<Holder> {
        let connection = self.connections.get(conn.slot as usize)?.as_ref()?;
        connection.transport.tls()?.holder()
    }

    /// Where a connection comes from, and how; `None` if it is gone.
    pub(crate) fn origin_of(&self, conn: ConnId) -> Option<(IpAddr, Way)> {
        let connection = self.connections.get(conn.slot as usize)?.as_ref()?;
        (connection.id == conn).then(|| (connection.source, connection.way()))
    }
}
