//! How many messages a stream has of each subject that a filter takes: the page of them that was asked
//! for, and how many subjects there are. Each is looked at, so it is done in slices while messages
//! come and go; the page is written as JSON on the way.

use watershed_store::Log;
use watershed_wire::subject::matches;

use super::find::literal_prefix;

/// A look at the subjects of a stream, and how far it has come.
#[derive(Debug)]
pub(crate) struct Subjects {
    filter: Box<[u8]>,
    /// Subjects before this one, in order of their bytes, have been looked at.
    from: Box<[u8]>,
    offset: usize,
    limit: usize,
    total: usize,
    /// Members of a JSON object.
    members: Vec<u8>,
}

impl Subjects {
    /// `limit` subjects behind the first `offset` that `filter` takes, in order of their bytes.
    pub(crate) fn new(filter: &[u8], offset: usize, limit: usize) -> Self {
        let from = literal_prefix(filter).into();
        Self { filter: filter.into(), from, offset, limit, total: 0, members: Vec::new() }
    }

    /// Looks at `budget` subjects more. Says whether all have been looked at.
    pub(crate) fn go_on(&mut self, log: &Log, budget: usize) -> bool {
        let prefix = literal_prefix(&self.filter);
        let from = std::mem::take(&mut self.from);
        let mut keys = log.keys_behind(&from);
        for key in keys.by_ref().take(budget) {
            if !key.name().starts_with(prefix) {
                return true;
            }
            if !matches(&self.filter, key.name()) {
                continue;
            }
            if self.total >= self.offset && self.total - self.offset < self.limit {
                if !self.members.is_empty() {
                    self.members.push(b',');
                }
                let name = serde_json::to_vec(&String::from_utf8_lossy(key.name()));
                self.members.extend(name.expect("texts are JSON"));
                self.members.push(b':');
                self.members.extend(key.count().to_string().as_bytes());
            }
            self.total += 1;
        }
        let Some(next) = keys.next() else { return true };
        self.from = next.name().into();
        false
    }

    /// How many subjects there are.
    pub(crate) fn total(&self) -> usize {
        self.total
    }

    /// The page, as members of a JSON object.
    pub(crate) fn members(&self) -> &[u8] {
        &self.members
    }
}
