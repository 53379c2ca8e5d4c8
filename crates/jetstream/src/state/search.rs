//! A search for a message of a subject that a wildcard takes. It may look at every message of the
//! stream, so it is made in slices while messages come and go, and what it finds is true at its end.

use watershed_store::Log;
use watershed_store::log::Scan;
use watershed_wire::subject::matches;

/// A search, and how far it has come.
#[derive(Debug)]
pub(crate) struct Search {
    filters: Vec<Box<[u8]>>,
    way: Way,
}

/// What a search has found, if there is anything.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Hit(pub(crate) Option<u64>);

#[derive(Debug, Clone, Copy)]
enum Way {
    /// The first message from this sequence on.
    Next(u64),
    /// The last one: those from `bottom` to `upto` are still to be looked at. Those up to `top` that
    /// are not, are behind `found`, or are not wanted.
    Last { bottom: u64, upto: u64, top: u64, found: Option<u64> },
    /// The one with `left` of them from it up to `upto`.
    NthLast { upto: u64, left: u64 },
}

impl Search {
    /// Looks for the first message from `from` on.
    pub(crate) fn next(filter: &[u8], from: u64) -> Self {
        Self { filters: vec![filter.into()], way: Way::Next(from) }
    }

    /// Looks for the last message that any of `filters` takes.
    pub(crate) fn last<'a>(filters: impl Iterator<Item = &'a [u8]>, log: &Log) -> Self {
        let top = log.last();
        let way = Way::Last { bottom: 0, upto: top, top, found: None };
        Self { filters: filters.map(Box::from).collect(), way }
    }

    /// Looks for the first of the last `count` messages that `filter` takes, of those that are there now.
    pub(crate) fn nth_last(filter: &[u8], count: u64, log: &Log) -> Self {
        let way = Way::NthLast { upto: log.last(), left: count };
        Self { filters: vec![filter.into()], way }
    }

    /// Looks at about `budget` messages more. Says what was found, when all is looked at that must be.
    pub(crate) fn go_on(&mut self, log: &Log, budget: usize) -> Option<Hit> {
        let filters = &self.filters;
        let wanted = |key| filters.iter().any(|filter| matches(filter, log.key_name(key)));
        match &mut self.way {
            Way::Next(from) => match log.scan(*from, budget, wanted) {
                Scan::Found(found) => Some(Hit(Some(found))),
                Scan::More(next) => {
                    *from = next;
                    None
                }
                Scan::End => Some(Hit(None)),
            },
            Way::Last { bottom, upto, top, found } => {
                match log.scan_back(*upto, budget, wanted) {
                    Scan::More(next) if next >= *bottom => {
                        *upto = next;
                        return None;
                    }
                    Scan::Found(last) if last >= *bottom => *found = Some(last),
                    Scan::Found(_) | Scan::More(_) | Scan::End => {}
                }
                let gone = found.filter(|found| log.position(*found).is_none());
                if let Some(gone) = gone {
                    (*bottom, *upto, *found) = (0, gone - 1, None);
                    return None;
                }
                if log.last() > *top {
                    // Others came meanwhile.
                    (*bottom, *upto, *top) = (*top + 1, log.last(), log.last());
                    return None;
                }
                Some(Hit(*found))
            }
            Way::NthLast { upto, left } => {
                let mut budget = budget;
                loop {
                    let mut looked_at = 0;
                    let seen = log.scan_back(*upto, budget, |key| {
                        looked_at += 1;
                        wanted(key)
                    });
                    budget -= looked_at;
                    match seen {
                        Scan::Found(found) => {
                            *left = left.saturating_sub(1);
                            if *left == 0 {
                                return Some(Hit(Some(found)));
                            }
                            *upto = found.saturating_sub(1);
                        }
                        Scan::More(next) => {
                            *upto = next;
                            return None;
                        }
                        Scan::End => return Some(Hit(None)),
                    }
                }
            }
        }
    }
}
