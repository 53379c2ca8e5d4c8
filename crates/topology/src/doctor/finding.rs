//! What is found, and how it is said.

use serde::Serialize;

use crate::plan::Target;

/// What somebody sees who looks for help.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Symptom {
    /// The server does not let a client in, or is not there.
    CannotConnect,
    /// A stream or consumer is not found.
    NotFound,
    /// A publisher gets no answer, or is refused.
    PublishFails,
    /// Stored messages are gone, or will be.
    MessagesGone,
    /// A consumer gets nothing.
    NotReceiving,
    /// The same work comes again and again.
    Redelivered,
    /// Of several workers, some get nothing.
    Uneven,
    /// Messages lie there and nobody gets them any more.
    Stranded,
}

impl Symptom {
    /// As a heading.
    pub fn title(self) -> &'static str {
        match self {
            Self::CannotConnect => "cannot connect",
            Self::NotFound => "stream or consumer not found",
            Self::PublishFails => "publish fails",
            Self::MessagesGone => "messages are gone, or will be",
            Self::NotReceiving => "consumer not receiving",
            Self::Redelivered => "work is redelivered",
            Self::Uneven => "one of several workers gets nothing",
            Self::Stranded => "messages nobody gets",
        }
    }
}

/// What helps.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Mend {
    /// A command of this program, without what says where the server is.
    Command(String),
    /// What to do elsewhere.
    Advice(String),
}

/// Something that explains a symptom.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// What somebody sees.
    pub symptom: Symptom,
    /// What it is about; `None` for the account.
    #[serde(serialize_with = "named", skip_serializing_if = "Option::is_none")]
    pub target: Option<Target>,
    /// What is the case, in a sentence about the target.
    pub text: String,
    /// What shows it.
    pub evidence: Vec<String>,
    /// What helps, the likeliest first.
    pub mend: Vec<Mend>,
}

#[expect(clippy::ref_option, reason = "as serde calls it")]
fn named<S: serde::Serializer>(target: &Option<Target>, to: S) -> Result<S::Ok, S::Error> {
    match target {
        Some(target) => to.serialize_str(&target.to_string()),
        None => to.serialize_none(),
    }
}

impl Finding {
    pub(super) fn new(symptom: Symptom, target: Target, text: impl Into<String>) -> Self {
        let (evidence, mend) = (Vec::new(), Vec::new());
        Self { symptom, target: Some(target), text: text.into(), evidence, mend }
    }

    pub(super) fn of_account(symptom: Symptom, text: impl Into<String>) -> Self {
        let (evidence, mend) = (Vec::new(), Vec::new());
        Self { symptom, target: None, text: text.into(), evidence, mend }
    }

    pub(super) fn shown_by(mut self, evidence: impl Into<String>) -> Self {
        self.evidence.push(evidence.into());
        self
    }

    pub(super) fn command(mut self, command: impl Into<String>) -> Self {
        self.mend.push(Mend::Command(command.into()));
        self
    }

    pub(super) fn advice(mut self, advice: impl Into<String>) -> Self {
        self.mend.push(Mend::Advice(advice.into()));
        self
    }
}

impl std::fmt::Display for Finding {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.target {
            Some(target) => write!(f, "{} {target} {}", target.kind(), self.text),
            None => f.write_str(&self.text),
        }
    }
}
