//! The files of a backup: those of ours, and those of the `nats` tool, which has `backup.json` and an archive
//! of the server beside it.

use std::fs::{DirBuilder, File};
use std::io::{BufRead as _, BufReader, BufWriter, Write as _};
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use serde_json::Value as Json;
use sha2::{Digest as _, Sha256};
use watershed_archive::{Consumer, Pending, Position};
use watershed_wire::jetstream::consumer::SequencePair;
use watershed_wire::jetstream::stream::StreamState;
use watershed_wire::time::UnixNanos;

use super::archived::{ArchiveMessages, Archived};
use super::error::BackupError;
use super::files::{create_file, hex, sum_of};
use super::message::Message;

/// What a backup calls its form. The first one was without an archive.
const FORM: &str = "watershed backup 2";
const FORM_FIRST: &str = "watershed backup 1";

const MANIFEST: &str = "backup.json";
const MESSAGES: &str = "messages.jsonl";

/// The archive of a stream, as the `nats` tool calls it: in the layout of nats-server up to 2.14, and in that
/// of 2.15.
pub(super) const ARCHIVE: &str = "stream.tar.s2";
const ARCHIVE_ENTRIES: &str = "stream.arc.s2";

/// An archive on its way.
pub(super) const SNAPSHOT: &str = "snapshot.s2";

/// Longest line: a message of 64 MiB in base64, and its header.
const LINE_BYTES_MAX: u64 = 192 << 20;

/// Everything about a backup but the messages: `backup.json`.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Backup {
    /// Where it is.
    #[serde(skip)]
    pub(super) folder: PathBuf,
    /// The archive that its messages are read from, if that is so.
    #[serde(skip)]
    archived: Option<Archived>,
    format: String,
    /// Version of the server that it was made of.
    pub server: String,
    /// The stream's configuration, as the server gave it.
    pub config: Json,
    /// When the stream was created.
    pub created: UnixNanos,
    /// What it held when the backup began.
    pub state: StreamState,
    /// Its durable consumers.
    pub consumers: Vec<ConsumerBackup>,
    /// Messages in the backup.
    pub messages: u64,
    /// SHA-256 of `messages.jsonl`.
    sha256: String,
    /// SHA-256 of the archive beside it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    archive_sha256: Option<String>,
    /// SHA-256 of all this, as it is when this is empty.
    own_sha256: String,
}

/// A consumer, and how far it was.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ConsumerBackup {
    /// Its configuration, as the server gave it.
    pub config: Json,
    /// Last delivery.
    pub delivered: SequencePair,
    /// Everything up to here is acknowledged.
    pub ack_floor: SequencePair,
    /// Delivered and not acknowledged.
    pub num_ack_pending: usize,
    /// When it was created.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) created: Option<UnixNanos>,
    /// What was delivered and not acknowledged, where that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) pending: Option<Vec<Pending>>,
}

impl ConsumerBackup {
    /// A consumer of an archive.
    pub(super) fn of_archive(consumer: Consumer) -> Self {
        let position = consumer.position.unwrap_or_default();
        let pair = |(consumer_seq, stream_seq)| SequencePair {
            consumer_seq,
            stream_seq,
            ..SequencePair::default()
        };
        Self {
            config: consumer.config.unwrap_or_default(),
            delivered: pair((position.deliveries, position.delivered)),
            ack_floor: pair(position.floor()),
            num_ack_pending: position.pending.len(),
            created: consumer.created,
            pending: Some(position.pending),
        }
    }

    /// Where it is. What of several messages was acknowledged behind one that was not, may not be known: these are
    /// delivered again.
    pub(super) fn position(&self) -> Position {
        let (at, pending) = match &self.pending {
            Some(pending) => (&self.delivered, pending.clone()),
            None => (&self.ack_floor, Vec::new()),
        };
        Position { deliveries: at.consumer_seq, delivered: at.stream_seq, pending }
    }

    /// Its durable name.
    pub(super) fn name(&self) -> &str {
        self.config.get("durable_name").and_then(Json::as_str).unwrap_or_default()
    }

    fn is_durable(&self) -> bool {
        !self.name().is_empty()
    }
}

/// A backup that is being written.
pub(super) struct Writer {
    folder: PathBuf,
    messages: BufWriter<File>,
    hash: Sha256,
    count: u64,
}

impl Writer {
    /// A new folder, which nobody else may read.
    pub(super) fn create(folder: &Path) -> Result<Self, BackupError> {
        let failed = BackupError::file("create", folder);
        let mut builder = DirBuilder::new();
        builder.mode(0o700);
        let above = folder.parent().filter(|above| !above.as_os_str().is_empty());
        let made = above.map_or(Ok(()), |above| builder.recursive(true).create(above));
        made.and_then(|()| builder.recursive(false).create(folder)).map_err(failed)?;
        let path = folder.join(MESSAGES);
        let file = create_file(&path)?;
        let messages = BufWriter::with_capacity(1 << 20, file);
        Ok(Self { folder: folder.to_owned(), messages, hash: Sha256::new(), count: 0 })
    }

    /// Where it is being written.
    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }

    pub(super) fn push(&mut self, message: &Message) -> Result<(), BackupError> {
        let mut line = serde_json::to_vec(message).expect("texts and numbers are JSON");
        line.push(b'\n');
        self.hash.update(&line);
        self.count += 1;
        let path = self.folder.join(MESSAGES);
        self.messages.write_all(&line).map_err(BackupError::file("write", &path))
    }

    /// Takes away what was written: half a backup is none.
    pub(super) fn discard(folder: &Path) {
        let unfinished = format!("{MANIFEST}.new");
        for file in [MESSAGES, MANIFEST, ARCHIVE, SNAPSHOT, &unfinished] {
            let _ = std::fs::remove_file(folder.join(file));
        }
        let _ = std::fs::remove_dir(folder);
    }

    /// Closes the files once all messages are written. The backup is complete when it is [sealed](Backup::seal).
    pub(super) fn finish(
        self,
        server: String,
        config: Json,
        created: UnixNanos,
        state: StreamState,
        consumers: Vec<ConsumerBackup>,
    ) -> Result<Backup, BackupError> {
        let path = self.folder.join(MESSAGES);
        let file = self.messages.into_inner().map_err(std::io::IntoInnerError::into_error);
        let file = file.map_err(BackupError::file("write", &path))?;
        file.sync_all().map_err(BackupError::file("write", &path))?;
        Ok(Backup {
            folder: self.folder.clone(),
            archived: None,
            format: FORM.to_owned(),
            server,
            config,
            created,
            state,
            consumers,
            messages: self.count,
            sha256: hex(&self.hash.finalize()),
            archive_sha256: None,
            own_sha256: String::new(),
        })
    }
}

impl Backup {
    /// Reads the backup in `folder`, and checks every byte of it.
    pub fn open(folder: &Path) -> Result<Self, BackupError> {
        let path = folder.join(MANIFEST);
        let text = std::fs::read(&path).map_err(BackupError::file("read", &path))?;
        let damaged = |why: String| BackupError::Damaged { path: path.clone(), why };
        let json: Json =
            serde_json::from_slice(&text).map_err(|error| damaged(error.to_string()))?;
        if json.get("format").is_none() {
            return Self::open_of_tool(folder, json);
        }
        let backup: Self =
            serde_json::from_slice(&text).map_err(|error| damaged(error.to_string()))?;
        let backup = Self { folder: folder.to_owned(), ..backup };
        if ![FORM, FORM_FIRST].contains(&backup.format.as_str()) {
            return Err(damaged(format!(
                "it is `{}`, and this program reads `{FORM}`",
                backup.format
            )));
        }
        let whole = Self { own_sha256: String::new(), ..backup.clone() };
        if whole.own_sum() != backup.own_sha256 {
            return Err(damaged("its checksum is another".into()));
        }
        let mut lines = Lines::open(&backup.folder)?;
        let mut count = 0;
        while lines.line()?.is_some() {
            count += 1;
        }
        let path = lines.path;
        if count != backup.messages {
            let why = format!("it has {count} messages of {}", backup.messages);
            return Err(BackupError::Damaged { path, why });
        }
        let another = |path| BackupError::Damaged { path, why: "its checksum is another".into() };
        if hex(&lines.hash.finalize()) != backup.sha256 {
            return Err(another(path));
        }
        let archive = folder.join(ARCHIVE);
        if let Some(sum) = &backup.archive_sha256
            && sum_of(&archive)? != *sum
        {
            return Err(another(archive));
        }
        Ok(backup)
    }

    /// Reads a backup of the `nats` tool: what the server said of the stream, and its archive.
    fn open_of_tool(folder: &Path, json: Json) -> Result<Self, BackupError> {
        #[derive(Deserialize)]
        struct OfTool {
            config: Json,
            state: StreamState,
        }
        let path = folder.join(MANIFEST);
        let OfTool { config, state } = serde_json::from_value(json)
            .map_err(|error| BackupError::Damaged { path, why: error.to_string() })?;
        let there = |name: &&str| folder.join(name).is_file();
        let Some(name) = [ARCHIVE, ARCHIVE_ENTRIES].into_iter().find(there) else {
            let why = format!("it has neither {ARCHIVE} nor {ARCHIVE_ENTRIES}");
            return Err(BackupError::Damaged { path: folder.to_owned(), why });
        };
        let server = String::new();
        Self::of_archive(folder, &folder.join(name), (server, config, state))
    }

    /// The backup that an archive is, with what its server said of the stream.
    pub(super) fn of_archive(
        folder: &Path,
        path: &Path,
        (server, config, state): (String, Json, StreamState),
    ) -> Result<Self, BackupError> {
        let name = config.get("name").and_then(Json::as_str).unwrap_or_default();
        let (archived, consumers) = Archived::open(path, name)?;
        if archived.last < state.last_seq {
            let why = format!("it ends at message {} of {}", archived.last, state.last_seq);
            return Err(BackupError::Damaged { path: path.to_owned(), why });
        }
        let (messages, last_seq) = (archived.messages, archived.last);
        Ok(Self {
            folder: folder.to_owned(),
            format: FORM.to_owned(),
            server,
            config,
            created: archived.created.unwrap_or(state.first_ts),
            state: StreamState { last_seq, ..state },
            consumers: consumers
                .into_iter()
                .map(ConsumerBackup::of_archive)
                .filter(ConsumerBackup::is_durable)
                .collect(),
            messages,
            sha256: String::new(),
            archive_sha256: None,
            own_sha256: String::new(),
            archived: Some(archived),
        })
    }

    /// Makes it a backup: writes what says that the messages are whole, and the archive with this checksum.
    pub(super) fn seal(self, archive_sha256: String) -> Result<Self, BackupError> {
        let backup = Self { archive_sha256: Some(archive_sha256), ..self };
        let backup = Self { own_sha256: backup.own_sum(), ..backup };
        let path = backup.folder.join(MANIFEST);
        let unfinished = backup.folder.join(format!("{MANIFEST}.new"));
        let text = serde_json::to_vec_pretty(&backup).expect("configurations are JSON");
        let mut file = create_file(&unfinished)?;
        let written = file.write_all(&text).and_then(|()| file.sync_all());
        written.map_err(BackupError::file("write", &unfinished))?;
        let named = std::fs::rename(&unfinished, &path)
            .and_then(|()| File::open(&backup.folder)?.sync_all());
        named.map_err(BackupError::file("write", &path))?;
        Ok(backup)
    }

    /// The archive in it, and whether it is laid out as nats-server 2.15 does; `None` if it has none.
    pub(super) fn archive(&self) -> Option<(PathBuf, bool)> {
        match &self.archived {
            Some(archived) => Some((archived.path.clone(), archived.is_entries)),
            None => self.archive_sha256.as_ref().map(|_| (self.folder.join(ARCHIVE), false)),
        }
    }

    /// Its messages, in order.
    pub(super) fn open_messages(&self) -> Result<Messages, BackupError> {
        match &self.archived {
            Some(archived) => archived.messages().map(|own| Messages::Archive(Box::new(own))),
            None => Lines::open(&self.folder).map(Messages::Lines),
        }
    }

    /// It is not what it was.
    pub(super) fn damaged(&self, why: String) -> BackupError {
        BackupError::Damaged { path: self.folder.clone(), why }
    }

    fn own_sum(&self) -> String {
        hex(&Sha256::digest(serde_json::to_vec(self).expect("configurations are JSON")))
    }
}

/// The messages of a backup, one after the other.
pub(super) enum Messages {
    /// Those of `messages.jsonl`.
    Lines(Lines),
    /// Those of an archive.
    Archive(Box<ArchiveMessages>),
}

impl Messages {
    /// The next message; `None` at the end.
    pub(super) fn next(&mut self) -> Result<Option<Message>, BackupError> {
        match self {
            Self::Lines(lines) => lines.next(),
            Self::Archive(archive) => archive.next(),
        }
    }
}

/// The messages of a file, each a line.
pub(super) struct Lines {
    path: PathBuf,
    reader: BufReader<File>,
    hash: Sha256,
    line: Vec<u8>,
}

impl Lines {
    fn open(folder: &Path) -> Result<Self, BackupError> {
        let path = folder.join(MESSAGES);
        let file = File::open(&path).map_err(BackupError::file("read", &path))?;
        let reader = BufReader::with_capacity(1 << 20, file);
        Ok(Self { path, reader, hash: Sha256::new(), line: Vec::new() })
    }

    fn next(&mut self) -> Result<Option<Message>, BackupError> {
        let path = self.path.clone();
        let damaged =
            |error: serde_json::Error| BackupError::Damaged { path, why: error.to_string() };
        self.line()?.map(serde_json::from_slice).transpose().map_err(damaged)
    }

    fn line(&mut self) -> Result<Option<&[u8]>, BackupError> {
        self.line.clear();
        let mut bounded = std::io::Read::take(&mut self.reader, LINE_BYTES_MAX);
        let read = bounded.read_until(b'\n', &mut self.line);
        if read.map_err(BackupError::file("read", &self.path))? == 0 {
            return Ok(None);
        }
        self.hash.update(&self.line);
        Ok(Some(&self.line))
    }
}
