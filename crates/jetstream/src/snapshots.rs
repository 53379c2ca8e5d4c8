//! Snapshots that are being sent: a stream as an archive, in pieces that the client asks for by
//! answering those before.

use std::collections::VecDeque;

use watershed_base::{AccountId, Tick};
use watershed_store::LogId;

use crate::archive::blocks::Sums;
use crate::archive::position::Position;
use crate::archive::{s2, tar};
use crate::chunk::Chunk;
use crate::told::Begun;

/// Bytes of messages from which on a block of the archive is full.
pub(crate) const BLOCK_BYTES: usize = 1024 * 1024;

/// Bytes that are packed in one turn.
const PACKED_PER_TURN: usize = 128 * 1024;

/// What comes next of an archive.
#[derive(Debug)]
pub(crate) enum Part {
    Messages,
    Consumers,
    /// Everything is in it.
    Done,
}

/// A snapshot that is being sent.
#[derive(Debug)]
pub(crate) struct Snapshot {
    pub(crate) account: AccountId,
    pub(crate) log: LogId,
    /// Name of the stream.
    pub(crate) stream: String,
    /// Where it is sent.
    pub(crate) deliver: Vec<u8>,
    /// Who asked for it.
    pub(crate) begun: Option<Begun>,
    chunk_bytes: usize,
    /// Pieces that may be on their way at once.
    pieces_max: u64,
    sent: u64,
    answered: u64,
    /// When the client was heard last.
    pub(crate) heard: Tick,
    /// Whether anybody has listened since it began: a client may do so when it was answered.
    pub(crate) heard_of: bool,
    pub(crate) part: Part,
    /// Consumers that are left, and where they were at the beginning: what they have finished with
    /// since may be in the archive.
    pub(crate) consumers: VecDeque<(String, Position)>,
    /// Where the messages are from that come next.
    pub(crate) next: u64,
    pub(crate) last: u64,
    /// Time of the last message, in nanoseconds.
    pub(crate) last_time: i64,
    /// The time for files, in seconds.
    pub(crate) seconds: i64,
    /// The block that is being filled, its number, and its checksums.
    pub(crate) block: Vec<u8>,
    number: u32,
    pub(crate) sums: Sums,
    /// Bytes of the archive that are not packed, and how many of these are.
    plain: Vec<u8>,
    packed_of_plain: usize,
    packed: VecDeque<u8>,
    pub(crate) chunk: Option<Chunk>,
    /// Whether a read is on its way.
    pub(crate) reading: bool,
}

/// What a client asks for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Pace {
    /// Bytes of a piece, and of all that are on their way; 0 for what is usual.
    pub(crate) chunk_bytes: usize,
    pub(crate) window_bytes: usize,
}

impl Snapshot {
    /// A snapshot of a stream with this log that sends to `deliver`.
    pub(crate) fn new(
        (account, log, stream): (AccountId, LogId, &str),
        deliver: &[u8],
        pace: Pace,
        now: Tick,
    ) -> Self {
        let chunk = if pace.chunk_bytes == 0 { 128 * 1024 } else { pace.chunk_bytes };
        let window = if pace.window_bytes == 0 { 8 * 1024 * 1024 } else { pace.window_bytes };
        let chunk_bytes = chunk.clamp(1024, 1024 * 1024);
        let window_bytes = window.clamp(1024, 32 * 1024 * 1024).max(chunk_bytes);
        let mut own = Self {
            account,
            log,
            stream: stream.to_owned(),
            deliver: deliver.to_vec(),
            begun: None,
            chunk_bytes,
            pieces_max: (window_bytes / chunk_bytes) as u64,
            sent: 0,
            answered: 0,
            heard: now,
            heard_of: false,
            part: Part::Messages,
            consumers: VecDeque::new(),
            next: 1,
            last: 0,
            last_time: 0,
            seconds: 0,
            block: Vec::new(),
            number: 1,
            sums: Sums::of_block(stream, 1),
            plain: Vec::new(),
            packed_of_plain: 0,
            packed: VecDeque::new(),
            chunk: None,
            reading: false,
        };
        let mut beginning = Vec::new();
        s2::begin(&mut beginning);
        own.packed.extend(beginning);
        own
    }

    /// The client has taken a piece.
    pub(crate) fn answered(&mut self, now: Tick) {
        self.answered = (self.answered + 1).min(self.sent);
        self.heard = now;
    }

    /// Whether the client is to answer before anything more is sent.
    pub(crate) fn is_full(&self) -> bool {
        self.sent - self.answered >= self.pieces_max
    }

    /// Puts a file into the archive.
    pub(crate) fn put_file(&mut self, name: &str, content: &[u8]) {
        tar::begin_file(name, content.len(), self.seconds, &mut self.plain);
        self.plain.extend_from_slice(content);
        tar::end_file(content.len(), &mut self.plain);
    }

    /// Puts the block into the archive, and begins another one.
    pub(crate) fn put_block(&mut self) {
        let block = std::mem::take(&mut self.block);
        if !block.is_empty() {
            self.put_file(&format!("msgs/{}.blk", self.number), &block);
            self.number += 1;
            self.sums = Sums::of_block(&self.stream, self.number);
        }
    }

    /// Ends the archive.
    pub(crate) fn end(&mut self) {
        tar::end(&mut self.plain);
        self.part = Part::Done;
    }

    /// Whether there is something to pack, which comes first.
    pub(crate) fn has_plain(&self) -> bool {
        !self.plain.is_empty()
    }

    /// Packs some.
    pub(crate) fn pack_some(&mut self) {
        let left = &self.plain[self.packed_of_plain..];
        let some = &left[..left.len().min(PACKED_PER_TURN)];
        let mut packed = Vec::new();
        s2::pack(some, &mut packed);
        self.packed.extend(packed);
        self.packed_of_plain += some.len();
        if self.packed_of_plain == self.plain.len() {
            self.plain.clear();
            self.packed_of_plain = 0;
        }
    }

    /// Whether pieces that are ready wait for the client.
    pub(crate) fn has_enough(&self) -> bool {
        self.packed.len() >= self.chunk_bytes
    }

    /// Whether the last piece waits for the client, everything being packed.
    pub(crate) fn has_rest(&self) -> bool {
        matches!(self.part, Part::Done) && self.plain.is_empty() && !self.packed.is_empty()
    }

    /// The next piece, if there is a whole one, and its number; the rest where all is packed.
    pub(crate) fn piece(&mut self) -> Option<(Vec<u8>, Option<u64>)> {
        if self.has_enough() {
            self.sent += 1;
            return Some((self.packed.drain(..self.chunk_bytes).collect(), Some(self.sent)));
        }
        self.has_rest().then(|| (self.packed.drain(..).collect(), None))
    }
}
