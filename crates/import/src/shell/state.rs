//! A script while it is followed.

use std::collections::BTreeMap;
use std::ops::Range;
use std::rc::Rc;

use super::words::{Raw, Variables, Word};
use crate::importer::Importer;
use watershed_topology::source::{FileId, Span, offset};

/// What is known of a script, and where it is.
pub(super) struct Shell<'a, 't> {
    pub(super) importer: &'a mut Importer,
    pub(super) file: FileId,
    pub(super) text: &'t str,
    /// All commands, in their order. Shared, so that one can be looked at while it runs.
    pub(super) commands: Rc<Vec<Raw>>,
    /// Where what a command opens is closed: a block, or a loop.
    pub(super) ends: BTreeMap<usize, usize>,
    pub(super) variables: Variables,
    /// The commands of each function.
    pub(super) functions: BTreeMap<String, Range<usize>>,
    pub(super) steps: usize,
    /// Whether there was any call of the tool.
    pub(super) found: bool,
}

impl Shell<'_, '_> {
    /// Where a word stands.
    pub(super) fn span(&self, word: &Word) -> Span {
        Span { file: self.file, start: offset(word.start), end: offset(word.end) }
    }
}
