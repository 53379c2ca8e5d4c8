//! Writes archives in the layout that nats-server 2.14 makes and all from 2.10 on read.

use std::collections::VecDeque;

use serde::Serialize;
use watershed_wire::time::UnixNanos;

use crate::blocks::{self, Message, Sums};
use crate::position::Position;
use crate::{s2, tar};

/// Bytes of messages from which on a block is full.
pub const BLOCK_BYTES: usize = 1024 * 1024;

/// Bytes that are packed at once.
const PACKED_AT_ONCE: usize = 128 * 1024;

/// A configuration as a file of an archive has it.
#[derive(Serialize)]
struct Meta<'a, C> {
    #[serde(rename = "Created")]
    created: UnixNanos,
    #[serde(rename = "Name", skip_serializing_if = "Option::is_none")]
    name: Option<&'a str>,
    #[serde(flatten)]
    config: &'a C,
}

/// An archive that is being written: first [`stream`](Self::stream), then messages in the order of their
/// sequences, then consumers, then [`end`](Self::end). What is written is packed by
/// [`pack_some`](Self::pack_some), and taken out by [`take`](Self::take).
#[derive(Debug)]
pub struct Writer {
    /// Name of the stream.
    stream: String,
    /// The time for files, in seconds.
    seconds: i64,
    /// The block that is being filled, its number, and its checksums.
    block: Vec<u8>,
    number: u32,
    sums: Sums,
    /// Bytes that are not packed, and how many of these are.
    plain: Vec<u8>,
    packed_of_plain: usize,
    packed: VecDeque<u8>,
}

impl Writer {
    /// An archive of a stream of this name, made at this time.
    pub fn new(stream: &str, now: UnixNanos) -> Self {
        let mut beginning = Vec::new();
        s2::begin(&mut beginning);
        Self {
            stream: stream.to_owned(),
            seconds: now.0 / 1_000_000_000,
            block: Vec::new(),
            number: 1,
            sums: Sums::of_block(stream, 1),
            plain: Vec::new(),
            packed_of_plain: 0,
            packed: beginning.into(),
        }
    }

    /// The stream's configuration, which must have its name.
    pub fn stream(&mut self, created: UnixNanos, config: &impl Serialize) {
        let meta = Meta { created, name: None, config };
        let meta = serde_json::to_vec(&meta).unwrap_or_default();
        let sum = Sums::of_stream(&self.stream).text(&meta);
        self.file("meta.inf", &meta);
        self.file("meta.sum", sum.as_bytes());
    }

    /// A message behind those before, which must [fit](Message::fits).
    pub fn message(&mut self, message: &Message<'_>) {
        blocks::write(message, &self.sums, &mut self.block);
    }

    /// Writes that all sequences since the last message up to this one are unused. `time`: when the last message was
    /// stored.
    pub fn empty(&mut self, sequence: u64, time: i64) {
        blocks::write_empty(sequence, time, &self.sums, &mut self.block);
    }

    /// Bytes of the block that is being filled. From [`BLOCK_BYTES`] on it should end.
    pub fn block_len(&self) -> usize {
        self.block.len()
    }

    /// Ends the block, if there is something in it.
    pub fn end_block(&mut self) {
        let block = std::mem::take(&mut self.block);
        if !block.is_empty() {
            self.file(&format!("msgs/{}.blk", self.number), &block);
            self.number += 1;
            self.sums = Sums::of_block(&self.stream, self.number);
        }
    }

    /// A consumer, and where it is. All messages have been written.
    pub fn consumer(
        &mut self,
        name: &str,
        created: UnixNanos,
        config: &impl Serialize,
        position: &Position,
    ) {
        let meta = Meta { created, name: Some(name), config };
        let meta = serde_json::to_vec(&meta).unwrap_or_default();
        let sum = Sums::of_consumer(&self.stream, name).text(&meta);
        self.file(&format!("obs/{name}/meta.inf"), &meta);
        self.file(&format!("obs/{name}/meta.sum"), sum.as_bytes());
        self.file(&format!("obs/{name}/o.dat"), &position.encode(self.seconds));
    }

    /// Everything has been written.
    pub fn end(&mut self) {
        tar::end(&mut self.plain);
    }

    fn file(&mut self, name: &str, content: &[u8]) {
        tar::begin_file(name, content.len(), self.seconds, &mut self.plain);
        self.plain.extend_from_slice(content);
        tar::end_file(content.len(), &mut self.plain);
    }

    /// Whether there is something to pack.
    pub fn has_plain(&self) -> bool {
        !self.plain.is_empty()
    }

    /// Packs some of what was written.
    pub fn pack_some(&mut self) {
        let left = &self.plain[self.packed_of_plain..];
        let some = &left[..left.len().min(PACKED_AT_ONCE)];
        let mut packed = Vec::new();
        s2::pack(some, &mut packed);
        self.packed.extend(packed);
        self.packed_of_plain += some.len();
        if self.packed_of_plain == self.plain.len() {
            self.plain.clear();
            self.packed_of_plain = 0;
        }
    }

    /// Bytes that are packed and were not taken.
    pub fn packed_len(&self) -> usize {
        self.packed.len()
    }

    /// Takes the first `bytes` packed bytes, or all if there are fewer.
    pub fn take(&mut self, bytes: usize) -> Vec<u8> {
        self.packed.drain(..bytes.min(self.packed.len())).collect()
    }
}
