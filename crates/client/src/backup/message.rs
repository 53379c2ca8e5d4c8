//! A message as it stands in a backup.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde::{Deserialize, Serialize};
use watershed_wire::header::HeaderBlock;
use watershed_wire::jetstream::publish::{MSG_ID, STREAM_SOURCE};

/// How the headers begin by which a publisher says what it expects of a stream.
pub(crate) const EXPECTATION: &str = "Nats-Expected-";

/// A message of a stream, as the server gives it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Message {
    pub(crate) subject: String,
    pub(crate) seq: u64,
    /// Header block, base64.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub(super) hdrs: String,
    /// Payload, base64.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub(super) data: String,
    pub(super) time: String,
}

impl Message {
    /// About its bytes in a file.
    pub(crate) fn size(&self) -> u64 {
        (self.subject.len() + self.hdrs.len() + self.data.len()) as u64
    }

    /// Whether both are the same, except for what their publisher expected of the stream.
    pub(crate) fn is_like(&self, other: &Self) -> bool {
        let rest = |one: &Self| (one.subject.clone(), one.seq, one.data.clone(), one.time.clone());
        let same = self.hdrs == other.hdrs || lasting(&self.hdrs) == lasting(&other.hdrs);
        same && rest(self) == rest(other)
    }
}

impl Message {
    /// Its message id.
    pub(crate) fn id(&self) -> Option<String> {
        self.header(MSG_ID)
    }

    /// Its sequence in the stream `origin`, if a source has copied it from there.
    pub(crate) fn sequence_in(&self, origin: &str) -> Option<u64> {
        let header = self.header(STREAM_SOURCE)?;
        let mut words = header.split(' ');
        words.next().filter(|name| *name == origin)?;
        words.next()?.parse().ok()
    }

    /// Whether a source has made it of that one: subject, payload and headers are the same, but for what says where it
    /// was.
    pub(crate) fn is_copy_of(&self, origin: &Self) -> bool {
        let own = |one: &Self| {
            let mut lines = lasting(&one.hdrs)?;
            lines.retain(|line| !line.starts_with(STREAM_SOURCE.as_bytes()));
            Some(lines)
        };
        (&self.subject, &self.data) == (&origin.subject, &origin.data) && own(self) == own(origin)
    }

    fn header(&self, name: &str) -> Option<String> {
        let block = BASE64.decode(&self.hdrs).ok()?;
        let value = HeaderBlock(&block).value(name)?;
        Some(String::from_utf8_lossy(value).into_owned())
    }
}

/// The lines of a header block in base64 that go on meaning something once the message is stored.
fn lasting(block: &str) -> Option<Vec<Vec<u8>>> {
    let block = BASE64.decode(block).ok()?;
    let lines = block.split(|byte| *byte == b'\n').skip(1).map(<[u8]>::trim_ascii);
    let lasting =
        lines.filter(|line| !line.is_empty() && !line.starts_with(EXPECTATION.as_bytes()));
    Some(lasting.map(<[u8]>::to_vec).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_alike_whatever_their_publisher_expected() {
        let message = |block: &str, time: &str| Message {
            subject: "s".into(),
            seq: 1,
            hdrs: BASE64.encode(block),
            data: String::new(),
            time: time.into(),
        };
        let check = |one: &str, other: &str, expected: bool| {
            assert_eq!(
                message(one, "t").is_like(&message(other, "t")),
                expected,
                "{one:?} {other:?}"
            );
            assert!(!message(one, "t").is_like(&message(one, "u")));
        };
        let asked = "NATS/1.0\r\nNats-Expected-Last-Subject-Sequence: 2\r\nA: b\r\n\r\n";
        check(asked, "NATS/1.0\r\nA: b\r\n\r\n", true);
        check(asked, "NATS/1.0\r\n\r\n", false);
        check("NATS/1.0\r\nNats-Expected-Stream: S\r\n\r\n", "", true);
        check("NATS/1.0\r\nA: b\r\n\r\n", "NATS/1.0\r\nA: c\r\n\r\n", false);
    }

    #[test]
    fn a_source_says_what_it_has_copied() {
        let message = |block: &str, seq: u64| Message {
            subject: "s".into(),
            seq,
            hdrs: BASE64.encode(block),
            data: String::new(),
            time: seq.to_string(),
        };
        let origin = message("NATS/1.0\r\nNats-Msg-Id: a\r\nNats-Expected-Stream: S\r\n\r\n", 7);
        let copy = message("NATS/1.0\r\nNats-Msg-Id: a\r\nNats-Stream-Source: S 7 > >\r\n\r\n", 3);
        assert!(copy.is_copy_of(&origin));
        assert!(!message("NATS/1.0\r\nNats-Msg-Id: b\r\n\r\n", 3).is_copy_of(&origin));
        assert_eq!((copy.sequence_in("S"), copy.sequence_in("T")), (Some(7), None));
        assert_eq!((copy.id().as_deref(), message("", 1).id()), (Some("a"), None));
        assert!(
            message("NATS/1.0\r\nNats-Stream-Source: S 7 > >\r\n\r\n", 1)
                .is_copy_of(&message("", 2))
        );
    }
}
