//! Many filters, of which those are wanted that overlap with one, without looking at all of them.

use std::collections::BTreeMap;

/// Valid filters, each with what it belongs to, by their tokens.
#[derive(Debug, Clone)]
pub struct FilterSet<'t, T> {
    nodes: Vec<Node<'t, T>>,
}

/// What begins with the same tokens.
#[derive(Debug, Clone)]
struct Node<'t, T> {
    next: BTreeMap<&'t str, usize>,
    /// Filters that end here.
    here: Vec<(T, &'t str)>,
    /// Filters that have a `>` behind this.
    tails: Vec<(T, &'t str)>,
}

impl<T> Default for Node<'_, T> {
    fn default() -> Self {
        Self { next: BTreeMap::new(), here: Vec::new(), tails: Vec::new() }
    }
}

impl<T> Default for FilterSet<'_, T> {
    fn default() -> Self {
        Self { nodes: vec![Node::default()] }
    }
}

impl<'t, T: Copy> FilterSet<'t, T> {
    /// Takes in a valid filter.
    pub fn insert(&mut self, filter: &'t str, owner: T) {
        let mut at = 0;
        for token in filter.split('.') {
            let fresh = self.nodes.len();
            let node = self.node_mut(at);
            if token == ">" {
                return node.tails.push((owner, filter));
            }
            at = *node.next.entry(token).or_insert(fresh);
            if at == fresh {
                self.nodes.push(Node::default());
            }
        }
        self.node_mut(at).here.push((owner, filter));
    }

    fn node(&self, at: usize) -> &Node<'t, T> {
        self.nodes.get(at).expect("places are those of nodes")
    }

    fn node_mut(&mut self, at: usize) -> &mut Node<'t, T> {
        self.nodes.get_mut(at).expect("places are those of nodes")
    }

    /// Those that overlap with a valid filter, in no order.
    pub fn overlapping(&self, filter: &str) -> Vec<(T, &'t str)> {
        let tokens: Vec<&str> = filter.split('.').collect();
        let mut found = Vec::new();
        let mut left = vec![(0, 0)];
        while let Some((at, index)) = left.pop() {
            let node = self.node(at);
            let Some(token) = tokens.get(index) else {
                found.extend(&node.here);
                continue;
            };
            found.extend(&node.tails);
            match *token {
                ">" => self.below(node, &mut found),
                "*" => left.extend(node.next.values().map(|next| (*next, index + 1))),
                literal => {
                    let next = [literal, "*"].into_iter().filter_map(|token| node.next.get(token));
                    left.extend(next.map(|next| (*next, index + 1)));
                }
            }
        }
        found
    }

    /// Everything that goes on behind a node; its tails are known.
    fn below(&self, node: &Node<'t, T>, found: &mut Vec<(T, &'t str)>) {
        let mut left: Vec<usize> = node.next.values().copied().collect();
        while let Some(at) = left.pop() {
            let node = self.node(at);
            found.extend(&node.here);
            found.extend(&node.tails);
            left.extend(node.next.values());
        }
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

    use super::super::overlaps;
    use super::*;

    proptest! {
        /// What overlaps is found, and nothing else.
        #[test]
        fn a_set_agrees_with_looking_at_all(
            filters in proptest::collection::vec("(a|b|\\*)(\\.(a|b|\\*)){0,2}(\\.>)?|>", 0..12),
            wanted in "(a|b|\\*)(\\.(a|b|\\*)){0,2}(\\.>)?|>",
        ) {
            let mut set = FilterSet::default();
            for (index, filter) in filters.iter().enumerate() {
                set.insert(filter, index);
            }
            let mut found: Vec<usize> =
                set.overlapping(&wanted).into_iter().map(|(index, _)| index).collect();
            found.sort_unstable();
            let all = filters.iter().enumerate();
            let same = all.filter(|(_, filter)| overlaps(filter.as_bytes(), wanted.as_bytes()));
            prop_assert_eq!(found, same.map(|(index, _)| index).collect::<Vec<_>>());
        }
    }
}
