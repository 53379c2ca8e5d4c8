//! Streams that are being made out of archives, as far as they have come.

use std::collections::{BTreeMap, VecDeque};

use watershed_base::{AccountId, Tick};
use watershed_store::LogId;
use watershed_wire::jetstream::consumer::ConsumerConfig;
use watershed_wire::jetstream::{StreamConfig, json};
use watershed_wire::limits::SEQUENCE_MAX;
use watershed_wire::time::UnixNanos;

use crate::archive::BadArchive;
use crate::archive::blocks::{Sums, first_and_last, write};
use crate::archive::entries::{self, ConsumerState};
use crate::archive::position::Position;
use crate::archive::s2::Unpacker;
use crate::archive::tar::{Piece, Reader};
use crate::told::Begun;

/// Bytes that wait to be unpacked. Who sends more does not wait for answers.
const PACKED_BYTES_MAX: usize = 8 * 1024 * 1024;

/// Pieces that wait for the same.
const PIECES_MAX: usize = 4096;

/// Unpacked bytes from which on no more are unpacked.
const PLAIN_BYTES: usize = 4 * 1024 * 1024;

/// Longest configuration.
const META_BYTES_MAX: usize = 1024 * 1024;

/// Longest position of a consumer.
const POSITION_BYTES_MAX: usize = 32 * 1024 * 1024;

/// Bytes of the index that matter.
const INDEX_BYTES: usize = 64;

/// Consumers of an archive.
const CONSUMERS_MAX: usize = 100_000;

/// A file of an archive.
#[derive(Debug, Clone, PartialEq, Eq)]
enum File {
    Meta,
    Block,
    Index,
    ConsumerMeta(String),
    ConsumerPosition(String),
    /// A checksum: what it is for is checked by what it means.
    Sum,
}

/// How an archive is laid out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Layout {
    /// It has not come far enough to say so.
    Unknown,
    Tar,
    /// That of nats-server 2.15.
    Entries,
    /// The same, and the last entry came.
    Ended,
}

/// A consumer of an archive.
#[derive(Debug, Default)]
pub(crate) struct ConsumerParts {
    pub(crate) config: Option<ConsumerConfig>,
    pub(crate) created: Option<UnixNanos>,
    pub(crate) position: Option<Position>,
}

/// What may be done next.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Next {
    /// Something was done.
    Again,
    /// Messages of a block are to be stored.
    Messages,
    /// More is to come from the client.
    More,
}

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
    pub(crate) created: Option<UnixNanos>,
    unpacker: Unpacker,
    plain: Vec<u8>,
    past: usize,
    layout: Layout,
    tar: Reader,
    file: Option<File>,
    /// Content of the file, as far as it came and means nothing yet.
    pub(crate) content: Vec<u8>,
    /// Checksums of the block.
    pub(crate) sums: Sums,
    /// Sequences of the first and the last message that came.
    pub(crate) first: u64,
    pub(crate) last: u64,
    /// The last sequence that is used up, with or without a message.
    pub(crate) used: u64,
    /// The time of the last one.
    pub(crate) last_time: i64,
    /// The first and last sequence, as the index says them.
    pub(crate) index: Option<(u64, u64)>,
    pub(crate) consumers: BTreeMap<String, ConsumerParts>,
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
            sums: Sums::of_block(&config.name, 0),
            config,
            begun: None,
            bytes: 0,
            created: None,
            unpacker: Unpacker::default(),
            plain: Vec::new(),
            past: 0,
            layout: Layout::Unknown,
            tar: Reader::default(),
            file: None,
            content: Vec::new(),
            first: 0,
            last: 0,
            used: 0,
            last_time: 0,
            index: None,
            consumers: BTreeMap::new(),
            answers: VecDeque::new(),
            ended: None,
            ending: false,
            heard: now,
        }
    }

    /// A piece came. Says whether there was room for it.
    pub(crate) fn push(&mut self, piece: &[u8], answer: &[u8], now: Tick) -> bool {
        self.heard = now;
        self.unpacker.push(piece);
        self.answers.push_back(answer.to_vec());
        self.unpacker.len() <= PACKED_BYTES_MAX && self.answers.len() <= PIECES_MAX
    }

    /// Whether a block's messages come in what is next.
    pub(crate) fn is_in_block(&self) -> bool {
        self.file == Some(File::Block)
            || (self.layout == Layout::Entries && !self.content.is_empty())
    }

    /// Whether all that must be in an archive was in it.
    pub(crate) fn is_complete(&self) -> bool {
        let of_tar = self.tar.has_ended() && self.file.is_none() && self.created.is_some();
        of_tar || self.layout == Layout::Ended
    }

    /// Goes on with what came.
    pub(crate) fn advance(&mut self) -> Result<Next, BadArchive> {
        match self.layout {
            Layout::Unknown => return self.find_layout(),
            Layout::Tar => {}
            Layout::Entries => return self.advance_entry(),
            Layout::Ended => {
                // Nothing is behind the end.
                self.plain.clear();
                self.past = 0;
                return self.unpack();
            }
        }
        let mut rest = &self.plain[self.past..];
        let before = rest.len();
        let piece = self.tar.next(&mut rest)?;
        self.past += before - rest.len();
        let Some(piece) = piece else {
            if self.plain.len() - self.past > PLAIN_BYTES {
                return Err(BadArchive("a header of the tar is too long"));
            }
            return self.unpack();
        };
        match piece {
            Piece::File(name) => self.begin_file(&name)?,
            Piece::Content(length) => {
                let content = &self.plain[self.past..self.past + length];
                self.past += length;
                let max = match self.file {
                    Some(File::Block) => usize::MAX, // It is taken out as it comes.
                    Some(File::Index) => INDEX_BYTES,
                    Some(File::ConsumerPosition(_)) => POSITION_BYTES_MAX,
                    _ => META_BYTES_MAX,
                };
                let room = max - self.content.len().min(max);
                self.content.extend_from_slice(&content[..length.min(room)]);
                if room < length && self.file != Some(File::Index) {
                    return Err(BadArchive("a file is too long"));
                }
                if self.is_in_block() {
                    return Ok(Next::Messages);
                }
            }
            Piece::EndOfFile => self.end_file()?,
            Piece::Nothing(length) => self.past += length,
            Piece::End => {}
        }
        Ok(Next::Again)
    }

    fn unpack(&mut self) -> Result<Next, BadArchive> {
        self.plain.drain(..self.past);
        self.past = 0;
        let more = self.unpacker.next(&mut self.plain)?;
        Ok(if more { Next::Again } else { Next::More })
    }

    fn find_layout(&mut self) -> Result<Next, BadArchive> {
        let Some(beginning) = self.plain.get(..entries::BEGINNING.len()) else {
            return self.unpack();
        };
        self.layout = Layout::Tar;
        if beginning == entries::BEGINNING {
            self.layout = Layout::Entries;
            self.past = entries::BEGINNING.len();
        }
        Ok(Next::Again)
    }

    /// Goes on with an archive of nats-server 2.15.
    fn advance_entry(&mut self) -> Result<Next, BadArchive> {
        let plain = std::mem::take(&mut self.plain);
        let mut rest = &plain[self.past..];
        let entry = entries::read(&mut rest);
        let past = plain.len() - rest.len();
        let next = match &entry {
            Ok(Some(entries::Entry::Message(message))) => {
                // As a block has it.
                write(message, &self.sums, &mut self.content);
                Ok(Some(Next::Messages))
            }
            Ok(Some(entries::Entry::File(name, content))) => {
                self.entry_file(name, content).map(|()| Some(Next::Again))
            }
            Ok(Some(entries::Entry::End)) => {
                self.layout = Layout::Ended;
                Ok(Some(Next::Again))
            }
            Ok(None) => Ok(None),
            Err(bad) => Err(*bad),
        };
        (self.plain, self.past) = (plain, past);
        next?.map_or_else(|| self.unpack(), Ok)
    }

    fn entry_file(&mut self, name: &str, content: &[u8]) -> Result<(), BadArchive> {
        if name == "state.json" {
            let broken = BadArchive("its state is broken");
            let state: entries::State = serde_json::from_slice(content).map_err(|_| broken)?;
            let index = Some((state.first_seq, state.last_seq));
            self.index = index.filter(|(_, last)| *last <= SEQUENCE_MAX);
            self.last_time = state.last_ts.map_or(0, |own| own.0);
            return Ok(());
        }
        let consumer = name.strip_prefix("consumers/").filter(|own| !own.contains('/'));
        let consumer = consumer.ok_or(BadArchive("it has a file that is unknown"))?;
        let broken = BadArchive("a consumer is broken");
        let mut file: serde_json::Value = serde_json::from_slice(content).map_err(|_| broken)?;
        let config = serde_json::to_vec(&file["config"].take()).map_err(|_| broken)?;
        let mut config: ConsumerConfig = json::decode(&config).map_err(|_| broken)?;
        consumer.clone_into(&mut config.name);
        let state = serde_json::from_value::<Option<ConsumerState>>(file["state"].take());
        let state = state.map_err(|_| broken)?.unwrap_or_default();
        let own = self.consumer(consumer.to_owned())?;
        own.config = Some(config);
        own.position = Some(state.position().ok_or(broken)?);
        Ok(())
    }

    fn begin_file(&mut self, name: &str) -> Result<(), BadArchive> {
        self.content.clear();
        let parts: Vec<&str> = name.split('/').collect();
        self.file = Some(match parts[..] {
            ["meta.inf"] => File::Meta,
            ["msgs", "index.db"] => File::Index,
            ["msgs", block] => {
                let number = block.strip_suffix(".blk").and_then(|own| own.parse().ok());
                let number = number.ok_or(BadArchive("it has a file that is unknown"))?;
                if self.created.is_none() {
                    return Err(BadArchive("its configuration is missing"));
                }
                self.sums = Sums::of_block(&self.config.name, number);
                File::Block
            }
            ["obs", consumer, "meta.inf"] => File::ConsumerMeta(consumer.to_owned()),
            ["obs", consumer, "o.dat"] => File::ConsumerPosition(consumer.to_owned()),
            ["meta.sum"] | ["obs", _, "meta.sum"] => File::Sum,
            _ => return Err(BadArchive("it has a file that is unknown")),
        });
        Ok(())
    }

    fn end_file(&mut self) -> Result<(), BadArchive> {
        match self.file.take() {
            Some(File::Meta) => self.meta()?,
            Some(File::Block) if !self.content.is_empty() => {
                return Err(BadArchive("a message ends behind its block"));
            }
            Some(File::Index) => {
                let index = first_and_last(&self.content);
                self.index = index.filter(|(_, last)| *last <= SEQUENCE_MAX);
            }
            Some(File::ConsumerMeta(name)) => {
                let broken = BadArchive("the configuration of a consumer is broken");
                let mut meta: serde_json::Map<String, serde_json::Value> =
                    serde_json::from_slice(&self.content).map_err(|_| broken)?;
                meta.remove("Name");
                let created = meta.remove("Created");
                let meta = serde_json::to_vec(&meta).map_err(|_| broken)?;
                let mut config: ConsumerConfig = json::decode(&meta).map_err(|_| broken)?;
                config.name.clone_from(&name);
                let own = self.consumer(name)?;
                own.config = Some(config);
                own.created = created.and_then(|own| serde_json::from_value(own).ok());
            }
            Some(File::ConsumerPosition(name)) => {
                let position = Position::decode(&self.content)?;
                self.consumer(name)?.position = Some(position);
            }
            Some(File::Block | File::Sum) | None => {}
        }
        self.content.clear();
        Ok(())
    }

    fn consumer(&mut self, name: String) -> Result<&mut ConsumerParts, BadArchive> {
        if self.consumers.len() >= CONSUMERS_MAX {
            return Err(BadArchive("it has too many consumers"));
        }
        Ok(self.consumers.entry(name).or_default())
    }

    fn meta(&mut self) -> Result<(), BadArchive> {
        let broken = BadArchive("its configuration is broken");
        let meta: serde_json::Value = serde_json::from_slice(&self.content).map_err(|_| broken)?;
        if meta["name"] != self.config.name.as_str() {
            return Err(BadArchive("stream names do not match"));
        }
        let created = serde_json::from_value(meta["Created"].clone()).map_err(|_| broken)?;
        self.created = Some(created);
        Ok(())
    }
}
