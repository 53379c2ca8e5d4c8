//! Headers and payload of a message that is published again.

use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};

use async_nats::HeaderMap;
use async_nats::header::HeaderName;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use bytes::Bytes;
use serde_json::Value as Json;

use crate::backup::error::BackupError;
use crate::backup::message::Message;

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
const INCREMENT: &str = "Nats-Incr";
const ORIGIN: &str = "Nats-Stream-Source";
const ROLLUP: &str = "Nats-Rollup";
const SCHEDULE: &str = "Nats-Schedule";
const TTL: &str = "Nats-TTL";

/// What is published.
pub(super) struct Content {
    pub(super) headers: HeaderMap,
    pub(super) payload: Bytes,
    pub(super) id: Option<String>,
}

/// Makes contents of messages, in their order.
pub(super) struct Contents {
    folder: PathBuf,
    /// What the stream lets messages ask for.
    ttl: bool,
    rollup: bool,
    schedules: bool,
    counts: bool,
    /// Whether it copies others, and can go on where the copied messages end.
    copies: bool,
    continues: bool,
    /// Subjects of which there was a message, where that matters.
    subjects: HashSet<String>,
    /// Value of each counter.
    counters: HashMap<String, i128>,
    first: bool,
    /// Messages whose headers are not what they were.
    pub(super) altered: u64,
}

impl Contents {
    pub(super) fn new(folder: &Path, config: &Json, continues: bool) -> Self {
        let on = |field: &str| config.get(field).and_then(Json::as_bool) == Some(true);
        let sources = config.get("sources").and_then(Json::as_array);
        Self {
            folder: folder.to_owned(),
            ttl: on("allow_msg_ttl"),
            rollup: on("allow_rollup_hdrs") && !on("deny_purge"),
            schedules: on("allow_msg_schedules"),
            counts: on("allow_msg_counter"),
            copies: sources.is_some_and(|sources| !sources.is_empty()),
            continues,
            subjects: HashSet::new(),
            counters: HashMap::new(),
            first: true,
            altered: 0,
        }
    }

    /// `None` for a message that comes again from where it was copied.
    pub(super) fn of(&mut self, message: &Message) -> Result<Option<Content>, BackupError> {
        let damaged = || BackupError::Damaged {
            path: self.folder.clone(),
            why: format!("message {} is not base64", message.seq),
        };
        let payload = BASE64.decode(&message.data).map_err(|_| damaged())?;
        let block = BASE64.decode(&message.hdrs).map_err(|_| damaged())?;
        let (lines, mut exact) = lines(&block);
        let has = |wanted: &str| lines.iter().any(|(name, _)| name == wanted);
        if self.copies && !self.continues && has(ORIGIN) {
            return Ok(None);
        }
        let scheduled = self.schedules && has(SCHEDULE);
        let alone = self.is_alone(message, &lines);
        let mut content = Content { headers: HeaderMap::new(), payload: payload.into(), id: None };
        for (name, value) in &lines {
            let keeps = match name.as_str() {
                ORIGIN => self.continues,
                TTL => self.ttl,
                ROLLUP => alone,
                INCREMENT if self.counts => true,
                name if name.starts_with(SCHEDULE) => scheduled,
                name => !ASKED.iter().any(|prefix| name.starts_with(prefix)),
            };
            if !keeps {
                continue;
            }
            let Ok(known) = name.parse::<HeaderName>() else {
                exact = false;
                continue;
            };
            if name == ID {
                content.id.get_or_insert_with(|| value.trim().to_owned());
            }
            if name == INCREMENT && self.counts {
                content.headers.insert(known, self.increment(message, &content.payload)?.as_str());
                content.payload = Bytes::new();
            } else {
                content.headers.append(known, value.as_str());
            }
        }
        self.altered += u64::from(!exact);
        Ok(Some(content))
    }

    /// Whether nothing is there yet that a message's rollup would take away, so that it may be asked
    /// for again.
    fn is_alone(&mut self, message: &Message, lines: &[(String, String)]) -> bool {
        let first = std::mem::take(&mut self.first);
        if !self.rollup {
            return false;
        }
        let new = self.subjects.insert(message.subject.clone());
        let rollup = lines.iter().find(|(name, _)| name == ROLLUP);
        rollup.is_some_and(|(_, what)| if what.trim() == "all" { first } else { new })
    }

    /// What a counter grows by to have the value that it had with this message. Those before it may be
    /// gone.
    fn increment(&mut self, message: &Message, payload: &[u8]) -> Result<String, BackupError> {
        let json: Json = serde_json::from_slice(payload).unwrap_or_default();
        let value = json.get("val").and_then(Json::as_str);
        let Some(value) = value.and_then(|value| value.parse::<i128>().ok()) else {
            let text = format!("message {} is a counter whose value cannot be read", message.seq);
            return Err(BackupError::Impossible(text));
        };
        let before = self.counters.insert(message.subject.clone(), value).unwrap_or_default();
        Ok(value.saturating_sub(before).to_string())
    }
}

/// Whether a message came from another stream.
pub(super) fn is_copied(message: &Message) -> bool {
    let block = BASE64.decode(&message.hdrs).unwrap_or_default();
    lines(&block).0.iter().any(|(name, _)| name == ORIGIN)
}

/// Names and values in a header block, and whether that is all that it holds.
fn lines(block: &[u8]) -> (Vec<(String, String)>, bool) {
    let text = String::from_utf8_lossy(block);
    let mut exact = matches!(text, std::borrow::Cow::Borrowed(_));
    let mut lines = Vec::new();
    for (index, line) in text.split("\r\n").enumerate() {
        if index == 0 || line.is_empty() {
            exact &= line.is_empty() || line == "NATS/1.0";
            continue;
        }
        let Some((name, value)) = line.split_once(':') else {
            exact = false;
            continue;
        };
        // What a client cannot send.
        let breaks = ['\r', '\n'];
        exact &= !value.contains(breaks);
        let value = value.strip_prefix(' ').unwrap_or(value).replace(breaks, " ");
        lines.push((name.to_owned(), value));
    }
    (lines, exact)
}
