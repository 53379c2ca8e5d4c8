//! A stream that copies another one, at work.

use watershed_base::Now;
use watershed_store::Log;
use watershed_wire::time::UnixNanos;

use crate::chunk::Chunk;
use crate::state::{Origin, Start, Stream};

/// Nanoseconds after which an origin that stores nothing is heard of all the same.
const HEARTBEAT: i64 = 1_000_000_000;

/// How far the copying of one origin has come. It is ahead of the state by what is on its way.
#[derive(Debug)]
pub(crate) struct Copier {
    /// Name of the origin, what is taken of it, where to begin.
    of: (String, Box<str>, Start),
    /// Whether it copies for a mirror.
    is_mirror: bool,
    /// The next sequence of the origin to look at, and the log that it is a sequence of.
    cursor: Option<(u32, u64)>,
    /// Whether anything was copied.
    has_copied: bool,
    /// When something was last copied, or the origin was first found.
    heard: Option<UnixNanos>,
    /// Whether a record is on its way from the disk.
    pub(crate) reading: bool,
    /// What was last read from disk.
    pub(crate) chunk: Option<Chunk>,
}

impl Copier {
    pub(crate) fn new(own: &Origin) -> Self {
        let of = (own.name.clone(), own.takes.clone(), own.start);
        let is_mirror = own.is_mirror;
        Self {
            of,
            is_mirror,
            cursor: None,
            has_copied: false,
            heard: None,
            reading: false,
            chunk: None,
        }
    }

    /// A copier for each of `origins`. Those of `before` that are still there go on from where they
    /// are: what they have on its way to the disk must not be copied again.
    pub(crate) fn for_each(origins: &[Origin], before: Vec<Self>) -> Vec<Self> {
        let mut before = before;
        let copier = |own: &Origin| {
            let mut copier = Self::new(own);
            if let Some(known) = before.iter_mut().find(|known| known.goes_on_as(&copier)) {
                (copier.cursor, copier.heard) = (known.cursor.take(), known.heard);
                copier.has_copied = known.has_copied;
            }
            copier
        };
        origins.iter().map(copier).collect()
    }

    /// Whether `other` copies the same, so that what this one has done is done.
    fn goes_on_as(&self, other: &Self) -> bool {
        let mirror = other.is_mirror;
        let ((name, takes, start), (other, other_takes, other_start)) = (&self.of, &other.of);
        // Where to begin matters until something was copied.
        let same = (name, takes) == (other, other_takes) && self.is_mirror == mirror;
        same && (start == other_start || self.has_copied)
    }

    /// The next message of the origin that is to be copied. `own_last` is the follower's last
    /// sequence.
    pub(crate) fn next(&mut self, own: &Origin, origin: &Stream, own_last: u64) -> Option<u64> {
        let log = &origin.log;
        let copied = own.copied_of(log);
        let copied = if own.is_mirror { own_last.max(copied) } else { copied };
        let cursor = self.cursor.filter(|(of, _)| *of == log.id().0).map(|(_, cursor)| cursor);
        // Of an origin that has come back, more may be known by now.
        let cursor = cursor.map(|cursor| cursor.max(copied + 1));
        let cursor = cursor.unwrap_or_else(|| match own.start {
            _ if copied > 0 => copied + 1,
            Start::First => 1,
            Start::Sequence(sequence) => sequence,
            Start::Time(time) => log.at_time(time.0).unwrap_or(log.last() + 1),
        });
        let found = match own.filter() {
            Some(filter) => origin.next_stored(filter, cursor),
            None => log.next_where(cursor, |key| own.takes(log.key_name(key))),
        };
        // What does not match is passed over once, not at every look.
        let next = found.unwrap_or_else(|| cursor.max(log.last() + 1));
        self.cursor = Some((log.id().0, next));
        found
    }

    /// The message at `sequence` needs no further look.
    pub(crate) fn pass(&mut self, log: &Log, sequence: u64) {
        self.cursor = Some((log.id().0, sequence + 1));
    }

    /// Messages of the origin that are still to be copied.
    pub(crate) fn lag(&self, own: &Origin, origin: &Stream) -> u64 {
        let log = &origin.log;
        let Some((of, cursor)) = self.cursor else { return log.records() };
        let cursor = if of == log.id().0 { cursor } else { own.copied_of(log) + 1 };
        if own.filter() == Some(b">") {
            return log.count_from(cursor);
        }
        log.count_where(cursor, |key| own.takes(log.key_name(key)))
    }

    /// The origin is there.
    pub(crate) fn found(&mut self, now: UnixNanos) {
        self.heard.get_or_insert(now);
    }

    /// A message was copied.
    pub(crate) fn copied(&mut self, now: UnixNanos) {
        (self.has_copied, self.heard) = (true, Some(now));
    }

    /// Time since the origin was last heard of, in nanoseconds; -1 if it never was. While it `is_there`
    /// it is heard of as often as nats-server's origins say that they are.
    pub(crate) fn idle(&self, now: Now, is_there: bool) -> i64 {
        let Some(heard) = self.heard else { return -1 };
        let idle = now.wall.0.saturating_sub(heard.0).max(0);
        if is_there { idle % HEARTBEAT } else { idle }
    }
}
