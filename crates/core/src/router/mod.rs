//! Who gets a message: subscriptions and captures by filter, and what a subject matched last time.

use hashbrown::HashMap;
use watershed_wire::subject::{Trie, has_wildcard};

use crate::limits::MATCH_CACHE_ENTRIES_MAX;

/// A subscription's place in the engine's table.
pub(crate) type SubKey = u32;

/// Names what is to become of messages that a filter takes, for whoever asked for them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Capture(pub u32);

/// Who listens to a subject.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(crate) struct Matched {
    /// Everybody of these gets the message.
    pub(crate) plain: Vec<SubKey>,
    /// One of each group gets the message.
    pub(crate) groups: Vec<Group>,
    /// Who wants to store the message.
    pub(crate) capture: Option<Capture>,
}

/// A queue group's members for a subject.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Group {
    /// Name of the group.
    pub(crate) name: Box<[u8]>,
    /// Members, in the order in which they came.
    pub(crate) members: Vec<SubKey>,
}

impl Matched {
    /// Whether nobody listens.
    pub(crate) fn is_empty(&self) -> bool {
        self.plain.is_empty() && self.groups.is_empty()
    }

    fn clear(&mut self) {
        self.plain.clear();
        self.groups.clear();
        self.capture = None;
    }

    fn add(&mut self, entry: &Entry) {
        let (key, queue) = match entry {
            Entry::Plain(key) => return self.plain.push(*key),
            Entry::Capture(key) => return self.capture = Some(*key),
            Entry::Member(key, queue) => (*key, queue),
        };
        match self.groups.iter_mut().find(|group| group.name == *queue) {
            Some(group) => group.members.push(key),
            None => self.groups.push(Group { name: queue.clone(), members: vec![key] }),
        }
    }
}

/// What stands under a filter.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Entry {
    /// A subscription that gets everything.
    Plain(SubKey),
    /// A subscription that shares with its queue group.
    Member(SubKey, Box<[u8]>),
    /// Somebody who stores everything. The captures of an account do not overlap.
    Capture(Capture),
}

impl Entry {
    fn is_subscription(&self, wanted: SubKey) -> bool {
        matches!(self, Self::Plain(key) | Self::Member(key, _) if *key == wanted)
    }
}

/// What a subject matched, and how many changes of wildcard filters there had been by then.
#[derive(Debug, Default)]
struct Remembered {
    matched: Matched,
    /// 0 if it never did.
    changes: u64,
}

type Cache = HashMap<Vec<u8>, Remembered, foldhash::fast::FixedState>;

/// Entries of the cache before that go whenever one is made. More than one, so that none are left when
/// there are too many again.
const FORGOTTEN_AT_ONCE: usize = 4;

/// The subscriptions of one account.
#[derive(Debug)]
pub(crate) struct Router {
    trie: Trie<Entry>,
    /// What literal subjects matched. All go when there are too many, because a full cache is one
    /// that does not help.
    cache: Cache,
    /// The entries of the cache before, which go a few at a time.
    forgotten: Option<<Cache as IntoIterator>::IntoIter>,
    /// Filters with wildcards that came or went: entries from before the last one hold no more.
    changes: u64,
    /// The last match that was not worth remembering.
    once: Matched,
}

impl Default for Router {
    fn default() -> Self {
        let (trie, cache, once) = (Trie::default(), Cache::default(), Matched::default());
        Self { trie, cache, forgotten: None, changes: 1, once }
    }
}

impl Router {
    /// Adds a subscription to a valid filter.
    pub(crate) fn insert(&mut self, filter: &[u8], queue: Option<&[u8]>, key: SubKey) {
        let entry = match queue {
            None => Entry::Plain(key),
            Some(queue) => Entry::Member(key, queue.into()),
        };
        self.trie.insert(filter, entry);
        self.forget(filter);
    }

    /// Removes a subscription.
    pub(crate) fn remove(&mut self, filter: &[u8], key: SubKey) {
        self.trie.remove(filter, |entry| entry.is_subscription(key));
        self.forget(filter);
    }

    /// Captures what a valid filter takes.
    pub(crate) fn capture(&mut self, filter: &[u8], key: Capture) {
        self.trie.insert(filter, Entry::Capture(key));
        self.forget(filter);
    }

    /// Ends that.
    pub(crate) fn release(&mut self, filter: &[u8], key: Capture) {
        self.trie.remove(filter, |entry| *entry == Entry::Capture(key));
        self.forget(filter);
    }

    /// Who listens to a subject that is used once, as the reply subject of a request is.
    pub(crate) fn matched_once(&mut self, subject: &[u8]) -> &Matched {
        self.once.clear();
        let once = &mut self.once;
        self.trie.visit(subject, &mut |entry| once.add(entry));
        &self.once
    }

    /// Who listens to `subject`.
    #[inline]
    pub(crate) fn matched(&mut self, subject: &[u8]) -> &Matched {
        if self.cache.len() > MATCH_CACHE_ENTRIES_MAX {
            self.forgotten = Some(std::mem::take(&mut self.cache).into_iter());
        }
        let Self { trie, cache, forgotten, changes, .. } = self;
        let Remembered { matched, changes: known } = cache.entry_ref(subject).or_default();
        if *known != *changes {
            *known = *changes;
            matched.clear();
            trie.visit(subject, &mut |entry| matched.add(entry));
            forgotten.iter_mut().flatten().take(FORGOTTEN_AT_ONCE).for_each(drop);
        }
        matched
    }

    fn forget(&mut self, filter: &[u8]) {
        if has_wildcard(filter) {
            self.changes += 1;
        } else {
            self.cache.remove(filter);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use watershed_wire::subject::matches;

    use super::*;

    #[test]
    fn groups_are_collected_over_filters() {
        let mut router = Router::default();
        router.insert(b"a.*", None, 1);
        router.insert(b"a.>", Some(b"q"), 2);
        router.insert(b"a.b", Some(b"q"), 3);
        router.insert(b"a.b", Some(b"r"), 4);
        let matched = router.matched(b"a.b");
        assert_eq!(matched.plain, [1]);
        let group = |name: &[u8]| {
            let mut members =
                matched.groups.iter().find(|group| *group.name == *name).unwrap().members.clone();
            members.sort_unstable();
            members
        };
        assert_eq!((group(b"q"), group(b"r")), (vec![2, 3], vec![4]));
    }

    #[derive(Debug, Clone)]
    enum Step {
        Insert(String),
        Remove(usize),
        Match(String),
    }

    fn step() -> impl Strategy<Value = Step> {
        let filter = "(a|b|\\*)(\\.(a|b|\\*)){0,2}(\\.>)?|>";
        prop_oneof![
            filter.prop_map(Step::Insert),
            (0..20_usize).prop_map(Step::Remove),
            "(a|b)(\\.(a|b)){0,3}|a\\.\\.b|".prop_map(Step::Match),
        ]
    }

    proptest! {
        /// The router with its cache agrees with asking every subscription.
        #[test]
        fn the_router_agrees_with_a_list(steps in proptest::collection::vec(step(), 1..60)) {
            let mut router = Router::default();
            let mut list: Vec<(String, SubKey)> = Vec::new();
            let mut next = 0;
            for step in steps {
                match step {
                    Step::Insert(filter) => {
                        router.insert(filter.as_bytes(), None, next);
                        list.push((filter, next));
                        next += 1;
                    }
                    Step::Remove(index) if index < list.len() => {
                        let (filter, key) = list.remove(index);
                        router.remove(filter.as_bytes(), key);
                    }
                    Step::Remove(_) => {}
                    Step::Match(subject) => {
                        let valid = watershed_wire::subject::is_valid(subject.as_bytes());
                        let expected: Vec<SubKey> = list
                            .iter()
                            .filter(|(filter, _)| valid && matches(filter.as_bytes(), subject.as_bytes()))
                            .map(|(_, key)| *key)
                            .collect();
                        let mut found = router.matched(subject.as_bytes()).plain.clone();
                        found.sort_unstable();
                        prop_assert_eq!(found, expected);
                    }
                }
            }
            for (filter, key) in list {
                router.remove(filter.as_bytes(), key);
            }
            prop_assert!(router.trie.is_empty());
        }
    }
}
