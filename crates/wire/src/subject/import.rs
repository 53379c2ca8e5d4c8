//! How subjects of one account become subjects of another: exports and imports.

use thiserror::Error;

use super::transform::{Transform, TransformError};
use super::{contains, is_valid};

/// Why an import is none.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum ImportError {
    /// The subject there is no subject.
    #[error("`{0}` is no subject")]
    Subject(String),
    /// What it becomes here does not fit.
    #[error("{0}")]
    Transform(#[from] TransformError),
    /// Two subjects there would be one here.
    #[error("not using all of the token wildcard(s) in {0}")]
    Unused(String),
    /// Functions make part of it, which cannot be undone.
    #[error("functions in `to` are not supported")]
    Computed,
}

/// Whether what is exported as `exported` may be imported as `wanted`: all of it, or some.
pub fn offers(exported: &str, wanted: &str) -> bool {
    let (exported, wanted) = (exported.as_bytes(), wanted.as_bytes());
    is_valid(exported) && is_valid(wanted) && contains(exported, wanted)
}

/// The rule by which `subject` of another account is known here: under `to`, whose wildcards are
/// those of the subject one after the other unless numbered, or behind `prefix`, or as it is.
pub fn messages(
    subject: &str,
    to: Option<&str>,
    prefix: Option<&str>,
) -> Result<Transform, ImportError> {
    if !is_valid(subject.as_bytes()) {
        return Err(ImportError::Subject(subject.to_owned()));
    }
    let plain = numbered(subject);
    let destination = match (to, prefix) {
        (Some(to), _) => numbered(to),
        (None, Some(prefix)) => format!("{prefix}.{plain}"),
        (None, None) => plain,
    };
    let transform = Transform::new(subject, &destination)?;
    if transform.uses_all() {
        Ok(transform)
    } else {
        Err(ImportError::Unused(to.map_or(destination, str::to_owned)))
    }
}

/// The same, if it can be carried out: no function makes part of it.
pub fn passing(
    subject: &str,
    to: Option<&str>,
    prefix: Option<&str>,
) -> Result<Transform, ImportError> {
    let transform = messages(subject, to, prefix)?;
    if transform.is_computed() { Err(ImportError::Computed) } else { Ok(transform) }
}

/// The rule by which a request made here, on `to`, becomes one on `subject` of another account.
pub fn requests(subject: &str, to: Option<&str>) -> Result<Transform, ImportError> {
    let there = passing(subject, to, None)?;
    // Each wildcard there is one of those here, whichever comes first.
    let mut destination: Vec<String> = subject.split('.').map(str::to_owned).collect();
    for (index, at) in there.wildcards().enumerate() {
        if let Some(token) = destination.get_mut(at) {
            *token = format!("${}", index + 1);
        }
    }
    let here = there.image(subject).unwrap_or_default();
    Ok(Transform::new(&here, &destination.join("."))?)
}

/// A destination whose `*` are the wildcards of the source, one after the other.
fn numbered(subject: &str) -> String {
    let mut number = 0;
    let token = |token: &str| {
        if token == "*" {
            number += 1;
            format!("${number}")
        } else {
            token.to_owned()
        }
    };
    subject.split('.').map(token).collect::<Vec<_>>().join(".")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_go_the_other_way() {
        for (subject, to, asked, there) in [
            ("q", None, "q", Some("q")),
            ("q", Some("ask.q"), "ask.q", Some("q")),
            ("q.*", Some("ask.*"), "ask.x", Some("q.x")),
            ("q.*.*", Some("ask.$2.$1"), "ask.x.y", Some("q.y.x")),
            (
                "$JS.API.>",
                Some("JS.A.API.>"),
                "JS.A.API.STREAM.NAMES",
                Some("$JS.API.STREAM.NAMES"),
            ),
            ("q.*", Some("ask.*"), "other", None),
        ] {
            let got = requests(subject, to).unwrap().apply(asked.as_bytes(), 0);
            assert_eq!(got.as_deref(), there.map(str::as_bytes), "{subject} {to:?}");
        }
        assert_eq!(requests("q.*", Some("x.$1.{{partition(3,1)}}")), Err(ImportError::Computed));
    }

    #[test]
    fn messages_come_under_other_subjects() {
        for (subject, to, prefix, sent, here) in [
            ("a.*.>", Some("b.$1.>"), None, "a.x.y.z", Some("b.x.y.z")),
            ("a.>", None, Some("from.a"), "a.x", Some("from.a.a.x")),
            ("a.x", None, None, "a.x", Some("a.x")),
            ("a.x", None, None, "a.y", None),
        ] {
            let got = messages(subject, to, prefix).unwrap().apply(sent.as_bytes(), 0);
            assert_eq!(got.as_deref(), here.map(str::as_bytes), "{subject}");
        }
        assert_eq!(
            messages("a.*", Some("b"), None).unwrap_err().to_string(),
            "not using all of the token wildcard(s) in b"
        );
    }
}
