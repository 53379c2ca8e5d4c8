//! Dead letters of other people's workers: where the server has said that a message was given up and
//! nobody has kept it, it is fetched from its stream and kept.

use std::collections::BTreeMap;

use watershed_client::{Client, stored};
use watershed_topology::call::{CallError, Request, answer};
use watershed_topology::dead_letter::{letter, record};
use watershed_wire::jetstream::call::Call;
use watershed_wire::jetstream::stream::{Retention, StreamInfo};
use watershed_wire::time::UnixNanos;

use super::record::Record;
use crate::keep::{KeepError, keep};
use crate::letter::{Letter, Reason};

/// Goes through the records in a stream that keeps dead letters.
#[derive(Debug)]
pub struct Sweep<'a> {
    client: &'a Client,
    stream: &'a str,
    /// The first sequence that was not looked at.
    next: u64,
}

/// What became of a record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Swept {
    /// Its message was kept before.
    WasKept,
    /// Its message is kept now.
    Kept,
    /// Its message is gone: what is known of it is kept.
    Lost,
    /// Its message is there and cannot be kept, for this reason.
    NotKept(String),
    /// Its message was deleted, and nobody gave it up: there is nothing to keep.
    Deleted,
    /// No stream keeps dead letters of that consumer, or another one does.
    Elsewhere,
}

impl<'a> Sweep<'a> {
    /// Of this stream, from its beginning.
    pub fn of(client: &'a Client, stream: &'a str) -> Self {
        Self { client, stream, next: 1 }
    }

    /// Deals with the next record. `None` when there is none for now.
    pub async fn next(&mut self) -> Result<Option<(Record, Swept)>, CallError> {
        let filter = record("*", "*", "*");
        loop {
            let found = stored::next(self.client, self.stream, self.next, &filter).await?;
            let Some(message) = found else { return Ok(None) };
            let after = message.sequence + 1;
            let Some(record) = Record::read(&message.subject, &message.payload) else {
                self.next = after;
                continue;
            };
            let swept = self.sweep(&record, message.time).await?;
            self.next = after;
            return Ok(Some((record, swept)));
        }
    }

    async fn sweep(&self, record: &Record, said: UnixNanos) -> Result<Swept, CallError> {
        if record.is_kept() {
            return Ok(Swept::WasKept);
        }
        if record.reason() == Reason::Deleted {
            return Ok(Swept::Deleted);
        }
        let under = letter(&record.stream, &record.consumer, 0, 0);
        if self.client.stream_of(&under).await?.as_deref() != Some(self.stream) {
            return Ok(Swept::Elsewhere);
        }
        let found = Origin::of(self.client, record, said).await?;
        let is_whole = found.letter.body.is_some();
        let there = stored::last(self.client, self.stream, &found.letter.kept_under()).await?;
        if there.is_some() {
            return Ok(Swept::WasKept);
        }
        match keep(self.client, self.stream, &found.letter).await {
            Ok(_) => {}
            Err(KeepError::Call(error)) => return Err(error),
            Err(problem @ (KeepError::TooLarge { .. } | KeepError::NotTaken(_))) => {
                return Ok(Swept::NotKept(problem.to_string()));
            }
        }
        if !is_whole {
            return Ok(Swept::Lost);
        }
        found.take_out(self.client).await?;
        Ok(Swept::Kept)
    }
}

/// A message that was given up, as its stream still has it.
#[derive(Debug)]
pub(super) struct Origin {
    /// It as a dead letter.
    pub(super) letter: Letter,
    /// Whether it lies in a work queue, where nobody takes it any more.
    stranded: bool,
}

impl Origin {
    /// The message that a record of the time `said` is about.
    pub(super) async fn of(
        client: &Client,
        record: &Record,
        said: UnixNanos,
    ) -> Result<Self, CallError> {
        let mut letter = Letter {
            reason: record.reason(),
            error: record.said.clone(),
            stream: record.stream.clone(),
            created: 0,
            consumer: record.consumer.clone(),
            sequence: record.sequence,
            deliveries: record.deliveries,
            subject: None,
            time: None,
            headers: watershed_client::HeaderMap::new(),
            body: None,
        };
        let reply = client.call(&Request::bare(Call::StreamInfo(&record.stream))).await?;
        let info: StreamInfo = match answer(&reply) {
            Ok(info) => info,
            Err(error) if error.is_absence() => return Ok(Self { letter, stranded: false }),
            Err(error) => return Err(error),
        };
        // A stream that was made anew since then has another message there.
        if info.created > said {
            return Ok(Self { letter, stranded: false });
        }
        letter.created = info.created.0;
        if let Some(message) = stored::at(client, &record.stream, record.sequence).await? {
            letter.headers = message.header_map();
            letter.subject = Some(message.subject);
            letter.time = Some(message.time);
            letter.body = Some(message.payload);
        }
        let queue = info.config.retention == Retention::WorkQueue;
        let stranded = queue && letter.body.is_some() && letter.reason == Reason::MaxDeliver;
        Ok(Self { letter, stranded })
    }

    /// Takes it out of its work queue, once it is kept elsewhere.
    pub(super) async fn take_out(&self, client: &Client) -> Result<(), CallError> {
        if self.stranded {
            stored::delete(client, &self.letter.stream, self.letter.sequence).await?;
        }
        Ok(())
    }
}

impl Swept {
    /// The word for it.
    pub fn word(&self) -> &'static str {
        match self {
            Self::WasKept => "kept before",
            Self::Kept => "kept",
            Self::Lost => "lost",
            Self::NotKept(_) => "not kept",
            Self::Deleted => "deleted",
            Self::Elsewhere => "kept elsewhere",
        }
    }

    /// How many records came to what, in words.
    pub fn summary(counts: &BTreeMap<&'static str, u64>) -> String {
        let all: Vec<String> =
            counts.iter().map(|(what, number)| format!("{number} {what}")).collect();
        if all.is_empty() { "nothing was given up".into() } else { all.join(", ") }
    }
}
