//! The loop's decisions: each input goes to the half that it concerns, and what one half says of it
//! goes to the other.

use std::collections::BTreeSet;
use std::io;

use watershed_base::{AccountId, Now, Tick};
use watershed_core::{
    AccountStatistics, Changeable, CloseReason, ConnId, ConnectionDetail, Core, Flow, Identity,
    Mapping, Outbox, Output, Peer, Question, Settings as CoreSettings, Standing,
    SubscriptionDetail, Traffic, Which,
};
use watershed_jetstream::monitor::{Detail, JetStreamSnapshot};
use watershed_jetstream::{
    AccountStore, Capture, Completion, Damaged, DiskOutput, JetStream, JetStreamSettings, Restored,
    StoredMessage, StoredStream,
};
use watershed_store::blocks::BlockReader;
use watershed_store::bytes::BadState;
use watershed_store::opening::{Finding, Opened};
use watershed_store::{Disk, LogId};
use watershed_wire::handshake::Connect;
use watershed_wire::op::Publish;
use watershed_wire::subject::transform::Transform;
use watershed_wire::{ClientOp, DecodeError};

use crate::below::Below;

/// What does not change while the engine runs.
#[derive(Debug, Clone, Default)]
pub struct Settings {
    /// What does not change in core NATS.
    pub core: CoreSettings,
    /// What JetStream may use; `None` where it is off.
    pub jetstream: Option<JetStreamSettings>,
}

/// Why what a store holds cannot be taken over.
#[derive(Debug, thiserror::Error)]
pub enum RestoreError {
    /// A block's footer cannot be read.
    #[error("{0}")]
    Footer(#[source] io::Error),
    /// A state or a record is damaged.
    #[error(transparent)]
    State(#[from] BadState),
}

/// A node at one moment.
#[derive(Debug, Clone, Default)]
pub struct Snapshot {
    /// Connections.
    pub connections: usize,
    /// Connections ever.
    pub total_connections: u64,
    /// Subscriptions.
    pub subscriptions: usize,
    /// Messages and bytes.
    pub traffic: Traffic,
    /// Streams; `None` where JetStream is off.
    pub jetstream: Option<JetStreamSnapshot>,
    /// What keeps what is stored from becoming durable, for people.
    pub trouble: Option<&'static str>,
    /// Messages that cannot be read from disk.
    pub damaged: Vec<Damaged>,
    /// Names of accounts.
    pub accounts: Vec<String>,
}

/// Everything that one node decides. See the crate's documentation.
#[derive(Debug)]
pub struct Engine {
    core: Core,
    jetstream: JetStream,
    now: Now,
    /// Whether the last look left something to do at once.
    more: bool,
}

impl Engine {
    /// An engine without accounts and connections.
    pub fn new(settings: Settings) -> Self {
        let Settings { core, jetstream } = settings;
        let mut jetstream = JetStream::new(jetstream, core.seed.rotate_left(32));
        jetstream.set_domain(&core.info.domain);
        Self { jetstream, core: Core::new(core), now: Now::default(), more: false }
    }

    /// The account with this name, made if it isn't there.
    pub fn account(&mut self, name: &str) -> AccountId {
        let account = self.core.account(name);
        self.jetstream.name_account(account, name);
        account
    }

    /// Says what an account may keep.
    pub fn limit_account(&mut self, account: AccountId, store: AccountStore) {
        self.jetstream.limit_account(account, store);
    }

    /// Lets messages of `from` arrive in `to`, under other subjects.
    pub fn pass_messages(&mut self, from: AccountId, to: AccountId, transform: Transform) {
        self.core.pass_messages(from, to, transform);
    }

    /// Lets requests of `from` be answered in `to`; `many` if there may be more than one reply.
    pub fn pass_requests(
        &mut self,
        from: AccountId,
        to: AccountId,
        transform: Transform,
        many: bool,
    ) {
        self.core.pass_requests(from, to, transform, many);
    }

    /// What is published to subjects of an account becomes this; nothing else that was said of it before.
    pub fn map_subjects(&mut self, account: AccountId, mappings: Vec<Mapping>) {
        self.core.map_subjects(account, mappings);
    }

    /// The names of all accounts.
    pub fn account_names(&self) -> Vec<String> {
        self.core.account_names()
    }

    /// Lets nothing pass between accounts any more.
    pub fn forget_passages(&mut self) {
        self.core.forget_passages();
    }

    /// Bounds the connections of an account; the newest beyond that have to go.
    pub fn bound_connections(&mut self, account: AccountId, most: Option<usize>) {
        self.core.bound_connections(account, most);
    }

    /// A connection opened. Its first bytes are in its outbox.
    pub fn opened(&mut self, now: Now, peer: Peer) -> ConnId {
        self.core.opened(now, peer)
    }

    /// A connection brought credentials with it, which stand in for what its `CONNECT` leaves out.
    pub fn carries(&mut self, conn: ConnId, carried: Box<Connect>) {
        self.core.carries(conn, carried);
    }

    /// A connection has agreed on TLS: its time to say who it is begins now.
    pub fn secured(&mut self, now: Now, conn: ConnId) {
        self.core.secured(now, conn);
    }

    /// The shell found out who a connection is, or that its credential is wrong.
    pub fn authenticated(&mut self, conn: ConnId, identity: Option<Identity>) {
        self.core.authenticated(conn, identity);
    }

    /// An operation arrived.
    #[inline]
    pub fn received(&mut self, now: Now, conn: ConnId, op: ClientOp<'_>) -> Flow {
        self.now = now;
        match op {
            ClientOp::Publish(message) => match self.core.mapped(now, conn, message.subject) {
                None => self.publish(now, conn, &message),
                Some(subject) => self.publish(now, conn, &Publish { subject: &subject, ..message }),
            },
            ClientOp::Subscribe { filter, .. } => {
                let flow = self.core.received(now, conn, op);
                if let Some(account) = self.core.account_of(conn) {
                    self.jetstream.interest(account, filter);
                    for (from, filter) in self.core.reached_from(account, filter) {
                        self.jetstream.interest(from, filter.as_bytes());
                    }
                }
                flow
            }
            op => self.core.received(now, conn, op),
        }
    }

    #[inline]
    fn publish(&mut self, now: Now, conn: ConnId, message: &Publish<'_>) -> Flow {
        let published = match self.core.publish(now, conn, message) {
            Ok(published) => published,
            Err(flow) => return flow,
        };
        let mut below = Below(&mut self.core, Some(conn));
        let mut anybody = published.anybody;
        if published.api {
            anybody |= self.jetstream.call(&mut below, now, published.account, message);
        }
        let traced = below.0.is_traced();
        match published.capture {
            Some(capture) if traced => self.store_traced(now, conn, capture.0, message),
            Some(capture) => self.jetstream.store(&mut below, now, Capture(capture.0), message),
            None => {}
        }
        if published.passed {
            anybody |= self.pass_on(now, conn, message.payload);
        }
        if traced {
            self.core.end_trace();
        }
        if !anybody {
            self.core.nobody_took(conn, message);
        }
        // Who publishes into no stream never notices the disk.
        if published.congested || (published.capture.is_some() && self.jetstream.is_behind()) {
            return Flow::Stall;
        }
        Flow::Continue
    }

    /// A message that asks what becomes of it is stored, and says so when that is durable.
    #[cold]
    fn store_traced(&mut self, now: Now, conn: ConnId, capture: u32, message: &Publish<'_>) {
        let told = self.jetstream.told_of(Capture(capture), message);
        if self.core.traces_only() || !told.answers {
            self.core.trace_stream(&told.stream, message.subject);
        }
        if self.core.traces_only() {
            return;
        }
        let mut answer = None;
        if told.answers {
            answer = self.core.trace_stored(&told.stream, message.subject, message.reply);
        }
        let message = Publish { reply: answer.as_deref().or(message.reply), ..*message };
        let mut below = Below(&mut self.core, Some(conn));
        self.jetstream.store(&mut below, now, Capture(capture), &message);
    }

    /// What passed on to other accounts is stored and asked there, too.
    #[cold]
    fn pass_on(&mut self, now: Now, conn: ConnId, payload: &[u8]) -> bool {
        let mut hops = self.core.take_hops();
        for hop in &mut hops {
            let mut below = Below(&mut self.core, Some(conn));
            let mut heard = false;
            let message = hop.message(payload);
            if hop.api {
                heard = self.jetstream.call(&mut below, now, hop.account, &message);
            }
            if let Some(capture) = hop.capture {
                self.jetstream.store(&mut below, now, Capture(capture.0), &message);
            }
            hop.anybody |= heard;
        }
        self.core.end_hops(now, hops)
    }

    /// A connection's bytes are not the protocol.
    pub fn malformed(&mut self, conn: ConnId, error: DecodeError) {
        self.core.malformed(conn, error);
    }

    /// A connection is gone; nothing is delivered to it any more.
    pub fn closed(&mut self, conn: ConnId) {
        if self.core.closed(conn) {
            self.jetstream.decongested();
        }
    }

    /// The peer took `count` bytes of its outbox. If more wait, the shell knows.
    pub fn sent(&mut self, conn: ConnId, count: usize) {
        if self.core.sent(conn, count) {
            self.jetstream.decongested();
        }
    }

    /// The peer takes nothing at the moment of what waits for it. If it stays so, it is closed.
    pub fn blocked(&mut self, now: Now, conn: ConnId) {
        self.core.blocked(now, conn);
    }

    /// Deadlines up to `now` have passed.
    pub fn timeout(&mut self, now: Now) {
        self.now = now;
        self.core.timeout(now);
        self.jetstream.timeout(&mut Below(&mut self.core, None), now);
    }

    /// When [`Engine::timeout`] must be called next.
    pub fn next_deadline(&self) -> Option<Tick> {
        if self.more {
            return Some(self.now.tick);
        }
        self.core.next_deadline().into_iter().chain(self.jetstream.next_deadline()).min()
    }

    /// Takes what the shell has to do, appending to `out` and to `disk`.
    pub fn drain(&mut self, now: Now, out: &mut Vec<Output>, disk: &mut Vec<DiskOutput>) {
        self.now = now;
        self.more = self.jetstream.drain(&mut Below(&mut self.core, None), now, disk);
        self.core.drain(out);
    }

    /// The disk has done something.
    pub fn completed(&mut self, now: Now, done: Completion) {
        self.now = now;
        self.jetstream.completed(&mut Below(&mut self.core, None), now, done);
    }

    /// The bytes that wait for a connection.
    pub fn outbox(&self, conn: ConnId) -> Option<&Outbox> {
        self.core.outbox(conn)
    }

    /// Whether any connection has so much to read, or the disk so much to write, that those who
    /// publish should wait.
    pub fn is_congested(&self) -> bool {
        self.core.is_congested() || self.jetstream.is_behind()
    }

    /// Takes over what a store on `disk` holds, and adds to its findings the footers that were mended.
    /// To be called before anything else happens.
    pub fn restore<D: Disk + Clone>(
        &mut self,
        now: Now,
        disk: &D,
        opened: &mut Opened<D>,
    ) -> Result<(), RestoreError> {
        self.now = now;
        let mut reader = BlockReader::new(disk.clone());
        let mut footer = |log, block| reader.footer(log, block).map_err(RestoreError::Footer);
        let restored = Restored {
            checkpoint: opened.checkpoint.take(),
            footer: &mut footer,
            rounds: &mut opened.rounds,
            next_round: opened.journal.next_round(),
            room: opened.journal.room(),
        };
        self.jetstream.restore(&mut Below(&mut self.core, None), now, restored)?;
        let mended = reader.mended().iter();
        opened.findings.extend(mended.map(|(log, block)| Finding::Footer(*log, *block)));
        Ok(())
    }

    /// Blocks that streams have, for clearing away what a crash left.
    pub fn known_blocks(&self) -> BTreeSet<(LogId, u32)> {
        self.jetstream.known_blocks()
    }

    /// The whole durable state, as a checkpoint would keep it now: for comparing one node with
    /// another.
    pub fn state_bytes(&self) -> Vec<u8> {
        self.jetstream.state_bytes()
    }

    /// The last round that has something of what was accepted so far.
    pub fn last_round(&self) -> u64 {
        self.jetstream.last_round()
    }

    /// All streams, by account and name, for whoever looks at a store.
    pub fn stored_streams(&self) -> Vec<StoredStream> {
        self.jetstream.stored_streams()
    }

    /// The messages of a log that are on disk, in order.
    pub fn stored_messages(&self, log: LogId) -> impl Iterator<Item = StoredMessage> {
        self.jetstream.stored_messages(log)
    }

    /// What the disk has to do so that nothing of what was restored is to be replayed again.
    pub fn condense(&mut self) -> Vec<DiskOutput> {
        self.jetstream.condense()
    }

    /// Whether everything that was accepted is durable. What may wait for a round does not any more.
    pub fn settle(&mut self, now: Now) -> bool {
        self.now = now;
        self.jetstream.settle(&mut Below(&mut self.core, None), now)
    }

    /// Makes a checkpoint before the server stops, so that its next start has nothing to replay.
    pub fn checkpoint_at_stop(&mut self) {
        self.jetstream.checkpoint_at_stop();
    }

    /// The server stops: every client is told and closed.
    pub fn shutdown(&mut self) {
        self.jetstream.shutdown(&mut Below(&mut self.core, None));
        self.core.shutdown();
    }

    /// Takes over what has changed in the settings of core NATS.
    pub fn change(&mut self, new: &Changeable) {
        self.core.change(new);
    }

    /// Judges everybody who is connected anew: by account and name of the user.
    pub fn judge(&mut self, standing: impl Fn(ConnId, &str, &str) -> Standing) {
        self.core.judge(standing);
    }

    /// The server is about to stop: clients that take `INFO` at any time are told.
    pub fn lame_duck(&mut self) {
        self.core.lame_duck();
    }

    /// Everybody who is connected, the oldest first.
    pub fn connected(&self) -> Vec<ConnId> {
        self.core.connected()
    }

    /// Whether anybody is connected.
    pub fn has_connections(&self) -> bool {
        self.core.has_connections()
    }

    /// One client is told to go elsewhere. Says whether it takes `INFO` at this time.
    pub fn ask_to_leave(&mut self, conn: ConnId) -> bool {
        self.core.ask_to_leave(conn)
    }

    /// Ends a connection.
    pub fn end(&mut self, conn: ConnId, reason: CloseReason) {
        self.core.end(conn, reason);
    }

    /// The connections that are asked for, and how many there would be without a limit.
    pub fn connections(&self, which: &Which, detailed: bool) -> (usize, Vec<ConnectionDetail>) {
        self.core.connections(which, detailed)
    }

    /// Subscriptions, as [`Core::subscriptions`] has them.
    pub fn subscriptions(
        &self,
        account: Option<&str>,
        test: Option<&str>,
        offset: usize,
        limit: usize,
    ) -> (usize, Vec<SubscriptionDetail>) {
        self.core.subscriptions(account, test, offset, limit)
    }

    /// What each account does.
    pub fn account_statistics(&self) -> Vec<AccountStatistics> {
        self.core.account_statistics()
    }

    /// The shell answers a [`Question`].
    pub fn answer(&mut self, question: &Question, body: &[u8]) {
        let answer = Publish {
            subject: &question.reply,
            reply: None,
            header: b"",
            payload: body,
            has_header: false,
        };
        self.core.send(question.account, &question.reply, &answer);
    }

    /// What there is now, in as much detail as is asked for.
    pub fn snapshot(&mut self, detail: &Detail) -> Snapshot {
        let (connections, total_connections, subscriptions) = self.core.counts();
        let (trouble, damaged) = (self.jetstream.trouble(), self.jetstream.damaged());
        let jetstream = self.jetstream.snapshot(&mut Below(&mut self.core, None), detail);
        let traffic = self.core.traffic();
        Snapshot {
            connections,
            total_connections,
            subscriptions,
            traffic,
            jetstream,
            trouble,
            damaged,
            accounts: self.core.account_names(),
        }
    }
}
