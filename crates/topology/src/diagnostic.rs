//! What there is to say about a text: plain data, shown elsewhere.

use std::fmt::Write as _;

/// What begins a comment about something that an asset has and an import could not read.
pub const NOT_READ: &str = "not read: ";

use crate::source::{SourceMap, Span};

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    /// Worth knowing.
    Info,
    /// Probably not meant.
    Warning,
    /// Does not work, or loses messages.
    Error,
}

impl Severity {
    /// The word that people read.
    pub fn word(self) -> &'static str {
        match self {
            Self::Info => "info",
            Self::Warning => "warning",
            Self::Error => "error",
        }
    }
}

/// A place, and what is to be seen there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Label {
    /// Where.
    pub span: Span,
    /// What; may be empty where the message says it.
    pub text: String,
}

/// What a server does with the same mistake.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum ServerSays {
    /// It never sees it.
    #[default]
    Nothing,
    /// It refuses with this error code.
    Refuses(u16),
    /// It takes it without a word.
    Accepts,
}

impl ServerSays {
    /// A sentence for people; `None` where the server has nothing to say.
    pub fn sentence(self) -> Option<String> {
        match self {
            Self::Nothing => None,
            Self::Refuses(code) => Some(format!("The server refuses it with error {code}.")),
            Self::Accepts => Some("The server accepts it silently.".to_owned()),
        }
    }
}

/// A change of a text that puts something right without changing what is meant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Edit {
    /// What to replace.
    pub span: Span,
    /// By what.
    pub text: String,
}

impl Edit {
    /// The text as it is to be written into a file that holds `file` so far: in quotes where what it replaces is.
    /// `None` where a JSON file cannot have it.
    pub fn written(&self, file: &str, is_json: bool) -> Option<String> {
        // JSON has no words but those two, and no keys without quotes.
        let word = !matches!(self.text.as_str(), "true" | "false");
        let mapping = self.text.starts_with('{');
        let old = file.get(self.span.start as usize..self.span.end as usize)?;
        if is_json && mapping {
            return None;
        }
        let quoted = word && (is_json || old.starts_with('"') && !mapping);
        Some(if quoted { format!("\"{}\"", self.text) } else { self.text.clone() })
    }
}

/// One finding.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diagnostic {
    /// Which rule.
    pub code: &'static str,
    /// How bad.
    pub severity: Severity,
    /// What is wrong, in a sentence without a full stop.
    pub message: String,
    /// Where.
    pub place: Label,
    /// Other places that have to do with it.
    pub others: Vec<Label>,
    /// The arithmetic, the witness, the consequence.
    pub notes: Vec<String>,
    /// What to write instead.
    pub fix: Option<String>,
    /// How a program may put it right by itself.
    pub edit: Option<Edit>,
    /// What a server does with it.
    pub server: ServerSays,
}

impl Diagnostic {
    /// A finding of the rule `code` at `span`.
    pub fn new(code: &'static str, severity: Severity, span: Span, message: String) -> Self {
        Self {
            code,
            severity,
            message,
            place: Label { span, text: String::new() },
            others: Vec::new(),
            notes: Vec::new(),
            fix: None,
            edit: None,
            server: ServerSays::Nothing,
        }
    }

    /// What is to be seen at the place itself.
    pub fn label(mut self, text: impl Into<String>) -> Self {
        self.place.text = text.into();
        self
    }

    /// Another place that has to do with it.
    pub fn other(mut self, span: Span, text: impl Into<String>) -> Self {
        self.others.push(Label { span, text: text.into() });
        self
    }

    /// Something to know about it.
    pub fn note(mut self, text: impl Into<String>) -> Self {
        self.notes.push(text.into());
        self
    }

    /// What to write instead.
    pub fn fix(mut self, text: impl Into<String>) -> Self {
        self.fix = Some(text.into());
        self
    }

    /// What to write instead at its place, where that changes nothing but how it is written.
    pub fn rewrite(mut self, text: impl Into<String>) -> Self {
        self.edit = Some(Edit { span: self.place.span, text: text.into() });
        self
    }

    /// What a server does with it.
    pub fn server(mut self, says: ServerSays) -> Self {
        self.server = says;
        self
    }

    /// What the server does with it, as a sentence.
    pub fn server_sentence(&self) -> Option<String> {
        match self.server {
            ServerSays::Nothing => None,
            ServerSays::Refuses(code) => Some(format!("the server refuses this with error {code}")),
            ServerSays::Accepts => Some("the server accepts this silently".into()),
        }
    }

    /// What is wrong, what a server does with it, what else there is to know and what to do: a line each.
    pub fn told(&self) -> String {
        let mut text = self.message.clone();
        for part in self.server_sentence().iter().chain(&self.notes).chain(&self.fix) {
            text.push('\n');
            text.push_str(part);
        }
        text
    }

    /// All of it as lines of plain text, one place a line.
    pub fn plain(&self, sources: &SourceMap) -> String {
        let place = sources.place(self.place.span);
        let mut text =
            format!("{place}: {}[{}]: {}", self.severity.word(), self.code, self.message);
        if !self.place.text.is_empty() {
            let _ = write!(text, "\n  here: {}", self.place.text);
        }
        for other in &self.others {
            let _ = write!(text, "\n  {}: {}", sources.place(other.span), other.text);
        }
        for note in self.notes.iter().chain(&self.server_sentence()) {
            let _ = write!(text, "\n  note: {note}");
        }
        if let Some(fix) = &self.fix {
            let _ = write!(text, "\n  help: {fix}");
        }
        text
    }
}

/// The findings in the order in which people read: by place, the same ones once.
pub fn sort(diagnostics: &mut Vec<Diagnostic>) {
    diagnostics.sort_by(|a, b| {
        (a.place.span, a.code, &a.message).cmp(&(b.place.span, b.code, &b.message))
    });
    diagnostics.dedup();
    diagnostics.truncate(crate::limits::DIAGNOSTICS_MAX);
}
