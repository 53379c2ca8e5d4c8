//! A call of the tool, and what became of it.

use watershed_topology::source::Span;

use crate::word::{When, Word};

/// A call, as far as it is known.
pub(crate) struct Call<'c> {
    /// The tool's name, and what follows it.
    pub(crate) words: &'c [Word],
    /// The text that `--config` means, or what is read from stdin.
    pub(crate) config: Option<&'c Word>,
    pub(crate) when: When,
    /// Where what the tool says about failures is thrown away.
    pub(crate) thrown: Option<Span>,
    /// Whether a failure is expected.
    pub(crate) tried: bool,
}

/// What became of a call.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Outcome {
    /// Whether it works on an empty server where the script ran up to here.
    pub(crate) status: Option<bool>,
    /// Whether it was one that makes, changes or takes away something.
    pub(crate) found: bool,
}
