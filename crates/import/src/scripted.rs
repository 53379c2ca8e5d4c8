//! What is remembered of scripts while they are followed.

use std::collections::BTreeMap;

use serde_json::{Map, Value as Json};
use watershed_topology::source::{FileId, Span};

use crate::word::Arms;

/// A change of something that is not made on an empty server.
#[derive(Debug, Clone)]
pub(crate) struct Other {
    /// `STREAM`, or `STREAM/consumer`.
    pub(crate) asset: String,
    pub(crate) fields: Map<String, Json>,
    pub(crate) span: Span,
    /// Whether it edits an existing asset.
    pub(crate) edits: bool,
}

/// What is remembered of scripts while they are followed.
#[derive(Debug, Default)]
pub(crate) struct Scripted {
    /// Whether what follows the command hides its failure.
    pub(crate) hidden: bool,
    /// Loops around that wait for something.
    pub(crate) waits: usize,
    /// Signs in the command that were not quoted.
    pub(crate) unquoted: Vec<Span>,
    /// Files that could not be read in.
    pub(crate) sourced: Vec<String>,
    /// Files that scripts read.
    pub(crate) used: Vec<FileId>,
    /// In which branches each asset is made.
    pub(crate) arms: BTreeMap<String, Arms>,
    /// What would happen to assets that are there before.
    pub(crate) others: Vec<Other>,
    /// Where the tool asks for what it was not given, and how often.
    pub(crate) asked: Option<(Span, usize)>,
    /// Hidden failures: the first of each file, and how many there are.
    pub(crate) hides: BTreeMap<(FileId, bool), (Span, usize)>,
}
