//! Which of many subjects may overlap with one, without looking at all of them.

use std::collections::BTreeMap;

/// Subjects by their first two tokens, each with what it belongs to.
#[derive(Debug)]
pub(crate) struct Buckets<'t, T> {
    by_start: BTreeMap<(&'t str, &'t str), Vec<(T, &'t str)>>,
    by_first: BTreeMap<&'t str, Vec<(T, &'t str)>>,
    /// Those whose first token is open.
    open: Vec<(T, &'t str)>,
    /// Those whose first token is known and whose second is open.
    half_open: BTreeMap<&'t str, Vec<(T, &'t str)>>,
    all: Vec<(T, &'t str)>,
}

impl<T> Default for Buckets<'_, T> {
    fn default() -> Self {
        Self {
            by_start: BTreeMap::new(),
            by_first: BTreeMap::new(),
            open: Vec::new(),
            half_open: BTreeMap::new(),
            all: Vec::new(),
        }
    }
}

/// First and second token; an open one is none.
fn start(subject: &str) -> (Option<&str>, Option<&str>) {
    let known = |token: &&str| !matches!(*token, "*" | ">");
    let mut tokens = subject.split('.');
    let first = tokens.next().filter(known);
    // A subject of one token has an end where others have their second.
    let second = if subject.contains('.') { tokens.next().filter(known) } else { Some("") };
    (first, second)
}

impl<'t, T: Copy> Buckets<'t, T> {
    /// Takes in a valid subject.
    pub(crate) fn insert(&mut self, subject: &'t str, owner: T) {
        let entry = (owner, subject);
        self.all.push(entry);
        match start(subject) {
            (None, _) => self.open.push(entry),
            (Some(first), None) => {
                self.by_first.entry(first).or_default().push(entry);
                self.half_open.entry(first).or_default().push(entry);
            }
            (Some(first), Some(second)) => {
                self.by_first.entry(first).or_default().push(entry);
                self.by_start.entry((first, second)).or_default().push(entry);
            }
        }
    }

    /// Those that may overlap with a valid subject.
    pub(crate) fn candidates(&self, subject: &'t str) -> Vec<(T, &'t str)> {
        fn of<'a, 't, K: Ord, T>(
            map: &'a BTreeMap<K, Vec<(T, &'t str)>>,
            key: &K,
        ) -> &'a [(T, &'t str)] {
            map.get(key).map(Vec::as_slice).unwrap_or_default()
        }
        let mut found = match start(subject) {
            (None, _) => return self.all.clone(),
            (Some(first), None) => of(&self.by_first, &first).to_vec(),
            (Some(first), Some(second)) => {
                let mut found = of(&self.by_start, &(first, second)).to_vec();
                found.extend(of(&self.half_open, &first));
                found
            }
        };
        found.extend(&self.open);
        found
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use watershed_wire::subject::witness;

    use super::*;

    proptest! {
        /// Whatever overlaps is among the candidates.
        #[test]
        fn buckets_leave_nothing_out(
            subjects in proptest::collection::vec("(a|b|\\*)(\\.(a|b|\\*)){0,2}(\\.>)?", 1..12),
            wanted in "(a|b|\\*)(\\.(a|b|\\*)){0,2}(\\.>)?",
        ) {
            let mut buckets = Buckets::default();
            for (index, subject) in subjects.iter().enumerate() {
                buckets.insert(subject, index);
            }
            let candidates = buckets.candidates(&wanted);
            for (index, subject) in subjects.iter().enumerate() {
                let found = candidates.iter().any(|(other, _)| *other == index);
                prop_assert!(found || witness(subject, &wanted).is_none(), "{} {}", subject, wanted);
            }
        }
    }
}
