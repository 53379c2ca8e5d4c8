//! What a rule is, and where it puts what it finds.

use crate::diagnostic::{Diagnostic, Edit, Label, ServerSays, Severity};
use crate::model::Topology;
use crate::source::Span;
use crate::version::Version;

/// A rule: what it looks for, and why.
#[derive(Debug)]
pub struct Rule {
    /// Code; it never changes.
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
    /// The same, corrected.
    pub good: &'static str,
    /// The check.
    pub check: fn(&Topology, &mut Report<'_>),
}

/// Where a rule puts what it finds.
#[derive(Debug)]
pub struct Report<'a> {
    pub(super) rule: &'static Rule,
    pub(super) severity: Severity,
    pub(super) target: Version,
    pub(super) diagnostics: &'a mut Vec<Diagnostic>,
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
