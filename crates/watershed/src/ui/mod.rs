//! The only place that prints.

pub(crate) mod diagnostic;
pub(crate) mod github;
pub(crate) mod json;
pub(crate) mod junit;
pub(crate) mod message;
pub(crate) mod plan;
pub(crate) mod prompt;
pub(crate) mod sarif;
pub(crate) mod table;

use std::io::Write as _;

/// Prints a line for whoever reads the result. A reader that has gone away is no error.
pub(crate) fn out(line: &str) {
    let _ = writeln!(anstream::stdout().lock(), "{line}");
}

/// Prints a line for whoever watches.
pub(crate) fn say(line: &str) {
    let _ = writeln!(anstream::stderr().lock(), "{line}");
}

/// `1 stream`, `2 streams`.
pub(crate) fn count(number: usize, what: &str) -> String {
    if number == 1 { format!("1 {what}") } else { format!("{number} {what}s") }
}
