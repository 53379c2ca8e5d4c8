//! Errors of the JetStream API: a number that clients compare, a status, a text.

pub mod table;

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

/// An entry of the error table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Coded {
    /// HTTP-like status.
    pub status: u16,
    /// The number that says which error it is.
    pub code: u16,
    /// Text, with placeholders in braces.
    pub text: &'static str,
}

impl Coded {
    /// This error with its first placeholder filled.
    pub fn with(self, value: impl std::fmt::Display) -> ApiError {
        let description = match (self.text.find('{'), self.text.find('}')) {
            (Some(start), Some(end)) if start < end => {
                let before = self.text.get(..start).unwrap_or_default();
                let after = self.text.get(end + 1..).unwrap_or_default();
                Cow::Owned(format!("{before}{value}{after}"))
            }
            _ => Cow::Borrowed(self.text),
        };
        ApiError { code: self.status, err_code: self.code, description }
    }
}

/// An error as it stands in a reply.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("{description} ({err_code})")]
pub struct ApiError {
    /// HTTP-like status.
    pub code: u16,
    /// Which error it is, see [`table`].
    #[serde(default)]
    pub err_code: u16,
    /// Text for a person.
    #[serde(default)]
    pub description: Cow<'static, str>,
}

impl From<Coded> for ApiError {
    fn from(coded: Coded) -> Self {
        Self { code: coded.status, err_code: coded.code, description: Cow::Borrowed(coded.text) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_unique_and_sorted() {
        assert!(table::ALL.windows(2).all(|pair| pair[0].code < pair[1].code));
        assert_eq!(Coded::find(10065), Some(table::STREAM_SUBJECT_OVERLAP));
        assert_eq!(Coded::find(1), None);
    }

    #[test]
    fn placeholders_are_filled() {
        let error = table::STREAM_WRONG_LAST_SEQUENCE.with(7);
        assert_eq!(error.description, "wrong last sequence: 7");
        assert_eq!(error.to_string(), "wrong last sequence: 7 (10071)");
        let plain: ApiError = table::STREAM_NOT_FOUND.into();
        assert_eq!((plain.code, plain.err_code), (404, 10059));
    }
}
