//! Fast batches (ADR-50): what the reply subject of a message says of its batch, and what a server answers.
//!
//! `<prefix>.<id>.<flow>.<gap>.<number>.<operation>.$FI`

use serde::Serialize;

use super::error::{ApiError, table};

/// The last token of a reply subject that says these things.
const SUFFIX: &[u8] = b".$FI";

/// How often a client is acknowledged that does not say how often it wants to be.
const FLOW_DEFAULT: u64 = 10;

/// What becomes of a batch of which messages are missing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Gap {
    /// It goes on.
    Ok,
    /// It ends.
    Fail,
}

/// What a message is to its batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operation {
    /// Begins it, and is stored.
    Start,
    /// Is stored.
    Append,
    /// Ends it, and is stored.
    Commit,
    /// Ends it, and is not stored.
    End,
    /// Asks for the last acknowledgement, and is not stored.
    Ping,
}

/// What a message says of its batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Part<'a> {
    /// Id of the batch.
    pub id: &'a [u8],
    /// In messages, how often the client wants to be acknowledged at most.
    pub flow: u64,
    /// What becomes of it without some of its messages.
    pub gap: Gap,
    /// Which message it is, from 1 on; of a ping, which message was the last.
    pub number: u64,
    /// What it is to the batch.
    pub operation: Operation,
}

/// Whether a reply subject says what a message is to a fast batch, right or wrong.
pub fn is_fast(reply: &[u8]) -> bool {
    reply.ends_with(SUFFIX)
}

impl<'a> Part<'a> {
    /// Reads a reply subject.
    ///
    /// # Errors
    ///
    /// Where it is not one that a client may use.
    pub fn read(reply: &'a [u8]) -> Result<Self, ApiError> {
        Self::parse(reply).ok_or(table::BATCH_PUBLISH_INVALID_PATTERN.into())
    }

    fn parse(reply: &'a [u8]) -> Option<Self> {
        let mut tokens = reply.strip_suffix(SUFFIX)?.rsplitn(6, |byte| *byte == b'.');
        let operation = number(tokens.next()?)?;
        let number_of = number(tokens.next()?)?;
        let gap = match tokens.next()? {
            b"ok" => Gap::Ok,
            b"fail" => Gap::Fail,
            _ => return None,
        };
        let flow = number(tokens.next()?).filter(|flow| *flow > 0).unwrap_or(FLOW_DEFAULT);
        let id = tokens.next().filter(|id| !id.is_empty())?;
        tokens.next()?;
        let operation = match (operation, number_of) {
            (_, 0) => return None,
            (0, 1) => Operation::Start,
            (1, 2..) => Operation::Append,
            (2, _) => Operation::Commit,
            (3, 2..) => Operation::End,
            (4, _) => Operation::Ping,
            _ => return None,
        };
        Some(Self { id, flow, gap, number: number_of, operation })
    }

    /// Whether a batch may begin with it.
    pub fn is_first(&self) -> bool {
        self.number == 1 && matches!(self.operation, Operation::Start | Operation::Commit)
    }
}

fn number(token: &[u8]) -> Option<u64> {
    let digits = !token.is_empty() && token.iter().all(u8::is_ascii_digit);
    // More than 64 bits are as good as the most that there is.
    digits.then(|| std::str::from_utf8(token).ok()?.parse().ok().or(Some(u64::MAX))).flatten()
}

/// What a server says while a batch goes on.
#[derive(Debug, Clone, Serialize)]
#[serde(tag = "type", rename_all = "lowercase")]
pub enum Told {
    /// Messages up to one are stored, but for those that were missing or in error.
    Ack {
        /// The number of that message.
        seq: u64,
        /// The next acknowledgement comes so many messages later.
        msgs: u64,
    },
    /// Messages are missing.
    Gap {
        /// The first that is.
        last_seq: u64,
        /// The message that came instead.
        seq: u64,
    },
    /// A message is not stored.
    Err {
        /// Its number.
        seq: u64,
        /// Why.
        error: ApiError,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reply_subjects() {
        for (reply, expected) in [
            ("p.a.5.fail.1.0.$FI", Some(("a", 5, Gap::Fail, 1, Operation::Start))),
            ("p.q.a.5.ok.2.1.$FI", Some(("a", 5, Gap::Ok, 2, Operation::Append))),
            ("p.a.0.ok.01.02.$FI", Some(("a", 10, Gap::Ok, 1, Operation::Commit))),
            ("p.a.x.ok.2.3.$FI", Some(("a", 10, Gap::Ok, 2, Operation::End))),
            ("p.a.-1.ok.1.4.$FI", Some(("a", 10, Gap::Ok, 1, Operation::Ping))),
            (
                "p.a.99999999999999999999.ok.99999999999999999999.1.$FI",
                Some(("a", u64::MAX, Gap::Ok, u64::MAX, Operation::Append)),
            ),
            ("a.5.fail.1.0.$FI", None),
            ("p..5.fail.1.0.$FI", None),
            ("p.a.5.fail.0.0.$FI", None),
            ("p.a.5.fail.0.4.$FI", None),
            ("p.a.5.fail.2.0.$FI", None),
            ("p.a.5.fail.1.1.$FI", None),
            ("p.a.5.fail.1.3.$FI", None),
            ("p.a.5.fail.1.5.$FI", None),
            ("p.a.5.x.1.0.$FI", None),
            ("p.a.5.ok.+1.0.$FI", None),
            ("p.a.5.ok.1..$FI", None),
            ("x.$FI", None),
            ("$FI", None),
        ] {
            let part = Part::read(reply.as_bytes()).ok();
            let found = part.map(|part| {
                let id = std::str::from_utf8(part.id).unwrap();
                (id, part.flow, part.gap, part.number, part.operation)
            });
            assert_eq!(found, expected, "{reply}");
        }
    }
}
