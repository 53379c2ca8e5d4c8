//! Words that a command is given.

use watershed_topology::source::Span;

/// Stands in a text for what is not known of it.
pub(crate) const MARK: char = '\u{1}';

/// A word of a command, as far as it is known.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Word {
    /// The text, without quotes, variables put in; [`MARK`] in place of what is not known.
    pub(crate) text: String,
    /// Where it stands; where its value was written if it is a variable and nothing else.
    pub(crate) span: Span,
    /// Why its text is not all of it: a sentence such as "`X` is not known here".
    pub(crate) unknown: Option<String>,
    /// Whether it may be any number of words.
    pub(crate) many: bool,
}

impl Word {
    /// A word that is known.
    pub(crate) fn known(text: impl Into<String>, span: Span) -> Self {
        Self { text: text.into(), span, ..Self::default() }
    }

    /// The text, if it is all known.
    pub(crate) fn get(&self) -> Option<&str> {
        self.unknown.is_none().then_some(self.text.as_str())
    }
}

/// Which branches of conditions something stands in that are not decided here: the condition, and
/// which of its branches.
pub(crate) type Arms = Vec<(usize, usize)>;

/// Whether two things stand in branches of which only one runs.
pub(crate) fn exclusive(one: &Arms, other: &Arms) -> bool {
    one.iter().any(|(id, arm)| other.iter().any(|(its, branch)| its == id && branch != arm))
}

/// When a command runs.
#[derive(Debug, Clone, Default)]
pub(crate) struct When {
    /// Not on an empty server.
    pub(crate) never: bool,
    /// In these branches.
    pub(crate) arms: Arms,
}
