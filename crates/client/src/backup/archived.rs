//! What is in an archive that a server has made: the messages that are left, and where consumers are.

use std::collections::HashSet;
use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use watershed_archive::{BadArchive, Consumer, Entry, Layout, Next, Reader};
use watershed_wire::time::UnixNanos;

use super::error::BackupError;
use super::message::Message;

/// Bytes that are read at once.
const PIECE: usize = 128 * 1024;

/// An archive in a file, every byte of which was looked at.
#[derive(Debug, Clone)]
pub(super) struct Archived {
    pub(super) path: PathBuf,
    stream: String,
    /// Whether it is laid out as nats-server 2.15 does.
    pub(super) is_entries: bool,
    /// What stands before this sequence is gone, and so are these.
    first: u64,
    gone: HashSet<u64>,
    /// Messages that are left.
    pub(super) messages: u64,
    /// The last sequence that is used up.
    pub(super) last: u64,
    /// When the stream was created, if that is known.
    pub(super) created: Option<UnixNanos>,
}

impl Archived {
    /// Reads the archive of a stream of this name. Also what it has of consumers.
    pub(super) fn open(path: &Path, stream: &str) -> Result<(Self, Vec<Consumer>), BackupError> {
        let mut feed = Feed::open(path, stream)?;
        let mut gone = HashSet::new();
        let (mut seen, mut last, mut used) = (0, 0, 0);
        loop {
            let more = feed.some(|entry| {
                let sequence = match entry {
                    Entry::Message(message) => {
                        if message.sequence <= last {
                            return Err(BadArchive("sequences are not in order"));
                        }
                        seen += 1;
                        last = message.sequence;
                        last
                    }
                    Entry::Empty(sequence, _) => *sequence,
                    Entry::Gone(sequence) => {
                        gone.insert(*sequence);
                        *sequence
                    }
                };
                used = used.max(sequence);
                Ok(())
            })?;
            if !more {
                break;
            }
        }
        let mut reader = feed.reader;
        if !reader.is_complete() {
            let why = "it was cut off".to_owned();
            return Err(BackupError::Damaged { path: path.to_owned(), why });
        }
        let index = reader.index().filter(|(first, last)| *first <= last + 1);
        let (first, last) = index.map_or((0, used), |(first, last)| (first, used.max(last)));
        let mut own = Self {
            path: path.to_owned(),
            stream: stream.to_owned(),
            is_entries: reader.layout() != Layout::Tar,
            first,
            gone,
            messages: seen,
            last,
            created: reader.created(),
        };
        if first > 0 || !own.gone.is_empty() {
            let mut messages = own.messages()?;
            own.messages = 0;
            while messages.next()?.is_some() {
                own.messages += 1;
            }
        }
        Ok((own, reader.take_consumers().into_values().collect()))
    }

    /// Its messages, in order.
    pub(super) fn messages(&self) -> Result<ArchiveMessages, BackupError> {
        let feed = Feed::open(&self.path, &self.stream)?;
        let (first, gone) = (self.first, self.gone.clone());
        Ok(ArchiveMessages { feed, first, gone, ready: Vec::new().into_iter() })
    }
}

/// An archive that is being read.
struct Feed {
    path: PathBuf,
    file: File,
    reader: Reader,
}

impl Feed {
    fn open(path: &Path, stream: &str) -> Result<Self, BackupError> {
        let file = File::open(path).map_err(BackupError::file("read", path))?;
        Ok(Self { path: path.to_owned(), file, reader: Reader::new(stream) })
    }

    /// Hands out what is next. Says whether there may be more.
    fn some(
        &mut self,
        mut take: impl FnMut(&Entry<'_>) -> Result<(), BadArchive>,
    ) -> Result<bool, BackupError> {
        let damaged = |bad: BadArchive| BackupError::Damaged {
            path: self.path.clone(),
            why: bad.to_string(),
        };
        loop {
            match self.reader.advance().map_err(damaged)? {
                Next::Again => {}
                Next::Messages => {
                    let all = self.reader.entries(|entry| take(entry).map(|()| true));
                    return all.map_err(damaged);
                }
                Next::More => {
                    let mut piece = vec![0; PIECE];
                    let read = self.file.read(&mut piece);
                    match read.map_err(BackupError::file("read", &self.path))? {
                        0 => return Ok(false),
                        length => self.reader.push(&piece[..length]),
                    }
                }
            }
        }
    }
}

/// The messages of an archive that are left, in order.
pub(super) struct ArchiveMessages {
    feed: Feed,
    first: u64,
    gone: HashSet<u64>,
    ready: std::vec::IntoIter<Message>,
}

impl ArchiveMessages {
    /// The next one; `None` at the end.
    pub(super) fn next(&mut self) -> Result<Option<Message>, BackupError> {
        loop {
            if let Some(message) = self.ready.next() {
                return Ok(Some(message));
            }
            let mut ready = Vec::new();
            let (first, gone) = (self.first, &self.gone);
            let more = self.feed.some(|entry| {
                let Entry::Message(own) = entry else { return Ok(()) };
                if own.sequence < first || gone.contains(&own.sequence) {
                    return Ok(());
                }
                let subject = String::from_utf8(own.subject.to_vec());
                ready.push(Message {
                    subject: subject.map_err(|_| BadArchive("a subject is not a text"))?,
                    seq: own.sequence,
                    hdrs: BASE64.encode(own.header),
                    data: BASE64.encode(own.payload),
                    time: UnixNanos(own.time).to_string(),
                });
                Ok(())
            })?;
            if !more && ready.is_empty() {
                return Ok(None);
            }
            self.ready = ready.into_iter();
        }
    }
}
