//! The files of one topology, put together: a base in one file or several, and what an environment
//! says otherwise.

use crate::diagnostic::{Diagnostic, Severity, sort};
use crate::lint::{self, allow};
use crate::lower::lower;
use crate::model::Topology;
use crate::source::{FileId, SourceMap};
use crate::version::Version;
use crate::yaml::{Entry, Node, Value, parse};

/// A file as a tree, with what is wrong with it as a text.
#[derive(Debug)]
pub struct Document {
    root: Option<Node>,
    diagnostics: Vec<Diagnostic>,
    allowances: Vec<allow::Allowance>,
}

/// What the files of a topology say.
#[derive(Debug)]
pub struct Read {
    /// As far as it can be read.
    pub topology: Topology,
    /// What is wrong with it.
    pub diagnostics: Vec<Diagnostic>,
    /// How many findings are allowed by a comment.
    pub allowed: usize,
}

impl Document {
    /// Reads a file.
    pub fn new(sources: &SourceMap, file: FileId) -> Self {
        let (root, mut diagnostics) = parse(sources, file);
        if let Some(root) = root.as_ref().filter(|root| root.get("watershed").is_some()) {
            diagnostics.extend(allow::not_read(sources, file, root));
        }
        let allowances = allow::comments(sources, file, root.as_ref());
        Self { root, diagnostics, allowances }
    }

    /// Whether it is a topology, or a part of one.
    pub fn is_topology(&self) -> bool {
        self.root.as_ref().is_some_and(|root| root.get("watershed").is_some())
    }

    /// The name that it gives the topology; one file of several gives it.
    pub fn name(&self) -> Option<&str> {
        match &self.root.as_ref()?.get("name")?.node.value {
            Value::Scalar(scalar) => Some(&scalar.text),
            _ => None,
        }
    }

    /// What is wrong with a file that is no topology: nothing, unless it cannot be read at all.
    pub fn into_diagnostics(self) -> Vec<Diagnostic> {
        self.diagnostics
    }
}

/// The topology that `base` is when `overlays` have been laid over it in their order, and all
/// findings about it.
pub fn read(
    sources: &SourceMap,
    base: Vec<Document>,
    overlays: Vec<Document>,
    target: Option<Version>,
) -> Read {
    let mut diagnostics = Vec::new();
    let mut allowances = Vec::new();
    let mut whole: Option<Node> = None;
    let count = base.len();
    for (index, document) in base.into_iter().chain(overlays).enumerate() {
        diagnostics.extend(document.diagnostics);
        allowances.extend(document.allowances);
        let Some(root) = document.root else { continue };
        whole = Some(match whole {
            None => root,
            Some(whole) if index < count => joined(whole, root, 0, &mut diagnostics),
            Some(whole) => overlaid(whole, root),
        });
    }
    let (mut topology, mut findings) = whole.as_ref().map(lower).unwrap_or_default();
    let torn = diagnostics.iter().any(|diagnostic| diagnostic.code == "F001");
    diagnostics.append(&mut findings);
    // What follows a syntax error was not read: rules would find fault with its absence.
    if !torn && !diagnostics.iter().any(|diagnostic| diagnostic.code == "F001") {
        diagnostics.extend(lint::run(&topology, target));
    }
    topology.lint.target_version = target.or(topology.lint.target_version);
    let allowed = allow::apply(sources, &allowances, &mut diagnostics);
    sort(&mut diagnostics);
    Read { topology, diagnostics, allowed }
}

/// Levels at which files of one topology may name the same thing: the topology's own keys.
const SHARED_DEPTH: usize = 1;

/// Two files of one topology as one. What both give is given twice, unless it is the same word.
fn joined(mut left: Node, right: Node, depth: usize, found: &mut Vec<Diagnostic>) -> Node {
    let (Value::Mapping(entries), Value::Mapping(more)) = (&mut left.value, right.value) else {
        return left;
    };
    for entry in more {
        let Some(known) = entries.iter_mut().find(|known| known.key == entry.key) else {
            entries.push(entry);
            continue;
        };
        let both_mappings = matches!(
            (&known.node.value, &entry.node.value),
            (Value::Mapping(_), Value::Mapping(_))
        );
        if depth < SHARED_DEPTH && both_mappings {
            let node = std::mem::replace(&mut known.node, nothing(&entry));
            known.node = joined(node, entry.node, depth + 1, found);
        } else if !same_word(&known.node, &entry.node) {
            let message = format!("`{}` is given twice", entry.key);
            found.push(
                Diagnostic::new("F002", Severity::Error, entry.key_span, message)
                    .other(known.key_span, "first given here"),
            );
        }
    }
    left
}

/// `base` with everything that `over` says; `null` takes away.
fn overlaid(mut base: Node, over: Node) -> Node {
    let Value::Mapping(more) = over.value else { return over };
    let Value::Mapping(entries) = &mut base.value else {
        return Node { span: over.span, value: Value::Mapping(more) };
    };
    for entry in more {
        let Some(at) = entries.iter().position(|known| known.key == entry.key) else {
            entries.push(entry);
            continue;
        };
        if entry.node.is_null() {
            entries.remove(at);
            continue;
        }
        if let Some(known) = entries.get_mut(at) {
            let node = std::mem::replace(&mut known.node, nothing(&entry));
            known.node = overlaid(node, entry.node);
        }
    }
    base
}

/// A place for a node that is being replaced.
fn nothing(entry: &Entry) -> Node {
    Node { span: entry.key_span, value: Value::Sequence(Vec::new()) }
}

fn same_word(left: &Node, right: &Node) -> bool {
    match (&left.value, &right.value) {
        (Value::Scalar(left), Value::Scalar(right)) => left.text == right.text,
        _ => false,
    }
}

#[cfg(test)]
mod tests;
