//! Reads archives of both layouts.

use std::collections::BTreeMap;

use serde_json::Value as Json;
use watershed_wire::limits::SEQUENCE_MAX;
use watershed_wire::time::UnixNanos;

use crate::bad::BadArchive;
use crate::blocks::{self, Entry, Sums, first_and_last};
use crate::entries::{self, ConsumerState};
use crate::position::Position;
use crate::s2::Unpacker;
use crate::tar::{Piece, Reader as Tar};

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
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Layout {
    /// It has not come far enough to say so.
    #[default]
    Unknown,
    /// That of nats-server up to 2.14.
    Tar,
    /// That of nats-server 2.15.
    Entries,
    /// The same, and the last entry came.
    Ended,
}

/// A consumer of an archive.
#[derive(Debug, Default)]
pub struct Consumer {
    /// Its configuration, with its name.
    pub config: Option<Json>,
    /// When it was created.
    pub created: Option<UnixNanos>,
    /// Where it is.
    pub position: Option<Position>,
}

/// What may be done next.
#[derive(Debug, PartialEq, Eq)]
pub enum Next {
    /// Something was done.
    Again,
    /// Messages are to be taken out with [`Reader::entries`].
    Messages,
    /// Nothing until more of the archive arrives.
    More,
}

/// Reads an archive, in pieces as they come.
#[derive(Debug, Default)]
pub struct Reader {
    /// Name of the stream, which checksums depend on.
    stream: String,
    unpacker: Unpacker,
    plain: Vec<u8>,
    past: usize,
    layout: Layout,
    tar: Tar,
    file: Option<File>,
    /// Content of the file, as far as it came and means nothing yet.
    content: Vec<u8>,
    /// Checksums of the block.
    sums: Sums,
    created: Option<UnixNanos>,
    index: Option<(u64, u64)>,
    last_time: i64,
    consumers: BTreeMap<String, Consumer>,
}

impl Reader {
    /// Reads the archive of a stream of this name.
    pub fn new(stream: &str) -> Self {
        Self { stream: stream.to_owned(), sums: Sums::of_block(stream, 0), ..Self::default() }
    }

    /// More of the archive came.
    pub fn push(&mut self, piece: &[u8]) {
        self.unpacker.push(piece);
    }

    /// Bytes that came and are not unpacked.
    pub fn waiting(&self) -> usize {
        self.unpacker.len()
    }

    /// How the archive is laid out.
    pub fn layout(&self) -> Layout {
        self.layout
    }

    /// When the stream was created, if the archive says so.
    pub fn created(&self) -> Option<UnixNanos> {
        self.created
    }

    /// Sequences of the first and the last message, if the archive says so. What stands before the first is gone.
    pub fn index(&self) -> Option<(u64, u64)> {
        self.index
    }

    /// The time of the last message, in nanoseconds; 0 if only that message says so.
    pub fn last_time(&self) -> i64 {
        self.last_time
    }

    /// Takes out the consumers that came, by name.
    pub fn take_consumers(&mut self) -> BTreeMap<String, Consumer> {
        std::mem::take(&mut self.consumers)
    }

    /// Whether messages come in what is next.
    pub fn is_in_block(&self) -> bool {
        self.file == Some(File::Block)
            || (self.layout == Layout::Entries && !self.content.is_empty())
    }

    /// Whether all that must be in an archive was in it.
    pub fn is_complete(&self) -> bool {
        let of_tar = self.tar.has_ended() && self.file.is_none() && self.created.is_some();
        of_tar || self.layout == Layout::Ended
    }

    /// Takes out what is in a block as far as it came, until `take` says `false`: it has not taken the entry.
    /// Says whether that was all of it.
    pub fn entries<E: From<BadArchive>>(
        &mut self,
        mut take: impl FnMut(&Entry<'_>) -> Result<bool, E>,
    ) -> Result<bool, E> {
        let mut rest = self.content.as_slice();
        let mut all = Ok(true);
        while let Ok(true) = all {
            let before = rest;
            match blocks::read(&mut rest, &self.sums) {
                Ok(Some(entry)) => all = take(&entry),
                Ok(None) => break,
                Err(bad) => all = Err(bad.into()),
            }
            if !matches!(all, Ok(true)) {
                rest = before;
            }
        }
        // A message that comes in many pieces is not moved for each of them.
        let taken = self.content.len() - rest.len();
        self.content.drain(..taken);
        all
    }

    /// Goes on with what came.
    pub fn advance(&mut self) -> Result<Next, BadArchive> {
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
                blocks::write(message, &self.sums, &mut self.content);
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
        let mut file: Json = serde_json::from_slice(content).map_err(|_| broken)?;
        let config = file.get_mut("config").map(Json::take);
        let created = file.get_mut("created").map(Json::take);
        let state = file.get_mut("state").map(Json::take).unwrap_or_default();
        let state = serde_json::from_value::<Option<ConsumerState>>(state).map_err(|_| broken)?;
        let position = state.unwrap_or_default().position().ok_or(broken)?;
        let own = self.consumer(consumer)?;
        own.config = Some(named(config, consumer).ok_or(broken)?);
        own.created = created.and_then(|own| serde_json::from_value(own).ok());
        own.position = Some(position);
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
                self.sums = Sums::of_block(&self.stream, number);
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
                let mut meta: serde_json::Map<String, Json> =
                    serde_json::from_slice(&self.content).map_err(|_| broken)?;
                meta.remove("Name");
                let created = meta.remove("Created");
                let own = self.consumer(&name)?;
                own.config = named(Some(meta.into()), &name);
                own.created = created.and_then(|own| serde_json::from_value(own).ok());
            }
            Some(File::ConsumerPosition(name)) => {
                let position = Position::decode(&self.content)?;
                self.consumer(&name)?.position = Some(position);
            }
            Some(File::Block | File::Sum) | None => {}
        }
        self.content.clear();
        Ok(())
    }

    fn consumer(&mut self, name: &str) -> Result<&mut Consumer, BadArchive> {
        if self.consumers.len() >= CONSUMERS_MAX {
            return Err(BadArchive("it has too many consumers"));
        }
        Ok(self.consumers.entry(name.to_owned()).or_default())
    }

    fn meta(&mut self) -> Result<(), BadArchive> {
        let broken = BadArchive("its configuration is broken");
        let meta: Json = serde_json::from_slice(&self.content).map_err(|_| broken)?;
        if meta["name"] != self.stream.as_str() {
            return Err(BadArchive("stream names do not match"));
        }
        let created = serde_json::from_value(meta["Created"].clone()).map_err(|_| broken)?;
        self.created = Some(created);
        Ok(())
    }
}

/// A consumer's configuration, with its name; `None` if it is none.
fn named(config: Option<Json>, name: &str) -> Option<Json> {
    let mut config = config.filter(Json::is_object)?;
    config["name"] = name.into();
    Some(config)
}
