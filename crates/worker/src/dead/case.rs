//! Messages that were given up, each with all that a stream of dead letters has about it.

use std::collections::BTreeMap;

use bytes::Bytes;
use serde::Deserialize;
use thiserror::Error;
use watershed_client::stored::{self, Stored};
use watershed_client::{Client, HeaderMap};
use watershed_topology::call::{CallError, answer};
use watershed_topology::dead_letter::{letters, record};
use watershed_wire::subject::{is_literal, matches};
use watershed_wire::time::UnixNanos;

use super::record::Record;
use super::sweep::Origin;
use crate::letter::{Letter, Reason};

/// A message that was given up.
#[derive(Debug, Clone)]
pub struct Case {
    /// Stream of dead letters.
    pub kept_in: String,
    /// Sequence there, of the message itself if it is kept, else of the server's record. It names the
    /// case.
    pub id: u64,
    /// When it was given up.
    pub time: UnixNanos,
    /// The message, if it was kept.
    pub letter: Option<Letter>,
    /// What the server said.
    pub record: Option<Record>,
    /// Sequences of all that is there about it.
    all: Vec<u64>,
}

/// Which cases are meant. What is not said is any.
#[derive(Debug, Clone, Default)]
pub struct Selection {
    /// Stream that held the message.
    pub stream: Option<String>,
    /// Consumer that gave it up.
    pub consumer: Option<String>,
    /// Why.
    pub reason: Option<Reason>,
    /// Filter of its subject.
    pub subject: Option<String>,
    /// Given up at this time or later.
    pub since: Option<UnixNanos>,
    /// Given up before this time.
    pub until: Option<UnixNanos>,
}

/// Why a message was not sent again.
#[derive(Debug, Error)]
pub enum ReadError {
    /// The server was asked in vain.
    #[error(transparent)]
    Call(#[from] CallError),
    /// There is no message any more.
    #[error("the message is lost: it was gone from {stream} before it was kept")]
    Lost {
        /// Stream that held it.
        stream: String,
    },
    /// It would not get where it was.
    #[error("`{subject}` is not a subject of {stream}")]
    Elsewhere {
        /// Its subject.
        subject: String,
        /// Stream that held it.
        stream: String,
    },
}

impl Case {
    /// Stream that held the message.
    pub fn stream(&self) -> &str {
        let letter = self.letter.as_ref().map(|letter| &letter.stream);
        letter.or(self.record.as_ref().map(|record| &record.stream)).map_or("", String::as_str)
    }

    /// Consumer that gave it up.
    pub fn consumer(&self) -> &str {
        let letter = self.letter.as_ref().map(|letter| &letter.consumer);
        letter.or(self.record.as_ref().map(|record| &record.consumer)).map_or("", String::as_str)
    }

    /// Its sequence in the stream.
    pub fn sequence(&self) -> u64 {
        let letter = self.letter.as_ref().map(|letter| letter.sequence);
        letter.or(self.record.as_ref().map(|record| record.sequence)).unwrap_or_default()
    }

    /// How often it was delivered.
    pub fn deliveries(&self) -> u64 {
        let letter = self.letter.as_ref().map(|letter| letter.deliveries);
        letter.or(self.record.as_ref().map(|record| record.deliveries)).unwrap_or_default()
    }

    /// Why it was given up.
    pub fn reason(&self) -> Reason {
        let letter = self.letter.as_ref().map(|letter| letter.reason);
        letter.or(self.record.as_ref().map(Record::reason)).unwrap_or(Reason::MaxDeliver)
    }

    /// What was said about it.
    pub fn error(&self) -> &str {
        let letter = self.letter.as_ref().map(|letter| &letter.error);
        letter.or(self.record.as_ref().map(|record| &record.said)).map_or("", String::as_str)
    }

    /// Its subject, if that is known.
    pub fn subject(&self) -> Option<&str> {
        self.letter.as_ref()?.subject.as_deref()
    }

    /// The message itself: as it was kept, or as its stream still has it.
    pub async fn message(&self, client: &Client) -> Result<Option<Letter>, CallError> {
        match (&self.letter, &self.record) {
            (Some(letter), _) => Ok(Some(letter.clone())),
            (None, Some(record)) => Ok(Some(Origin::of(client, record, self.time).await?.letter)),
            (None, None) => Ok(None),
        }
    }

    /// Sends the message again, to its subject and into its stream, and takes it out of the dead
    /// letters when it is stored. Every consumer of that subject gets it. Its new sequence. The
    /// message id under which it is sent is this case's: a retry that was cut off stores nothing twice
    /// within the stream's window.
    pub async fn retry(&self, client: &Client) -> Result<u64, ReadError> {
        #[derive(Deserialize)]
        struct Acknowledged {
            seq: u64,
        }
        let lost = || ReadError::Lost { stream: self.stream().to_owned() };
        let (letter, origin) = match (&self.letter, &self.record) {
            (Some(letter), _) => (letter.clone(), None),
            (None, Some(record)) => {
                let origin = Origin::of(client, record, self.time).await?;
                (origin.letter.clone(), Some(origin))
            }
            (None, None) => return Err(lost()),
        };
        let (Some(subject), Some(body)) = (&letter.subject, &letter.body) else {
            return Err(lost());
        };
        // A dead letter says which subject it had, and whoever wrote it may have meant another than a
        // stream's: the API's, for one.
        let stores = is_literal(subject.as_bytes())
            && client.streams_of(subject).await?.contains(&letter.stream);
        if !stores {
            let (subject, stream) = (subject.clone(), letter.stream.clone());
            return Err(ReadError::Elsewhere { subject, stream });
        }
        let from = format!("{}/{}", self.kept_in, self.id);
        let mut headers: HeaderMap = letter.sent_again(&from);
        headers.insert("Nats-Expected-Stream", letter.stream.as_str());
        headers.insert("Nats-Msg-Id", format!("{}/{}", letter.kept_under(), self.id));
        let reply = client.publish_stored(subject, headers, body.clone()).await?;
        let stored: Acknowledged = answer(&reply)?;
        if let Some(origin) = origin {
            origin.take_out(client).await?;
        }
        self.remove(client).await?;
        Ok(stored.seq)
    }

    /// Deletes all that is there about it.
    pub async fn remove(&self, client: &Client) -> Result<(), CallError> {
        for sequence in &self.all {
            stored::delete(client, &self.kept_in, *sequence).await?;
        }
        Ok(())
    }
}

impl Selection {
    /// The filters of what may be about such a case.
    fn filters(&self) -> [String; 2] {
        let stream = self.stream.as_deref().unwrap_or("*");
        let consumer = self.consumer.as_deref().unwrap_or("*");
        [letters(stream, consumer), record("*", stream, consumer)]
    }

    fn takes(&self, case: &Case) -> bool {
        let subject = self.subject.as_ref().is_none_or(|filter| {
            case.subject().is_some_and(|own| matches(filter.as_bytes(), own.as_bytes()))
        });
        subject
            && self.reason.is_none_or(|reason| case.reason() == reason)
            && self.since.is_none_or(|since| case.time >= since)
            && self.until.is_none_or(|until| case.time < until)
    }
}

/// The cases in a stream of dead letters.
#[derive(Debug, Default)]
pub struct Cases {
    /// In the order in which they were given up.
    pub all: Vec<Case>,
    /// Whether there may be more than were looked for.
    pub more: bool,
}

impl Cases {
    /// The case that has this sequence in a stream of dead letters, if there is one.
    pub async fn one(client: &Client, kept_in: &str, id: u64) -> Result<Option<Case>, CallError> {
        let found = stored::at(client, kept_in, id).await?;
        let Some(found) = found.and_then(|message| case(kept_in, message)) else { return Ok(None) };
        let selection = Selection {
            stream: Some(found.stream().to_owned()),
            consumer: Some(found.consumer().to_owned()),
            ..Selection::default()
        };
        let near = Self::read(client, kept_in, &selection, usize::MAX).await?;
        Ok(near.all.into_iter().find(|case| case.all.contains(&id)))
    }

    /// Reads the cases in a stream that are meant, from at most `limit` messages there.
    pub async fn read(
        client: &Client,
        kept_in: &str,
        selection: &Selection,
        limit: usize,
    ) -> Result<Self, CallError> {
        // Of the messages that were kept when a stream was younger, records say nothing: they are put
        // to the newest one.
        let mut letters: Vec<Case> = Vec::new();
        let mut by_message: BTreeMap<(String, String, u64), usize> = BTreeMap::new();
        let (mut read, mut more) = (0, false);
        for filter in selection.filters() {
            let mut from = 1;
            while let Some(message) = stored::next(client, kept_in, from, &filter).await? {
                if read == limit {
                    more = true;
                    break;
                }
                read += 1;
                from = message.sequence + 1;
                let Some(case) = case(kept_in, message) else { continue };
                let key = (case.stream().to_owned(), case.consumer().to_owned(), case.sequence());
                match by_message.get(&key).and_then(|index| letters.get_mut(*index)) {
                    Some(known) if case.letter.is_none() => {
                        known.all.extend(case.all);
                        known.record = case.record;
                    }
                    _ => {
                        by_message.insert(key, letters.len());
                        letters.push(case);
                    }
                }
            }
        }
        letters.retain(|case| selection.takes(case));
        letters.sort_by_key(|case| case.id);
        Ok(Self { all: letters, more })
    }
}

pub(super) fn case(kept_in: &str, message: Stored) -> Option<Case> {
    let headers = message.header_map();
    let Stored { subject, sequence, time, payload, .. } = message;
    let letter = Letter::read(&subject, &headers, Bytes::clone(&payload));
    let record = Record::read(&subject, &payload);
    if letter.is_none() && record.is_none() {
        return None;
    }
    let kept_in = kept_in.to_owned();
    Some(Case { kept_in, id: sequence, time, letter, record, all: vec![sequence] })
}
