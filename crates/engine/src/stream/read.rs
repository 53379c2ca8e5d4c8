//! Finding messages, and having their bytes or knowing where they are.

use std::collections::BTreeMap;

use watershed_store::log::Position;
use watershed_wire::subject::{has_wildcard, matches};

use super::Stream;
use crate::jetstream::tail::{Tail, TailPlace};

/// Where a message's record is.
#[derive(Debug)]
pub(crate) enum Stored<'a> {
    /// Here.
    Memory(&'a [u8]),
    /// In a block.
    Disk(Position),
}

impl Stream {
    /// The record of a message. `None` if it is gone.
    pub(crate) fn stored<'a>(&'a self, sequence: u64, tail: &'a Tail) -> Option<Stored<'a>> {
        let position = self.position(sequence)?;
        if self.is_memory() {
            let index = usize::try_from(sequence.checked_sub(self.memory_first)?).ok()?;
            return self.memory.get(index)?.as_deref().map(Stored::Memory);
        }
        match self.tail_place(sequence).and_then(|place| tail.record(place)) {
            Some(record) => Some(Stored::Memory(record)),
            None => Some(Stored::Disk(position)),
        }
    }

    /// Where the tail has a message.
    fn tail_place(&self, sequence: u64) -> Option<TailPlace> {
        // The tail ends with the last message, and only a mirror's leaves out sequences.
        let back = usize::try_from(self.log.last().checked_sub(sequence)?).ok()?;
        let dense = self.tail.len().checked_sub(back + 1).and_then(|index| self.tail.get(index));
        match dense {
            Some((found, place)) if *found == sequence => Some(*place),
            _ => {
                let index = self.tail.binary_search_by_key(&sequence, |(found, _)| *found).ok()?;
                self.tail.get(index).map(|(_, place)| *place)
            }
        }
    }

    /// The first message at or behind `sequence` that `filter` takes.
    pub(crate) fn next_stored(&self, filter: &[u8], sequence: u64) -> Option<u64> {
        if filter == b">" {
            return self.log.next(sequence.max(self.log.first()));
        }
        if !has_wildcard(filter) {
            let key = self.log.key(filter)?;
            let from = sequence.max(key.first());
            return self.log.next_where(from, |key| self.log.key_name(key) == filter);
        }
        self.log.next_where(sequence, |key| matches(filter, self.log.key_name(key)))
    }

    /// The last message that `filter` takes.
    pub(crate) fn last_stored(&self, filter: &[u8]) -> Option<u64> {
        let from =
            if has_wildcard(filter) { self.log.last() } else { self.log.key(filter)?.last() };
        self.log.last_where(from, |key| matches(filter, self.log.key_name(key)))
    }
}

/// Messages by subject, of the subjects that `filter` takes, in order.
pub(crate) fn subject_counts(stream: &Stream, filter: &[u8]) -> BTreeMap<String, u64> {
    let keys = stream.log.keys().filter(|key| matches(filter, key.name()));
    keys.map(|key| (String::from_utf8_lossy(key.name()).into_owned(), key.count())).collect()
}
