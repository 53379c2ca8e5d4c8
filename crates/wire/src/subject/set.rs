//! Many filters, of which those are wanted that stand in some relation to one, without looking at
//! all of them.
//!
//! Whether two among many filters overlap has no algorithm whose worst case is good: a filter that
//! begins with `*` has to follow everything. Those who hold filters of others against each other
//! count the [`Steps`] that it takes, and stop at a bound.

use std::collections::BTreeMap;

use super::relation;

/// Valid filters, each with what it belongs to, by their tokens.
#[derive(Debug, Clone)]
pub struct FilterSet<'t, T> {
    nodes: Vec<Node<'t, T>>,
    /// From a place and a token to the next place. One map for all, so that many long filters with
    /// nothing in common don't need one for each token.
    next: BTreeMap<(usize, &'t str), usize>,
}

/// What begins with the same tokens.
#[derive(Debug, Clone)]
struct Node<'t, T> {
    /// Filters that end here.
    here: Vec<(T, &'t str)>,
    /// Filters that have a `>` behind this.
    tails: Vec<(T, &'t str)>,
}

/// How many steps a search may take: one for each token that it follows and each filter that it
/// finds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Steps(u64);

/// A search took all the steps that it was given.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the filters have too many wildcards to be compared with one another")]
pub struct TooManySteps;

impl Steps {
    /// So many steps.
    pub const fn new(steps: u64) -> Self {
        Self(steps)
    }

    /// Steps that are left.
    pub const fn left(self) -> u64 {
        self.0
    }

    fn take(&mut self) -> Result<(), TooManySteps> {
        self.0 = self.0.checked_sub(1).ok_or(TooManySteps)?;
        Ok(())
    }
}

/// How a member of a set may stand to a filter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Relation {
    /// Some subject is taken by both.
    Overlaps,
    /// The member takes every subject that the filter takes.
    Contains,
    /// The filter takes every subject that the member takes.
    Within,
}

impl Relation {
    /// Whether `member` stands in this relation to `filter`. Both are valid.
    pub fn holds(self, member: &str, filter: &str) -> bool {
        let (member, filter) = (member.as_bytes(), filter.as_bytes());
        match self {
            Self::Overlaps => relation::overlaps(member, filter),
            Self::Contains => relation::contains(member, filter),
            Self::Within => relation::contains(filter, member),
        }
    }
}

impl<T> Default for Node<'_, T> {
    fn default() -> Self {
        Self { here: Vec::new(), tails: Vec::new() }
    }
}

impl<T> Default for FilterSet<'_, T> {
    fn default() -> Self {
        Self { nodes: vec![Node::default()], next: BTreeMap::new() }
    }
}

impl<'t, T: Copy> FilterSet<'t, T> {
    /// Takes in a valid filter.
    pub fn insert(&mut self, filter: &'t str, owner: T) {
        let mut at = 0;
        for token in filter.split('.') {
            if token == ">" {
                return self.node_mut(at).tails.push((owner, filter));
            }
            let fresh = self.nodes.len();
            at = *self.next.entry((at, token)).or_insert(fresh);
            if at == fresh {
                self.nodes.push(Node::default());
            }
        }
        self.node_mut(at).here.push((owner, filter));
    }

    /// Takes in a valid filter, unless it overlaps with a member: then that one, and the set is as
    /// it was.
    pub fn insert_apart(
        &mut self,
        filter: &'t str,
        owner: T,
        steps: &mut Steps,
    ) -> Result<Option<(T, &'t str)>, TooManySteps> {
        let other = self.find(filter, Relation::Overlaps, steps, |_| true)?;
        if other.is_none() {
            self.insert(filter, owner);
        }
        Ok(other)
    }

    /// Some member that is wanted and stands in this relation to a valid filter.
    pub fn find(
        &self,
        filter: &str,
        relation: Relation,
        steps: &mut Steps,
        mut wanted: impl FnMut(T) -> bool,
    ) -> Result<Option<(T, &'t str)>, TooManySteps> {
        let mut found = None;
        self.visit(filter, relation, steps, |member| {
            found = wanted(member.0).then_some(member);
            found.is_some()
        })?;
        Ok(found)
    }

    /// Those that overlap with a valid filter, in no order.
    pub fn overlapping(&self, filter: &str) -> Vec<(T, &'t str)> {
        let mut found = Vec::new();
        let all = self.visit(filter, Relation::Overlaps, &mut Steps::new(u64::MAX), |member| {
            found.push(member);
            false
        });
        debug_assert_eq!(all, Ok(()), "a set has fewer places than that");
        found
    }

    /// Shows members that stand in this relation to a valid filter, in no order, until `found` says
    /// that it is enough.
    pub fn visit(
        &self,
        filter: &str,
        relation: Relation,
        steps: &mut Steps,
        mut found: impl FnMut((T, &'t str)) -> bool,
    ) -> Result<(), TooManySteps> {
        let tokens: Vec<&str> = filter.split('.').collect();
        // A place is reached by as many tokens as it is deep, so that none is seen twice.
        let mut left = vec![(0, Some(0))];
        while let Some((at, index)) = left.pop() {
            steps.take()?;
            let node = self.node(at);
            // Without an index, the filter's `>` takes what is here and all that is behind.
            let token = index.map(|index| tokens.get(index).copied());
            let ends_here = matches!(token, None | Some(None));
            let goes_on = match token {
                None => true,
                Some(None) => false,
                Some(Some(token)) => relation != Relation::Within || token == ">",
            };
            let here = if ends_here { node.here.as_slice() } else { &[] };
            let tails = if goes_on { node.tails.as_slice() } else { &[] };
            for member in here.iter().chain(tails) {
                steps.take()?;
                if found(*member) {
                    return Ok(());
                }
            }
            let behind = index.map(|index| index + 1);
            match token {
                Some(None) => {}
                None => left.extend(self.behind(at).map(|next| (next, None))),
                Some(Some(">" | "*")) if relation == Relation::Contains => {
                    let open = if token == Some(Some("*")) { self.next(at, "*") } else { None };
                    left.extend(open.map(|next| (next, behind)));
                }
                Some(Some(">")) => left.extend(self.behind(at).map(|next| (next, None))),
                Some(Some("*")) => left.extend(self.behind(at).map(|next| (next, behind))),
                Some(Some(literal)) => {
                    let open = (relation != Relation::Within).then_some("*");
                    let tokens = std::iter::once(literal).chain(open);
                    left.extend(
                        tokens.filter_map(|token| self.next(at, token)).map(|next| (next, behind)),
                    );
                }
            }
        }
        Ok(())
    }

    fn node(&self, at: usize) -> &Node<'t, T> {
        self.nodes.get(at).expect("places are those of nodes")
    }

    fn node_mut(&mut self, at: usize) -> &mut Node<'t, T> {
        self.nodes.get_mut(at).expect("places are those of nodes")
    }

    fn next(&self, at: usize, token: &str) -> Option<usize> {
        self.next.get(&(at, token)).copied()
    }

    /// All places one token behind a place.
    fn behind(&self, at: usize) -> impl Iterator<Item = usize> {
        self.next.range((at, "")..(at + 1, "")).map(|(_, next)| *next)
    }
}

impl<'t> FromIterator<&'t str> for FilterSet<'t, ()> {
    /// Valid filters that belong to nothing.
    fn from_iter<I: IntoIterator<Item = &'t str>>(filters: I) -> Self {
        let mut set = Self::default();
        for filter in filters {
            set.insert(filter, ());
        }
        set
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const FILTER: &str = "(a|b|\\*)(\\.(a|b|\\*)){0,2}(\\.>)?|>";

    proptest! {
        /// What stands in a relation is found, and nothing else.
        #[test]
        fn a_set_agrees_with_looking_at_all(
            filters in proptest::collection::vec(FILTER, 0..12),
            wanted in FILTER,
        ) {
            let mut set = FilterSet::default();
            for (index, filter) in filters.iter().enumerate() {
                set.insert(filter, index);
            }
            for relation in [Relation::Overlaps, Relation::Contains, Relation::Within] {
                let mut found = Vec::new();
                let mut steps = Steps::new(1000);
                set.visit(&wanted, relation, &mut steps, |(index, _)| {
                    found.push(index);
                    false
                }).unwrap();
                found.sort_unstable();
                let all = filters.iter().enumerate();
                let same = all.filter(|(_, filter)| relation.holds(filter, &wanted));
                prop_assert_eq!(found, same.map(|(index, _)| index).collect::<Vec<_>>());
            }
        }

        /// A set of filters that are apart takes in those that overlap with none before them.
        #[test]
        fn what_overlaps_stays_out(filters in proptest::collection::vec(FILTER, 0..12)) {
            let mut set = FilterSet::default();
            let mut apart: Vec<&str> = Vec::new();
            for filter in &filters {
                let other = set.insert_apart(filter, (), &mut Steps::new(1000)).unwrap();
                let overlaps = |other: &&&str| Relation::Overlaps.holds(other, filter);
                match other {
                    None => prop_assert_eq!(apart.iter().find(overlaps), None),
                    Some(((), other)) => prop_assert!(apart.iter().filter(overlaps).any(|own| *own == other)),
                }
                if other.is_none() {
                    apart.push(filter);
                }
            }
        }
    }

    #[test]
    fn a_search_ends_when_its_steps_are_used_up() {
        let filters: Vec<String> = (0..1000).map(|n| format!("a{n}.x")).collect();
        let set: FilterSet<'_, ()> = filters.iter().map(String::as_str).collect();
        let find = |filter, steps: &mut Steps| {
            set.find(filter, Relation::Overlaps, steps, |()| true).map(|found| found.is_some())
        };
        let mut steps = Steps::new(1500);
        assert_eq!(find("a7.x", &mut steps), Ok(true));
        assert_eq!(find("*.y", &mut steps), Ok(false));
        assert!(steps.left() < 500, "{steps:?}");
        assert_eq!(find("*.y", &mut steps), Err(TooManySteps));
    }
}
