//! What is said while a source is read.

use watershed_topology::diagnostic::{Diagnostic, ServerSays, Severity};
use watershed_topology::source::{FileId, Span, offset};

/// What is said while a source is read.
#[derive(Debug, Default)]
pub(crate) struct Findings(pub(super) Vec<Diagnostic>, Vec<String>);

impl Findings {
    fn push(
        &mut self,
        code: &'static str,
        severity: Severity,
        span: Span,
        message: String,
    ) -> &mut Diagnostic {
        self.0.push(Diagnostic::new(code, severity, span, message));
        self.0.last_mut().expect("it was pushed just now")
    }

    /// A consumer under two names.
    pub(crate) fn two_names(&mut self, span: Span, message: String) {
        let found = Diagnostic::new("N003", Severity::Error, span, message);
        self.0.push(found.server(ServerSays::Refuses(10132)));
    }

    /// Something was taken for something else.
    pub(crate) fn guess(&mut self, span: Span, message: String) {
        self.push("I001", Severity::Warning, span, message);
    }

    /// Something was left out.
    pub(crate) fn skipped(&mut self, span: Span, message: String) {
        self.push("I002", Severity::Warning, span, message);
    }

    /// Something was left out that would have decided what an asset is.
    pub(crate) fn left_out(&mut self, span: Span, message: String) {
        self.1.push(message.clone());
        self.skipped(span, message);
    }

    /// A value that the tool refuses whose file it is.
    pub(crate) fn refused(&mut self, span: Span, message: String) {
        self.1.push(message.clone());
        self.wrong(span, message);
    }

    /// What was left out since this was asked for last.
    pub(super) fn unread(&mut self) -> Vec<String> {
        std::mem::take(&mut self.1)
    }

    /// Forgets what was left out of something that is not an asset.
    pub(super) fn forget(&mut self) {
        self.1.clear();
    }

    /// Something in a script hides what goes wrong.
    pub(crate) fn hidden(&mut self, span: Span, message: String) {
        self.push("I003", Severity::Warning, span, message);
    }

    /// A variable that is none.
    pub(crate) fn quoted(&mut self, span: Span, message: String) -> &mut Diagnostic {
        self.push("I006", Severity::Error, span, message)
    }

    /// A secret in a file.
    pub(crate) fn secret(&mut self, span: Span, message: String) {
        self.push("I007", Severity::Warning, span, message);
    }

    /// A user among others who may do everything.
    pub(crate) fn unlimited(&mut self, span: Span, message: String) {
        self.push("I008", Severity::Warning, span, message);
    }

    /// A user who may not do what they are there for.
    pub(crate) fn incomplete(&mut self, span: Span, message: String) -> &mut Diagnostic {
        self.push("I009", Severity::Warning, span, message)
    }

    /// A configuration that nats-server does not start with.
    pub(crate) fn not_started(&mut self, span: Span, message: String) -> &mut Diagnostic {
        self.push("I011", Severity::Error, span, message)
    }

    /// A number where a duration is meant.
    pub(crate) fn no_duration(&mut self, span: Span, message: String) -> &mut Diagnostic {
        self.push("I010", Severity::Error, span, message)
    }

    /// A server, or an account, without streams.
    pub(crate) fn switched_off(&mut self, span: Span, message: String) -> &mut Diagnostic {
        self.push("I012", Severity::Error, span, message)
    }

    /// Somebody without a password who may do everything.
    pub(crate) fn open(&mut self, span: Span, message: String) -> &mut Diagnostic {
        self.push("I013", Severity::Warning, span, message)
    }

    /// What is acknowledged is not on disk.
    pub(crate) fn unsynced(&mut self, span: Span) {
        let message = "a publish is acknowledged before it is on disk: a power cut loses what came \
                       in the last two minutes";
        let found = self.push("I014", Severity::Info, span, message.into());
        found.fix = Some("write `sync_interval: always`, or the interval that is meant".into());
    }

    /// Messages that a script takes away.
    pub(crate) fn deleted(&mut self, span: Span, message: String) {
        self.push("I015", Severity::Warning, span, message);
    }

    /// A hash that is soon guessed.
    pub(crate) fn weak_hash(&mut self, span: Span, message: String) {
        self.push("F010", Severity::Warning, span, message);
    }

    /// What somebody else found.
    pub(crate) fn take_all(&mut self, others: impl IntoIterator<Item = Diagnostic>) {
        self.0.extend(others);
    }

    /// A command does not do what it is meant to.
    pub(crate) fn wrong(&mut self, span: Span, message: String) -> &mut Diagnostic {
        self.push("I004", Severity::Error, span, message)
    }
}

/// Where a line begins that a parser found fault with; lines count from 1.
pub(super) fn line_start(file: FileId, text: &str, line: usize) -> Span {
    let before = text.split_inclusive('\n').take(line.saturating_sub(1));
    let start = offset(before.map(str::len).sum::<usize>());
    Span { file, start, end: start }
}
