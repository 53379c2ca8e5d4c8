//! The engine on a disk in memory, with connections and a clock that is moved by hand.

use std::sync::Arc;
use std::time::Duration;

use thiserror::Error;
use watershed_engine::permit::Permissions;
use watershed_engine::{
    AccountStore, ConnId, CoreSettings, Engine, Identity, JetStreamSettings, Now, OnDisk, Peer,
    Settings, Tick,
};
use watershed_wire::handshake::Info;
use watershed_wire::time::UnixNanos;
use watershed_wire::{ClientDecoder, ServerDecoder, ServerOp};

use crate::memory::MemoryDisk;

/// When every story begins: 2026-01-01T00:00:00Z.
const BEGIN: UnixNanos = UnixNanos(1_767_225_600_000_000_000);

/// Nobody in a story is away, so nobody need be asked.
const PING_INTERVAL: Duration = Duration::from_hours(24 * 365 * 100);

/// The engine or its store did what it never should: a fault of this program.
#[derive(Debug, Error)]
#[error("{0}")]
pub(crate) struct Broken(String);

impl Broken {
    pub(crate) fn new(error: impl std::fmt::Display) -> Self {
        Self(error.to_string())
    }
}

/// What a client of a story is told.
#[derive(Debug)]
pub(crate) enum Heard {
    /// A message.
    Message { subject: String, reply: Option<String>, header: Vec<u8>, payload: Vec<u8> },
    /// `-ERR`.
    Error(String),
}

/// A connection of a world.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Link(usize);

#[derive(Debug)]
struct Connection {
    conn: ConnId,
    decoder: ServerDecoder,
    heard: Vec<Heard>,
}

/// How the server is set up.
#[derive(Debug, Clone)]
pub(crate) struct Machine {
    pub(crate) account: String,
    pub(crate) jetstream: JetStreamSettings,
    pub(crate) store: AccountStore,
    pub(crate) max_payload: usize,
}

#[derive(Debug)]
pub(crate) struct World {
    machine: Machine,
    disk: MemoryDisk,
    node: OnDisk<MemoryDisk>,
    now: Now,
    connections: Vec<Connection>,
}

/// Starts a server on what `disk` has.
fn start(machine: &Machine, disk: &MemoryDisk, now: Now) -> Result<OnDisk<MemoryDisk>, Broken> {
    let info = Info {
        server_name: "story".into(),
        headers: true,
        max_payload: machine.max_payload,
        ..Info::default()
    };
    let core = CoreSettings { info, ping_interval: PING_INTERVAL, ..CoreSettings::default() };
    let jetstream = Some(machine.jetstream);
    let mut engine = Engine::new(Settings { core, jetstream });
    let account = engine.account(&machine.account);
    engine.limit_account(account, machine.store);
    let (node, _) = OnDisk::start(engine, disk, now).map_err(Broken::new)?;
    Ok(node)
}

/// Does everything that is due now.
fn settle(node: &mut OnDisk<MemoryDisk>, now: Now) -> Result<(), Broken> {
    loop {
        node.collect(now);
        if node.commit(now).map_err(Broken::new)?.is_some() {
            continue;
        }
        if let Some(done) = node.keeper.step().map_err(Broken::new)? {
            node.kept(now, &done);
        } else if node.engine.next_deadline().is_some_and(|deadline| deadline <= now.tick) {
            node.engine.timeout(now);
        } else {
            return Ok(());
        }
    }
}

impl World {
    pub(crate) fn new(machine: Machine) -> Result<Self, Broken> {
        let (disk, now) = (MemoryDisk::default(), Now { tick: Tick(0), wall: BEGIN });
        let node = start(&machine, &disk, now)?;
        Ok(Self { machine, disk, node, now, connections: Vec::new() })
    }

    /// Time since the beginning, in nanoseconds.
    pub(crate) fn passed(&self) -> u64 {
        self.now.tick.0
    }

    /// The server stops and starts again. Every connection is gone.
    pub(crate) fn restart(&mut self) -> Result<(), Broken> {
        self.connections.clear();
        self.node = start(&self.machine, &self.disk, self.now)?;
        settle(&mut self.node, self.now)
    }

    /// Connects somebody.
    pub(crate) fn connect(&mut self, user: &str, permissions: Option<Arc<Permissions>>) -> Link {
        let account = self.node.engine.account(&self.machine.account);
        let identity = Identity::new(account, user, permissions);
        let peer = Peer { ip: "story".into(), anonymous: Some(identity), ..Peer::default() };
        let conn = self.node.engine.opened(self.now, peer);
        let decoder = ServerDecoder::default();
        self.connections.push(Connection { conn, decoder, heard: Vec::new() });
        Link(self.connections.len() - 1)
    }

    /// A client sends bytes, and everything is done that follows from them at this moment.
    pub(crate) fn send(&mut self, link: Link, bytes: &[u8]) -> Result<(), Broken> {
        let Some(connection) = self.connections.get(link.0) else { return Ok(()) };
        let (conn, mut decoder) = (connection.conn, ClientDecoder::default());
        let mut rest = bytes;
        while let Some((op, taken)) = decoder.next(rest).map_err(Broken::new)? {
            self.node.engine.received(self.now, conn, op);
            rest = rest.get(taken..).unwrap_or_default();
        }
        settle(&mut self.node, self.now)
    }

    /// What a client was told since the last time.
    pub(crate) fn heard(&mut self, link: Link) -> Result<Vec<Heard>, Broken> {
        let Some(connection) = self.connections.get_mut(link.0) else { return Ok(Vec::new()) };
        let mut taken = 0;
        if let Some(outbox) = self.node.engine.outbox(connection.conn) {
            let bytes = outbox.waiting();
            let rest = |taken| bytes.get(taken..).unwrap_or_default();
            while let Some((op, count)) =
                connection.decoder.next(rest(taken)).map_err(Broken::new)?
            {
                let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
                match op {
                    ServerOp::Message { subject, reply, header, payload, .. } => {
                        connection.heard.push(Heard::Message {
                            subject: text(subject),
                            reply: reply.map(text),
                            header: header.to_vec(),
                            payload: payload.to_vec(),
                        });
                    }
                    ServerOp::Err(error) => connection.heard.push(Heard::Error(text(error))),
                    _ => {}
                }
                taken += count;
            }
        }
        let heard = std::mem::take(&mut connection.heard);
        if taken > 0 {
            self.node.engine.sent(connection.conn, taken);
            settle(&mut self.node, self.now)?;
        }
        Ok(heard)
    }

    /// Lets time pass until something is due, `nanos` at most. Returns how much of them is left.
    pub(crate) fn pass(&mut self, nanos: u64) -> Result<u64, Broken> {
        let next = self.node.engine.next_deadline().map_or(u64::MAX, |next| next.0);
        let passed = next.saturating_sub(self.now.tick.0).min(nanos);
        self.now.tick.0 += passed;
        self.now.wall.0 += i64::try_from(passed).unwrap_or_default();
        self.node.engine.timeout(self.now);
        settle(&mut self.node, self.now)?;
        Ok(nanos - passed)
    }
}
