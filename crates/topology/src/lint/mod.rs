//! What is wrong with a topology, found before anything runs.
//!
//! A rule is a file: its text, its examples, its check. [`RULES`] is the list of them. What is wrong
//! with a file as a text is found on the way in ([`lower`](crate::lower)) and has codes that begin
//! with `F`.

pub mod allow;
mod embedded;
mod file_rules;
mod rule;
mod rules;
mod seen;
mod server_errors;

pub use embedded::embedded;
pub use file_rules::{FILE_RULES, FileRule};
pub use rule::{Finding, Report, Rule};
pub use rules::RULES;
pub use server_errors::{SERVER_ERRORS, ServerError, server_error};

use crate::diagnostic::{Diagnostic, sort};
use crate::model::Topology;
use crate::version::Version;

/// The rule with this code or this name.
pub fn find(name: &str) -> Option<&'static Rule> {
    let same = |rule: &&&Rule| rule.code.eq_ignore_ascii_case(name) || rule.name == name;
    RULES.iter().find(same).copied()
}

/// All findings of all rules, in the order of the file, at the levels that the file wants. Without a
/// target version, the file's own is meant, or [`Version::DEFAULT`].
pub fn run(topology: &Topology, target: Option<Version>) -> Vec<Diagnostic> {
    let mut diagnostics = Vec::new();
    let settings = &topology.lint;
    let target = target.or(settings.target_version).unwrap_or(Version::DEFAULT);
    for rule in RULES {
        let Some(severity) = *settings.levels.get(rule.code).unwrap_or(&Some(rule.severity)) else {
            continue;
        };
        let diagnostics = &mut diagnostics;
        (rule.check)(topology, &mut Report { rule, severity, target, diagnostics });
    }
    sort(&mut diagnostics);
    diagnostics
}

#[cfg(test)]
mod tests;
