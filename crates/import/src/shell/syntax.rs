//! What a script is made of.
//!
//! Places are offsets in the text that was parsed; [`Unit`] knows where that text stands.

use std::rc::Rc;

use watershed_topology::source::{FileId, Span, offset};

/// A text that was parsed, and where it stands in its file.
#[derive(Debug)]
pub(super) struct Unit {
    pub(super) list: List,
    /// Bodies of here-documents, by the number that a redirection has.
    pub(super) documents: Vec<Word>,
    pub(super) file: FileId,
    pub(super) origin: Origin,
    /// A syntax error: where, and what is wrong.
    pub(super) errors: Vec<(usize, &'static str)>,
}

impl Unit {
    /// The place in the file for one in the text.
    pub(super) fn place(&self, start: usize, end: usize) -> Span {
        match self.origin {
            Origin::At(by) => {
                Span { file: self.file, start: offset(start + by), end: offset(end + by) }
            }
            Origin::Within(span) => span,
        }
    }
}

/// Where a text stands in its file.
#[derive(Debug, Clone, Copy)]
pub(super) enum Origin {
    /// As it is, from this offset on.
    At(usize),
    /// It was put together from what stands here.
    Within(Span),
}

/// Commands in their order.
pub(super) type List = Vec<Item>;

/// Pipelines with `&&` and `||` between them.
#[derive(Debug)]
pub(super) struct Item {
    pub(super) first: Pipeline,
    pub(super) rest: Vec<(Then, Pipeline)>,
}

/// What decides whether a pipeline runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Then {
    /// `&&`.
    And,
    /// `||`.
    Or,
}

/// Commands with `|` between them.
#[derive(Debug)]
pub(super) struct Pipeline {
    pub(super) negated: bool,
    pub(super) commands: Vec<Command>,
}

/// A command with what it reads and writes.
#[derive(Debug)]
pub(super) struct Command {
    pub(super) kind: Kind,
    pub(super) redirects: Vec<Redirect>,
    pub(super) start: usize,
    pub(super) end: usize,
}

/// What a command is.
#[derive(Debug)]
pub(super) enum Kind {
    /// Words, and variables that are set before them.
    Simple { sets: Vec<Set>, words: Vec<Word> },
    /// `{ …; }`.
    Group(List),
    /// `( … )`.
    Subshell(List),
    /// `if`: conditions with what follows each, and `else`.
    If { arms: Vec<(List, List)>, otherwise: Option<List> },
    /// `for NAME in WORDS`; without words, over the arguments.
    For { name: String, words: Option<Vec<Word>>, body: List },
    /// `for ((a; b; c))`.
    Count { parts: [Word; 3], body: List },
    /// `while` and `until`.
    While { until: bool, condition: List, body: List },
    /// `case`.
    Case { word: Word, arms: Vec<(Vec<Word>, List)> },
    /// A function.
    Function { name: String, body: Rc<Command> },
    /// `[[ … ]]`.
    Test(Vec<Word>),
    /// `(( … ))`.
    Arithmetic(Word),
}

/// `NAME=value`.
#[derive(Debug)]
pub(super) struct Set {
    pub(super) name: String,
    /// `+=`.
    pub(super) append: bool,
    pub(super) value: Value,
}

/// What a variable is set to.
#[derive(Debug)]
pub(super) enum Value {
    Word(Word),
    /// `( … )`.
    List(Vec<Word>),
}

/// A word as it is written.
#[derive(Debug, Default)]
pub(super) struct Word {
    pub(super) parts: Vec<Part>,
    pub(super) start: usize,
    pub(super) end: usize,
}

/// A part of a word.
#[derive(Debug)]
pub(super) enum Part {
    /// Without quotes.
    Bare(String),
    /// In single quotes, or behind a backslash: as it is.
    Plain(String),
    /// In double quotes.
    Double(Vec<Self>),
    /// `$NAME`, `${…}`.
    Variable(Parameter),
    /// `$(…)`.
    Command(List),
    /// `` `…` ``: a text of its own, from this offset on if it holds no escapes.
    Backquoted { text: String, at: Option<usize> },
    /// `$((…))`.
    Arithmetic(Vec<Self>),
    /// `<(…)`, `>(…)`, and what is not followed.
    Other(&'static str),
}

/// `${name[index]op}`.
#[derive(Debug)]
pub(super) struct Parameter {
    pub(super) name: String,
    pub(super) index: Option<Index>,
    pub(super) change: Change,
}

/// Which items of a list.
#[derive(Debug)]
pub(super) enum Index {
    /// `[@]`.
    Each,
    /// `[*]`.
    Joined,
    /// A number.
    At(Vec<Part>),
}

/// What is made of a variable.
#[derive(Debug)]
pub(super) enum Change {
    None,
    /// `${#x}`.
    Length,
    /// `${!x}`.
    Indirect,
    /// `-`, `=`, `+` or `?`, and whether an empty value counts as none.
    Instead {
        sign: u8,
        empty: bool,
        with: Vec<Part>,
    },
    /// `#`, `##`, `%`, `%%`.
    Trim {
        front: bool,
        longest: bool,
        pattern: Vec<Part>,
    },
    /// `/` and `//`.
    Replace {
        all: bool,
        pattern: Vec<Part>,
        with: Vec<Part>,
    },
    /// `:from:length`.
    Slice {
        from: Vec<Part>,
        length: Option<Vec<Part>>,
    },
    /// `^`, `^^`, `,`, `,,`.
    Case {
        upper: bool,
        all: bool,
    },
    /// Something else.
    Unknown,
}

/// `2>file` and its like.
#[derive(Debug)]
pub(super) struct Redirect {
    /// The number before it.
    pub(super) from: Option<u8>,
    pub(super) kind: Direction,
    pub(super) start: usize,
    /// Whether it stands at the end of a word without white space: `a.>`.
    pub(super) touching: bool,
}

/// Where something is read from or written to.
#[derive(Debug)]
pub(super) enum Direction {
    /// `<`.
    In(Word),
    /// `>`, `>>`: and whether both outputs go there (`&>`).
    Out { to: Word, append: bool, both: bool },
    /// `>&2`.
    Same,
    /// `<<`: the number of the document.
    Document(usize),
    /// `<<<`.
    Text(Word),
}
