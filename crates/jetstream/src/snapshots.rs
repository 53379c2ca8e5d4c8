//! Snapshots that are being sent: a stream as an archive, in pieces that the client asks for by
//! answering those before.

use std::collections::VecDeque;

use watershed_archive::{Position, Writer};
use watershed_base::{AccountId, Now, Tick};
use watershed_store::LogId;

use crate::chunk::Chunk;
use crate::told::Begun;

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
    pub(crate) writer: Writer,
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
        now: Now,
    ) -> Self {
        let chunk = if pace.chunk_bytes == 0 { 128 * 1024 } else { pace.chunk_bytes };
        let window = if pace.window_bytes == 0 { 8 * 1024 * 1024 } else { pace.window_bytes };
        let chunk_bytes = chunk.clamp(1024, 1024 * 1024);
        let window_bytes = window.clamp(1024, 32 * 1024 * 1024).max(chunk_bytes);
        Self {
            account,
            log,
            stream: stream.to_owned(),
            deliver: deliver.to_vec(),
            begun: None,
            chunk_bytes,
            pieces_max: (window_bytes / chunk_bytes) as u64,
            sent: 0,
            answered: 0,
            heard: now.tick,
            heard_of: false,
            part: Part::Messages,
            consumers: VecDeque::new(),
            next: 1,
            last: 0,
            last_time: 0,
            writer: Writer::new(stream, now.wall),
            chunk: None,
            reading: false,
        }
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

    /// Whether pieces that are ready wait for the client.
    pub(crate) fn has_enough(&self) -> bool {
        self.writer.packed_len() >= self.chunk_bytes
    }

    /// Whether the last piece waits for the client, everything being packed.
    pub(crate) fn has_rest(&self) -> bool {
        matches!(self.part, Part::Done) && !self.writer.has_plain() && self.writer.packed_len() > 0
    }

    /// The next piece, if there is a whole one, and its number; the rest where all is packed.
    pub(crate) fn piece(&mut self) -> Option<(Vec<u8>, Option<u64>)> {
        if self.has_enough() {
            self.sent += 1;
            return Some((self.writer.take(self.chunk_bytes), Some(self.sent)));
        }
        self.has_rest().then(|| (self.writer.take(usize::MAX), None))
    }
}
