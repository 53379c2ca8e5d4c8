//! A whole node on a simulated disk: the engine, the store, one client. The disk's work is done when
//! the test says so, so that every order of it can be tried.

use watershed_engine::{
    AccountStore, Completion, CoreSettings, Detail, Engine, Identity, JetStreamSettings, Keeping,
    Now, OnDisk, Peer, Settings, Tick,
};
use watershed_store::opening::Finding;
use watershed_wire::handshake::Info;
use watershed_wire::time::UnixNanos;
use watershed_wire::{ClientDecoder, ServerDecoder, ServerOp};

use crate::disk::SimDisk;

/// A message that the client got.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Received {
    /// Subject.
    pub subject: String,
    /// Subject to answer to, if any.
    pub reply: Option<String>,
    /// Header block, as text.
    pub header: String,
    /// Payload, as text.
    pub payload: String,
    /// Payload, as it is.
    pub bytes: Vec<u8>,
}

/// A node.
#[derive(Debug)]
pub struct Node {
    own: OnDisk<SimDisk>,
    conn: watershed_engine::ConnId,
    now: Now,
    decoder: ServerDecoder,
    applied: u64,
    /// Whether the journal has refused a round and was not healed since.
    ill: bool,
    keeping: Keeping,
    findings: Vec<Finding>,
}

fn text(error: impl std::fmt::Display) -> String {
    error.to_string()
}

impl Node {
    /// Starts a node on `disk` and connects its client.
    pub fn start(disk: &SimDisk, settings: JetStreamSettings, seed: u64) -> Result<Self, String> {
        let now = Now { tick: Tick(0), wall: UnixNanos(1_000_000_000_000) };
        Self::start_at(now, disk, settings, seed)
    }

    /// The same at a time.
    pub fn start_at(
        now: Now,
        disk: &SimDisk,
        settings: JetStreamSettings,
        seed: u64,
    ) -> Result<Self, String> {
        Self::start_limited(now, disk, settings, seed, AccountStore::default())
    }

    /// The same where the client's account may keep no more than this.
    pub fn start_limited(
        now: Now,
        disk: &SimDisk,
        settings: JetStreamSettings,
        seed: u64,
        store: AccountStore,
    ) -> Result<Self, String> {
        let info = Info {
            server_name: "sim".into(),
            headers: true,
            max_payload: 1 << 20,
            ..Info::default()
        };
        let core = CoreSettings { info, seed, ..CoreSettings::default() };
        let mut engine = Engine::new(Settings { core, jetstream: Some(settings) });
        let account = engine.account("$G");
        engine.limit_account(account, store);
        let (mut own, findings) = OnDisk::start(engine, disk, now).map_err(text)?;
        let applied = own.journal.next_round() - 1;
        let identity = Identity::new(account, "", None);
        let conn = own.engine.opened(
            now,
            Peer { ip: "sim".into(), port: 1, anonymous: Some(identity), ..Peer::default() },
        );
        let decoder = ServerDecoder::default();
        let mut node =
            Self { own, conn, now, decoder, applied, ill: false, keeping: Keeping::Well, findings };
        node.say(b"CONNECT {\"verbose\":false,\"headers\":true}\r\nSUB r.> 1\r\n");
        Ok(node)
    }

    /// The client sends bytes, and a millisecond passes on the wall's clock.
    pub fn send(&mut self, bytes: &[u8]) {
        self.take(bytes);
        self.now.wall.0 += 1_000_000;
        self.collect();
    }

    /// The client sends bytes. No time passes.
    pub fn say(&mut self, bytes: &[u8]) {
        self.take(bytes);
        self.collect();
    }

    fn take(&mut self, bytes: &[u8]) {
        let mut decoder = ClientDecoder::default();
        let mut rest = bytes;
        while let Ok(Some((op, taken))) = decoder.next(rest) {
            self.own.engine.received(self.now, self.conn, op);
            rest = &rest[taken..];
        }
    }

    /// The time as the node was last told it.
    pub fn now(&self) -> Now {
        self.now
    }

    /// The last round that was applied.
    pub fn applied(&self) -> u64 {
        self.applied
    }

    /// The last round that has something of what was accepted so far.
    pub fn accepted(&self) -> u64 {
        self.own.engine.last_round()
    }

    /// What was found when the store was opened that was not as it should be.
    pub fn findings(&self) -> &[Finding] {
        &self.findings
    }

    /// The whole durable state.
    pub fn state(&self) -> Vec<u8> {
        self.own.engine.state_bytes()
    }

    /// Whether the disk has anything to do.
    pub fn has_work(&self) -> bool {
        self.own.has_work()
    }

    /// Commits the round that waits, if there is one. A disk that refuses is what the engine is told, too.
    pub fn commit(&mut self) -> Result<(), String> {
        match self.own.commit(self.now) {
            Ok(number) => {
                self.applied = number.unwrap_or(self.applied);
                Ok(())
            }
            Err(error) => {
                self.ill = true;
                Err(text(error))
            }
        }
    }

    /// Commits the round that waits, if there is one; says whether the disk did not refuse.
    pub fn try_commit(&mut self) -> bool {
        self.commit().is_ok()
    }

    /// Checks whether a journal that refused a round accepts rounds again.
    pub fn heal(&mut self) -> Result<(), String> {
        if self.ill {
            self.own.journal.heal().map_err(text)?;
            self.ill = false;
            self.complete(Completion::Healed);
        }
        Ok(())
    }

    /// Does the next part of the slow work. A disk that refuses is what the engine is told, too.
    pub fn keep(&mut self) -> Result<(), String> {
        let (done, keeping) = match self.own.keeper.step() {
            Ok(Some(done)) => (Some(done), Keeping::Well),
            Ok(None) => match self.own.keeper.restock() {
                Ok(()) => (None, Keeping::Well),
                Err(error) => {
                    self.keeps(Keeping::Full);
                    return Err(text(error));
                }
            },
            Err(error) => {
                self.keeps(Keeping::from(&error));
                return Err(text(error));
            }
        };
        if self.keeping != Keeping::Full || done.is_none() {
            self.keeps(keeping);
        }
        if let Some(done) = &done {
            self.own.kept(self.now, done);
        }
        Ok(())
    }

    fn keeps(&mut self, keeping: Keeping) {
        if keeping != self.keeping {
            self.keeping = keeping;
            self.complete(Completion::Kept(keeping));
        }
    }

    /// Does everything that the disk has to do.
    pub fn settle(&mut self) -> Result<(), String> {
        while self.has_work() {
            self.commit()?;
            self.keep()?;
        }
        Ok(())
    }

    /// The node has one more look at what there is to do. Says whether there is more to do at once.
    pub fn turn(&mut self) -> bool {
        self.collect();
        self.own.engine.next_deadline().is_some_and(|deadline| deadline <= self.now.tick)
    }

    /// What the client has got since the last time.
    pub fn received(&mut self) -> Vec<Received> {
        let mut received = Vec::new();
        let mut pinged = false;
        let mut taken = 0;
        if let Some(outbox) = self.own.engine.outbox(self.conn) {
            let bytes = outbox.waiting();
            while let Ok(Some((op, count))) = self.decoder.next(&bytes[taken..]) {
                match op {
                    ServerOp::Message { subject, reply, header, payload, .. } => {
                        received.push(Received {
                            subject: String::from_utf8_lossy(subject).into_owned(),
                            reply: reply.map(|reply| String::from_utf8_lossy(reply).into_owned()),
                            header: String::from_utf8_lossy(header).into_owned(),
                            payload: String::from_utf8_lossy(payload).into_owned(),
                            bytes: payload.to_vec(),
                        });
                    }
                    ServerOp::Ping => pinged = true,
                    _ => {}
                }
                taken += count;
            }
        }
        self.own.engine.sent(self.conn, taken);
        if pinged {
            self.say(b"PONG\r\n");
        }
        received
    }

    /// Lets time pass.
    pub fn wait(&mut self, nanos: u64) {
        self.now.tick.0 += nanos;
        self.now.wall.0 += i64::try_from(nanos).unwrap_or(0);
        self.own.engine.timeout(self.now);
        self.collect();
    }

    /// Somebody sets the clock of the wall, `nanos` into the future.
    pub fn set_clock(&mut self, nanos: u64) {
        self.now.wall.0 += i64::try_from(nanos).unwrap_or(0);
    }

    /// Whether those who publish should wait.
    pub fn is_congested(&self) -> bool {
        self.own.engine.is_congested()
    }

    /// Whether everything that is stored can be read and made durable.
    pub fn is_healthy(&mut self) -> bool {
        let now = self.own.engine.snapshot(&Detail::default());
        now.trouble.is_none() && now.damaged.is_empty()
    }

    /// Lets time pass until the next deadline, `nanos` at most. Says how much of them is left.
    pub fn wait_for_deadline(&mut self, nanos: u64) -> u64 {
        let next = self.own.engine.next_deadline().map_or(u64::MAX, |next| next.0);
        let passed = next.saturating_sub(self.now.tick.0).min(nanos);
        self.wait(passed);
        nanos - passed
    }

    fn complete(&mut self, done: Completion) {
        self.own.complete(self.now, done);
    }

    fn collect(&mut self) {
        self.own.collect(self.now);
    }
}
