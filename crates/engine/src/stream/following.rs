//! What a stream takes in from others: its mirror, or its sources.
//!
//! How far a source has come is written with each copy (`Nats-Stream-Source`) and follows from the
//! records, so a copy and the position behind it are durable together. A mirror's copies have their
//! origin's sequences, so its position is its own last sequence.

use watershed_store::Log;
use watershed_store::bytes::{BadState, Reader, put_count, put_counted, put_u64};
use watershed_wire::header::{HeaderBlock, HeaderWriter};
use watershed_wire::jetstream::StreamConfig;
use watershed_wire::jetstream::publish::ROLLUP;
use watershed_wire::jetstream::stream::StreamSource;
use watershed_wire::subject::matches;
use watershed_wire::time::UnixNanos;

use super::chunk::Chunk;

/// Where a message that was sourced is from: origin, sequence, filter, destination, subject.
pub(crate) const SOURCE: &str = "Nats-Stream-Source";

/// Begins the names of headers that hold only for the stream that a message was published to.
const EXPECTATION: &[u8] = b"Nats-Expected-";

/// One origin.
#[derive(Debug)]
pub(crate) struct Following {
    /// Name of the origin.
    pub(crate) origin: String,
    /// Which messages; empty for all.
    filter: String,
    start: Start,
    pub(crate) is_mirror: bool,
    /// The next sequence of the origin to look at, once that is known.
    pub(crate) cursor: Option<u64>,
    /// The last sequence of the origin whose copy is durable.
    pub(crate) copied: u64,
    /// When something was last copied.
    pub(crate) active: Option<UnixNanos>,
    /// Whether a record is on its way from the disk.
    pub(crate) reading: bool,
    /// What was last read from disk.
    pub(crate) chunk: Option<Chunk>,
}

/// Where to begin where nothing was copied yet.
#[derive(Debug, Clone, Copy)]
enum Start {
    First,
    Sequence(u64),
    Time(UnixNanos),
}

impl Following {
    fn new(source: &StreamSource, is_mirror: bool) -> Self {
        let start = match (source.opt_start_seq, source.opt_start_time) {
            (1.., _) => Start::Sequence(source.opt_start_seq),
            (0, Some(time)) => Start::Time(time),
            (0, None) => Start::First,
        };
        Self {
            origin: source.name.clone(),
            filter: source.filter_subject.clone(),
            start,
            is_mirror,
            cursor: None,
            copied: 0,
            active: None,
            reading: false,
            chunk: None,
        }
    }

    /// The filter that the origin's messages must match.
    pub(crate) fn filter(&self) -> &[u8] {
        if self.filter.is_empty() { b">" } else { self.filter.as_bytes() }
    }

    /// Whether a message of the origin is still to be copied.
    pub(crate) fn awaits(&self, sequence: u64, subject: &[u8]) -> bool {
        sequence > self.copied && matches(self.filter(), subject)
    }

    /// The next message of the origin that is to be copied. `own_last` is this stream's last
    /// sequence.
    pub(crate) fn next(&mut self, origin: &super::Stream, own_last: u64) -> Option<u64> {
        let copied = if self.is_mirror { own_last.max(self.copied) } else { self.copied };
        let cursor = *self.cursor.get_or_insert_with(|| match self.start {
            _ if copied > 0 => copied + 1,
            Start::First => 1,
            Start::Sequence(sequence) => sequence,
            Start::Time(time) => after(&origin.log, time),
        });
        let found = origin.next_stored(self.filter(), cursor);
        // What does not match is passed over once, not at every look.
        self.cursor = Some(found.unwrap_or_else(|| cursor.max(origin.log.last() + 1)));
        found
    }

    /// Messages of the origin that are still to be copied.
    pub(crate) fn lag(&self, origin: &super::Stream) -> u64 {
        let Some(cursor) = self.cursor else { return origin.log.records() };
        if self.filter.is_empty() {
            return origin.log.count_from(cursor);
        }
        origin.log.count_where(cursor, |key| matches(self.filter(), origin.log.key_name(key)))
    }

    /// The header block of a copy.
    pub(crate) fn header(
        &self,
        original: &[u8],
        subject: &[u8],
        sequence: u64,
        keep_rollup: bool,
    ) -> Vec<u8> {
        let goes = |name: &[u8]| {
            name.starts_with(EXPECTATION)
                || (name == ROLLUP.as_bytes() && !keep_rollup)
                || (name == SOURCE.as_bytes() && !self.is_mirror)
        };
        let block = HeaderBlock(original);
        let mut header = if block.fields().any(|(name, _)| goes(name)) {
            let mut header = HeaderWriter::new();
            let mut any = false;
            for (name, value) in block.fields().filter(|(name, _)| !goes(name)) {
                header.field(&String::from_utf8_lossy(name), value);
                any = true;
            }
            if !any && self.is_mirror {
                return Vec::new();
            }
            header
        } else if self.is_mirror {
            return original.to_vec();
        } else {
            HeaderWriter::extending(original)
        };
        if !self.is_mirror {
            let filter = if self.filter.is_empty() { ">" } else { &self.filter };
            let mut value = format!("{} {sequence} {filter} > ", self.origin).into_bytes();
            value.extend_from_slice(subject);
            header.field(SOURCE, &value);
        }
        header.finish()
    }
}

/// The sequence of the first message at or behind a time.
fn after(log: &Log, time: UnixNanos) -> u64 {
    log.at_time(time.0).unwrap_or(log.last() + 1)
}

/// The origins that a configuration names. What `old` knows of the same ones stays known.
pub(crate) fn followings(config: &StreamConfig, old: &[Following]) -> Vec<Following> {
    let mirror = config.mirror.iter().map(|source| Following::new(source, true));
    let sources = config.sources.iter().map(|source| Following::new(source, false));
    let mut all: Vec<Following> = mirror.chain(sources).collect();
    for following in &mut all {
        let same = |other: &&Following| {
            (&other.origin, &other.filter) == (&following.origin, &following.filter)
        };
        if let Some(known) = old.iter().find(same) {
            following.copied = known.copied;
            following.active = known.active;
        }
    }
    all
}

/// Which origin a copy is from, and which of its sequences it was. `own` is the copy's sequence.
pub(crate) fn copied_from(all: &mut [Following], head: &[u8], own: u64) -> Option<(usize, u64)> {
    if all.first().is_some_and(|following| following.is_mirror) {
        return Some((0, own));
    }
    let value = std::str::from_utf8(HeaderBlock(head).value(SOURCE)?).ok()?;
    let mut words = value.split(' ');
    let (origin, sequence, filter) = (words.next()?, words.next()?.parse().ok()?, words.next()?);
    let same = |following: &Following| {
        following.origin == origin && following.filter() == filter.as_bytes()
    };
    Some((all.iter().position(same)?, sequence))
}

/// Appends what [`restore`] reads.
pub(crate) fn checkpoint(all: &[Following], out: &mut Vec<u8>) {
    put_count(out, all.len());
    for following in all {
        put_counted(out, following.origin.as_bytes());
        put_counted(out, following.filter.as_bytes());
        put_u64(out, following.copied);
    }
}

/// Reads how far each origin was copied, for the ones that `all` names.
pub(crate) fn restore(all: &mut [Following], reader: &mut Reader<'_>) -> Result<(), BadState> {
    for _ in 0..reader.count(1)? {
        let (origin, filter) = (reader.counted()?, reader.counted()?);
        let copied = reader.u64()?;
        for following in &mut *all {
            if following.origin.as_bytes() == origin && following.filter.as_bytes() == filter {
                following.copied = copied;
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(filter: &str, is_mirror: bool) -> Following {
        let source = StreamSource {
            name: "O".into(),
            filter_subject: filter.into(),
            ..StreamSource::default()
        };
        Following::new(&source, is_mirror)
    }

    #[test]
    fn copies_say_where_they_are_from() {
        let block = b"NATS/1.0\r\nNats-Expected-Last-Sequence: 2\r\nFoo: bar\r\n\r\n";
        let header = source("o.a", false).header(block, b"o.a", 3, false);
        let expected = "NATS/1.0\r\nFoo: bar\r\nNats-Stream-Source: O 3 o.a > o.a\r\n\r\n";
        assert_eq!(String::from_utf8(header.clone()).unwrap(), expected);
        let mut all = [source("", false), source("o.a", false)];
        assert_eq!(copied_from(&mut all, &header, 9), Some((1, 3)));
        let plain = source("", false).header(b"", b"o.b", 2, false);
        let expected = "NATS/1.0\r\nNats-Stream-Source: O 2 > > o.b\r\n\r\n";
        assert_eq!(String::from_utf8(plain).unwrap(), expected);
    }

    #[test]
    fn a_mirror_repeats_its_origin() {
        let mirror = source("", true);
        assert_eq!(
            mirror.header(b"NATS/1.0\r\nA: b\r\n\r\n", b"x", 1, true),
            b"NATS/1.0\r\nA: b\r\n\r\n"
        );
        let only = b"NATS/1.0\r\nNats-Expected-Stream: O\r\n\r\n";
        assert_eq!(mirror.header(only, b"x", 1, true), b"");
        assert_eq!(copied_from(&mut [mirror], b"", 7), Some((0, 7)));
    }

    #[test]
    fn positions_survive_a_checkpoint() {
        let mut all = vec![source("a", false), source("b", false)];
        all[1].copied = 5;
        let mut state = Vec::new();
        checkpoint(&all, &mut state);
        let mut restored = vec![source("b", false), source("c", false)];
        restore(&mut restored, &mut Reader(&state)).unwrap();
        assert_eq!((restored[0].copied, restored[1].copied), (5, 0));
    }
}
