//! What is wrong with a topology, found before anything runs.
//!
//! A rule is a file: its text, its examples, its check. [`RULES`] is the list of them. What is wrong
//! with a file as a text is found on the way in ([`lower`](crate::lower)) and has codes that begin
//! with `F`.

pub(crate) mod allow;
mod file_rules;
mod rules;
mod seen;
mod server_errors;

pub use file_rules::{FILE_RULES, FileRule};
pub use rules::RULES;
pub use server_errors::{SERVER_ERRORS, ServerError, server_error};

use crate::diagnostic::{Diagnostic, Edit, Label, ServerSays, Severity, sort};
use crate::model::Topology;
use crate::source::Span;
use crate::version::Version;

/// A rule: what it looks for, and why.
#[derive(Debug)]
pub struct Rule {
    /// Code, for ever.
    pub code: &'static str,
    /// Name, for people.
    pub name: &'static str,
    /// How bad it is.
    pub severity: Severity,
    /// What a server does with the same mistake, where it is always the same.
    pub server: ServerSays,
    /// What it is about and what to do, in sentences.
    pub about: &'static str,
    /// A file that it finds fault with, but for its head.
    pub bad: &'static str,
    /// The same, put right.
    pub good: &'static str,
    /// The check.
    pub check: fn(&Topology, &mut Report<'_>),
}

/// Where a rule puts what it finds.
#[derive(Debug)]
pub struct Report<'a> {
    rule: &'static Rule,
    severity: Severity,
    target: Version,
    diagnostics: &'a mut Vec<Diagnostic>,
}

impl Report<'_> {
    /// The version of the server that is linted for.
    pub fn target(&self) -> Version {
        self.target
    }

    /// A finding that was made elsewhere.
    pub fn push(&mut self, found: Diagnostic) {
        let found = Diagnostic { code: self.rule.code, severity: self.severity, ..found };
        self.diagnostics.push(found);
    }

    /// A finding at `span`.
    pub fn at(&mut self, span: Span, message: impl Into<String>) -> Finding<'_> {
        let rule = self.rule;
        let diagnostic = Diagnostic::new(rule.code, self.severity, span, message.into());
        self.diagnostics.push(diagnostic.server(rule.server));
        Finding(self.diagnostics.last_mut().expect("it was pushed just now"))
    }
}

/// A finding that is being written.
#[derive(Debug)]
pub struct Finding<'a>(&'a mut Diagnostic);

impl Finding<'_> {
    /// What is to be seen at the place itself.
    pub fn label(self, text: impl Into<String>) -> Self {
        self.0.place.text = text.into();
        self
    }

    /// Another place that has to do with it.
    pub fn other(self, span: Span, text: impl Into<String>) -> Self {
        self.0.others.push(Label { span, text: text.into() });
        self
    }

    /// Something to know about it.
    pub fn note(self, text: impl Into<String>) -> Self {
        self.0.notes.push(text.into());
        self
    }

    /// What to write instead.
    pub fn fix(self, text: impl Into<String>) -> Self {
        self.0.fix = Some(text.into());
        self
    }

    /// What to write at `span` instead, where that changes nothing but how it is written.
    pub fn rewrite(self, span: Span, text: impl Into<String>) -> Self {
        self.0.edit = Some(Edit { span, text: text.into() });
        self
    }

    /// What the server does with it, where the rule itself does not say.
    pub fn server(self, says: ServerSays) -> Self {
        self.0.server = says;
        self
    }
}

/// Codes of the server that a rule pre-empts, where each finding says which of them it is.
const VARYING: &[(&str, &[u16])] = &[
    ("L001", &[10028, 10047]),
    ("L003", &[10026, 10027, 10052, 10113, 10121, 10122, 10125]),
    ("M006", &[10030, 10046]),
    ("S044", &[10025, 10052, 10146, 10154, 10156]),
    ("X005", &[10084, 10098, 10099, 10100, 10101]),
];

impl Rule {
    /// Whether the server refuses what the rule finds, or some of it, with this error.
    pub fn pre_empts(&self, code: u16) -> bool {
        let varying = VARYING.iter().find(|(rule, _)| *rule == self.code);
        self.server == ServerSays::Refuses(code)
            || varying.is_some_and(|(_, codes)| codes.contains(&code))
    }
}

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
