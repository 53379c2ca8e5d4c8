//! Dead letters: a message that was given up, with what became of it as headers.
//!
//! Headers of the message that mean something to a server (`Nats-…`) are kept under another name: a
//! dead letter is a message of its own, which expires, replaces and is deduplicated as its stream says.

use std::fmt::Display;
use std::str::FromStr;

use bytes::Bytes;
use watershed_client::HeaderMap;
use watershed_topology::dead_letter;
use watershed_wire::time::UnixNanos;

use crate::delivery::{Delivery, origin};
use crate::limits::WHY_MAX;

/// Why a message was given up: one of [`Reason`]'s words.
const REASON: &str = "Watershed-Reason";
/// What the worker or the server said about it.
const ERROR: &str = "Watershed-Error";
/// Stream that held the message.
const STREAM: &str = "Watershed-Stream";
/// Its subject there.
const SUBJECT: &str = "Watershed-Subject";
/// Its sequence there.
const SEQUENCE: &str = "Watershed-Sequence";
/// When it was stored there.
const TIME: &str = "Watershed-Time";
/// Consumer that gave it up.
const CONSUMER: &str = "Watershed-Consumer";
/// How often it was delivered.
const DELIVERIES: &str = "Watershed-Deliveries";
/// Whether the payload is the message's: `whole`, or `lost`.
const BODY: &str = "Watershed-Body";
/// Of a message that was sent again: the dead letter that it was, as STREAM/sequence.
pub const RETRY_OF: &str = "Watershed-Retry-Of";
/// Of a message that was sent again: which it was at first, as [`Delivery::origin`] says it.
pub const ORIGIN: &str = crate::delivery::ORIGIN;
/// What stands before the names of headers that meant something to the server.
const ORIGINAL: &str = "Watershed-Original-";

/// Headers of a dead letter itself. [`RETRY_OF`] and [`ORIGIN`] are not among them: they are the
/// message's.
const OWN: [&str; 9] = [REASON, ERROR, STREAM, SUBJECT, SEQUENCE, TIME, CONSUMER, DELIVERIES, BODY];

/// What headers begin with that mean something to a server.
const OF_SERVERS: &str = "nats-";

/// Why a message was given up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Reason {
    /// Its handler rejected it.
    Rejected,
    /// Its handler could not read it.
    Undecodable,
    /// It failed, or was not acknowledged, at its last delivery.
    MaxDeliver,
    /// Somebody else's worker terminated it.
    Terminated,
    /// It was deleted before it was acknowledged, as the server says: purged, or too old. nats-server that
    /// was killed says it of messages that were acknowledged just before, too.
    Deleted,
}

impl Reason {
    /// All of them.
    pub const ALL: [Self; 5] =
        [Self::Rejected, Self::Undecodable, Self::MaxDeliver, Self::Terminated, Self::Deleted];

    /// The word for it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Rejected => "rejected",
            Self::Undecodable => "undecodable",
            Self::MaxDeliver => "max_deliver",
            Self::Terminated => "terminated",
            Self::Deleted => "deleted",
        }
    }
}

impl Display for Reason {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.word())
    }
}

impl FromStr for Reason {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Self::ALL.into_iter().find(|one| one.word() == text).ok_or_else(|| {
            let all = Self::ALL.map(Self::word).join(", ");
            format!("unknown reason `{text}`: it is one of {all}")
        })
    }
}

/// A message that was given up.
#[derive(Debug, Clone)]
pub struct Letter {
    /// Why.
    pub reason: Reason,
    /// What was said about it.
    pub error: String,
    /// Stream that held it.
    pub stream: String,
    /// When that stream was created, nanoseconds since 1970.
    pub created: i64,
    /// Consumer that gave it up.
    pub consumer: String,
    /// Its sequence in the stream.
    pub sequence: u64,
    /// How often it was delivered.
    pub deliveries: u64,
    /// Its subject, if that is known.
    pub subject: Option<String>,
    /// When it was stored, if that is known.
    pub time: Option<UnixNanos>,
    /// Its headers.
    pub headers: HeaderMap,
    /// Its payload; `None` where the message was gone before it could be kept.
    pub body: Option<Bytes>,
}

impl Letter {
    /// The dead letter that a delivery becomes.
    pub fn of(delivery: &Delivery, reason: Reason, error: &str) -> Self {
        Self {
            reason,
            error: error.to_owned(),
            stream: delivery.stream.clone(),
            created: delivery.created,
            consumer: delivery.consumer.clone(),
            sequence: delivery.sequence,
            deliveries: delivery.deliveries,
            subject: Some(delivery.subject.clone()),
            time: Some(delivery.time),
            headers: delivery.headers.clone(),
            body: Some(delivery.payload.clone()),
        }
    }

    /// The subject that it is stored under.
    pub fn kept_under(&self) -> String {
        dead_letter::letter(&self.stream, &self.consumer, self.created, self.sequence)
    }

    /// The headers that it is stored with.
    pub fn kept_headers(&self) -> HeaderMap {
        let mut kept = HeaderMap::new();
        for (name, values) in self.headers.iter() {
            let name = name.to_string();
            if is_own(&name) {
                continue;
            }
            let name = if name.to_ascii_lowercase().starts_with(OF_SERVERS) {
                format!("{ORIGINAL}{name}")
            } else {
                name
            };
            for value in values {
                kept.append(name.as_str(), value.clone());
            }
        }
        kept.insert(REASON, self.reason.word());
        kept.insert(ERROR, line(&self.error));
        kept.insert(STREAM, line(&self.stream));
        kept.insert(CONSUMER, line(&self.consumer));
        kept.insert(SEQUENCE, self.sequence.to_string());
        kept.insert(DELIVERIES, self.deliveries.to_string());
        if let Some(subject) = &self.subject {
            kept.insert(SUBJECT, line(subject));
        }
        if let Some(time) = self.time {
            kept.insert(TIME, time.to_string());
        }
        kept.insert(BODY, if self.body.is_some() { "whole" } else { "lost" });
        kept
    }

    /// Reads a dead letter as it is stored. `None` for another message.
    pub fn read(kept_under: &str, headers: &HeaderMap, payload: Bytes) -> Option<Self> {
        // Whoever may publish there wrote them: they are shown to people.
        let text = |name: &str| headers.get(name).map(|value| line(value.as_str()));
        let rest = kept_under.strip_prefix(dead_letter::PREFIX)?.strip_prefix('.')?;
        let tokens: Vec<&str> = rest.split('.').collect();
        let [stream, consumer, created, sequence] = tokens.as_slice() else { return None };
        let (stream, consumer) = ((*stream).to_owned(), (*consumer).to_owned());
        let (created, sequence) = (created.parse().ok()?, sequence.parse().ok()?);
        let mut own = HeaderMap::new();
        for (name, values) in headers.iter() {
            let name = name.to_string();
            // What a server put there is about the dead letter.
            if is_own(&name) || name.to_ascii_lowercase().starts_with(OF_SERVERS) {
                continue;
            }
            let name = name.strip_prefix(ORIGINAL).map_or(name.clone(), str::to_owned);
            for value in values {
                own.append(name.as_str(), value.clone());
            }
        }
        Some(Self {
            reason: text(REASON)?.parse().ok()?,
            error: text(ERROR).unwrap_or_default(),
            stream,
            created,
            consumer,
            sequence,
            deliveries: text(DELIVERIES).and_then(|text| text.parse().ok()).unwrap_or_default(),
            subject: text(SUBJECT),
            time: text(TIME).and_then(|text| UnixNanos::parse(&text).ok()),
            headers: own,
            body: (text(BODY).as_deref() != Some("lost")).then_some(payload),
        })
    }

    /// The headers of the message when it is sent again: its own, but for those that mean something to
    /// a server, which took effect when it was sent first; and where it comes from.
    pub fn sent_again(&self, from: &str) -> HeaderMap {
        let mut sent = HeaderMap::new();
        for (name, values) in self.headers.iter() {
            let name = name.to_string();
            if !name.to_ascii_lowercase().starts_with(OF_SERVERS) {
                for value in values {
                    sent.append(name.as_str(), value.clone());
                }
            }
        }
        sent.insert(RETRY_OF, line(from));
        if sent.get(ORIGIN).is_none() {
            sent.insert(ORIGIN, origin(&self.stream, self.created, self.sequence));
        }
        sent
    }
}

fn is_own(name: &str) -> bool {
    OWN.iter().any(|own| own.eq_ignore_ascii_case(name))
}

/// A text as a header may hold it: one line, and not too long.
pub(crate) fn line(text: &str) -> String {
    let plain = text.split(|c: char| c.is_control()).filter(|part| !part.is_empty());
    let mut line = String::new();
    for part in plain {
        if !line.is_empty() {
            line.push(' ');
        }
        line.push_str(part);
    }
    let end = (0..=WHY_MAX.min(line.len())).rev().find(|end| line.is_char_boundary(*end));
    line.truncate(end.unwrap_or_default());
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    fn letter() -> Letter {
        let mut headers = HeaderMap::new();
        for (name, value) in [
            ("Nats-Msg-Id", "order-7"),
            ("Nats-Rollup", "all"),
            ("Trace", "a"),
            ("Trace", "b"),
            (RETRY_OF, "DEAD/3"),
            (REASON, "of another life"),
        ] {
            headers.append(name, value);
        }
        Letter {
            reason: Reason::Rejected,
            error: "no such\r\nX-Evil: customer".into(),
            stream: "ORDERS".into(),
            created: 5,
            consumer: "billing".into(),
            sequence: 7,
            deliveries: 2,
            subject: Some("orders.eu.paid".into()),
            time: Some(UnixNanos(1_700_000_000_000_000_000)),
            headers,
            body: Some(Bytes::from_static(b"{}")),
        }
    }

    fn shown(headers: &HeaderMap) -> String {
        let mut lines: Vec<String> = headers
            .iter()
            .flat_map(|(name, values)| values.iter().map(move |value| format!("{name}: {value}")))
            .collect();
        lines.sort();
        lines.join("\n")
    }

    #[test]
    fn a_letter_is_kept_with_what_became_of_it_and_read_again() {
        let letter = letter();
        assert_eq!(letter.kept_under(), "dead.ORDERS.billing.5.7");
        insta::assert_snapshot!(shown(&letter.kept_headers()), @r"
        Trace: a
        Trace: b
        Watershed-Body: whole
        Watershed-Consumer: billing
        Watershed-Deliveries: 2
        Watershed-Error: no such X-Evil: customer
        Watershed-Original-Nats-Msg-Id: order-7
        Watershed-Original-Nats-Rollup: all
        Watershed-Reason: rejected
        Watershed-Retry-Of: DEAD/3
        Watershed-Sequence: 7
        Watershed-Stream: ORDERS
        Watershed-Subject: orders.eu.paid
        Watershed-Time: 2023-11-14T22:13:20Z
        ");
        let read = |letter: &Letter| {
            let body = letter.body.clone().unwrap_or_default();
            Letter::read(&letter.kept_under(), &letter.kept_headers(), body).unwrap()
        };
        let back = read(&letter);
        assert_eq!(shown(&back.kept_headers()), shown(&letter.kept_headers()));
        assert_eq!(back.body, letter.body);
        let lost = Letter { body: None, ..letter };
        assert_eq!(read(&lost).body, None);
    }

    #[test]
    fn what_is_sent_again_says_nothing_to_the_server_that_it_said_before() {
        insta::assert_snapshot!(shown(&letter().sent_again("DEAD/9")), @r"
        Trace: a
        Trace: b
        Watershed-Origin: ORDERS.5.7
        Watershed-Reason: of another life
        Watershed-Retry-Of: DEAD/9
        ");
    }

    #[test]
    fn other_messages_are_no_letters() {
        let kept = letter().kept_headers();
        let read = |subject: &str, headers: &HeaderMap| {
            Letter::read(subject, headers, Bytes::new()).is_some()
        };
        assert!(read("dead.A.b.1.2", &kept));
        for other in ["dead.A.b.1", "dead.A.b.1.2.3", "dead.A.b.x.2", "dead", "a.dead.A.b.1.2", ""]
        {
            assert!(!read(other, &kept), "{other}");
        }
        assert!(!read("dead.A.b.1.2", &HeaderMap::new()));
    }

    #[test]
    fn texts_are_one_line_and_bounded() {
        assert_eq!(line("a\r\n\tb\0c"), "a b c");
        assert_eq!(line(&"é".repeat(WHY_MAX)).len(), WHY_MAX);
        assert_eq!(line("\n"), "");
    }
}
