//! The loop that owns the engine and its connections.
//!
//! One thread waits for sockets, deadlines and commands, lets the engine decide, and writes what it
//! left in outboxes. A turn reads every ready socket once and writes every outbox once, so that
//! system calls are shared by whatever arrived together. Nothing is shared with other threads but
//! the queue of commands.

use std::io;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Duration;

use mio::net::TcpListener;
use mio::{Events, Interest, Poll, Token, Waker};
use watershed_engine::{
    About, CloseReason, Completion, ConnId, Damaged, DiskOutput, Engine, Flow, Forgotten, Identity,
    Now, Output, Question, Tick,
};
use watershed_wire::ClientDecoder;

use crate::auth::{Authenticator, Way};
use crate::clock::Clock;
use crate::config::Config;
use crate::connection::{Connection, Scratch, Turn};
use crate::descriptors::connections_max;
use crate::door::Door;
use crate::inbound::Inbound;
use crate::lame_duck::LameDuck;
use crate::monitor::Facts;
use crate::reload::{self, ReloadError};
use crate::store::Storage;
use crate::tls::{Acceptor, Handshakes, Stepped};
use crate::trust::{Answers, Change, Gate, Vouched};
use crate::turns::Turns;
use crate::web::{WebEntry, WebSession};

const LISTENER: Token = Token(usize::MAX);
const WAKER: Token = Token(usize::MAX - 1);
const WEB_LISTENER: Token = Token(usize::MAX - 2);

/// Longest time that a publisher is held back for a subscriber that can't keep up.
const STALL: Duration = Duration::from_millis(5);

/// Longest time that a server takes to make durable what it has accepted when it is to stop.
const STOP: Duration = Duration::from_secs(10);

/// Longest sleep between looks at whether a server that is to stop may.
const SETTLE: Duration = Duration::from_millis(1);

/// What somebody wants to know of an engine.
#[cfg(feature = "monitoring")]
pub(crate) type Look = Box<dyn FnOnce(&mut Engine, &Facts) + Send>;

/// What other threads ask of a shard.
pub(crate) enum Command {
    /// A password, a token or a signature was checked.
    Authenticated(ConnId, Option<Identity>),
    /// A JWT and a signature were checked.
    Vouched(ConnId, Box<Vouched>),
    /// A request about JWTs of accounts was carried out.
    Kept(Box<Question>, Answers, Vec<Change>),
    /// A step of a TLS handshake was made.
    #[cfg_attr(not(feature = "tls"), expect(dead_code, reason = "only TLS has handshakes"))]
    Stepped(ConnId, Stepped),
    /// The disk has done something.
    Completed(Completion),
    /// Somebody wants to know what there is.
    #[cfg(feature = "monitoring")]
    Look(Look),
    /// Take over another configuration, and say whether that was possible.
    Reload(Box<Config>, Box<dyn FnOnce(Result<(), ReloadError>) + Send>),
    /// Ask clients to go, and stop when they are gone.
    LameDuck(Box<dyn FnOnce() + Send>),
    /// Tell the clients, write what waits, end.
    Stop,
}

/// The other end of a shard's queue of commands.
#[derive(Debug, Clone)]
pub(crate) struct Remote {
    commands: Sender<Command>,
    waker: Arc<Waker>,
}

impl Remote {
    /// Sends a command. A shard that has ended needs none.
    pub(crate) fn send(&self, command: Command) {
        if self.commands.send(command).is_ok() {
            let _ = self.waker.wake();
        }
    }
}

/// What a shard is made of.
pub(crate) struct Parts {
    pub(crate) poll: Poll,
    pub(crate) listener: TcpListener,
    pub(crate) engine: Engine,
    pub(crate) authenticator: Authenticator,
    /// Operator mode, if it is on.
    pub(crate) gate: Option<Gate>,
    /// TLS of those who come in.
    pub(crate) acceptor: Option<Acceptor>,
    /// Where steps of TLS handshakes are made, if there are any.
    pub(crate) handshakes: Option<Handshakes>,
    /// Where those come in who speak WebSocket.
    pub(crate) web: Option<WebEntry>,
    pub(crate) door: Door,
    pub(crate) inbound: Inbound,
    pub(crate) commands: Receiver<Command>,
    pub(crate) clock: Clock,
    /// Where streams are kept, if there are any.
    pub(crate) storage: Option<Storage>,
    /// What the server says of itself.
    pub(crate) facts: Facts,
    /// For threads that have something to say to the shard.
    pub(crate) remote: Remote,
    /// What it was told at its start.
    pub(crate) config: Box<Config>,
}

/// The loop and what it owns.
pub(crate) struct Shard {
    pub(crate) poll: Poll,
    /// `None` when no connection is taken any more.
    pub(crate) listener: Option<TcpListener>,
    lame_duck: Option<LameDuck>,
    remote: Remote,
    config: Box<Config>,
    pub(crate) engine: Engine,
    pub(crate) authenticator: Authenticator,
    pub(crate) gate: Option<Gate>,
    pub(crate) acceptor: Option<Acceptor>,
    pub(crate) handshakes: Option<Handshakes>,
    pub(crate) web: Option<WebEntry>,
    pub(crate) door: Door,
    pub(crate) inbound: Inbound,
    storage: Option<Storage>,
    pub(crate) clock: Clock,
    pub(crate) facts: Facts,
    /// How what clients send is read who are known.
    pub(crate) decoder: ClientDecoder,
    commands: Receiver<Command>,
    /// By slot, as the engine numbers them.
    pub(crate) connections: Vec<Option<Connection>>,
    /// Connections that may have bytes to read.
    turns: Turns,
    /// Connections that publish faster than others read, and until when they are held back.
    stalled: Vec<(ConnId, Tick)>,
    /// Until when no connection is accepted.
    pub(crate) accept_paused: Option<Tick>,
    scratch: Scratch,
    outputs: Vec<Output>,
    disk_outputs: Vec<DiskOutput>,
    stopping: bool,
}

/// How what clients send is read who are known.
fn decoder(config: &Config) -> ClientDecoder {
    ClientDecoder::new(config.max_payload).lines_of(config.max_control_line)
}

impl Shard {
    /// A queue of commands for a shard that is still to be made.
    pub(crate) fn remote(poll: &Poll) -> io::Result<(Remote, Receiver<Command>)> {
        let (commands, receiver) = channel();
        let waker = Arc::new(Waker::new(poll.registry(), WAKER)?);
        Ok((Remote { commands, waker }, receiver))
    }

    pub(crate) fn new(parts: Parts) -> io::Result<Self> {
        let Parts { poll, mut listener, engine, authenticator, door, .. } = parts;
        let Parts { inbound, commands, clock, storage, facts, remote, config, gate, .. } = parts;
        let Parts { acceptor, handshakes, mut web, .. } = parts;
        if let Some(listener) = web.as_mut().and_then(|web| web.listener.as_mut()) {
            poll.registry().register(listener, WEB_LISTENER, Interest::READABLE)?;
        }
        poll.registry().register(&mut listener, LISTENER, Interest::READABLE)?;
        Ok(Self {
            poll,
            listener: Some(listener),
            lame_duck: None,
            remote,
            decoder: decoder(&config),
            config,
            engine,
            authenticator,
            gate,
            acceptor,
            handshakes,
            web,
            door,
            inbound,
            storage,
            clock,
            facts,
            commands,
            connections: Vec::new(),
            turns: Turns::default(),
            stalled: Vec::new(),
            accept_paused: None,
            scratch: Scratch::new(),
            outputs: Vec::new(),
            disk_outputs: Vec::new(),
            stopping: false,
        })
    }

    /// Runs until told to stop.
    pub(crate) fn run(mut self) {
        let mut events = Events::with_capacity(1024);
        while !self.stopping {
            let timeout = self.timeout(self.clock.now());
            match self.poll.poll(&mut events, timeout) {
                Err(error) if error.kind() != io::ErrorKind::Interrupted => {
                    panic!("waiting for sockets failed: {error}");
                }
                _ => {}
            }
            let now = self.clock.now();
            self.collect(now, &events);
            self.release(now);
            self.read_ready(now);
            self.shed(now);
            self.clear_door(now);
            if self.engine.next_deadline().is_some_and(|deadline| deadline <= now.tick) {
                self.engine.timeout(now);
            }
            self.leave(now);
            if let Some(gate) = &mut self.gate {
                gate.timeout(&mut self.engine, now.wall);
            }
            self.carry_out(now);
        }
        self.finish(&mut events);
    }

    /// Reads nothing more. What was accepted becomes durable and is answered; then everybody is
    /// told that this is the end.
    fn finish(&mut self, events: &mut Events) {
        let mut now = self.clock.now();
        let deadline = now.tick.after(STOP);
        loop {
            // A round may wait for company until a certain time: the engine must see it pass.
            self.engine.timeout(now);
            if self.engine.settle(now) || now.tick >= deadline {
                break;
            }
            self.carry_out(now);
            let polled = self.poll.poll(events, Some(SETTLE));
            if polled.is_err_and(|error| error.kind() != io::ErrorKind::Interrupted) {
                break;
            }
            now = self.clock.now();
            self.obey(now);
        }
        self.engine.checkpoint_at_stop();
        self.engine.shutdown();
        self.carry_out(self.clock.now());
        if let Some(storage) = self.storage.take() {
            storage.finish();
        }
    }

    /// How long nothing will be to do but for what sockets and other threads bring.
    fn timeout(&self, now: Now) -> Option<Duration> {
        if !self.turns.is_empty() {
            return Some(Duration::ZERO);
        }
        let stalled = self.stalled.iter().map(|(_, until)| *until);
        let deadlines = self.engine.next_deadline().into_iter().chain(stalled);
        let leaving = self.lame_duck.as_ref().map(LameDuck::next_deadline);
        let ends = self.gate.as_ref().and_then(Gate::next_deadline).map(|end| {
            let left = u64::try_from(end.0.saturating_sub(now.wall.0)).unwrap_or_default();
            now.tick.after(Duration::from_nanos(left))
        });
        let own = [self.accept_paused, self.door.next_deadline(), leaving, ends];
        let next = deadlines.chain(own.into_iter().flatten()).min()?;
        Some(Duration::from_nanos(next.0.saturating_sub(now.tick.0)))
    }

    fn collect(&mut self, now: Now, events: &Events) {
        for event in events {
            match event.token() {
                LISTENER => self.accept(now, Way::Standard),
                WEB_LISTENER => self.accept(now, Way::WebSocket),
                WAKER => self.obey(now),
                Token(slot) => {
                    let Some(Some(connection)) = self.connections.get_mut(slot) else { continue };
                    if event.is_writable() {
                        connection.transport.on_writable();
                        self.write(slot);
                    }
                    let Some(Some(connection)) = self.connections.get_mut(slot) else { continue };
                    if event.is_read_closed() || event.is_error() {
                        connection.closed_by_peer = true;
                        if connection.waiting || connection.full {
                            self.drop_connection(slot);
                            continue;
                        }
                    }
                    if event.is_readable() || event.is_read_closed() || event.is_error() {
                        self.enqueue(slot);
                    }
                }
            }
        }
        if self.accept_paused.is_some_and(|until| until <= now.tick) {
            self.accept_paused = None;
            self.accept(now, Way::Standard);
            self.accept(now, Way::WebSocket);
        }
    }

    fn obey(&mut self, now: Now) {
        while let Ok(command) = self.commands.try_recv() {
            match command {
                Command::Authenticated(conn, identity) => {
                    self.authenticated(now, conn, identity);
                }
                Command::Vouched(conn, vouched) => self.vouched(now, conn, vouched),
                Command::Kept(question, answers, changes) => {
                    self.kept(now, &question, answers, changes);
                }
                Command::Stepped(conn, stepped) => self.stepped(now, conn, stepped),
                Command::Completed(done) => {
                    self.engine.completed(now, done);
                }
                #[cfg(feature = "monitoring")]
                Command::Look(look) => look(&mut self.engine, &self.facts),
                Command::Reload(config, answer) => answer(self.reload(now, *config)),
                Command::LameDuck(over) => self.begin_to_leave(now, over),
                Command::Stop => self.stopping = true,
            }
        }
    }

    /// Takes over a configuration.
    fn reload(&mut self, now: Now, new: Config) -> Result<(), ReloadError> {
        let refused = reload::needs_restart(&self.config, &new);
        if !refused.is_empty() {
            return Err(ReloadError::Restart(refused));
        }
        let acceptor = new.tls.as_ref().map(Acceptor::load).transpose()?;
        let by_web = new.websocket.as_ref().and_then(|web| web.tls.as_ref());
        let by_web = by_web.map(Acceptor::load).transpose()?;
        let changes = match (&self.gate, &new.operator) {
            (Some(gate), Some(operator)) => gate.changes(operator)?,
            _ => Vec::new(),
        };
        let authenticator = Authenticator::new(&new, &mut self.engine, &self.remote)
            .map_err(ReloadError::System)?;
        self.authenticator = authenticator;
        if let Some(gate) = &mut self.gate {
            gate.change(changes, &mut self.engine, now.wall);
        }
        if self.acceptor.is_some() {
            self.acceptor = acceptor;
        }
        if let (Some(web), Some(acceptor)) = (&mut self.web, by_web) {
            web.set_acceptor(acceptor);
        }
        reload::limit_accounts(&mut self.engine, &new);
        self.engine.change(&reload::changeable(&new));
        if self.gate.is_none() {
            reload::map_subjects(&mut self.engine, &new);
            self.engine.judge(reload::standing(&self.config, &new));
        }
        self.door.set_room(connections_max(new.max_connections), new.connect_timeout);
        self.decoder = decoder(&new);
        let mut info = self.facts.info.clone();
        (info.max_payload, info.auth_required) = (new.max_payload, new.needs_credentials());
        self.facts.change(&new, info);
        *self.config = new;
        Ok(())
    }

    /// Takes no further connection and asks those who are there to go.
    fn begin_to_leave(&mut self, now: Now, over: Box<dyn FnOnce() + Send>) {
        if self.lame_duck.is_some() {
            return;
        }
        if let Some(mut listener) = self.listener.take() {
            let _ = self.poll.registry().deregister(&mut listener);
        }
        if let Some(mut listener) = self.web.as_mut().and_then(|web| web.listener.take()) {
            let _ = self.poll.registry().deregister(&mut listener);
        }
        let Config { lame_duck_duration, lame_duck_grace, .. } = *self.config;
        let engine = &mut self.engine;
        let leaving = LameDuck::begin(now, engine, lame_duck_duration, lame_duck_grace, over);
        self.lame_duck = Some(leaving);
    }

    /// Closes those who stay when the server is about to end.
    fn leave(&mut self, now: Now) {
        if let Some(leaving) = &mut self.lame_duck {
            self.stopping |= leaving.step(now, &mut self.engine);
        }
    }

    pub(crate) fn enqueue(&mut self, slot: usize) {
        let Some(Some(connection)) = self.connections.get_mut(slot) else { return };
        connection.readable = true;
        if !connection.queued && !connection.waiting {
            connection.queued = true;
            self.turns.push(connection.id.slot, connection.had_much);
        }
    }

    /// Lets stalled publishers go on.
    fn release(&mut self, now: Now) {
        if self.stalled.is_empty() {
            return;
        }
        let congested = self.engine.is_congested();
        let mut stalled = std::mem::take(&mut self.stalled);
        stalled.retain(|(conn, until)| {
            let held = congested && *until > now.tick;
            if !held && let Some(Some(connection)) = self.connections.get_mut(conn.slot as usize) {
                // A slot that was given to another connection meanwhile loses nothing by a look.
                connection.queued = true;
                self.turns.push(conn.slot, connection.had_much);
            }
            held
        });
        self.stalled = stalled;
    }

    /// Reads ready connections, each at most once, before sockets are looked at again.
    fn read_ready(&mut self, now: Now) {
        self.turns.begin(now.tick);
        while let Some((slot, time)) = self.turns.next(|| self.clock.now().tick) {
            let slot = slot as usize;
            let Some(Some(connection)) = self.connections.get_mut(slot) else { continue };
            connection.queued = false;
            if connection.waiting || connection.full {
                continue;
            }
            let turn = connection.read(self.clock, time, &mut self.engine, &mut self.scratch);
            self.after(now, slot, turn);
        }
    }

    pub(crate) fn after(&mut self, now: Now, slot: usize, turn: Turn) {
        let Some(Some(connection)) = self.connections.get_mut(slot) else { return };
        self.inbound.count(connection);
        if connection.transport.web().is_some_and(WebSession::has_words) {
            self.write(slot);
        }
        let Some(Some(connection)) = self.connections.get_mut(slot) else { return };
        match turn {
            Turn::More => {
                if connection.readable {
                    self.enqueue(slot);
                }
            }
            Turn::Held(Flow::Stall) => {
                connection.queued = true;
                self.stalled.push((connection.id, now.tick.after(STALL)));
            }
            // Nobody is there to be told who they are.
            Turn::Held(Flow::Wait) if connection.closed_by_peer => self.drop_connection(slot),
            Turn::Held(Flow::Wait) => connection.waiting = true,
            Turn::Paused => {
                connection.queued = true;
                self.turns.push(connection.id.slot, connection.had_much);
            }
            // Writing makes room.
            Turn::Full => {}
            Turn::Unknown => self.turn_away(now, slot, "Authorization Violation"),
            Turn::Upgraded => self.upgraded(now, slot),
            Turn::Step => self.step(slot),
            Turn::Insecure => {
                let text = "Secure Connection - TLS Required";
                connection.transport.say_in_clear(format!("-ERR '{text}'\r\n").as_bytes());
                self.door.refused(now.tick, text);
                self.drop_connection(slot);
            }
            // The close is among the outputs.
            Turn::Held(Flow::Close | Flow::Continue) | Turn::Drained => {}
            Turn::Gone => self.drop_connection(slot),
        }
    }

    /// Does what the engine asked for.
    fn carry_out(&mut self, now: Now) {
        let mut outputs = std::mem::take(&mut self.outputs);
        let mut disk = std::mem::take(&mut self.disk_outputs);
        loop {
            self.engine.drain(now, &mut outputs, &mut disk);
            if outputs.is_empty() && disk.is_empty() {
                break;
            }
            // The disk first: it works while sockets are written.
            for output in disk.drain(..) {
                self.hand_to_disk(output);
            }
            for output in outputs.drain(..) {
                self.carry_out_one(now, output);
            }
        }
        (self.outputs, self.disk_outputs) = (outputs, disk);
    }

    fn hand_to_disk(&self, output: DiskOutput) {
        // Without JetStream nothing is asked of a disk.
        let Some(storage) = &self.storage else { return };
        match output {
            DiskOutput::Commit(round) => storage.commit(round),
            DiskOutput::Keep(job) => storage.keep(job),
            DiskOutput::Read { ticket, log, block, offset, length } => {
                storage.read(ticket, log, block, offset, length);
            }
            DiskOutput::Damaged(Damaged { account, stream, sequence }) => {
                tracing::error!(account, stream, sequence, "a message on disk is damaged");
            }
            DiskOutput::Forgotten(Forgotten { account, stream, first, last }) => {
                tracing::error!(
                    account,
                    stream,
                    first,
                    last,
                    "messages that were acknowledged before they were durable are lost: the disk refused them"
                );
            }
        }
    }

    fn carry_out_one(&mut self, now: Now, output: Output) {
        match output {
            Output::Flush(conn) => self.flush(conn),
            Output::Authenticate { conn, connect, nonce } => {
                self.authenticate(now, conn, *connect, nonce);
            }
            Output::Close { conn, reason } => self.close(now, conn, reason),
            Output::Answer(question) => match (question.about, &self.gate) {
                (About::Claims(claims), Some(gate)) => {
                    let account = question.of.clone();
                    if !gate.ask(claims, *question) {
                        tracing::error!(?claims, ?account, "too many requests about accounts wait");
                    }
                }
                _ => self.answer(now, &question),
            },
        }
    }

    /// Answers a question about the server, if it is meant.
    fn answer(&mut self, now: Now, question: &Question) {
        if let Some(answer) = self.facts.answer(question, &mut self.engine, now.wall) {
            self.engine.answer(question, answer.to_string().as_bytes());
        }
    }

    fn flush(&mut self, conn: ConnId) {
        let slot = conn.slot as usize;
        let Some(Some(connection)) = self.connections.get_mut(slot) else { return };
        if connection.id == conn {
            self.write(slot);
        }
    }

    /// Writes what waits for a connection; one that was full goes on when it is all gone.
    pub(crate) fn write(&mut self, slot: usize) {
        let Some(Some(connection)) = self.connections.get_mut(slot) else { return };
        if connection.flush(&mut self.engine).is_err() {
            self.drop_connection(slot);
            return;
        }
        if self.engine.outbox(connection.id).is_some_and(|outbox| !outbox.is_empty()) {
            self.engine.blocked(self.clock.now(), connection.id);
        }
        if connection.has_room_again(&self.engine) && !connection.queued {
            connection.queued = true;
            self.turns.push(connection.id.slot, connection.had_much);
        }
    }

    fn close(&mut self, now: Now, conn: ConnId, reason: CloseReason) {
        let slot = conn.slot as usize;
        let Some(Some(connection)) = self.connections.get_mut(slot) else { return };
        if connection.id == conn {
            tracing::debug!(connection = conn.number, reason = reason.text(), "closing");
            if matches!(reason, CloseReason::Authentication | CloseReason::AuthenticationTimeout) {
                self.door.refused(now.tick, reason.text());
            }
            let _ = connection.flush(&mut self.engine);
            connection.part(reason.words());
            self.drop_connection(slot);
        }
    }

    pub(crate) fn drop_connection(&mut self, slot: usize) {
        let Some(Some(mut connection)) = self.connections.get_mut(slot).map(Option::take) else {
            return;
        };
        let _ = self.poll.registry().deregister(connection.transport.socket());
        self.engine.closed(connection.id);
        self.door.leave();
        self.inbound.forget(&connection);
        connection.transport.close();
        if let Some(gate) = &mut self.gate {
            gate.forget(connection.id, connection.source);
        }
        if connection.waiting {
            self.authenticator.forget(connection.id, connection.source);
            if let Some(handshakes) = &self.handshakes {
                handshakes.forget(connection.source, connection.id);
            }
        }
        tracing::debug!(connection = connection.id.number, "connection closed");
    }
}
