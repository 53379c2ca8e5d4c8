//! The last message of each subject that filters take, as of a sequence. A wildcard may take every
//! subject of the stream, so it is looked for in slices while messages come and go.

use std::collections::{BTreeSet, VecDeque};

use watershed_store::Log;
use watershed_wire::subject::{has_wildcard, is_valid, matches};

use super::find::literal_prefix;

/// A look for the last messages, and how far it has come.
#[derive(Debug)]
pub(crate) struct Lasts {
    filters: VecDeque<Box<[u8]>>,
    /// For the first filter: subjects before this one, in order of their bytes, have been looked at.
    from: Option<Box<[u8]>>,
    upto: u64,
    limit: usize,
    found: BTreeSet<u64>,
}

/// More subjects than were asked for have a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct TooMany;

impl Lasts {
    /// Those at or before the sequence `upto`, of `limit` subjects at most.
    pub(crate) fn new<'a>(
        filters: impl Iterator<Item = &'a [u8]>,
        upto: u64,
        limit: usize,
    ) -> Self {
        let filters = filters.filter(|filter| is_valid(filter)).map(Box::from).collect();
        Self { filters, from: None, upto, limit, found: BTreeSet::new() }
    }

    /// Looks at `budget` subjects more. The sequences, once all have been looked at that must be.
    pub(crate) fn go_on(
        &mut self,
        log: &Log,
        budget: usize,
    ) -> Option<Result<BTreeSet<u64>, TooMany>> {
        let mut left = budget;
        while let Some(filter) = self.filters.pop_front() {
            if left == 0 {
                self.filters.push_front(filter);
                return None;
            }
            if has_wildcard(&filter) {
                if !self.look(log, &filter, &mut left) {
                    self.filters.push_front(filter);
                }
            } else {
                left -= 1;
                self.found.extend(log.key(&filter).and_then(|key| key.prev(self.upto)));
            }
            if self.found.len() > self.limit {
                return Some(Err(TooMany));
            }
        }
        Some(Ok(std::mem::take(&mut self.found)))
    }

    /// Looks at subjects that begin as a filter does. Says whether these were all.
    fn look(&mut self, log: &Log, filter: &[u8], left: &mut usize) -> bool {
        let prefix = literal_prefix(filter);
        let from = self.from.take().unwrap_or_else(|| prefix.into());
        let mut keys = log.keys_behind(&from);
        while *left > 0 && self.found.len() <= self.limit {
            *left -= 1;
            let Some(key) = keys.next().filter(|key| key.name().starts_with(prefix)) else {
                return true;
            };
            if matches(filter, key.name()) {
                self.found.extend(key.prev(self.upto));
            }
        }
        let Some(next) = keys.next() else { return true };
        self.from = Some(next.name().into());
        false
    }
}
