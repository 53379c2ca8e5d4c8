//! Finding messages.

use watershed_store::log::{KeyState, Scan};
use watershed_wire::subject::{has_wildcard, matches};

use super::stream::Stream;

impl Stream {
    /// The first message at or behind `sequence` that `filter` takes.
    pub(crate) fn next_stored(&self, filter: &[u8], sequence: u64) -> Option<u64> {
        if filter == b">" {
            return self.log.next(sequence.max(self.log.first()));
        }
        if !has_wildcard(filter) {
            return self.log.next_of(self.log.key_id(filter)?, sequence);
        }
        self.log.next_where(sequence, |key| matches(filter, self.log.key_name(key)))
    }

    /// The same before the sequence `until`. Looks at no message behind it.
    pub(super) fn next_stored_before(&self, filter: &[u8], from: u64, until: u64) -> Option<u64> {
        if filter == b">" || !has_wildcard(filter) {
            return self.next_stored(filter, from).filter(|found| *found < until);
        }
        let most = usize::try_from(until.saturating_sub(from)).unwrap_or(usize::MAX);
        match self.log.scan(from, most, |key| matches(filter, self.log.key_name(key))) {
            Scan::Found(found) => Some(found).filter(|found| *found < until),
            Scan::More(_) | Scan::End => None,
        }
    }

    /// The last message that `filter` takes.
    pub(crate) fn last_stored(&self, filter: &[u8]) -> Option<u64> {
        if filter == b">" {
            return self.log.prev(self.log.last());
        }
        if !has_wildcard(filter) {
            return self.log.key(filter).map(KeyState::last);
        }
        let keys = self.log.keys().filter(|key| matches(filter, key.name()));
        keys.map(KeyState::last).max()
    }
}

/// What every subject begins with that `filter` takes: all before its first wildcard.
pub(super) fn literal_prefix(filter: &[u8]) -> &[u8] {
    let mut end = 0;
    for token in filter.split(|byte| *byte == b'.') {
        if matches!(token, b"*" | b">") {
            break;
        }
        end = (end + token.len() + 1).min(filter.len());
    }
    &filter[..end]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn subjects_begin_as_their_filter_does() {
        for (filter, prefix) in
            [("a.*.b", "a."), ("*.a", ""), (">", ""), ("a.b.>", "a.b."), ("a.b*.>", "a.b*.")]
        {
            assert_eq!(literal_prefix(filter.as_bytes()), prefix.as_bytes());
        }
    }
}
