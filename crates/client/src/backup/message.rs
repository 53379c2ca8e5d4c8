//! A message as it stands in a backup.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde::{Deserialize, Serialize};

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
}
