//! The engine on a disk in memory, with connections and a clock that is moved by hand.

use std::time::Duration;

use watershed_engine::{ConnId, CoreSettings, Engine, Identity, Now, OnDisk, Peer, Settings, Tick};
use watershed_topology::Topology;
use watershed_topology::model::{ConsumerName, User};
use watershed_topology::observe::ServerFacts;
use watershed_wire::handshake::Info;
use watershed_wire::header::{HeaderBlock, HeaderWriter};
use watershed_wire::op::Publish;
use watershed_wire::time::UnixNanos;
use watershed_wire::{ClientDecoder, ServerDecoder, ServerOp, encode};

use crate::machine::{Machine, permissions};
use crate::memory::MemoryDisk;
use crate::server::{Broken, Heard, Link, Message, Reply, Server};

/// Version of nats-server that the engine stands for.
const VERSION: &str = "2.14.6";

/// When every story begins: 2026-01-01T00:00:00Z.
const BEGIN: UnixNanos = UnixNanos(1_767_225_600_000_000_000);

/// Nobody in a story is away, so nobody need be asked.
const PING_INTERVAL: Duration = Duration::from_hours(24 * 365 * 100);

/// Where answers go if a user says nothing else.
const INBOX: &str = "_INBOX";

/// The name of somebody whom the story does not name.
const NARRATOR: &str = "story";

#[derive(Debug)]
struct Connection {
    conn: ConnId,
    decoder: ServerDecoder,
    /// What the subjects for answers begin with.
    inbox: String,
    /// How often it asked.
    asked: u64,
    heard: Vec<Heard>,
    /// The answer to what it asked last.
    answer: Option<Reply>,
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

    fn connection(&mut self, link: Link) -> Result<&mut Connection, Broken> {
        self.connections.get_mut(link.0).ok_or_else(|| Broken::new("nobody is connected"))
    }

    /// A client sends bytes, and everything is done that follows from them at this moment.
    fn send(&mut self, link: Link, bytes: &[u8]) -> Result<(), Broken> {
        let conn = self.connection(link)?.conn;
        let (mut decoder, mut rest) = (ClientDecoder::default(), bytes);
        while let Some((op, taken)) = decoder.next(rest).map_err(Broken::new)? {
            self.node.engine.received(self.now, conn, op);
            rest = rest.get(taken..).unwrap_or_default();
        }
        settle(&mut self.node, self.now)
    }

    fn publish(&mut self, link: Link, message: &Message<'_>, to: &str) -> Result<(), Broken> {
        let reply = format!("{}.{to}", self.connection(link)?.inbox);
        let mut header = Vec::new();
        if !message.headers.is_empty() {
            let mut writer = HeaderWriter::new();
            for (name, value) in message.headers {
                writer.field(name, value.as_bytes());
            }
            header = writer.finish();
        }
        let message = Publish {
            subject: message.subject.as_bytes(),
            reply: Some(reply.as_bytes()),
            header: &header,
            payload: message.payload,
            has_header: !header.is_empty(),
        };
        let mut bytes = Vec::new();
        encode::publish(&mut bytes, &message);
        self.send(link, &bytes)
    }

    /// Takes what waits for a client.
    fn receive(&mut self, link: Link) -> Result<(), Broken> {
        let Some(connection) = self.connections.get_mut(link.0) else { return Ok(()) };
        let mut taken = 0;
        if let Some(outbox) = self.node.engine.outbox(connection.conn) {
            let bytes = outbox.waiting();
            let rest = |taken| bytes.get(taken..).unwrap_or_default();
            while let Some((op, count)) =
                connection.decoder.next(rest(taken)).map_err(Broken::new)?
            {
                match op {
                    ServerOp::Message { subject, reply, header, payload, .. } => {
                        let asked = format!("{}.a{}", connection.inbox, connection.asked);
                        let heard = heard(reply, header, payload);
                        if subject == asked.as_bytes() {
                            connection.answer = Some(match heard.status {
                                Some((503, _)) => Reply::Nobody,
                                _ => Reply::Answer(heard.payload),
                            });
                        } else {
                            connection.heard.push(heard);
                        }
                    }
                    ServerOp::Err(error) => {
                        let text = String::from_utf8_lossy(error).into_owned();
                        if text.to_lowercase().contains("permissions violation") {
                            connection.answer = Some(Reply::Denied(text));
                        }
                    }
                    _ => {}
                }
                taken += count;
            }
        }
        if taken > 0 {
            self.node.engine.sent(connection.conn, taken);
            settle(&mut self.node, self.now)?;
        }
        Ok(())
    }
}

fn heard(reply: Option<&[u8]>, header: &[u8], payload: &[u8]) -> Heard {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let status = HeaderBlock(header).status().map(|(code, words)| (code, text(words)));
    Heard { reply: reply.map(text), status, payload: payload.to_vec() }
}

impl Server for World {
    fn facts(&self) -> ServerFacts {
        ServerFacts { version: VERSION.into(), clustered: false }
    }

    fn connect(&mut self, topology: &Topology, user: Option<&User>) -> Result<Link, Broken> {
        let allowed = user.map(|user| permissions(topology, user)).transpose();
        let allowed = allowed.map_err(Broken::new)?.flatten();
        let name = user.map_or(NARRATOR, |user| &user.name.value);
        let prefix = user.and_then(|user| user.inbox_prefix.as_ref());
        let prefix = prefix.map_or(INBOX, |prefix| &prefix.value);
        let account = self.node.engine.account(&self.machine.account);
        let identity = Identity::new(account, name, allowed);
        let peer = Peer { ip: "story".into(), anonymous: Some(identity), ..Peer::default() };
        let conn = self.node.engine.opened(self.now, peer);
        let link = Link(self.connections.len());
        let inbox = format!("{prefix}.{name}-{}", link.0);
        let mut bytes = Vec::new();
        let connect = r#"{"verbose":false,"headers":true,"no_responders":true}"#;
        encode::json_line(&mut bytes, "CONNECT", connect);
        encode::subscribe(&mut bytes, format!("{inbox}.>").as_bytes(), None, b"1");
        let (decoder, heard) = (ServerDecoder::default(), Vec::new());
        self.connections.push(Connection { conn, decoder, inbox, asked: 0, heard, answer: None });
        self.send(link, &bytes)?;
        Ok(link)
    }

    fn leave(&mut self, link: Link) -> Result<(), Broken> {
        let conn = self.connection(link)?.conn;
        self.node.engine.closed(conn);
        settle(&mut self.node, self.now)
    }

    fn listen(&mut self, link: Link, subject: &str, queue: Option<&str>) -> Result<(), Broken> {
        let mut bytes = Vec::new();
        encode::subscribe(&mut bytes, subject.as_bytes(), queue.map(str::as_bytes), b"2");
        self.send(link, &bytes)
    }

    fn ask(&mut self, link: Link, message: &Message<'_>) -> Result<Reply, Broken> {
        self.receive(link)?;
        let connection = self.connection(link)?;
        connection.asked += 1;
        connection.answer = None;
        let to = format!("a{}", connection.asked);
        self.publish(link, message, &to)?;
        self.receive(link)?;
        Ok(self.connection(link)?.answer.take().unwrap_or(Reply::Nobody))
    }

    fn request(&mut self, link: Link, message: &Message<'_>) -> Result<(), Broken> {
        self.publish(link, message, "next")
    }

    fn heard(&mut self, link: Link) -> Result<Vec<Heard>, Broken> {
        self.receive(link)?;
        Ok(std::mem::take(&mut self.connection(link)?.heard))
    }

    /// Nothing has taken any time.
    fn begin(&mut self) {}

    fn end(&mut self) {}

    fn passed(&self) -> u64 {
        self.now.tick.0
    }

    fn pass(&mut self, nanos: u64) -> Result<u64, Broken> {
        let next = self.node.engine.next_deadline().map_or(u64::MAX, |next| next.0);
        let passed = next.saturating_sub(self.now.tick.0).min(nanos);
        self.now.tick.0 += passed;
        self.now.wall.0 += i64::try_from(passed).unwrap_or_default();
        self.node.engine.timeout(self.now);
        settle(&mut self.node, self.now)?;
        Ok(nanos - passed)
    }

    fn restart(&mut self) -> Result<(), Broken> {
        self.connections.clear();
        self.node = start(&self.machine, &self.disk, self.now)?;
        settle(&mut self.node, self.now)
    }

    /// Everything has happened.
    fn settle(&mut self, _: &[ConsumerName]) -> Result<bool, Broken> {
        Ok(false)
    }

    fn may_become(&mut self, _: u64) -> Result<bool, Broken> {
        Ok(false)
    }
}
