//! Where in a tree something stands.

use watershed_topology::yaml::{Entry, Node, Value};

/// A step from a node to one in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Step {
    /// To the value of a key.
    Key(String),
    /// To an item of a list.
    Item,
}

/// What stands at a place.
#[derive(Debug)]
pub(crate) enum Found<'n> {
    /// A key, of the mapping that the path leads to.
    Key(&'n Entry),
    /// A single value, which the path leads to.
    Value(&'n Node),
}

/// What stands at a byte of a file, and the path there.
pub(crate) fn locate(root: &Node, byte: usize) -> Option<(Vec<Step>, Found<'_>)> {
    let mut path = Vec::new();
    let found = within(
        root,
        &|node: &Node| (node.span.start as usize..=node.span.end as usize).contains(&byte),
        &|entry: &Entry| {
            (entry.key_span.start as usize..=entry.key_span.end as usize).contains(&byte)
        },
        &mut path,
    )?;
    Some((path, found))
}

/// The key or value whose text holds `mark`, and the path there.
pub(crate) fn marked<'n>(root: &'n Node, mark: &str) -> Option<(Vec<Step>, Found<'n>)> {
    let mut path = Vec::new();
    let found = within(
        root,
        &|node: &Node| match &node.value {
            Value::Scalar(scalar) => scalar.text.contains(mark),
            _ => true,
        },
        &|entry: &Entry| entry.key.contains(mark),
        &mut path,
    )?;
    Some((path, found))
}

fn within<'n>(
    node: &'n Node,
    is_in: &dyn Fn(&Node) -> bool,
    is_key: &dyn Fn(&Entry) -> bool,
    path: &mut Vec<Step>,
) -> Option<Found<'n>> {
    match &node.value {
        Value::Scalar(_) => is_in(node).then_some(Found::Value(node)),
        Value::Sequence(items) => {
            path.push(Step::Item);
            let found = items.iter().find_map(|item| within(item, is_in, is_key, path));
            if found.is_none() {
                path.pop();
            }
            found
        }
        Value::Mapping(entries) => entries.iter().find_map(|entry| {
            if is_key(entry) {
                return Some(Found::Key(entry));
            }
            path.push(Step::Key(entry.key.clone()));
            let found = within(&entry.node, is_in, is_key, path);
            if found.is_none() {
                path.pop();
            }
            found
        }),
    }
}

/// The keys of a path; an item is `-`.
pub(crate) fn keys(path: &[Step]) -> Vec<&str> {
    let mut keys = Vec::with_capacity(path.len());
    for step in path {
        keys.push(match step {
            Step::Key(key) => key.as_str(),
            Step::Item => "-",
        });
    }
    keys
}

/// The node that a path of keys leads to.
pub(crate) fn follow<'n>(root: &'n Node, path: &[Step]) -> Option<&'n Node> {
    let mut node = root;
    for step in path {
        match step {
            Step::Key(key) => node = &node.get(key)?.node,
            Step::Item => return None,
        }
    }
    Some(node)
}
