//! Restoring out of an archive: the server makes the stream of it, with everything as it was, or none at all.

use std::fs::File;
use std::io::Read as _;
use std::time::Duration;

use bytes::Bytes;
use serde::Deserialize;
use serde_json::{Value as Json, json};
use tokio::sync::watch;
use tokio::time::Instant;
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

/// How often the time for an answer may pass before a server has taken a piece.
const TURNS: u32 = 6;

/// How long a server may take for making the stream.
const PATIENCE_AT_THE_END: Duration = Duration::from_mins(10);

/// Where the bytes of an archive come from.
enum Source<'a> {
    /// A file that the server reads as it is.
    File(File),
    /// It is made for this server, or for this name.
    Anew(Box<Packer<'a>>),
}

impl Client {
    /// Restores out of an archive. Or why the server takes none: then nothing was changed. That it has no room is an
    /// error: messages that are published again need as much, and would get other sequences for nothing.
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
        let mut connections = self.connections();
        connections.mark_unchanged();
        let answers = match self.subscribe(&self.inbox(), None).await {
            Err(CallError::Denied(denied)) => return Ok(Err(denied.to_string())),
            answers => answers?,
        };
        let begun = self.call(&Request::new(Call::StreamRestore(name), &body)).await;
        let sent = match begun.and_then(|reply| answer::<Begun>(&reply)) {
            Ok(Begun { deliver_subject: subject }) => {
                let (client, stream) = (self, name);
                let mut sending = Sending { client, stream, subject, answers, connections };
                sending.send(&mut source).await?
            }
            Err(error) => Err(error),
        };
        match sent {
            Ok(()) => {}
            Err(error @ (CallError::Refused(_) | CallError::Denied(_)))
                if !error.is_unavailable() && !error.lacks_room() =>
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

/// A restore that is under way.
struct Sending<'a> {
    client: &'a Client,
    stream: &'a str,
    /// Where its pieces go.
    subject: String,
    answers: Subscription,
    /// Changes when the connection is another one. What was on its way is lost then.
    connections: watch::Receiver<u64>,
}

impl Sending<'_> {
    /// Sends an archive. The inner error is the server's.
    async fn send(
        &mut self,
        source: &mut Source<'_>,
    ) -> Result<Result<(), CallError>, BackupError> {
        let bytes = PIECE.min(self.client.max_payload().saturating_sub(BESIDE)).max(1);
        let mut waiting = 0;
        loop {
            let piece = source.take(bytes)?;
            let is_end = piece.is_empty();
            while waiting > 0 && (is_end || waiting == PIECES) {
                match self.taken().await {
                    // What is answered before the end is nothing, or an error.
                    Ok(reply) if reply.is_empty() => waiting -= 1,
                    Ok(reply) => return Ok(check(&reply)),
                    Err(error) => return Ok(Err(error)),
                }
            }
            let piece = Request { subject: self.subject.clone(), body: piece };
            if let Err(error) = self.answers.ask(&piece).await {
                return Ok(Err(error));
            }
            if is_end {
                return Ok(self.made().await);
            }
            waiting += 1;
        }
    }

    /// The answer to a piece.
    async fn taken(&mut self) -> Result<Bytes, CallError> {
        for _ in 0..TURNS {
            if let Some(answer) = self.answers.next_within(self.client.timeout()).await? {
                return Ok(answer.payload);
            }
            self.still_connected()?;
        }
        Err(CallError::Timeout(self.subject.clone()))
    }

    /// Waits until the server has made the stream. Its answer may be lost, so the stream itself is looked at, too.
    async fn made(&mut self) -> Result<(), CallError> {
        let deadline = Instant::now() + PATIENCE_AT_THE_END;
        loop {
            if let Some(answer) = self.answers.next_within(self.client.timeout()).await? {
                return check(&answer.payload);
            }
            let same = self.still_connected();
            let request = Request::bare(Call::StreamInfo(self.stream));
            match self.client.call(&request).await.and_then(|reply| check(&reply)) {
                Err(error) if error.is_absence() => same?,
                looked => return looked,
            }
            if Instant::now() > deadline {
                return Err(CallError::Timeout(self.subject.clone()));
            }
        }
    }

    fn still_connected(&self) -> Result<(), CallError> {
        match self.connections.has_changed() {
            Ok(false) if self.client.is_connected() => Ok(()),
            _ => Err(CallError::Connection("it was cut while an archive was sent".to_owned())),
        }
    }
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
