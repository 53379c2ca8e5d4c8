//! Batches of messages that clients read at once (ADR-31), and how far they have come.

use std::collections::{BTreeSet, VecDeque};

use watershed_base::AccountId;
use watershed_store::LogId;

use crate::chunk::Chunk;
use crate::limits::{BATCHES_READING_MAX, CALL_BYTES_WAITING_MAX};
use crate::state::Lasts;

/// A batch that is being sent.
#[derive(Debug)]
pub(crate) struct Batch {
    pub(crate) account: AccountId,
    pub(crate) reply: Box<[u8]>,
    pub(crate) log: LogId,
    /// Name of the stream.
    pub(crate) stream: Box<str>,
    /// Whether messages are sent without headers.
    pub(crate) bare: bool,
    /// Messages that are still to be sent, at most.
    pub(crate) left: u64,
    /// Bytes of messages that were sent, and after which it ends.
    pub(crate) bytes: u64,
    pub(crate) bytes_max: u64,
    /// Messages that it could still have.
    pub(crate) pending: u64,
    /// Sequence of the last message that was sent.
    pub(crate) last: u64,
    pub(crate) stage: Stage,
    pub(crate) chunk: Option<Chunk>,
    /// Memory that what was asked takes.
    pub(crate) asked_bytes: usize,
    /// Whether it may keep a piece of a block.
    may_read: bool,
}

/// What is to be done next for a batch.
#[derive(Debug)]
pub(crate) enum Stage {
    /// Messages that `filter` takes are counted: those from `next` on are not yet.
    Count { filter: Box<[u8]>, from: u64, next: u64 },
    /// Those that `filter` takes, from `next` to `until`, are sent.
    Along { filter: Box<[u8]>, next: u64, until: u64 },
    /// The last messages of subjects, as of `upto`, are looked for; those from `from` on are wanted.
    Look { lasts: Lasts, from: u64, upto: u64 },
    /// These are sent.
    Each { sequences: BTreeSet<u64>, upto: u64 },
}

impl Batch {
    pub(crate) fn new(
        account: AccountId,
        reply: &[u8],
        log: LogId,
        stream: &str,
        stage: Stage,
    ) -> Self {
        Self {
            account,
            reply: reply.into(),
            log,
            stream: stream.into(),
            bare: false,
            left: u64::MAX,
            bytes: 0,
            bytes_max: u64::MAX,
            pending: 0,
            last: 0,
            stage,
            chunk: None,
            asked_bytes: 0,
            may_read: false,
        }
    }

    fn len(&self) -> usize {
        self.reply.len() + self.stream.len() + self.asked_bytes + size_of::<Self>()
    }
}

/// All batches, but those that wait for the disk.
#[derive(Debug, Default)]
pub(crate) struct BatchReads {
    /// Those that may go on, in turn.
    ready: VecDeque<Batch>,
    /// Those that may not read before others have ended.
    hungry: VecDeque<Batch>,
    /// Those that wait until a client has read.
    held: Vec<Batch>,
    /// Those that may read.
    reading: usize,
    bytes: usize,
}

impl BatchReads {
    /// Takes a batch in. Says whether there was room.
    pub(crate) fn begin(&mut self, batch: Batch) -> bool {
        if self.bytes + batch.len() > CALL_BYTES_WAITING_MAX {
            return false;
        }
        self.bytes += batch.len();
        self.ready.push_back(batch);
        true
    }

    /// Whether any may go on.
    pub(crate) fn any_ready(&self) -> bool {
        !self.ready.is_empty()
    }

    /// The batch whose turn it is.
    pub(crate) fn next(&mut self) -> Option<Batch> {
        self.ready.pop_front()
    }

    /// A batch goes on when others had their turn.
    pub(crate) fn go_on(&mut self, batch: Batch) {
        self.ready.push_back(batch);
    }

    /// A batch wants to read. It comes back if it may; else it waits.
    pub(crate) fn read(&mut self, mut batch: Batch) -> Option<Batch> {
        if !batch.may_read && self.reading >= BATCHES_READING_MAX {
            self.hungry.push_back(batch);
            return None;
        }
        if !batch.may_read {
            batch.may_read = true;
            self.reading += 1;
        }
        Some(batch)
    }

    /// A batch waits until a client has read.
    pub(crate) fn hold(&mut self, mut batch: Batch) {
        self.release(&mut batch);
        self.held.push(batch);
    }

    /// Those that were held go on.
    pub(crate) fn release_held(&mut self) {
        self.ready.extend(self.held.drain(..));
    }

    /// A batch has ended.
    pub(crate) fn end(&mut self, mut batch: Batch) {
        self.release(&mut batch);
        self.bytes -= batch.len();
    }

    fn release(&mut self, batch: &mut Batch) {
        batch.chunk = None;
        if std::mem::take(&mut batch.may_read) {
            self.reading -= 1;
            self.ready.extend(self.hungry.pop_front());
        }
    }
}
