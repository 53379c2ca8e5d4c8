//! A whole node on a simulated disk: the engine, the store, one client. The disk's work is done when
//! the test says so, so that every order of it can be tried.

use std::collections::VecDeque;
use std::io;

use watershed_engine::{
    Completion, DiskOutput, Engine, Identity, JetStreamSettings, Now, Peer, Placed, Restored,
    Settings, Tick,
};
use watershed_store::blocks::{BlockReader, BlockWriter};
use watershed_store::bytes::BadState;
use watershed_store::checkpoint::{Checkpoint, Checkpoints, Found};
use watershed_store::{Journal, LogId, Recovered, Round};
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
    /// Payload, as text.
    pub payload: String,
}

/// Work for the slow part of the store.
#[derive(Debug)]
enum Keep {
    Place(Box<Placed>),
    Drop(Vec<(LogId, u32)>),
    Checkpoint(Checkpoint),
}

/// A node.
#[derive(Debug)]
pub struct Node {
    engine: Engine,
    conn: watershed_engine::ConnId,
    now: Now,
    decoder: ServerDecoder,
    journal: Journal<SimDisk>,
    checkpoints: Checkpoints<SimDisk>,
    blocks: BlockWriter<SimDisk>,
    reader: BlockReader<SimDisk>,
    committing: Option<Round>,
    keep: VecDeque<Keep>,
    applied: u64,
}

fn text(error: impl std::fmt::Display) -> String {
    error.to_string()
}

/// An error of the store, as the engine wants it.
struct Failure(String);

impl From<BadState> for Failure {
    fn from(error: BadState) -> Self {
        Self(error.to_string())
    }
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
        let info = Info {
            server_name: "sim".into(),
            headers: true,
            max_payload: 1 << 20,
            ..Info::default()
        };
        let mut engine =
            Engine::new(Settings { info, jetstream: Some(settings), seed, ..Settings::default() });
        let Found { checkpoints, newest: checkpoint, referred } =
            Checkpoints::open(disk.clone()).map_err(text)?;
        let round = checkpoint.as_ref().map_or(0, |checkpoint| checkpoint.round);
        let Recovered { journal, mut rounds, .. } =
            Journal::open(disk.clone(), round).map_err(text)?;
        let mut reader = BlockReader::new(disk.clone());
        let mut footer =
            |log, block| reader.footer(log, block).map_err(|error| Failure(error.to_string()));
        let next_round = journal.next_round();
        let restored =
            Restored { checkpoint, footer: &mut footer, rounds: &mut rounds, next_round };
        engine.restore(now, restored).map_err(|Failure(error)| error)?;
        let applied = next_round - 1;
        let mut blocks = BlockWriter::new(disk.clone()).map_err(text)?;
        let known = engine.known_blocks();
        let known = |log, block| known.contains(&(log, block)) || referred.contains(&(log, block));
        blocks.retain(known).map_err(text)?;
        let account = engine.account("$G");
        let identity = Identity { account, user: String::new(), permissions: None };
        let conn = engine.opened(now, Peer { ip: "sim".into(), anonymous: Some(identity) });
        let decoder = ServerDecoder::default();
        let (committing, keep) = (None, VecDeque::new());
        let mut node = Self {
            engine,
            conn,
            now,
            decoder,
            journal,
            checkpoints,
            blocks,
            reader,
            committing,
            keep,
            applied,
        };
        node.send(b"CONNECT {\"verbose\":false,\"headers\":true}\r\nSUB r.> 1\r\n");
        node.collect();
        Ok(node)
    }

    /// The client sends bytes.
    pub fn send(&mut self, bytes: &[u8]) {
        let mut decoder = ClientDecoder::default();
        let mut rest = bytes;
        while let Ok(Some((op, taken))) = decoder.next(rest) {
            self.engine.received(self.now, self.conn, op);
            rest = &rest[taken..];
        }
        self.now.wall.0 += 1_000_000;
        self.collect();
    }

    /// The time as the node was last told it.
    pub fn now(&self) -> Now {
        self.now
    }

    /// The last round that was applied.
    pub fn applied(&self) -> u64 {
        self.applied
    }

    /// The whole durable state.
    pub fn state(&self) -> Vec<u8> {
        self.engine.state_bytes()
    }

    /// Whether the disk has anything to do.
    pub fn has_work(&self) -> bool {
        self.committing.is_some() || !self.keep.is_empty()
    }

    /// Commits the round that waits, if there is one.
    pub fn commit(&mut self) -> Result<(), String> {
        if let Some(round) = self.committing.take() {
            self.journal.commit(&round).map_err(text)?;
            self.applied = round.number();
            self.complete(Completion::Durable { round: round.number() });
        }
        Ok(())
    }

    /// Commits the round that waits, if there is one; a disk that refuses is what the engine is told.
    pub fn try_commit(&mut self) {
        if let Err(reason) = self.commit() {
            self.complete(Completion::Failed { reason });
        }
    }

    /// Does the next part of the slow work.
    pub fn keep(&mut self) -> Result<(), String> {
        let Some(job) = self.keep.pop_front() else { return Ok(()) };
        self.perform(job).map_err(text)
    }

    /// Does everything that the disk has to do.
    pub fn settle(&mut self) -> Result<(), String> {
        while self.has_work() {
            self.commit()?;
            self.keep()?;
        }
        Ok(())
    }

    /// The node has one more look at what there is to do.
    pub fn turn(&mut self) {
        self.collect();
    }

    /// What the client has got since the last time.
    pub fn received(&mut self) -> Vec<Received> {
        let mut received = Vec::new();
        let mut taken = 0;
        if let Some(outbox) = self.engine.outbox(self.conn) {
            let bytes = outbox.waiting();
            while let Ok(Some((op, count))) = self.decoder.next(&bytes[taken..]) {
                if let ServerOp::Message { subject, reply, payload, .. } = op {
                    received.push(Received {
                        subject: String::from_utf8_lossy(subject).into_owned(),
                        reply: reply.map(|reply| String::from_utf8_lossy(reply).into_owned()),
                        payload: String::from_utf8_lossy(payload).into_owned(),
                    });
                }
                taken += count;
            }
        }
        self.engine.sent(self.conn, taken);
        received
    }

    /// Lets time pass.
    pub fn wait(&mut self, nanos: u64) {
        self.now.tick.0 += nanos;
        self.now.wall.0 += i64::try_from(nanos).unwrap_or(0);
        self.engine.timeout(self.now);
        self.collect();
    }

    fn complete(&mut self, done: Completion) {
        self.engine.completed(self.now, done);
        self.collect();
    }

    fn perform(&mut self, job: Keep) -> io::Result<()> {
        match job {
            Keep::Place(placed) => {
                self.blocks.place(&placed.round, &placed.placements)?;
                for (log, sealed) in &placed.sealed {
                    self.blocks.seal(*log, sealed)?;
                }
                self.drop_blocks(&placed.dropped);
                self.complete(Completion::Placed { round: placed.round.number() });
            }
            Keep::Drop(blocks) => self.drop_blocks(&blocks),
            Keep::Checkpoint(checkpoint) => {
                self.blocks.sync()?;
                let release = self.checkpoints.write(&checkpoint)?;
                self.blocks.checkpointed()?;
                self.journal.release(release);
                self.complete(Completion::Checkpointed);
            }
        }
        Ok(())
    }

    fn drop_blocks(&mut self, blocks: &[(LogId, u32)]) {
        for (log, block) in blocks {
            self.reader.forget(*log, *block);
            self.blocks.remove(*log, *block);
        }
    }

    fn collect(&mut self) {
        let (mut outputs, mut disk) = (Vec::new(), Vec::new());
        self.engine.drain(self.now, &mut outputs, &mut disk);
        for output in disk {
            match output {
                DiskOutput::Commit(round) => self.committing = Some(round),
                DiskOutput::Place(placed) => self.keep.push_back(Keep::Place(placed)),
                DiskOutput::Drop(blocks) => self.keep.push_back(Keep::Drop(blocks)),
                DiskOutput::Checkpoint(checkpoint) => {
                    self.keep.push_back(Keep::Checkpoint(checkpoint));
                }
                DiskOutput::Read { ticket, log, block, offset, length } => {
                    let bytes = self.reader.read(log, block, offset, length).ok();
                    self.complete(Completion::Read { ticket, bytes });
                }
            }
        }
    }
}
