//! Makes archives of backups, in the layout that all servers read.

use std::io::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde_json::Value as Json;
use sha2::{Digest as _, Sha256};
use watershed_archive::{BLOCK_BYTES, Message, Writer};
use watershed_wire::time::UnixNanos;

use super::error::BackupError;
use super::files::{create_file, hex};
use super::format::{ARCHIVE, Backup, Messages};

/// Bytes that are written to a file at once.
const PIECE: usize = 1 << 20;

/// An archive of a backup, made as it is taken out.
pub(super) struct Packer<'a> {
    backup: &'a Backup,
    /// The messages that are left; `None` when all were taken.
    messages: Option<Messages>,
    last: u64,
    writer: Writer,
}

impl<'a> Packer<'a> {
    /// The archive of a stream with this configuration, which may have another name.
    pub(super) fn new(backup: &'a Backup, config: &Json) -> Result<Self, BackupError> {
        let name = config.get("name").and_then(Json::as_str).unwrap_or_default();
        let mut writer = Writer::new(name, backup.state.last_ts);
        writer.stream(backup.created, config);
        Ok(Self { backup, messages: Some(backup.open_messages()?), last: 0, writer })
    }

    /// The next `bytes` bytes. Fewer are left at the end, and then none.
    pub(super) fn take(&mut self, bytes: usize) -> Result<Vec<u8>, BackupError> {
        while self.writer.packed_len() < bytes {
            if self.writer.has_plain() {
                self.writer.pack_some();
            } else if self.messages.is_some() {
                self.put_message()?;
            } else {
                break;
            }
        }
        Ok(self.writer.take(bytes))
    }

    /// Puts the next message in, or what follows the last one.
    fn put_message(&mut self) -> Result<(), BackupError> {
        let Some(messages) = &mut self.messages else { return Ok(()) };
        let Some(message) = messages.next()? else {
            self.messages = None;
            self.end();
            return Ok(());
        };
        let broken = |what: &str| self.backup.damaged(format!("message {}: {what}", message.seq));
        let decoded = |text: &str| BASE64.decode(text).map_err(|_| broken("invalid base64"));
        let time = UnixNanos::parse(&message.time).map_err(|error| broken(&error.to_string()))?;
        let (header, payload) = (decoded(&message.hdrs)?, decoded(&message.data)?);
        if message.seq <= self.last {
            return Err(broken("it stands behind a later one"));
        }
        let packed = Message {
            sequence: message.seq,
            time: time.0,
            subject: message.subject.as_bytes(),
            header: &header,
            payload: &payload,
        };
        if !packed.fits() {
            return Err(broken("it is longer than any"));
        }
        self.last = message.seq;
        self.writer.message(&packed);
        if self.writer.block_len() >= BLOCK_BYTES {
            self.writer.end_block();
        }
        Ok(())
    }

    fn end(&mut self) {
        let state = &self.backup.state;
        if state.last_seq > self.last {
            self.writer.empty(state.last_seq, state.last_ts.0);
        }
        self.writer.end_block();
        for own in &self.backup.consumers {
            let created = own.created.unwrap_or(self.backup.created);
            self.writer.consumer(own.name(), created, &own.config, &own.position());
        }
        self.writer.end();
    }
}

/// Writes the archive beside the messages. Gives back its checksum.
pub(super) fn write(backup: &Backup) -> Result<String, BackupError> {
    let path = backup.folder.join(ARCHIVE);
    let failed = |error| BackupError::file("write", &path)(error);
    let mut packer = Packer::new(backup, &backup.config)?;
    let (mut file, mut hash) = (create_file(&path)?, Sha256::new());
    loop {
        let piece = packer.take(PIECE)?;
        if piece.is_empty() {
            file.sync_all().map_err(failed)?;
            return Ok(hex(&hash.finalize()));
        }
        hash.update(&piece);
        file.write_all(&piece).map_err(failed)?;
    }
}
