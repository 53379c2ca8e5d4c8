//! Streams that are being made out of archives, as far as they have come.

use std::collections::VecDeque;

use watershed_archive::Reader;
use watershed_base::{AccountId, Tick};
use watershed_store::LogId;
use watershed_wire::jetstream::StreamConfig;

use crate::told::Begun;

/// Bytes that wait to be unpacked. Who sends more does not wait for answers.
const PACKED_BYTES_MAX: usize = 8 * 1024 * 1024;

/// Pieces that wait for the same.
const PIECES_MAX: usize = 4096;

/// A stream that is being made out of an archive.
#[derive(Debug)]
pub(crate) struct Restore {
    pub(crate) account: AccountId,
    /// Log of the hidden stream that gets the messages.
    pub(crate) log: LogId,
    /// What the stream is to be.
    pub(crate) config: StreamConfig,
    /// Who asked for it, and the bytes that have come.
    pub(crate) begun: Option<Begun>,
    pub(crate) bytes: u64,
    pub(crate) reader: Reader,
    /// Sequences of the first and the last message that came.
    pub(crate) first: u64,
    pub(crate) last: u64,
    /// The last sequence that is used up, with or without a message.
    pub(crate) used: u64,
    /// The time of the last one.
    pub(crate) last_time: i64,
    /// Where the pieces are to be answered that are not taken in yet.
    pub(crate) answers: VecDeque<Vec<u8>>,
    /// Where the end is to be answered, when it has come.
    pub(crate) ended: Option<Vec<u8>>,
    /// Whether its end waits for its turn.
    pub(crate) ending: bool,
    /// When the client was heard last.
    pub(crate) heard: Tick,
}

impl Restore {
    pub(crate) fn new(account: AccountId, log: LogId, config: StreamConfig, now: Tick) -> Self {
        Self {
            account,
            log,
            reader: Reader::new(&config.name),
            config,
            begun: None,
            bytes: 0,
            first: 0,
            last: 0,
            used: 0,
            last_time: 0,
            answers: VecDeque::new(),
            ended: None,
            ending: false,
            heard: now,
        }
    }

    /// A piece came. Says whether there was room for it.
    pub(crate) fn push(&mut self, piece: &[u8], answer: &[u8], now: Tick) -> bool {
        self.heard = now;
        self.reader.push(piece);
        self.answers.push_back(answer.to_vec());
        self.reader.waiting() <= PACKED_BYTES_MAX && self.answers.len() <= PIECES_MAX
    }
}
