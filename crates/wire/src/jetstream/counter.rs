//! Counters (ADR-49): each message adds to the value of its subject, and holds what that came to. Where
//! several streams are summed up in one, its messages also hold how much of the value is of which.

use std::borrow::Cow;
use std::collections::BTreeMap;

use num_bigint::BigInt;
use serde::Deserialize;

use super::json;
use super::publish::{COUNTER_SOURCES, INCREMENT};
use crate::header::{HeaderBlock, HeaderWriter};

/// Longest increment and value, in digits: so that each message takes microseconds. nats-server bounds
/// neither.
pub const DIGITS_MAX: usize = 4096;

/// A counter that cannot be read, or would become too long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Broken;

/// The value of a subject.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Counter {
    value: BigInt,
    /// What was last known of a subject of a stream, by both.
    sources: BTreeMap<String, BTreeMap<String, String>>,
}

/// What a message of a counter holds.
#[derive(Deserialize)]
struct Body<'a> {
    #[serde(borrow)]
    val: Cow<'a, str>,
}

/// Whether the value of `Nats-Incr` is a number that may be added.
pub fn is_increment(value: &[u8]) -> bool {
    parse(value).is_some()
}

/// The value that a stored message holds, as text.
pub fn value_of(body: &[u8]) -> Option<&str> {
    let text = body.strip_prefix(b"{\"val\":\"")?.strip_suffix(b"\"}")?;
    std::str::from_utf8(text).ok().filter(|_| is_increment(text))
}

fn parse(value: &[u8]) -> Option<BigInt> {
    let digits = value.strip_prefix(b"-").or_else(|| value.strip_prefix(b"+")).unwrap_or(value);
    let number = !digits.is_empty() && digits.iter().all(u8::is_ascii_digit);
    if !number || digits.len() > DIGITS_MAX {
        return None;
    }
    BigInt::parse_bytes(value, 10)
}

impl Counter {
    /// Reads a stored message.
    pub fn read(header: &[u8], body: &[u8]) -> Result<Self, Broken> {
        let body: Body<'_> = serde_json::from_slice(body).map_err(|_| Broken)?;
        let value = parse(body.val.as_bytes()).ok_or(Broken)?;
        let sources = match HeaderBlock(header).value(COUNTER_SOURCES) {
            None | Some(b"") => BTreeMap::new(),
            Some(text) => serde_json::from_slice(text).map_err(|_| Broken)?,
        };
        Ok(Self { value, sources })
    }

    /// Adds what a message says that it adds.
    pub fn add(&mut self, increment: &[u8]) -> Result<(), Broken> {
        self.value += parse(increment).ok_or(Broken)?;
        self.bounded()
    }

    /// Takes over how a subject of another stream stands. Says what that adds.
    pub fn take_over(
        &mut self,
        stream: &str,
        subject: &str,
        other: &Self,
    ) -> Result<String, Broken> {
        let known = self.sources.entry(stream.to_owned()).or_default();
        let before = known.insert(subject.to_owned(), other.value.to_string());
        let before = before.map_or(Some(BigInt::ZERO), |text| parse(text.as_bytes()));
        let added = &other.value - before.ok_or(Broken)?;
        self.value += &added;
        self.bounded()?;
        Ok(added.to_string())
    }

    fn bounded(&self) -> Result<(), Broken> {
        // A digit is more than three bits.
        if self.value.bits() < 3 * DIGITS_MAX as u64 {
            return Ok(());
        }
        let digits = self.value.to_string();
        let digits = digits.strip_prefix('-').unwrap_or(&digits);
        if digits.len() > DIGITS_MAX { Err(Broken) } else { Ok(()) }
    }

    /// What a message of it holds.
    pub fn body(&self) -> Vec<u8> {
        format!("{{\"val\":\"{}\"}}", self.value).into_bytes()
    }

    /// The header block of a message of it: what it adds is `increment`, if that is not what `block` says.
    pub fn header<'a>(&self, block: &'a [u8], increment: Option<&str>) -> Cow<'a, [u8]> {
        if increment.is_none() && self.sources.is_empty() {
            return Cow::Borrowed(block);
        }
        let sources = (!self.sources.is_empty()).then(|| json::encode(&self.sources));
        let mut header = HeaderWriter::new();
        for (name, value) in HeaderBlock(block).fields() {
            if name == COUNTER_SOURCES.as_bytes() && sources.is_some() {
                continue;
            }
            let value = match increment {
                Some(increment) if name == INCREMENT.as_bytes() => increment.as_bytes(),
                _ => value,
            };
            header.field(&String::from_utf8_lossy(name), value);
        }
        if let Some(sources) = sources {
            header.field(COUNTER_SOURCES, &sources);
        }
        Cow::Owned(header.finish())
    }

    /// Memory that it takes, about.
    pub fn len(&self) -> usize {
        let of = |(subject, value): (&String, &String)| 48 + subject.len() + value.len();
        let sources = self.sources.iter();
        let sources =
            sources.map(|(name, own)| 64 + name.len() + own.iter().map(of).sum::<usize>());
        64 + usize::try_from(self.value.bits() / 8).unwrap_or(usize::MAX) + sources.sum::<usize>()
    }

    /// Whether it is 0, and of nothing else.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn block(fields: &str) -> Vec<u8> {
        format!("NATS/1.0\r\n{fields}\r\n\r\n").replace('|', "\r\n").into_bytes()
    }

    #[test]
    fn increments_add_up() {
        // Answers of nats-server 2.14.6.
        let mut counter = Counter::default();
        for (increment, value) in [
            ("1", "1"),
            ("+5", "6"),
            ("-10", "-4"),
            ("-0", "-4"),
            ("007", "3"),
            ("99999999999999999999999999999999", "100000000000000000000000000000002"),
        ] {
            counter.add(increment.as_bytes()).unwrap();
            let body = counter.body();
            assert_eq!(value_of(&body), Some(value), "{increment}");
            assert_eq!(Counter::read(b"", &body), Ok(counter.clone()));
        }
    }

    #[test]
    fn what_is_no_number_or_too_long_is_refused() {
        let longest = "9".repeat(DIGITS_MAX);
        let mut counter = Counter::default();
        for wrong in ["", "+", "-", "1.5", "1_000", "x", "+-1", " 1", &format!("1{longest}")] {
            assert!(!is_increment(wrong.as_bytes()), "{wrong}");
            assert_eq!(counter.add(wrong.as_bytes()), Err(Broken), "{wrong}");
        }
        counter.add(longest.as_bytes()).unwrap();
        assert_eq!(counter.clone().add(b"1"), Err(Broken));
        assert_eq!(counter.add(b"-1"), Ok(()));
        for wrong in ["", "1", "{}", "{\"val\":1}", "{\"val\":\"x\"}", "{\"val\":\"1\"} "] {
            let read = Counter::read(b"", wrong.as_bytes()).is_ok();
            assert_eq!((read, value_of(wrong.as_bytes())), (wrong.ends_with(' '), None), "{wrong}");
        }
        assert_eq!(
            Counter::read(&block("Nats-Counter-Sources: x"), b"{\"val\":\"1\"}"),
            Err(Broken)
        );
    }

    #[test]
    fn what_is_of_whom_is_kept() {
        let counter =
            |value: &str| Counter::read(b"", format!("{{\"val\":\"{value}\"}}").as_bytes());
        let mut sum = Counter::default();
        let mut check = |stream: &str, value: &str, added: &str, header: &str| {
            let taken = sum.take_over(stream, "a", &counter(value).unwrap());
            assert_eq!(taken.as_deref(), Ok(added));
            let block = block("Nats-Incr: +7|A: b");
            let block = sum.header(&block, Some(added)).into_owned();
            assert_eq!(String::from_utf8_lossy(&block).replace("\r\n", "|"), header);
            sum = Counter::read(&block, &sum.body()).unwrap();
        };
        check(
            "C",
            "6",
            "6",
            r#"NATS/1.0|Nats-Incr: 6|A: b|Nats-Counter-Sources: {"C":{"a":"6"}}||"#,
        );
        check(
            "D",
            "-1",
            "-1",
            r#"NATS/1.0|Nats-Incr: -1|A: b|Nats-Counter-Sources: {"C":{"a":"6"},"D":{"a":"-1"}}||"#,
        );
        check(
            "C",
            "9",
            "3",
            r#"NATS/1.0|Nats-Incr: 3|A: b|Nats-Counter-Sources: {"C":{"a":"9"},"D":{"a":"-1"}}||"#,
        );
        assert_eq!(sum.body(), b"{\"val\":\"8\"}");
    }
}
