//! Subjects and filters: dot-separated tokens, of which a filter may leave one open (`*`) or all the
//! rest (`>`).
//!
//! The functions work on bytes, because the protocol does; the types are for configurations, which
//! are JSON and therefore text. A token such as `a*` or `>b` is literal: only a whole token is a
//! wildcard. (nats-server and ADR-4 agree.)

mod filter;
pub mod import;
mod make;
mod relation;
mod set;
#[cfg(test)]
mod tests;
pub mod transform;
mod trie;

pub use filter::Filter;
pub use relation::{contains, intersection, overlaps, uncovered, witness};
pub use set::{FilterSet, Relation, Steps, TooManySteps};
pub use trie::Trie;

use thiserror::Error;

/// The tokens of a subject or a filter.
#[inline]
pub fn tokens(subject: &[u8]) -> impl DoubleEndedIterator<Item = &[u8]> {
    subject.split(|byte| *byte == b'.')
}

/// Whether `subject` is a subject or a filter: no empty token, no white space, `>` only at the end.
pub fn is_valid(subject: &[u8]) -> bool {
    problem(subject).is_none()
}

/// Whether `subject` is valid and leaves nothing open. Asked of every message that a pedantic client
/// publishes, so it looks at each byte once.
pub fn is_literal(subject: &[u8]) -> bool {
    // Bytes of the token so far, and whether the first of them is a wildcard.
    let (mut length, mut wild) = (0_usize, false);
    for byte in subject {
        match byte {
            b'.' if length == 0 || (length == 1 && wild) => return false,
            b'.' => (length, wild) = (0, false),
            byte if is_white(*byte) => return false,
            byte => {
                wild |= length == 0 && matches!(byte, b'*' | b'>');
                length += 1;
            }
        }
    }
    length > 1 || (length == 1 && !wild)
}

/// Whether any whole token is a wildcard.
pub fn has_wildcard(subject: &[u8]) -> bool {
    tokens(subject).any(|token| matches!(token, b"*" | b">"))
}

/// Whether a message published to the literal `subject` is taken by `filter`. Both are valid.
#[inline]
pub fn matches(filter: &[u8], subject: &[u8]) -> bool {
    let mut filter = tokens(filter);
    let mut subject = tokens(subject);
    loop {
        match (filter.next(), subject.next()) {
            (None, None) => return true,
            (Some(b">"), Some(_)) => return true,
            (Some(b"*"), Some(_)) => {}
            (Some(left), Some(right)) if left == right => {}
            _ => return false,
        }
    }
}

/// What makes bytes no subject, in words for a person.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum SubjectError {
    /// Nothing at all.
    #[error("a subject cannot be empty")]
    Empty,
    /// `a..b`, `.a` or `a.`.
    #[error("a subject cannot have an empty token (a dot at an end, or two in a row)")]
    EmptyToken,
    /// Space, tab, line end or NUL.
    #[error("a subject cannot hold white space or control characters")]
    WhiteSpace,
    /// `a.>.b`.
    #[error("`>` stands for all remaining tokens and can only be the last one")]
    TailNotLast,
    /// A wildcard where a message is to be published.
    #[error("a message is published to one subject, without wildcards")]
    Wildcard,
}

/// Whether a byte can be in no subject.
fn is_white(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\r' | b'\n' | 0x0c | 0)
}

/// What is wrong with `subject` as a subject or a filter.
pub fn problem(subject: &[u8]) -> Option<SubjectError> {
    if subject.is_empty() {
        return Some(SubjectError::Empty);
    }
    if subject.iter().any(|byte| is_white(*byte)) {
        return Some(SubjectError::WhiteSpace);
    }
    let mut tail_seen = false;
    for token in tokens(subject) {
        if tail_seen {
            return Some(SubjectError::TailNotLast);
        }
        match token {
            b"" => return Some(SubjectError::EmptyToken),
            b">" => tail_seen = true,
            _ => {}
        }
    }
    None
}
