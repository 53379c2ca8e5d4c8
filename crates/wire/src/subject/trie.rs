//! Filters by token.

use super::tokens;
use hashbrown::HashMap;

/// Values by filter, found by subject without a look at filters that begin otherwise.
#[derive(Debug)]
pub struct Trie<T> {
    root: Node<T>,
}

#[derive(Debug)]
struct Node<T> {
    /// Children by literal token.
    literal: HashMap<Box<[u8]>, Box<Self>, foldhash::fast::FixedState>,
    /// Child for `*`.
    star: Option<Box<Self>>,
    /// Values of filters that end here.
    here: Vec<T>,
    /// Values of filters that end here with `>`.
    tail: Vec<T>,
}

impl<T> Default for Trie<T> {
    fn default() -> Self {
        Self { root: Node::default() }
    }
}

impl<T> Default for Node<T> {
    fn default() -> Self {
        Self { literal: HashMap::default(), star: None, here: Vec::new(), tail: Vec::new() }
    }
}

impl<T> Trie<T> {
    /// Adds a value under a valid filter.
    pub fn insert(&mut self, filter: &[u8], value: T) {
        let mut node = &mut self.root;
        for token in tokens(filter) {
            node = match token {
                b">" => {
                    node.tail.push(value);
                    return;
                }
                b"*" => node.star.get_or_insert_default(),
                token => {
                    if !node.literal.contains_key(token) {
                        node.literal.insert(token.into(), Box::default());
                    }
                    node.literal.get_mut(token).expect("it was just put there")
                }
            };
        }
        node.here.push(value);
    }

    /// Removes the first value under `filter` that is `wanted`.
    pub fn remove(&mut self, filter: &[u8], wanted: impl Fn(&T) -> bool) {
        self.root.remove(&mut tokens(filter), &wanted);
    }

    /// Calls `visit` for every value whose filter takes `subject`. A subject with an empty token is
    /// taken by none.
    pub fn visit(&self, subject: &[u8], visit: &mut impl FnMut(&T)) {
        if tokens(subject).all(|token| !token.is_empty()) {
            self.root.visit(subject, visit);
        }
    }

    /// Whether it holds nothing.
    pub fn is_empty(&self) -> bool {
        self.root.is_empty()
    }
}

impl<T> Node<T> {
    fn remove<'a>(
        &mut self,
        tokens: &mut impl Iterator<Item = &'a [u8]>,
        wanted: &impl Fn(&T) -> bool,
    ) {
        match tokens.next() {
            None => take_first(&mut self.here, wanted),
            Some(b">") => take_first(&mut self.tail, wanted),
            Some(b"*") => {
                let Some(star) = &mut self.star else { return };
                star.remove(tokens, wanted);
                if star.is_empty() {
                    self.star = None;
                }
            }
            Some(token) => {
                let Some(child) = self.literal.get_mut(token) else { return };
                child.remove(tokens, wanted);
                if child.is_empty() {
                    self.literal.remove(token);
                }
            }
        }
    }

    fn visit(&self, rest: &[u8], visit: &mut impl FnMut(&T)) {
        self.tail.iter().for_each(&mut *visit);
        let mut parts = rest.splitn(2, |byte| *byte == b'.');
        let (token, after) = (parts.next().unwrap_or_default(), parts.next());
        let children = [self.star.as_deref(), self.literal.get(token).map(Box::as_ref)];
        for child in children.into_iter().flatten() {
            match after {
                Some(after) => child.visit(after, visit),
                None => child.here.iter().for_each(&mut *visit),
            }
        }
    }

    fn is_empty(&self) -> bool {
        self.literal.is_empty()
            && self.star.is_none()
            && self.here.is_empty()
            && self.tail.is_empty()
    }
}

fn take_first<T>(list: &mut Vec<T>, wanted: &impl Fn(&T) -> bool) {
    if let Some(index) = list.iter().position(wanted) {
        list.remove(index);
    }
}
