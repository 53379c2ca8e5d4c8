//! What a stream takes in from others: its mirror, or its sources.
//!
//! How far a source has come is written with each copy (`Nats-Stream-Source`) and follows from the
//! records, so a copy and the position behind it are durable together. A mirror's copies have their
//! origin's sequences, so its position is its own last sequence.

use watershed_store::LogId;
use watershed_store::bytes::{BadState, Reader, put_count, put_counted, put_u32, put_u64};
use watershed_wire::header::{HeaderBlock, HeaderWriter};
use watershed_wire::jetstream::StreamConfig;
use watershed_wire::jetstream::publish::ROLLUP;
use watershed_wire::jetstream::stream::StreamSource;
use watershed_wire::subject::matches;
use watershed_wire::time::UnixNanos;

/// Where a message that was sourced is from: origin, sequence, filter, destination, subject.
pub(crate) const SOURCE: &str = "Nats-Stream-Source";

/// Begins the names of headers that hold only for the stream that a message was published to.
const EXPECTATION: &[u8] = b"Nats-Expected-";

/// A stream from which another one copies.
#[derive(Debug, Clone)]
pub(crate) struct Origin {
    /// Its name.
    pub(crate) name: String,
    /// Which messages; empty for all.
    filter: String,
    pub(crate) start: Start,
    pub(crate) is_mirror: bool,
    /// Its last sequence whose copy is stored.
    pub(crate) copied: u64,
    /// The log of which `copied` is a sequence: a stream of the same name may be another one.
    pub(crate) log: Option<LogId>,
}

/// Where to begin where nothing was copied yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Start {
    First,
    Sequence(u64),
    Time(UnixNanos),
}

impl Origin {
    fn new(source: &StreamSource, is_mirror: bool) -> Self {
        let start = match (source.opt_start_seq, source.opt_start_time) {
            (1.., _) => Start::Sequence(source.opt_start_seq),
            (0, Some(time)) => Start::Time(time),
            (0, None) => Start::First,
        };
        Self {
            name: source.name.clone(),
            filter: source.filter_subject.clone(),
            start,
            is_mirror,
            copied: 0,
            log: None,
        }
    }

    /// The filter that the origin's messages must match.
    pub(crate) fn filter(&self) -> &[u8] {
        if self.filter.is_empty() { b">" } else { self.filter.as_bytes() }
    }

    /// The last sequence of the log `log` whose copy is stored.
    pub(crate) fn copied_of(&self, log: LogId) -> u64 {
        if self.log == Some(log) { self.copied } else { 0 }
    }

    /// Whether a message of the log `log` is still to be copied.
    pub(super) fn awaits(&self, log: LogId, sequence: u64, subject: &[u8]) -> bool {
        sequence > self.copied_of(log) && matches(self.filter(), subject)
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
            let mut value = format!("{} {sequence} {filter} > ", self.name).into_bytes();
            value.extend_from_slice(subject);
            header.field(SOURCE, &value);
        }
        header.finish()
    }
}

/// The origins that a configuration names. What `old` knows of the same ones stays known. What a mirror
/// has copied says nothing of a source: it is copied once more, with where it is from.
pub(super) fn origins(config: &StreamConfig, old: &[Origin]) -> Vec<Origin> {
    let mirror = config.mirror.iter().map(|source| Origin::new(source, true));
    let sources = config.sources.iter().map(|source| Origin::new(source, false));
    let mut all: Vec<Origin> = mirror.chain(sources).collect();
    for origin in &mut all {
        let same = |other: &&Origin| {
            (other.is_mirror, &other.name, &other.filter)
                == (origin.is_mirror, &origin.name, &origin.filter)
        };
        if let Some(known) = old.iter().find(same) {
            (origin.copied, origin.log) = (known.copied, known.log);
        }
    }
    all
}

/// Which origin a copy is from, and which of its sequences it was. `own` is the copy's sequence.
pub(super) fn copied_from(all: &[Origin], head: &[u8], own: u64) -> Option<(usize, u64)> {
    if all.first().is_some_and(|origin| origin.is_mirror) {
        return Some((0, own));
    }
    let value = std::str::from_utf8(HeaderBlock(head).value(SOURCE)?).ok()?;
    let mut words = value.split(' ');
    let (name, sequence, filter) = (words.next()?, words.next()?.parse().ok()?, words.next()?);
    let same = |origin: &Origin| origin.name == name && origin.filter() == filter.as_bytes();
    Some((all.iter().position(same)?, sequence))
}

/// Appends what [`restore`] reads.
pub(super) fn checkpoint(all: &[Origin], out: &mut Vec<u8>) {
    put_count(out, all.len());
    for origin in all {
        put_counted(out, origin.name.as_bytes());
        put_counted(out, origin.filter.as_bytes());
        put_u64(out, origin.copied);
        put_u32(out, origin.log.map_or(0, |log| log.0));
    }
}

/// Reads how far each origin was copied, for the ones that `all` names.
pub(super) fn restore(all: &mut [Origin], reader: &mut Reader<'_>) -> Result<(), BadState> {
    for _ in 0..reader.count(1)? {
        let (name, filter) = (reader.counted()?, reader.counted()?);
        let (copied, log) = (reader.u64()?, reader.u32()?);
        for origin in &mut *all {
            if origin.name.as_bytes() == name && origin.filter.as_bytes() == filter {
                origin.copied = copied;
                origin.log = Some(LogId(log)).filter(|_| log > 0);
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(filter: &str, is_mirror: bool) -> Origin {
        let source = StreamSource {
            name: "O".into(),
            filter_subject: filter.into(),
            ..StreamSource::default()
        };
        Origin::new(&source, is_mirror)
    }

    #[test]
    fn copies_say_where_they_are_from() {
        let block = b"NATS/1.0\r\nNats-Expected-Last-Sequence: 2\r\nFoo: bar\r\n\r\n";
        let header = source("o.a", false).header(block, b"o.a", 3, false);
        let expected = "NATS/1.0\r\nFoo: bar\r\nNats-Stream-Source: O 3 o.a > o.a\r\n\r\n";
        assert_eq!(String::from_utf8(header.clone()).unwrap(), expected);
        let all = [source("", false), source("o.a", false)];
        assert_eq!(copied_from(&all, &header, 9), Some((1, 3)));
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
        assert_eq!(copied_from(&[mirror], b"", 7), Some((0, 7)));
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
