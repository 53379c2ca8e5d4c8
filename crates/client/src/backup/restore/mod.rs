//! Making a stream what a backup says: its definition, its consumers where they were, its messages.
//!
//! The server takes an archive, which keeps everything. Where it does not (a stream in memory, a user who may not), messages are published again, so they have new sequences (without gaps) and times; consumers go on
//! behind what they had finished. What a header asked of the server when the message was stored is not
//! asked again, unless that changes nothing but keeps the header. Until everything is there, the stream
//! stores nothing else, and is marked: what a restore leaves behind that was cut off, the next one replaces.

mod content;
mod ids;
mod intake;
mod ready;
mod send;

use std::collections::BTreeSet;
use std::time::Duration;

use bytes::Bytes;
use futures_util::StreamExt as _;
use futures_util::stream::FuturesOrdered;
use serde_json::{Value as Json, json};
use tokio::time::Instant;
use watershed_topology::apply::resumed;
use watershed_topology::call::{CallError, Request, answer, check};
use watershed_topology::observe::{ObservedStream, plain};
use watershed_wire::jetstream::call::Call;
use watershed_wire::jetstream::consumer::CreateAction;
use watershed_wire::subject::contains;

use self::content::Contents;
use self::ids::Ids;
pub(super) use self::intake::prefix;
use self::intake::{FOREIGN_MAX, Intake, RESTORING, texts};
use super::error::BackupError;
use super::format::Backup;
use crate::client::Client;

/// Publishes on their way at once.
const WINDOW: usize = 256;

/// About how many bytes these may be.
const WINDOW_BYTES: usize = 16 << 20;

/// How long what passes by itself is waited for, and a connection that is lost.
const PATIENCE: Duration = Duration::from_secs(10);

/// Time between two tries.
const PAUSE: Duration = Duration::from_millis(250);

/// What was restored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Restored {
    /// Messages.
    pub messages: u64,
    /// Those of them with a header that no client can send: it is left out, or without some characters.
    pub altered: u64,
    /// Consumers.
    pub consumers: usize,
    /// How its messages came in.
    pub way: Way,
    /// Fields of the configuration that the server left out, as it does not know them.
    pub unknown: Vec<String>,
    /// Streams from which further messages are copied again.
    pub origins: Vec<String>,
}

/// How messages come into a stream that is restored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Way {
    /// The server took an archive: sequences, times and positions are unchanged. Limits may have removed some
    /// messages, such as those that are too old.
    Archive {
        /// Messages that were in it.
        messages: u64,
        /// Whether it was made for this server, as it does not read the one in the backup, or not under this name.
        anew: bool,
    },
    /// They were published again, in a new order of sequences without gaps, at new times.
    Published {
        /// Why it took no archive; empty if nobody wanted that.
        because: String,
    },
}

/// What is to be known of all messages before the first one is restored.
struct Survey {
    /// For each consumer, how many messages there are up to the last that it has finished.
    finished: Vec<u64>,
    /// Subjects that the stream does not store.
    foreign: BTreeSet<String>,
}

impl Client {
    /// Restores a backup as the stream `name`, telling how many messages are there: out of an archive where the
    /// server takes one, unless messages are to be `published` again.
    pub async fn restore(
        &self,
        backup: &Backup,
        name: &str,
        published: bool,
        mut progress: impl FnMut(u64),
    ) -> Result<Restored, BackupError> {
        self.make_way(name).await?;
        let config = own(&backup.config, name);
        for subject in texts(&config, "subjects") {
            if let Some(other) = self.stream_of(subject).await? {
                return Err(BackupError::Taken { subject: subject.to_owned(), other });
            }
        }
        let mut because = String::new();
        if !published {
            match self.send_archive(backup, name, &config, &mut progress).await? {
                Ok(restored) => {
                    self.wait_for_consumers(name, backup.consumers.len()).await?;
                    return Ok(restored);
                }
                Err(said) => because = said,
            }
            // It may have been refused because somebody else was faster.
            self.make_way(name).await?;
        }
        self.publish_again(backup, name, &config, because, progress).await
    }

    /// Restores by publishing every message again.
    async fn publish_again(
        &self,
        backup: &Backup,
        name: &str,
        config: &Json,
        because: String,
        progress: impl FnMut(u64),
    ) -> Result<Restored, BackupError> {
        let survey = Survey::of(backup, config)?;
        let mut restored = Restored {
            messages: 0,
            altered: 0,
            consumers: backup.consumers.len(),
            way: Way::Published { because },
            unknown: Vec::new(),
            origins: origins(config),
        };
        if config.get("mirror").is_some_and(|mirror| !mirror.is_null()) {
            // Its messages come from elsewhere, and it takes no others.
            self.settled(&Request::new(Call::StreamCreate(name), config)).await?;
            self.restore_consumers(name, backup, &survey, |_| true).await?;
        } else {
            let intake = self.open_intake(name, config, &survey.foreign).await;
            let intake = self.keep_if(name, intake).await?;
            let done = self.fill(name, backup, config, &survey, &intake, progress).await;
            (restored.messages, restored.altered) = self.keep_if(name, done).await?;
        }
        restored.unknown = unknown(config, &self.stream_info(name).await?);
        Ok(restored)
    }

    /// Servers of a cluster make the consumers of a stream that was restored one after the other.
    async fn wait_for_consumers(&self, name: &str, count: usize) -> Result<(), BackupError> {
        let deadline = Instant::now() + PATIENCE;
        while self.consumers(name).await?.len() < count && Instant::now() < deadline {
            tokio::time::sleep(PAUSE).await;
        }
        Ok(())
    }

    /// What the server says of a stream.
    async fn stream_info(&self, name: &str) -> Result<Json, BackupError> {
        Ok(answer(&self.settled(&Request::bare(Call::StreamInfo(name))).await?)?)
    }

    /// Fails if the stream exists; deletes what an interrupted restore left behind.
    async fn make_way(&self, name: &str) -> Result<(), BackupError> {
        if self.half_restored(name).await? {
            self.settled(&Request::bare(Call::StreamDelete(name))).await?;
        }
        Ok(())
    }

    /// Deletes the stream that was to be restored, if it could not be: nothing half done stays behind. What somebody else
    /// has made under this name meanwhile is left alone.
    async fn keep_if<T>(&self, name: &str, done: Result<T, BackupError>) -> Result<T, BackupError> {
        if done.is_err() {
            let _ = self.make_way(name).await;
        }
        done
    }

    /// Fills a stream that was just created, and gives it its configuration.
    async fn fill(
        &self,
        name: &str,
        backup: &Backup,
        config: &Json,
        survey: &Survey,
        intake: &Intake,
        progress: impl FnMut(u64),
    ) -> Result<(u64, u64), BackupError> {
        // Who had finished nothing gets whatever comes. Who had, begins at a message that must be there:
        // a server makes a start behind the last one a start at the next.
        self.restore_consumers(name, backup, survey, |floor| floor == 0).await?;
        let done = self.publish_all(backup, config, intake, progress).await?;
        self.restore_consumers(name, backup, survey, |floor| floor > 0).await?;
        self.settled(&Request::new(Call::StreamUpdate(name), config)).await?;
        Ok(done)
    }

    /// Makes a call that may be made twice; what passes by itself is waited for, and a connection that
    /// is lost.
    async fn settled(&self, request: &Request) -> Result<Bytes, CallError> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let error = match self.call(request).await {
                Ok(reply) => match check(&reply) {
                    Ok(()) => return Ok(reply),
                    Err(error) => error,
                },
                Err(error) => error,
            };
            let passes = error.passes() || error.is_unavailable() || error.follows_a_delete();
            if !passes || Instant::now() > deadline {
                return Err(error);
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    /// Creates consumers where they were: those that are `wanted`, by how many messages they had finished.
    async fn restore_consumers(
        &self,
        stream: &str,
        backup: &Backup,
        survey: &Survey,
        wanted: impl Fn(u64) -> bool,
    ) -> Result<(), BackupError> {
        let all = backup.consumers.iter().zip(&survey.finished);
        for (consumer, floor) in all.filter(|(_, floor)| wanted(**floor)) {
            let config = match floor {
                0 => plain(&consumer.config),
                floor => resumed(&consumer.config, floor + 1),
            };
            let name = config.get("durable_name").and_then(Json::as_str).unwrap_or_default();
            let request = Request::put_consumer(stream, name, &config, CreateAction::Create);
            self.settled(&request).await?;
        }
        Ok(())
    }

    /// How many messages were published, and how many of them with other headers.
    async fn publish_all(
        &self,
        backup: &Backup,
        config: &Json,
        intake: &Intake,
        mut progress: impl FnMut(u64),
    ) -> Result<(u64, u64), BackupError> {
        let mut messages = backup.open_messages()?;
        let mut contents = Contents::new(&backup.folder, config, intake.continues());
        let mut ids = Ids::default();
        let mut waiting = FuturesOrdered::new();
        let (mut count, mut bytes) = (0, 0);
        loop {
            let next = messages.next()?;
            let content = next.as_ref().map(|message| contents.of(message)).transpose()?;
            let (message, content) = match (&next, content) {
                (None, _) => (None, None),
                (Some(_), None | Some(None)) => continue,
                (Some(message), Some(Some(content))) => (Some(message), Some(content)),
            };
            let repeated = content.as_ref().is_some_and(|content| ids.has(content.id.as_deref()));
            let room = |waiting: usize, bytes: usize| waiting < WINDOW && bytes < WINDOW_BYTES;
            while !waiting.is_empty()
                && (repeated || content.is_none() || !room(waiting.len(), bytes))
            {
                let Some((reply, id, size)) = waiting.next().await else { break };
                let reply: Result<Bytes, CallError> = reply;
                stored(&reply?)?;
                ids.stored(id);
                (count, bytes) = (count + 1, bytes - size);
                progress(count);
            }
            let (Some(message), Some(content)) = (message, content) else { break };
            if repeated {
                ids.forgotten(content.id.as_deref()).await;
            }
            ids.sent(content.id.clone());
            let size = message.subject.len() + content.payload.len();
            bytes += size;
            let subject = intake.subject(&message.subject);
            waiting.push_back(async move {
                let reply = self.publish_stored(&subject, content.headers, content.payload).await;
                (reply, content.id, size)
            });
        }
        Ok((count, contents.altered))
    }
}

impl Survey {
    fn of(backup: &Backup, config: &Json) -> Result<Self, BackupError> {
        let mut messages = backup.open_messages()?;
        let mut survey =
            Self { finished: vec![0; backup.consumers.len()], foreign: BTreeSet::new() };
        let own: Vec<&str> = texts(config, "subjects").collect();
        let copies = config.get("sources").is_some_and(|sources| !sources.is_null());
        // What is in a work queue is what nobody has finished with.
        let queue = config.get("retention").and_then(Json::as_str) == Some("workqueue");
        while let Some(message) = messages.next()? {
            for (consumer, finished) in backup.consumers.iter().zip(&mut survey.finished) {
                *finished += u64::from(!queue && message.seq <= consumer.ack_floor.stream_seq);
            }
            let subject = message.subject.as_bytes();
            // What was copied comes again where subjects matter.
            if survey.foreign.len() <= FOREIGN_MAX
                && !(copies && content::is_copied(&message))
                && !own.iter().any(|filter| contains(filter.as_bytes(), subject))
            {
                survey.foreign.insert(message.subject);
            }
        }
        Ok(survey)
    }
}

/// Whether a stream is what a restore has left that was cut off. The next one replaces it.
pub fn is_half_restored(stream: &ObservedStream) -> bool {
    stream.info.config.metadata.contains_key(RESTORING)
}

/// Whether metadata is that of a stream that a restore has not finished.
fn is_unfinished(metadata: &Json) -> bool {
    metadata.get(RESTORING).is_some()
}

/// The streams that one copies.
fn origins(config: &Json) -> Vec<String> {
    let sources = config.get("sources").and_then(Json::as_array).into_iter().flatten();
    let all = config.get("mirror").into_iter().chain(sources);
    all.filter_map(|origin| Some(origin.get("name")?.as_str()?.to_owned())).collect()
}

/// Whether a publish was stored, and not taken for a repeated one.
fn stored(reply: &[u8]) -> Result<(), BackupError> {
    let answer: Json = answer(reply)?;
    if answer.get("duplicate").and_then(Json::as_bool) == Some(true) {
        let text = format!("a message was taken for one that was published twice: {answer}");
        return Err(BackupError::Impossible(text));
    }
    Ok(())
}

/// The fields of a configuration that a stream does not have.
fn unknown(config: &Json, info: &Json) -> Vec<String> {
    let there = info.get("config").and_then(Json::as_object);
    let wanted = config.as_object().into_iter().flatten();
    let says = |value: &Json| match value {
        Json::Null | Json::Bool(false) => false,
        Json::Number(number) => number.as_f64() != Some(0.0),
        Json::String(text) => !text.is_empty(),
        Json::Array(all) => !all.is_empty(),
        Json::Object(all) => !all.is_empty(),
        Json::Bool(true) => true,
    };
    let missing = wanted.filter(|(field, value)| {
        says(value) && there.is_some_and(|there| !there.contains_key(*field))
    });
    missing.map(|(field, _)| field.clone()).collect()
}

/// A stream's configuration under a name, without what the server notes for itself.
fn own(config: &Json, name: &str) -> Json {
    let mut config = plain(config);
    if let Some(object) = config.as_object_mut() {
        object.insert("name".into(), json!(name));
    }
    config
}
