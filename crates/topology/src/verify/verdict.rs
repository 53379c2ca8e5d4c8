//! What a look at a server gave.

use crate::plan::Target;

/// What is not as it should be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// What it is about.
    pub target: Target,
    /// What is wrong, in a sentence.
    pub text: String,
}

impl std::fmt::Display for Problem {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {} {}", self.target.kind(), self.target, self.text)
    }
}

/// What a look at the server gave.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Verdict {
    /// Streams and consumers that are as declared.
    pub held: Vec<Target>,
    /// What is not, or is not known.
    pub problems: Vec<Problem>,
    /// Streams and consumers among them that did not answer, so that nothing is known.
    pub unknown: Vec<Target>,
    /// What is worth knowing.
    pub notes: Vec<Problem>,
}

impl Verdict {
    /// Whether something is otherwise than declared, rather than not known.
    pub fn differs(&self) -> bool {
        self.problems.iter().any(|problem| !self.unknown.contains(&problem.target))
    }
}
