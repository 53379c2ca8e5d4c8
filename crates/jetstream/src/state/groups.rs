//! Consumers by their filters: whom a message concerns is found without a look at the others.

use std::collections::{BTreeMap, BTreeSet};

use slab::Slab;
use watershed_wire::subject::Trie;

/// Consumers with the same filters.
#[derive(Debug, Default)]
pub(super) struct Group {
    /// Their places in the stream.
    pub(super) members: BTreeSet<usize>,
    /// Messages that the filters have taken since there is this group.
    pub(super) taken: u64,
}

/// All of them.
#[derive(Debug, Default)]
pub(super) struct Groups {
    all: Slab<Group>,
    by_filters: BTreeMap<Vec<String>, usize>,
    /// The group without filters, which takes everything.
    unfiltered: Option<usize>,
    filtered: Trie<usize>,
}

impl Groups {
    /// A group that is known to be there.
    pub(super) fn group(&self, group: usize) -> &Group {
        &self.all[group]
    }

    /// Takes in a consumer with these filters. Says into which group.
    pub(super) fn join(&mut self, filters: &[String], consumer: usize) -> usize {
        let known = self.by_filters.get(filters).copied();
        let group = known.unwrap_or_else(|| {
            let group = self.all.insert(Group::default());
            self.by_filters.insert(filters.to_vec(), group);
            for filter in filters {
                self.filtered.insert(filter.as_bytes(), group);
            }
            if filters.is_empty() {
                self.unfiltered = Some(group);
            }
            group
        });
        self.all[group].members.insert(consumer);
        group
    }

    /// Lets a consumer with these filters go.
    pub(super) fn leave(&mut self, filters: &[String], consumer: usize) {
        let Some(group) = self.by_filters.get(filters).copied() else { return };
        let members = &mut self.all[group].members;
        members.remove(&consumer);
        if !members.is_empty() {
            return;
        }
        self.all.remove(group);
        self.by_filters.remove(filters);
        for filter in filters {
            self.filtered.remove(filter.as_bytes(), |other| *other == group);
        }
        if filters.is_empty() {
            self.unfiltered = None;
        }
    }

    /// A message was stored under `subject`. Appends the groups that take it to `fed`.
    pub(super) fn stored(&mut self, subject: &[u8], fed: &mut Vec<usize>) {
        let from = fed.len();
        self.visit(subject, |group| fed.push(group));
        for group in &fed[from..] {
            self.all[*group].taken += 1;
        }
    }

    /// Calls `visit` for each group that takes `subject`.
    pub(super) fn visit(&self, subject: &[u8], mut visit: impl FnMut(usize)) {
        if let Some(group) = self.unfiltered {
            visit(group);
        }
        if self.all.len() > usize::from(self.unfiltered.is_some()) {
            self.filtered.visit(subject, &mut |group| visit(*group));
        }
    }
}
