//! What a stream takes in from others: its mirror, or its sources.
//!
//! How far a source has come is written with each copy (`Nats-Stream-Source`) and follows from the
//! records, so a copy and the position behind it are durable together. A mirror's copies have their
//! origin's sequences, so its position is its own last sequence.
//!
//! A position belongs to a name, as on nats-server: who takes from a stream that is deleted and comes
//! back with its messages (out of an archive, or handed over to a mirror) goes on behind what it has.
//! What is stored there anew is told from that by its time, and is taken too, whatever its sequence.

use std::collections::BTreeMap;

use watershed_store::bytes::{BadState, Reader, put_count, put_counted, put_i64, put_u32, put_u64};
use watershed_store::{Log, LogId};
use watershed_wire::header::{HeaderBlock, HeaderWriter};
use watershed_wire::jetstream::StreamConfig;
use watershed_wire::jetstream::publish::{EXPECTATION, ROLLUP, STREAM_SOURCE};
use watershed_wire::jetstream::stream::{StreamSource, SubjectTransform};
use watershed_wire::limits::FILTERS_MAX;
use watershed_wire::subject::transform::Transform;
use watershed_wire::subject::{Trie, matches};
use watershed_wire::time::UnixNanos;

/// Version of the state from which on it says when something was last copied, and what was missed.
pub(super) const ORIGINS_COME_BACK: u32 = 8;

/// Origins of messages that are remembered of a stream that has no such source: as many as it may have.
const PLACES_MAX: usize = FILTERS_MAX;

/// Stands between the filters of one source, and between what they become.
const BETWEEN: &str = "\x0c";

/// A stream from which another one copies.
#[derive(Debug)]
pub(crate) struct Origin {
    /// Its name.
    pub(crate) name: String,
    /// Which messages, and as what; empty for all, as they are.
    rules: Vec<Rule>,
    /// Places of `rules` by their filters.
    by_filter: Trie<usize>,
    /// What tells it from others of the same name: filters and what they become.
    pub(crate) takes: Box<str>,
    pub(crate) start: Start,
    pub(crate) is_mirror: bool,
    /// Its last sequence whose copy is stored.
    pub(crate) copied: u64,
    /// The log of which `copied` is a sequence: a stream of the same name may be another one.
    log: Option<LogId>,
    /// When the last copy was made; of a mirror, how old its original is.
    copied_at: UnixNanos,
    /// Of a mirror: up to this sequence of `log` there are messages that it does not have, because it
    /// has others in their places.
    missed: u64,
}

/// Which messages of an origin are copied, and what their subjects become.
#[derive(Debug)]
struct Rule {
    filter: String,
    /// `None` where subjects stay as they are.
    transform: Option<Transform>,
}

impl Rule {
    fn new(config: &SubjectTransform) -> Self {
        let filter = if config.src.is_empty() { ">" } else { &config.src };
        let transform = Transform::new(filter, &config.dest).ok();
        Self { filter: filter.to_owned(), transform: transform.filter(|_| !config.dest.is_empty()) }
    }
}

/// How far origins have come of which a stream has messages, but which are no sources of it: they go on
/// there when they are. Such messages come out of archives, from clients that restore one, or over a
/// mirror.
#[derive(Debug, Default)]
pub(crate) struct Places(BTreeMap<Box<str>, (u64, UnixNanos)>);

impl Places {
    /// A message was stored that says where it is from.
    pub(super) fn note(&mut self, value: &[u8], time: UnixNanos) {
        let Some(place) = Place::read(value) else { return };
        self.put(&format!("{} {}", place.name, place.takes), place.sequence, time);
    }

    fn put(&mut self, origin: &str, sequence: u64, time: UnixNanos) {
        if let Some(known) = self.0.get_mut(origin) {
            *known = (sequence, time);
        } else if self.0.len() < PLACES_MAX {
            self.0.insert(origin.into(), (sequence, time));
        }
    }
}

/// Where a copy is from.
struct Place<'a> {
    name: &'a str,
    sequence: u64,
    takes: &'a str,
}

impl<'a> Place<'a> {
    /// Reads origin, sequence, filters, what they become, and subject, which nats-server says from 2.12 on.
    fn read(value: &'a [u8]) -> Option<Self> {
        let (name, rest) = std::str::from_utf8(value).ok()?.split_once(' ')?;
        let (sequence, rest) = rest.split_once(' ')?;
        let end = rest.match_indices(' ').nth(1).map_or(rest.len(), |(at, _)| at);
        let takes = rest.get(..end).filter(|takes| takes.contains(' '))?;
        Some(Self { name, sequence: sequence.parse().ok()?, takes })
    }
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
        let filter = SubjectTransform { src: source.filter_subject.clone(), dest: String::new() };
        let filter = Some(filter).filter(|filter| !filter.src.is_empty());
        let all = filter.iter().chain(&source.subject_transforms);
        let rules: Vec<Rule> = all.map(Rule::new).collect();
        let mut by_filter = Trie::default();
        for (index, rule) in rules.iter().enumerate() {
            by_filter.insert(rule.filter.as_bytes(), index);
        }
        Self {
            name: source.name.clone(),
            takes: takes(source).into(),
            rules,
            by_filter,
            start,
            is_mirror,
            copied: 0,
            log: None,
            copied_at: UnixNanos(0),
            missed: 0,
        }
    }

    /// Its name and what is taken of it.
    fn full_name(&self) -> String {
        format!("{} {}", self.name, self.takes)
    }

    /// The one filter that the origin's messages must match, if it is one.
    pub(crate) fn filter(&self) -> Option<&[u8]> {
        match self.rules.as_slice() {
            [] => Some(b">"),
            [only] => Some(only.filter.as_bytes()),
            _ => None,
        }
    }

    /// Whether messages of this subject are copied.
    pub(crate) fn takes(&self, subject: &[u8]) -> bool {
        match self.filter() {
            Some(filter) => matches(filter, subject),
            None => self.rule_of(subject).is_some(),
        }
    }

    fn rule_of(&self, subject: &[u8]) -> Option<&Rule> {
        let mut found = None;
        self.by_filter.visit(subject, &mut |index| found = Some(*index));
        self.rules.get(found?)
    }

    /// What the subject of a copy is, where it is not its original's.
    pub(crate) fn transformed(&self, subject: &[u8], random: u64) -> Option<Vec<u8>> {
        if self.rules.is_empty() {
            return None;
        }
        self.rule_of(subject)?.transform.as_ref()?.apply(subject, random)
    }

    /// Up to which sequence of the origin nothing is left to copy. Where it is another stream than
    /// before, what is newer than the last copy is not what was copied.
    pub(crate) fn copied_of(&self, log: &Log) -> u64 {
        if self.copied == 0 || self.log == Some(log.id()) {
            return self.copied;
        }
        let newer = self.first_newer(log).unwrap_or(log.last() + 1);
        match self.start {
            // What is before the start was never asked for.
            Start::Sequence(start) => self.copied.min(start.max(newer) - 1).max(start - 1),
            Start::First | Start::Time(_) => self.copied.min(newer - 1),
        }
    }

    /// The first message of an origin that was stored after the last copy was made.
    fn first_newer(&self, log: &Log) -> Option<u64> {
        log.at_time(self.copied_at.0.saturating_add(1))
    }

    /// Whether a message of an origin is still to be copied.
    pub(super) fn awaits(&self, log: &Log, sequence: u64, subject: &[u8]) -> bool {
        sequence > self.copied_of(log) && self.takes(subject)
    }

    /// A copy of an origin's message is stored. The origin may be gone.
    pub(super) fn copied(&mut self, log: Option<&Log>, sequence: u64, time: UnixNanos) {
        match log {
            Some(log) if self.log != Some(log.id()) => {
                self.missed = self.missed_of(log);
                (self.log, self.copied) = (Some(log.id()), sequence);
            }
            _ => self.copied = self.copied.max(sequence),
        }
        self.copied_at = time;
    }

    /// Up to which sequence of an origin there are messages whose places a mirror has given away.
    pub(crate) fn missed_of(&self, log: &Log) -> u64 {
        if !self.is_mirror || self.copied == 0 {
            return 0;
        }
        if self.log == Some(log.id()) {
            return self.missed;
        }
        self.first_newer(log).filter(|first| *first <= self.copied).map_or(0, |_| self.copied)
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
            name.starts_with(EXPECTATION.as_bytes())
                || (name == ROLLUP.as_bytes() && !keep_rollup)
                || (name == STREAM_SOURCE.as_bytes() && !self.is_mirror)
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
            let mut value = format!("{} {sequence} {} ", self.name, self.takes).into_bytes();
            value.extend_from_slice(subject);
            header.field(STREAM_SOURCE, &value);
        }
        header.finish()
    }
}

/// The filters of a source and what they become, as `Nats-Stream-Source` says it.
fn takes(source: &StreamSource) -> String {
    let all = |text: &String| if text.is_empty() { ">" } else { text }.to_owned();
    let transforms = &source.subject_transforms;
    if transforms.is_empty() {
        return format!("{} >", all(&source.filter_subject));
    }
    let list = |of: fn(&SubjectTransform) -> &String| {
        transforms.iter().map(|own| all(of(own))).collect::<Vec<_>>().join(BETWEEN)
    };
    format!("{} {}", list(|own| &own.src), list(|own| &own.dest))
}

/// The origins that a configuration names. What `old` and `places` know of them stays known. What a
/// mirror has copied says nothing of a source: it is copied once more, with where it is from.
pub(super) fn origins(config: &StreamConfig, old: &[Origin], places: &mut Places) -> Vec<Origin> {
    for origin in old.iter().filter(|origin| !origin.is_mirror && origin.copied > 0) {
        places.put(&origin.full_name(), origin.copied, origin.copied_at);
    }
    let mirror = config.mirror.iter().map(|source| Origin::new(source, true));
    let sources = config.sources.iter().map(|source| Origin::new(source, false));
    let mut all: Vec<Origin> = mirror.chain(sources).collect();
    for origin in &mut all {
        let same = |other: &&Origin| {
            (other.is_mirror, &other.name, &other.takes)
                == (origin.is_mirror, &origin.name, &origin.takes)
        };
        if let Some(known) = old.iter().find(same) {
            (origin.copied, origin.log) = (known.copied, known.log);
            (origin.copied_at, origin.missed) = (known.copied_at, known.missed);
        }
        if !origin.is_mirror
            && let Some((sequence, time)) = places.0.remove(origin.full_name().as_str())
            && origin.copied == 0
        {
            (origin.copied, origin.copied_at) = (sequence, time);
        }
    }
    all
}

/// Which origin a copy is from, and which of its sequences it was. `own` is the copy's sequence.
pub(super) fn copied_from(all: &[Origin], head: &[u8], own: u64) -> Option<(usize, u64)> {
    if all.first().is_some_and(|origin| origin.is_mirror) {
        return Some((0, own));
    }
    let place = Place::read(HeaderBlock(head).value(STREAM_SOURCE)?)?;
    let same = |origin: &Origin| origin.name == place.name && *origin.takes == *place.takes;
    Some((all.iter().position(same)?, place.sequence))
}

/// Appends what [`restore`] reads.
pub(super) fn checkpoint(all: &[Origin], places: &Places, out: &mut Vec<u8>) {
    put_count(out, all.len());
    for origin in all {
        put_counted(out, origin.name.as_bytes());
        put_counted(out, origin.takes.as_bytes());
        put_u64(out, origin.copied);
        put_u32(out, origin.log.map_or(0, |log| log.0));
        put_i64(out, origin.copied_at.0);
        put_u64(out, origin.missed);
    }
    put_count(out, places.0.len());
    for (origin, (sequence, time)) in &places.0 {
        put_counted(out, origin.as_bytes());
        put_u64(out, *sequence);
        put_i64(out, time.0);
    }
}

/// Reads how far each origin was copied, for the ones that `all` names, and how far others.
pub(super) fn restore(
    all: &mut [Origin],
    reader: &mut Reader<'_>,
    version: u32,
) -> Result<Places, BadState> {
    for _ in 0..reader.count(1)? {
        let (name, takes) = (reader.counted()?, reader.counted()?);
        let (copied, log) = (reader.u64()?, reader.u32()?);
        let (copied_at, missed) = match version {
            ORIGINS_COME_BACK.. => (UnixNanos(reader.i64()?), reader.u64()?),
            _ => (UnixNanos(0), 0),
        };
        let same = |origin: &Origin| match version {
            ORIGINS_COME_BACK.. => origin.takes.as_bytes() == takes,
            // Those had one filter at most.
            _ if takes.is_empty() => origin.filter() == Some(b">"),
            _ => origin.filter() == Some(takes),
        };
        for origin in &mut *all {
            if origin.name.as_bytes() == name && same(origin) {
                (origin.copied, origin.copied_at, origin.missed) = (copied, copied_at, missed);
                origin.log = Some(LogId(log)).filter(|_| log > 0);
            }
        }
    }
    let mut places = Places::default();
    if version >= ORIGINS_COME_BACK {
        for _ in 0..reader.count(1)? {
            let origin = std::str::from_utf8(reader.counted()?).map_err(|_| BadState)?;
            let (sequence, time) = (reader.u64()?, UnixNanos(reader.i64()?));
            places.put(origin, sequence, time);
        }
    }
    Ok(places)
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
    fn a_source_with_several_filters_says_which() {
        let rule = |src: &str, dest: &str| SubjectTransform { src: src.into(), dest: dest.into() };
        let transforms = vec![rule("o.*", "t.$1"), rule("o.b.>", "")];
        let own = StreamSource {
            name: "O".into(),
            subject_transforms: transforms,
            ..StreamSource::default()
        };
        let own = Origin::new(&own, false);
        let subject =
            |subject: &[u8]| own.transformed(subject, 0).map(|own| own.escape_ascii().to_string());
        assert_eq!((subject(b"o.a").as_deref(), subject(b"o.b.c")), (Some("t.a"), None));
        assert!(own.takes(b"o.b.c") && !own.takes(b"o.c.d") && own.filter().is_none());
        let header = own.header(b"", b"o.a", 1, false);
        // As nats-server 2.14.6 writes it.
        let expected = "NATS/1.0\r\nNats-Stream-Source: O 1 o.*\x0co.b.> t.$1\x0c> o.a\r\n\r\n";
        assert_eq!(String::from_utf8(header.clone()).unwrap(), expected);
        assert_eq!(copied_from(&[source("o.*", false), own], &header, 9), Some((1, 1)));
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
        let mut all = [source("a", false), source("b", false)];
        all[1].copied = 5;
        let mut state = Vec::new();
        checkpoint(&all, &Places::default(), &mut state);
        let mut restored = [source("b", false), source("c", false)];
        restore(&mut restored, &mut Reader(&state), ORIGINS_COME_BACK).unwrap();
        assert_eq!((restored[0].copied, restored[1].copied), (5, 0));
    }

    /// States before this one name a source by its filter, which may be empty.
    #[test]
    fn positions_of_an_older_state_are_read() {
        let mut state = Vec::new();
        put_count(&mut state, 2);
        for (filter, copied) in [("", 5), ("o.a", 7)] {
            put_counted(&mut state, b"O");
            put_counted(&mut state, filter.as_bytes());
            put_u64(&mut state, copied);
            put_u32(&mut state, 3);
        }
        let mut all = [source("o.a", false), source("", false), source("o.b", false)];
        let mut reader = Reader(&state);
        restore(&mut all, &mut reader, ORIGINS_COME_BACK - 1).unwrap();
        assert!(reader.0.is_empty());
        assert_eq!(
            all.map(|own| (own.copied, own.log)),
            [(7, Some(LogId(3))), (5, Some(LogId(3))), (0, None)]
        );
    }

    #[test]
    fn a_source_goes_on_behind_messages_that_are_there() {
        let mut places = Places::default();
        for value in ["O 7 > > a", "O 9 > >", "O 3 o.* t.$1 o.a", "no place", "P x > > a"] {
            places.note(value.as_bytes(), UnixNanos(5));
        }
        let mut state = Vec::new();
        checkpoint(&[], &places, &mut state);
        let mut places = restore(&mut [], &mut Reader(&state), ORIGINS_COME_BACK).unwrap();
        let named = |name: &str| StreamSource { name: name.into(), ..StreamSource::default() };
        let config = |sources| StreamConfig { sources, ..StreamConfig::default() };
        let all = origins(&config(vec![named("O"), named("P")]), &[], &mut places);
        assert_eq!((all[0].copied, all[0].copied_at.0, all[1].copied), (9, 5, 0));
        // One that is left out for a while is not forgotten.
        assert!(origins(&config(vec![]), &all, &mut places).is_empty());
        assert_eq!(origins(&config(vec![named("O")]), &[], &mut places)[0].copied, 9);
    }

    /// A log with a message at each of these times.
    fn log(id: u32, first: u64, times: &[i64]) -> Log {
        let mut log = Log::new(LogId(id), first, 1 << 20);
        for time in times {
            log.append(b"o.a", *time, 1, 1);
        }
        log
    }

    /// How far an origin counts as copied, and what of it a mirror misses, when it comes back.
    #[test]
    fn a_position_outlives_its_origin() {
        let check = |copied: u64, start: u64, back: &Log, expected: (u64, u64)| {
            let of = |is_mirror: bool| {
                let mut own = source("", is_mirror);
                if start > 0 {
                    own.start = Start::Sequence(start);
                }
                if copied > 0 {
                    own.copied(Some(&log(1, 1, &[10, 20, 30])), copied, UnixNanos(30));
                }
                own
            };
            let found = (of(false).copied_of(back), of(true).missed_of(back));
            assert_eq!(found, expected, "{copied} from {start} of {back:?}");
        };
        // The very same, with more behind; out of an older archive; anew; anew behind where it was.
        check(3, 0, &log(2, 1, &[10, 20, 30, 40]), (3, 0));
        check(2, 0, &log(2, 1, &[10, 20, 30, 40]), (2, 0));
        check(3, 0, &log(2, 1, &[10, 40]), (1, 3));
        check(3, 0, &log(2, 1, &[40]), (0, 3));
        check(3, 2, &log(2, 1, &[40, 50]), (1, 3));
        check(3, 9, &log(2, 1, &[10, 20]), (8, 0));
        check(3, 0, &log(2, 4, &[40]), (3, 0));
        check(3, 0, &log(2, 1, &[]), (0, 0));
        check(0, 0, &log(2, 1, &[10]), (0, 0));
        check(3, 0, &log(1, 1, &[10, 20, 30, 40]), (3, 0));
    }
}
