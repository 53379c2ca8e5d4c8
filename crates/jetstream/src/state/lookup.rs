//! Finding the last message that a wildcard takes, for a publish that expects something of it.

use watershed_wire::subject::matches;

use super::find::literal_prefix;
use super::search::{Hit, Search};
use super::stream::Stream;

/// Subjects, and then messages, that are looked at for one publish before it waits.
const LOOKED_AT_ONCE: usize = 256;

/// What may be looked at for a publish.
#[derive(Debug)]
pub(crate) struct Lookup {
    left: usize,
    looked_at: usize,
    search: Option<Search>,
}

impl Lookup {
    /// Looks at few, and at no more than `left`.
    pub(crate) fn new(left: usize) -> Self {
        Self { left: left.min(2 * LOOKED_AT_ONCE), looked_at: 0, search: None }
    }

    /// Goes on with a search, looking at `left` messages more.
    pub(crate) fn going_on(left: usize, search: Option<Search>) -> Self {
        Self { left, looked_at: 0, search }
    }

    /// How many were looked at.
    pub(crate) fn looked_at(&self) -> usize {
        self.looked_at
    }

    /// The search, if few were not enough.
    pub(crate) fn into_search(self) -> Option<Search> {
        self.search
    }

    /// The last stored message that `filter` takes. `None` if more must be looked at. As many as
    /// `others` are looked at where it is found.
    pub(crate) fn last(&mut self, stream: &Stream, filter: &[u8], others: u64) -> Option<Hit> {
        if filter == b">" {
            return Some(Hit(stream.log.prev(stream.log.last())));
        }
        if self.left == 0 {
            return None;
        }
        let hit = self.stored(stream, filter);
        if hit.is_some() {
            self.looked_at += usize::try_from(others).unwrap_or(usize::MAX);
        }
        hit
    }

    fn stored(&mut self, stream: &Stream, filter: &[u8]) -> Option<Hit> {
        if self.search.is_none() {
            let few = self.left.min(LOOKED_AT_ONCE);
            if let Some(hit) = self.last_of_few(stream, filter, few) {
                return Some(hit);
            }
            self.search = Some(Search::last([filter].into_iter(), &stream.log));
        }
        let budget = self.left - self.looked_at.min(self.left);
        self.looked_at += budget;
        self.search.as_mut()?.go_on(&stream.log, budget)
    }

    /// The last message that `filter` takes, if no more than `few` subjects begin as it does.
    fn last_of_few(&mut self, stream: &Stream, filter: &[u8], few: usize) -> Option<Hit> {
        let mut keys = stream.log.keys_with_prefix(literal_prefix(filter));
        let mut last = None;
        for (_, key) in keys.by_ref().take(few) {
            self.looked_at += 1;
            if matches(filter, key.name()) {
                last = last.max(Some(key.last()));
            }
        }
        keys.next().is_none().then_some(Hit(last))
    }
}
