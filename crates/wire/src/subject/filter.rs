//! Filters as values, which are valid.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::relation::{contains, overlaps, witness};
use super::{SubjectError, matches, problem};

/// A valid filter: a subject that may have wildcards.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Filter(Box<str>);

impl Filter {
    /// Parses a filter.
    pub fn new(text: &str) -> Result<Self, SubjectError> {
        problem(text.as_bytes()).map_or_else(|| Ok(Self(text.into())), Err)
    }

    /// The filter as it was written.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The filter's bytes.
    pub fn as_bytes(&self) -> &[u8] {
        self.0.as_bytes()
    }

    /// See [`matches`].
    pub fn matches(&self, subject: &[u8]) -> bool {
        matches(self.as_bytes(), subject)
    }

    /// See [`overlaps`].
    pub fn overlaps(&self, other: &Self) -> bool {
        overlaps(self.as_bytes(), other.as_bytes())
    }

    /// See [`contains`].
    pub fn contains(&self, other: &Self) -> bool {
        contains(self.as_bytes(), other.as_bytes())
    }

    /// A subject that both filters take, if there is one. See [`witness`].
    pub fn witness(&self, other: &Self) -> Option<String> {
        witness(&self.0, &other.0)
    }
}

impl TryFrom<String> for Filter {
    type Error = SubjectError;

    fn try_from(text: String) -> Result<Self, SubjectError> {
        Self::new(&text)
    }
}

impl From<Filter> for String {
    fn from(filter: Filter) -> Self {
        filter.0.into_string()
    }
}

impl fmt::Display for Filter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
