//! The files of a backup.

use std::fmt::Write as _;
use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{BufRead as _, BufReader, BufWriter, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde::{Deserialize, Serialize};
use serde_json::Value as Json;
use sha2::{Digest as _, Sha256};
use watershed_wire::jetstream::consumer::SequencePair;
use watershed_wire::jetstream::stream::StreamState;
use watershed_wire::time::UnixNanos;

use super::error::BackupError;

/// What a backup calls its form.
const FORM: &str = "watershed backup 1";

const MANIFEST: &str = "backup.json";
const MESSAGES: &str = "messages.jsonl";

/// Longest line: a message of 64 MiB in base64, and its header.
const LINE_BYTES_MAX: u64 = 192 << 20;

/// How the headers begin by which a publisher says what it expects of a stream.
pub(crate) const EXPECTATION: &str = "Nats-Expected-";

/// Everything about a backup but the messages: `backup.json`.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Backup {
    /// Where it is.
    #[serde(skip)]
    pub(super) folder: PathBuf,
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
}

/// A message of a stream, as the server gives it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Message {
    pub(crate) subject: String,
    pub(crate) seq: u64,
    /// Header block, base64.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub(super) hdrs: String,
    /// Payload, base64.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub(super) data: String,
    pub(super) time: String,
}

impl Message {
    /// About its bytes in a file.
    pub(crate) fn size(&self) -> u64 {
        (self.subject.len() + self.hdrs.len() + self.data.len()) as u64
    }

    /// Whether both are the same, except for what their publisher expected of the stream.
    pub(crate) fn is_like(&self, other: &Self) -> bool {
        let rest = |one: &Self| (one.subject.clone(), one.seq, one.data.clone(), one.time.clone());
        let same = self.hdrs == other.hdrs || lasting(&self.hdrs) == lasting(&other.hdrs);
        same && rest(self) == rest(other)
    }
}

/// The lines of a header block in base64 that go on meaning something once the message is stored.
fn lasting(block: &str) -> Option<Vec<Vec<u8>>> {
    let block = BASE64.decode(block).ok()?;
    let lines = block.split(|byte| *byte == b'\n').skip(1).map(<[u8]>::trim_ascii);
    let lasting =
        lines.filter(|line| !line.is_empty() && !line.starts_with(EXPECTATION.as_bytes()));
    Some(lasting.map(<[u8]>::to_vec).collect())
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
        for file in [MESSAGES.to_owned(), MANIFEST.to_owned(), format!("{MANIFEST}.new")] {
            let _ = std::fs::remove_file(folder.join(file));
        }
        let _ = std::fs::remove_dir(folder);
    }

    /// Makes it a backup: messages first, then what says that they are whole.
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
        let backup = Backup {
            folder: self.folder.clone(),
            format: FORM.to_owned(),
            server,
            config,
            created,
            state,
            consumers,
            messages: self.count,
            sha256: hex(&self.hash.finalize()),
            own_sha256: String::new(),
        };
        let backup = Backup { own_sha256: backup.own_sum(), ..backup };
        let path = self.folder.join(MANIFEST);
        let unfinished = self.folder.join(format!("{MANIFEST}.new"));
        let text = serde_json::to_vec_pretty(&backup).expect("configurations are JSON");
        let mut file = create_file(&unfinished)?;
        let written = file.write_all(&text).and_then(|()| file.sync_all());
        written.map_err(BackupError::file("write", &unfinished))?;
        let named =
            std::fs::rename(&unfinished, &path).and_then(|()| File::open(&self.folder)?.sync_all());
        named.map_err(BackupError::file("write", &path))?;
        Ok(backup)
    }
}

fn create_file(path: &Path) -> Result<File, BackupError> {
    let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
    file.map_err(BackupError::file("create", path))
}

impl Backup {
    /// Reads the backup in `folder`, and checks every byte of it.
    pub fn open(folder: &Path) -> Result<Self, BackupError> {
        let path = folder.join(MANIFEST);
        let text = std::fs::read(&path).map_err(BackupError::file("read", &path))?;
        let damaged = |why: String| BackupError::Damaged { path: path.clone(), why };
        let backup: Self =
            serde_json::from_slice(&text).map_err(|error| damaged(error.to_string()))?;
        let backup = Self { folder: folder.to_owned(), ..backup };
        if backup.format != FORM {
            return Err(damaged(format!(
                "it is `{}`, and this program reads `{FORM}`",
                backup.format
            )));
        }
        let whole = Self { own_sha256: String::new(), ..backup.clone() };
        if whole.own_sum() != backup.own_sha256 {
            return Err(damaged("its checksum is another".into()));
        }
        let mut messages = backup.open_messages()?;
        let mut count = 0;
        while messages.line()?.is_some() {
            count += 1;
        }
        let path = messages.path;
        if count != backup.messages {
            let why = format!("it has {count} messages of {}", backup.messages);
            return Err(BackupError::Damaged { path, why });
        }
        if hex(&messages.hash.finalize()) != backup.sha256 {
            return Err(BackupError::Damaged { path, why: "its checksum is another".into() });
        }
        Ok(backup)
    }

    pub(super) fn open_messages(&self) -> Result<Messages, BackupError> {
        Messages::open(&self.folder)
    }

    fn own_sum(&self) -> String {
        hex(&Sha256::digest(serde_json::to_vec(self).expect("configurations are JSON")))
    }
}

/// The messages of a backup, one after the other.
pub(super) struct Messages {
    path: PathBuf,
    reader: BufReader<File>,
    hash: Sha256,
    line: Vec<u8>,
}

impl Messages {
    fn open(folder: &Path) -> Result<Self, BackupError> {
        let path = folder.join(MESSAGES);
        let file = File::open(&path).map_err(BackupError::file("read", &path))?;
        let reader = BufReader::with_capacity(1 << 20, file);
        Ok(Self { path, reader, hash: Sha256::new(), line: Vec::new() })
    }

    /// The next message; `None` at the end.
    pub(super) fn next(&mut self) -> Result<Option<Message>, BackupError> {
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

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_alike_whatever_their_publisher_expected() {
        let message = |block: &str, time: &str| Message {
            subject: "s".into(),
            seq: 1,
            hdrs: BASE64.encode(block),
            data: String::new(),
            time: time.into(),
        };
        let check = |one: &str, other: &str, expected: bool| {
            assert_eq!(
                message(one, "t").is_like(&message(other, "t")),
                expected,
                "{one:?} {other:?}"
            );
            assert!(!message(one, "t").is_like(&message(one, "u")));
        };
        let asked = "NATS/1.0\r\nNats-Expected-Last-Subject-Sequence: 2\r\nA: b\r\n\r\n";
        check(asked, "NATS/1.0\r\nA: b\r\n\r\n", true);
        check(asked, "NATS/1.0\r\n\r\n", false);
        check("NATS/1.0\r\nNats-Expected-Stream: S\r\n\r\n", "", true);
        check("NATS/1.0\r\nA: b\r\n\r\n", "NATS/1.0\r\nA: c\r\n\r\n", false);
    }
}
