//! A message of a copy by sources says where it was: a search for the place of a sequence of its origin.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde_json::Value as Json;
use watershed_wire::header::HeaderBlock;
use watershed_wire::jetstream::publish::STREAM_SOURCE;

/// A message that was found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Found {
    pub(super) seq: u64,
    /// Stream and sequence that it was copied from.
    source: Option<(String, u64)>,
}

impl Found {
    /// Out of the answer to a `STREAM.MSG.GET`.
    pub(super) fn read(answer: &Json) -> Option<Self> {
        let message = answer.get("message")?;
        let seq = message.get("seq")?.as_u64()?;
        let block = message.get("hdrs").and_then(Json::as_str).unwrap_or_default();
        let block = BASE64.decode(block).unwrap_or_default();
        let source = HeaderBlock(&block).value(STREAM_SOURCE).and_then(|value| {
            let mut words = std::str::from_utf8(value).ok()?.split(' ');
            Some((words.next()?.to_owned(), words.next()?.parse().ok()?))
        });
        Some(Self { seq, source })
    }

    /// Its sequence in the stream `origin`, if it was copied from there.
    pub(super) fn sequence_in(&self, origin: &str) -> Option<u64> {
        self.source.as_ref().filter(|(name, _)| name == origin).map(|(_, seq)| *seq)
    }
}

/// A search for the first sequence from which on a copy has only what its origin has from a sequence on.
#[derive(Debug)]
pub(super) struct Search {
    copy: String,
    origin: String,
    sequence: u64,
    /// It is in `low..=high`.
    low: u64,
    high: u64,
    /// From where on the next message is looked for.
    from: u64,
}

impl Search {
    /// In `low..=high` of the copy, for what `origin` has from `sequence` on.
    pub(super) fn new(copy: &str, origin: &str, sequence: u64, (low, high): (u64, u64)) -> Self {
        let (copy, origin) = (copy.to_owned(), origin.to_owned());
        Self { copy, origin, sequence, low, high, from: Self::middle(low, high) }
    }

    pub(super) fn is_of(&self, copy: &str, sequence: u64) -> bool {
        self.copy == copy && self.sequence == sequence
    }

    /// From where on the first message of the copy has to be known; or, at the end, the place.
    pub(super) fn next(&self) -> Result<u64, u64> {
        if self.low < self.high { Ok(self.from) } else { Err(self.low) }
    }

    fn middle(low: u64, high: u64) -> u64 {
        low + (high - low) / 2
    }

    pub(super) fn found(&mut self, found: Option<&Found>) {
        let middle = Self::middle(self.low, self.high);
        match found.filter(|found| found.seq < self.high) {
            None => self.high = middle,
            Some(found) => match found.sequence_in(&self.origin) {
                Some(its) if its < self.sequence => self.low = found.seq + 1,
                Some(_) => self.high = middle,
                // It is of the copy itself.
                None => {
                    self.from = found.seq + 1;
                    return;
                }
            },
        }
        self.from = Self::middle(self.low, self.high);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(seq: u64, source: Option<(&str, u64)>) -> Found {
        Found { seq, source: source.map(|(name, its)| (name.to_owned(), its)) }
    }

    #[track_caller]
    fn check(copy: &[(u64, Option<u64>)], sequence: u64, expected: u64) {
        let high = copy.last().map_or(1, |(seq, _)| seq + 1);
        let low = copy.first().map_or(high, |(seq, _)| *seq);
        let mut search = Search::new("T", "S", sequence, (low, high));
        let mut asked = 0;
        while let Ok(from) = search.next() {
            let next = copy.iter().find(|(seq, _)| *seq >= from);
            let next = next.map(|(seq, its)| found(*seq, its.map(|its| ("S", its))));
            search.found(next.as_ref());
            asked += 1;
            assert!(asked < 64, "{sequence}: {search:?}");
        }
        let first = copy.iter().find(|(seq, _)| *seq >= search.low).map_or(high, |(seq, _)| *seq);
        assert_eq!(first, expected, "{sequence}: {search:?}");
    }

    #[test]
    fn a_message_is_found_by_where_it_was() {
        let dense: Vec<(u64, Option<u64>)> = (1..=100).map(|seq| (seq, Some(seq * 3))).collect();
        for sequence in 0..=300 {
            check(&dense, sequence, sequence.div_ceil(3).max(1));
        }
        check(&dense, 301, 101);
        // Some are gone, and some are its own.
        let sparse =
            [(5, Some(2)), (9, None), (10, Some(7)), (20, None), (30, Some(8)), (31, None)];
        check(&sparse, 1, 5);
        check(&sparse, 7, 9);
        check(&sparse, 8, 20);
        check(&[], 8, 1);
    }

    #[test]
    fn where_it_was_is_in_a_header() {
        let read = |block: &str| {
            let hdrs = BASE64.encode(block);
            Found::read(&serde_json::json!({"message": {"seq": 7, "hdrs": hdrs}}))
        };
        let said = "NATS/1.0\r\nA: b\r\nNats-Stream-Source: S 20 > >\r\n\r\n";
        assert_eq!(read(said), Some(found(7, Some(("S", 20)))));
        assert_eq!(read(""), Some(found(7, None)));
        assert_eq!(Found::read(&serde_json::json!({})), None);
        assert_eq!(read(said).unwrap().sequence_in("O"), None);
    }
}
