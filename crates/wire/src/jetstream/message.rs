//! Reading and deleting single messages.

use serde::{Deserialize, Serialize};

use super::stream::{is_zero, is_zero_u64};
use crate::time::UnixNanos;

/// Body of `STREAM.MSG.GET` and `DIRECT.GET`. What it means, [`one`](GetRequest::one) and
/// [`direct`](GetRequest::direct) say.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct GetRequest {
    /// Sequence to read, or to start at.
    #[serde(skip_serializing_if = "is_zero_u64")]
    pub seq: u64,
    /// The last message of this subject.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub last_by_subj: String,
    /// The first message of this subject at or after `seq` or `start_time`.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub next_by_subj: String,
    /// Direct only: how many messages.
    #[serde(skip_serializing_if = "is_zero")]
    pub batch: i64,
    /// Direct only: at most this many bytes.
    #[serde(skip_serializing_if = "is_zero")]
    pub max_bytes: i64,
    /// The first message stored at this time or later; Go's zero time is before all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub start_time: Option<UnixNanos>,
    /// Direct only: the last message of each of these subjects.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub multi_last: Vec<String>,
    /// With `multi_last`: as of this sequence.
    #[serde(skip_serializing_if = "is_zero_u64")]
    pub up_to_seq: u64,
    /// With `multi_last`: as of this time.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub up_to_time: Option<UnixNanos>,
    /// Whether the stored header block is left out.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub no_hdr: bool,
}

/// A message that a get asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wanted<'a> {
    /// The one with this sequence.
    Sequence(u64),
    /// The last one that this filter takes. It may be none: then there is no such message.
    Last(&'a str),
    /// The first one that the filter takes, at or after this sequence.
    Next {
        /// Lowest sequence, at least 1.
        from: u64,
        /// The filter. It may be none: then there is no such message.
        filter: &'a str,
    },
    /// The first one that the filter takes, stored at this time or later.
    Since {
        /// Earliest time.
        from: UnixNanos,
        /// The filter, if not every message will do.
        filter: Option<&'a str>,
    },
}

/// What a direct get asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direct<'a> {
    /// One message.
    One(Wanted<'a>),
    /// This message and those behind it that the same filter takes, `batch` of them at most: none if
    /// that is negative (ADR-31).
    Batch(Wanted<'a>),
    /// The last message of each subject that `multi_last` takes (ADR-31).
    Lasts,
}

/// Why a direct get is refused, as the text of a status 408.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum DirectError {
    /// It is not JSON, or a value is of another kind.
    #[error("Malformed Request")]
    Malformed,
    /// It asks for nothing.
    #[error("Empty Request")]
    Empty,
    /// It asks for several things.
    #[error("Bad Request")]
    Bad,
}

impl GetRequest {
    /// The one message that `STREAM.MSG.GET` asks for. `None` is a bad request (10003).
    pub fn one(&self) -> Option<Wanted<'_>> {
        if self.batch > 0 || self.max_bytes > 0 { None } else { self.wanted() }
    }

    /// Parses the body of `DIRECT.GET.<stream>`. Fields that are not known are ignored, other than
    /// in the rest of the API.
    pub fn parse_direct(body: &[u8]) -> Result<Self, DirectError> {
        if body.is_empty() {
            return Ok(Self::default());
        }
        super::json::object(body).map_err(|_| DirectError::Malformed)
    }

    /// Parses the body of `DIRECT.GET.<stream>.<subject>`.
    pub fn parse_direct_last(body: &[u8], subject: &str) -> Result<Self, DirectError> {
        Ok(Self { last_by_subj: subject.to_owned(), ..Self::parse_direct(body)? })
    }

    /// What a direct get asks for.
    pub fn direct(&self) -> Result<Direct<'_>, DirectError> {
        let by_subject = !self.last_by_subj.is_empty() || !self.next_by_subj.is_empty();
        if !self.multi_last.is_empty() {
            let two_ends = self.up_to_seq > 0 && self.up_to_time.is_some();
            return if by_subject || two_ends { Err(DirectError::Bad) } else { Ok(Direct::Lasts) };
        }
        if self.seq == 0 && self.start_time.is_none() && !by_subject {
            return Err(DirectError::Empty);
        }
        let wanted = self.wanted().ok_or(DirectError::Bad)?;
        match wanted {
            _ if self.batch == 0 => Ok(Direct::One(wanted)),
            Wanted::Last(_) => Err(DirectError::Bad),
            _ => Ok(Direct::Batch(wanted)),
        }
    }

    fn wanted(&self) -> Option<Wanted<'_>> {
        let text = |text: &'_ str| !text.is_empty();
        let (last, next) = (text(&self.last_by_subj), text(&self.next_by_subj));
        match (self.seq, self.start_time) {
            (1.., Some(_)) => None,
            (0, None) if last && !next => Some(Wanted::Last(&self.last_by_subj)),
            _ if last => None,
            (0, Some(from)) => {
                let filter = next.then_some(self.next_by_subj.as_str());
                Some(Wanted::Since { from, filter })
            }
            (seq, None) if next => {
                Some(Wanted::Next { from: seq.max(1), filter: &self.next_by_subj })
            }
            (0, None) => None,
            (seq, None) => Some(Wanted::Sequence(seq)),
        }
    }
}

/// A stored message in a reply; header block and payload in base64.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct StoredMessage {
    /// Subject.
    pub subject: String,
    /// Sequence.
    pub seq: u64,
    /// Header block.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub hdrs: String,
    /// Payload.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub data: String,
    /// When it was stored.
    pub time: UnixNanos,
}

/// Body of `STREAM.MSG.DELETE`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct DeleteRequest {
    /// Sequence to delete.
    pub seq: u64,
    /// Whether the bytes may stay on disk.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub no_erase: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    const T: UnixNanos = UnixNanos(1_767_225_600_000_000_000);

    fn shown(wanted: Wanted<'_>) -> String {
        match wanted {
            Wanted::Sequence(sequence) => format!("sequence {sequence}"),
            Wanted::Last(filter) => format!("last {filter}"),
            Wanted::Next { from, filter } => format!("next {from} {filter}"),
            Wanted::Since { from, filter } => {
                let from = if from == T { "T".to_owned() } else { from.0.to_string() };
                format!("since {from} {}", filter.unwrap_or("-"))
            }
        }
    }

    /// What `STREAM.MSG.GET` and `DIRECT.GET` take a body for; the errors are nats-server 2.14.6's.
    #[track_caller]
    fn check(body: &str, api: &str, direct: &str) {
        let body = body.replace('T', "2026-01-01T00:00:00Z");
        let got = match super::super::json::decode::<GetRequest>(body.as_bytes()) {
            Ok(request) => request.one().map_or("10003".into(), shown),
            Err(error) => error.err_code.to_string(),
        };
        assert_eq!(got, api, "{body}");
        let request = GetRequest::parse_direct(body.as_bytes());
        let got = match request.as_ref().map_err(|error| *error).and_then(GetRequest::direct) {
            Ok(Direct::One(wanted)) => shown(wanted),
            Ok(Direct::Batch(wanted)) => format!("batch {}", shown(wanted)),
            Ok(Direct::Lasts) => "lasts".into(),
            Err(error) => error.to_string(),
        };
        assert_eq!(got, direct, "{body}");
    }

    #[test]
    fn gets_mean_what_they_mean_to_nats_server() {
        let (empty, bad, malformed) = ("Empty Request", "Bad Request", "Malformed Request");
        let both = |body: &str, wanted: &str| check(body, wanted, wanted);
        check("{}", "10003", empty);
        for body in ["{", "x", "[]", r#"{"seq":-1}"#, r#"{"seq":1.5}"#, r#"{"seq":"1"}"#] {
            check(body, "10025", malformed);
        }
        for body in [r#"{"seq":1e2}"#, r#"{"seq":1e400}"#, r#"{"seq":18446744073709551616}"#] {
            check(body, "10025", malformed);
        }
        for body in [r#"{"start_time":"x"}"#, r#"{"start_time":5}"#, r#"{"start_time":""}"#] {
            check(body, "10025", malformed);
        }
        both(r#"{"seq":3}"#, "sequence 3");
        both(r#"{"seq":18446744073709551615}"#, "sequence 18446744073709551615");
        check(r#"{"seq":0}"#, "10003", empty);
        both(r#"{"start_time":"T"}"#, "since T -");
        both(r#"{"start_time":"0001-01-01t00:00:00Z"}"#, "since 0 -");
        both(r#"{"start_time":null,"seq":2}"#, "sequence 2");
        check(r#"{"start_time":null}"#, "10003", empty);
        both(r#"{"start_time":"9999-01-01t00:00:00Z"}"#, "since 9223372036854775807 -");
        both(r#"{"start_time":"T","next_by_subj":"s.b"}"#, "since T s.b");
        both(r#"{"next_by_subj":"s.a"}"#, "next 1 s.a");
        both(r#"{"next_by_subj":"s.a","seq":2}"#, "next 2 s.a");
        both(r#"{"last_by_subj":"s.>"}"#, "last s.>");
        both(r#"{"seq":1,"next_by_subj":""}"#, "sequence 1");
        both(r#"{"seq":5,"no_hdr":true}"#, "sequence 5");
        for body in [
            r#"{"start_time":"T","seq":1}"#,
            r#"{"start_time":"0001-01-01t00:00:00Z","seq":2}"#,
            r#"{"next_by_subj":"s.a","seq":1,"start_time":"T"}"#,
            r#"{"start_time":"T","last_by_subj":"s.a"}"#,
            r#"{"last_by_subj":"s.a","seq":1}"#,
            r#"{"last_by_subj":"s.a","next_by_subj":"s.a"}"#,
        ] {
            check(body, "10003", bad);
        }
        for body in
            [r#"{"no_hdr":true}"#, r#"{"batch":-1}"#, r#"{"batch":2}"#, r#"{"max_bytes":5}"#]
        {
            check(body, "10003", empty);
        }
        for body in [r#"{"up_to_seq":2}"#, r#"{"up_to_time":"T"}"#, r#"{"multi_last":[]}"#] {
            check(body, "10003", empty);
        }
        check(r#"{"foo":1,"seq":1}"#, "10025", "sequence 1");
        both(r#"{"max_bytes":-1,"seq":1}"#, "sequence 1");
        both(r#"{"up_to_seq":2,"seq":1}"#, "sequence 1");
        check(r#"{"max_bytes":5,"seq":1}"#, "10003", "sequence 1");
        check(r#"{"batch":-1,"seq":1}"#, "sequence 1", "batch sequence 1");
        check(r#"{"batch":1,"seq":4}"#, "10003", "batch sequence 4");
        check(r#"{"batch":2,"start_time":"T"}"#, "10003", "batch since T -");
        check(r#"{"batch":2,"start_time":"T","next_by_subj":"s.>"}"#, "10003", "batch since T s.>");
        check(r#"{"batch":2,"last_by_subj":"s.a"}"#, "10003", bad);
        check(r#"{"multi_last":["s.a"]}"#, "10003", "lasts");
        check(r#"{"multi_last":["s.a"],"seq":1}"#, "sequence 1", "lasts");
        check(r#"{"multi_last":["s.a"],"up_to_seq":2}"#, "10003", "lasts");
        check(r#"{"multi_last":["s.a"],"up_to_time":"T"}"#, "10003", "lasts");
        check(r#"{"multi_last":["s.a"],"up_to_time":"T","up_to_seq":1}"#, "10003", bad);
        check(r#"{"multi_last":["s.a"],"last_by_subj":"s.b"}"#, "last s.b", bad);
        check(r#"{"multi_last":["s.a"],"next_by_subj":"s.b"}"#, "next 1 s.b", bad);
    }

    #[test]
    fn the_subject_of_a_direct_get_is_its_filter() {
        let get = |body: &str| {
            let request = GetRequest::parse_direct_last(body.as_bytes(), "s.a")?;
            request.direct().map(|direct| assert_eq!(direct, Direct::One(Wanted::Last("s.a"))))
        };
        assert_eq!(get(""), Ok(()));
        assert_eq!(get(r#"{"no_hdr":true}"#), Ok(()));
        assert_eq!(get(r#"{"seq":1}"#), Err(DirectError::Bad));
        assert_eq!(get("{"), Err(DirectError::Malformed));
        assert_eq!(GetRequest::parse_direct(b"").unwrap().direct(), Err(DirectError::Empty));
    }
}
