//! A script while it is followed.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use watershed_topology::source::{FileId, SourceMap, Span};

use super::syntax::{Command, Unit};
use crate::importer::Importer;
use crate::word::{Arms, MARK, Word};

/// Bytes of a word, with what its variables hold. Nobody writes longer ones.
pub(super) const WORD_BYTES_MAX: usize = 64 * 1024;

/// Bytes of a command, or of what it comes to, that count as one step.
pub(super) const STEP_BYTES: usize = 256;

/// Bytes of variables that count as one step when they are kept.
const SNAPSHOT_BYTES: usize = 4096;

/// Bytes of the words of one command.
pub(super) const COMMAND_BYTES_MAX: usize = 1 << 20;

/// Steps of a script that was given up.
pub(super) const STOPPED: usize = usize::MAX / 2;

/// Words of one command.
pub(super) const WORDS_MAX: usize = 4096;

/// What a variable holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Held {
    One(Word),
    Many(Vec<Word>),
}

/// What is written somewhere.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Output {
    pub(super) text: String,
    pub(super) unknown: Option<String>,
}

impl Output {
    pub(super) fn add(&mut self, text: &str, unknown: Option<&String>) {
        if self.text.len() + text.len() > WORD_BYTES_MAX {
            self.unknown.get_or_insert_with(|| "this is a long text".to_owned());
        } else {
            self.text.push_str(text);
        }
        if let Some(unknown) = unknown {
            if !text.contains(MARK) {
                self.text.push(MARK);
            }
            self.unknown.get_or_insert_with(|| unknown.clone());
        }
    }
}

/// What is read from, line by line.
#[derive(Debug, Clone)]
pub(super) struct Input {
    pub(super) whole: Output,
    pub(super) at: usize,
    pub(super) span: Span,
}

/// How a script goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Flow {
    On,
    Break,
    Continue,
    Return,
    Exit,
}

/// Ways out that may have been taken: in a branch of which it is not known whether it runs.
#[derive(Debug, Default)]
pub(super) struct Ways {
    /// Whether the loop may have been left, or gone on with its next round.
    pub(super) looped: bool,
    /// Whether the function may have returned.
    pub(super) returned: bool,
    /// The variables as they were where the loop may have been left.
    pub(super) ends: Vec<BTreeMap<String, Held>>,
}

/// A script while it is followed.
pub(super) struct Shell<'a> {
    pub(super) importer: &'a mut Importer,
    /// The files that a script may read.
    pub(super) sources: &'a SourceMap,
    pub(super) given: &'a [FileId],
    pub(super) variables: BTreeMap<String, Held>,
    pub(super) functions: BTreeMap<String, (Rc<Unit>, Rc<Command>)>,
    /// The arguments; `None` for those that the script itself is given.
    pub(super) arguments: Option<Vec<Word>>,
    /// What `local` hides, for each function that runs.
    pub(super) locals: Vec<Vec<(String, Option<Held>)>>,
    /// What is written to, innermost last.
    pub(super) outputs: Vec<Output>,
    pub(super) inputs: Vec<Option<Input>>,
    /// Files that the script itself wrote.
    pub(super) written: BTreeMap<String, Output>,
    pub(super) flow: Flow,
    /// Ways out of the loop and the function that run now, which may have been taken.
    pub(super) ways: Ways,
    /// Variables that hold what stands in for an argument of the script.
    pub(super) offered: BTreeSet<String>,
    /// Whether a test was about such a value.
    pub(super) offers: bool,
    pub(super) steps: usize,
    /// Bytes that variables were set to.
    pub(super) bytes: usize,
    pub(super) depth: usize,
    /// Branches that are not decided.
    pub(super) arms: Arms,
    pub(super) conditions: usize,
    /// Whether what runs now does not, on an empty server.
    pub(super) never: bool,
    /// Whether failures are expected here: a condition, a loop that waits.
    pub(super) tries: usize,
    /// How often what a server has decided something.
    pub(super) asked: usize,
    /// Why parts of a text that was put together are not known.
    pub(super) why: Option<String>,
    /// The last exit code, as far as it is known.
    pub(super) status: Option<bool>,
    /// Whether there was any call of the tool.
    pub(super) found: bool,
}

impl Shell<'_> {
    /// Writes to where the output goes, if anybody looks.
    pub(super) fn print(&mut self, text: &str, unknown: Option<&String>) {
        if let Some(output) = self.outputs.last_mut() {
            output.add(text, unknown);
        }
    }

    /// The variables as they are, to go back to: work, as much as they hold.
    pub(super) fn snapshot(&mut self) -> BTreeMap<String, Held> {
        self.steps = self.steps.saturating_add(self.bytes / SNAPSHOT_BYTES);
        self.variables.clone()
    }

    pub(super) fn set(&mut self, name: &str, held: Held) {
        let bytes = match &held {
            Held::One(word) => word.text.len(),
            Held::Many(words) => words.iter().map(|word| word.text.len() + 32).sum(),
        };
        self.bytes += bytes;
        self.steps = self.steps.saturating_add(bytes / STEP_BYTES);
        if let Held::One(word) = &held
            && word.unknown.is_none()
        {
            let url = word.text.split_once("://").is_some_and(|(_, rest)| rest.contains('@'));
            if url || ["PASS", "TOKEN", "SECRET"].iter().any(|part| name.contains(part)) {
                self.importer.secrets.push(word.span);
            }
        }
        self.variables.insert(name.to_owned(), held);
    }
}

/// Why a variable is not known.
pub(super) fn unknown(name: &str) -> String {
    format!("`{name}` is not known here")
}
