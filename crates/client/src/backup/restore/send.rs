//! Restoring out of an archive: the server makes the stream of it, with everything as it was, or none at all.

use std::fs::File;
use std::io::Read as _;
use std::time::Duration;

use bytes::Bytes;
use serde::Deserialize;
use serde_json::{Value as Json, json};
use watershed_topology::Version;
use watershed_topology::call::{CallError, Request, answer, check};
use watershed_wire::jetstream::call::Call;
use watershed_wire::jetstream::stream::StreamInfo;

use super::{Restored, Way, origins, unknown};
use crate::backup::error::BackupError;
use crate::backup::format::Backup;
use crate::backup::pack::Packer;
use crate::client::{Client, Subscription};

/// Bytes of a piece, and pieces on their way at once.
const PIECE: usize = 128 * 1024;
const PIECES: usize = 8;

/// Bytes of a message beside its payload.
const BESIDE: usize = 1024;

/// How long a server may take for a piece, and for making the stream of all of them.
const PATIENCE: Duration = Duration::from_secs(30);
const PATIENCE_AT_THE_END: Duration = Duration::from_mins(10);

/// Where the bytes of an archive come from.
enum Source<'a> {
    /// A file that the server reads as it is.
    File(File),
    /// It is made for this server, or for this name.
    Anew(Box<Packer<'a>>),
}

impl Client {
    /// Restores out of an archive. Or why the server takes none: then nothing was changed.
    pub(super) async fn send_archive(
        &self,
        backup: &Backup,
        name: &str,
        config: &Json,
        progress: &mut impl FnMut(u64),
    ) -> Result<Result<Restored, String>, BackupError> {
        if config.get("storage").and_then(Json::as_str) == Some("memory") {
            return Ok(Err("no server makes a stream in memory of an archive".to_owned()));
        }
        let mut source = self.source(backup, name, config)?;
        let body = json!({"config": config, "state": backup.state});
        let mut answers = match self.subscribe(&self.inbox(), None).await {
            Err(CallError::Denied(denied)) => return Ok(Err(denied.to_string())),
            answers => answers?,
        };
        let begun = self.call(&Request::new(Call::StreamRestore(name), &body)).await;
        let sent = match begun.and_then(|reply| answer::<Begun>(&reply)) {
            Ok(begun) => send(&mut answers, &begun.deliver_subject, &mut source, self).await?,
            Err(error) => Err(error),
        };
        match sent {
            Ok(()) => {}
            Err(error @ (CallError::Refused(_) | CallError::Denied(_)))
                if !error.is_unavailable() =>
            {
                return Ok(Err(error.to_string()));
            }
            Err(error) => return Err(error.into()),
        }
        let info = self.stream_info(name).await?;
        let there: StreamInfo = serde_json::from_value(info.clone())
            .map_err(|error| CallError::Unreadable(error.to_string()))?;
        progress(there.state.messages);
        if there.state.last_seq < backup.state.last_seq {
            return Err(BackupError::Impossible(format!(
                "the server has made a stream that ends at message {} of {}: delete it, and restore with \
                 --publish",
                there.state.last_seq, backup.state.last_seq
            )));
        }
        Ok(Ok(Restored {
            messages: there.state.messages,
            altered: 0,
            consumers: backup.consumers.len(),
            way: Way::Archive {
                messages: backup.messages,
                anew: matches!(source, Source::Anew(_)),
            },
            unknown: unknown(config, &info),
            origins: origins(config),
        }))
    }

    /// The archive of the backup if the server reads it, else one that it does.
    fn source<'a>(
        &self,
        backup: &'a Backup,
        name: &str,
        config: &Json,
    ) -> Result<Source<'a>, BackupError> {
        let reads_entries = Version::of_server(&self.facts().version).is_at_least(2, 15, 0);
        let own_name = backup.config.get("name").and_then(Json::as_str) == Some(name);
        Ok(match backup.archive() {
            Some((path, is_entries)) if own_name && (!is_entries || reads_entries) => {
                let file = File::open(&path).map_err(BackupError::file("read", &path))?;
                Source::File(file)
            }
            _ => Source::Anew(Box::new(Packer::new(backup, config)?)),
        })
    }
}

#[derive(Deserialize)]
struct Begun {
    deliver_subject: String,
}

/// Sends an archive. The inner error is the server's.
async fn send(
    answers: &mut Subscription,
    subject: &str,
    source: &mut Source<'_>,
    client: &Client,
) -> Result<Result<(), CallError>, BackupError> {
    let bytes = PIECE.min(client.max_payload().saturating_sub(BESIDE)).max(1);
    let mut waiting = 0;
    loop {
        let piece = source.take(bytes)?;
        let is_end = piece.is_empty();
        while waiting > 0 && (is_end || waiting == PIECES) {
            match answered(answers, PATIENCE, subject).await {
                // What is answered before the end is nothing, or an error.
                Ok(reply) if reply.is_empty() => waiting -= 1,
                Ok(reply) => return Ok(check(&reply)),
                Err(error) => return Ok(Err(error)),
            }
        }
        let piece = Request { subject: subject.to_owned(), body: piece };
        if let Err(error) = answers.ask(&piece).await {
            return Ok(Err(error));
        }
        if is_end {
            let reply = answered(answers, PATIENCE_AT_THE_END, subject).await;
            return Ok(reply.and_then(|reply| check(&reply)));
        }
        waiting += 1;
    }
}

/// The next answer.
async fn answered(
    answers: &mut Subscription,
    patience: Duration,
    subject: &str,
) -> Result<Bytes, CallError> {
    let answer = answers.next_within(patience).await?;
    Ok(answer.ok_or_else(|| CallError::Timeout(subject.to_owned()))?.payload)
}

impl Source<'_> {
    /// The next bytes; none at the end.
    fn take(&mut self, bytes: usize) -> Result<Vec<u8>, BackupError> {
        match self {
            Self::Anew(packer) => packer.take(bytes),
            Self::File(file) => {
                let mut piece = Vec::with_capacity(bytes);
                let read = file.take(bytes as u64).read_to_end(&mut piece);
                read.map_err(BackupError::file("read", std::path::Path::new("the archive")))?;
                Ok(piece)
            }
        }
    }
}
