//! Making a stream what a backup says: its definition, its consumers where they were, its messages.
//!
//! Messages are published again, so they have new sequences (without gaps) and times; consumers go on
//! behind what they had finished. What a header asked of the server when the message was stored is not
//! asked again. A message whose id was seen shortly before is published when the server has forgotten
//! that.

use std::collections::HashSet;
use std::path::Path;
use std::time::Duration;

use async_nats::HeaderMap;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use bytes::Bytes;
use futures_util::StreamExt as _;
use futures_util::stream::FuturesOrdered;
use serde_json::{Value as Json, json};
use watershed_topology::call::{CallError, Request, check};
use watershed_topology::observe::RESERVED;
use watershed_wire::jetstream::call::Call;

use super::format::{Backup, Message, each_message};
use super::{BackupError, Client};

/// Publishes on their way at once.
const WINDOW: usize = 256;

/// How long ids are remembered while messages are published: the shortest that a server takes.
const IDS_FOR: Duration = Duration::from_millis(100);

/// Prefixes of headers that asked for something when the message was stored.
const ASKED: [&str; 6] = [
    "Nats-Expected-",
    "Nats-Rollup",
    "Nats-Batch-",
    "Nats-Schedule",
    "Nats-Incr",
    "Nats-Required-",
];

const ID: &str = "Nats-Msg-Id";

/// What was restored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Restored {
    /// Messages.
    pub messages: u64,
    /// Consumers.
    pub consumers: usize,
}

impl Client {
    /// Restores the backup in `folder` as the stream `name`, telling how many messages are there.
    pub async fn restore(
        &self,
        folder: &Path,
        name: &str,
        progress: impl FnMut(u64),
    ) -> Result<Restored, BackupError> {
        let backup = Backup::open(folder)?;
        let there = self.call(&Request::bare(Call::StreamInfo(name))).await?;
        match check(&there) {
            Ok(()) => return Err(BackupError::Exists(name.to_owned())),
            Err(error) if error.is_absence() => {}
            Err(error) => return Err(error.into()),
        }
        let config = own(&backup.config, name);
        let copies = config.get("mirror").is_some_and(|mirror| !mirror.is_null())
            || config.get("sources").and_then(Json::as_array).is_some_and(|all| !all.is_empty());
        if copies {
            // Its messages come from elsewhere, and under subjects that are not its own.
            self.done(&Request::new(Call::StreamCreate(name), &config)).await?;
            let done = self.restore_consumers(name, &backup, |_| 0).await;
            self.keep_if(name, done).await?;
            return Ok(Restored { messages: 0, consumers: backup.consumers.len() });
        }
        // Until the messages are there: ids are forgotten soon, and nothing is sealed.
        let mut filling = config.clone();
        if let Some(object) = filling.as_object_mut() {
            object.insert("duplicate_window".into(), json!(u64::from(IDS_FOR.subsec_nanos())));
            object.remove("sealed");
        }
        self.done(&Request::new(Call::StreamCreate(name), &filling)).await?;
        let done = self.fill(folder, name, &backup, &config, progress).await;
        let messages = self.keep_if(name, done).await?;
        Ok(Restored { messages, consumers: backup.consumers.len() })
    }

    /// Deletes the stream that was to be restored, if it could not be: nothing half done stays behind.
    async fn keep_if<T>(&self, name: &str, done: Result<T, BackupError>) -> Result<T, BackupError> {
        if done.is_err() {
            let _ = self.done(&Request::bare(Call::StreamDelete(name))).await;
        }
        done
    }

    /// Fills a stream that was just created, and gives it its configuration.
    async fn fill(
        &self,
        folder: &Path,
        name: &str,
        backup: &Backup,
        config: &Json,
        progress: impl FnMut(u64),
    ) -> Result<u64, BackupError> {
        let mut sequences = Vec::new();
        each_message(folder, |message| {
            sequences.push(message.seq);
            Ok(())
        })?;
        let finished = |floor: u64| sequences.partition_point(|sequence| *sequence <= floor) as u64;
        // An interest stream keeps only what somebody wants. Elsewhere servers before 2.11 count from the
        // beginning for a consumer that begins behind the end.
        let first = config.get("retention").and_then(Json::as_str) == Some("interest");
        if first {
            self.restore_consumers(name, backup, finished).await?;
        }
        let messages = self.publish_all(folder, config, progress).await?;
        if !first {
            self.restore_consumers(name, backup, finished).await?;
        }
        self.done(&Request::new(Call::StreamUpdate(name), config)).await?;
        Ok(messages)
    }

    async fn done(&self, request: &Request) -> Result<(), CallError> {
        check(&self.call(request).await?)
    }

    /// Creates the consumers; `finished` says how many messages were stored up to a sequence.
    async fn restore_consumers(
        &self,
        stream: &str,
        backup: &Backup,
        finished: impl Fn(u64) -> u64,
    ) -> Result<(), BackupError> {
        for consumer in &backup.consumers {
            let mut config = plain(&consumer.config);
            let floor = finished(consumer.ack_floor.stream_seq);
            // What is in a work queue is what nobody has finished with.
            let queue = backup.config.get("retention").and_then(Json::as_str) == Some("workqueue");
            if let Some(object) = config.as_object_mut().filter(|_| !queue && floor > 0) {
                object.remove("opt_start_time");
                object.insert("deliver_policy".into(), json!("by_start_sequence"));
                object.insert("opt_start_seq".into(), json!(floor + 1));
            }
            let name = config.get("durable_name").and_then(Json::as_str).unwrap_or_default();
            let filter = config.get("filter_subject").and_then(Json::as_str);
            let filter = filter.filter(|filter| !filter.is_empty());
            let call = Call::ConsumerCreateNamed { stream, consumer: name, filter };
            let body = json!({"stream_name": stream, "config": config, "action": "create"});
            self.done(&Request::new(call, &body)).await?;
        }
        Ok(())
    }

    async fn publish_all(
        &self,
        folder: &Path,
        config: &Json,
        mut progress: impl FnMut(u64),
    ) -> Result<u64, BackupError> {
        let mut all = Vec::new();
        each_message(folder, |message| {
            all.push(message);
            Ok(())
        })?;
        let keeps_ttl = config.get("allow_msg_ttl").and_then(Json::as_bool) == Some(true);
        let (mut ids, mut count) = (HashSet::new(), 0);
        let mut waiting = FuturesOrdered::new();
        for message in &all {
            let (headers, payload) = content(message, folder, keeps_ttl)?;
            let id = headers.get(ID).map(|id| id.as_str().to_owned());
            let repeated = id.is_some_and(|id| !ids.insert(id));
            while waiting.len() >= WINDOW || (repeated && !waiting.is_empty()) {
                let Some(reply) = waiting.next().await else { break };
                let reply: Bytes = reply?;
                stored(&reply)?;
                count += 1;
                progress(count);
            }
            if repeated {
                tokio::time::sleep(IDS_FOR * 2).await;
                ids.clear();
            }
            waiting.push_back(self.publish_stored(&message.subject, headers, payload));
        }
        while let Some(reply) = waiting.next().await {
            let reply: Bytes = reply?;
            stored(&reply)?;
            count += 1;
        }
        progress(count);
        Ok(count)
    }
}

/// Whether a publish was stored, and not taken for a repeated one.
fn stored(reply: &[u8]) -> Result<(), BackupError> {
    let answer: Json = watershed_topology::call::answer(reply)?;
    if answer.get("duplicate").and_then(Json::as_bool) == Some(true) {
        let text = format!("a message was taken for one that was published twice: {answer}");
        return Err(BackupError::Impossible(text));
    }
    Ok(())
}

/// Headers and payload to publish.
fn content(
    message: &Message,
    folder: &Path,
    keeps_ttl: bool,
) -> Result<(HeaderMap, Bytes), BackupError> {
    let damaged = || BackupError::Damaged {
        path: folder.to_owned(),
        why: format!("message {} is not base64", message.seq),
    };
    let payload = BASE64.decode(&message.data).map_err(|_| damaged())?;
    let block = BASE64.decode(&message.hdrs).map_err(|_| damaged())?;
    let block = String::from_utf8_lossy(&block);
    let mut headers = HeaderMap::new();
    for line in block.split("\r\n").skip(1) {
        let Some((name, value)) = line.split_once(':') else { continue };
        let spent = ASKED.iter().any(|prefix| name.starts_with(prefix))
            || (name == "Nats-TTL" && !keeps_ttl);
        if !spent {
            headers.append(name, value.trim());
        }
    }
    Ok((headers, payload.into()))
}

/// A stream's configuration under a name, without what the server notes for itself.
fn own(config: &Json, name: &str) -> Json {
    let mut config = plain(config);
    if let Some(object) = config.as_object_mut() {
        object.insert("name".into(), json!(name));
    }
    config
}

fn plain(config: &Json) -> Json {
    let mut config = config.clone();
    if let Some(Json::Object(metadata)) = config.get_mut("metadata") {
        metadata.retain(|key, _| !key.starts_with(RESERVED));
    }
    config
}
