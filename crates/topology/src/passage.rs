//! Exports and imports, in the words of nats.conf.

use watershed_wire::subject::import::{ImportError, messages, passing, requests};
use watershed_wire::subject::transform::Transform;

use crate::source::Spanned;

/// What passes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Passage {
    /// Messages: whoever imports them subscribes.
    Stream,
    /// Requests: whoever imports it asks.
    Service,
}

impl Passage {
    /// The word for it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Stream => "stream",
            Self::Service => "service",
        }
    }
}

/// What other accounts may import.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Export {
    /// What passes.
    pub passage: Passage,
    /// Subjects.
    pub subject: Spanned<String>,
    /// Accounts that may; empty for every one.
    pub accounts: Vec<Spanned<String>>,
    /// How many replies there are to a request: `singleton` if it is not set.
    pub response: Option<String>,
}

/// What is taken from another account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Import {
    /// What passes.
    pub passage: Passage,
    /// The other account.
    pub account: Spanned<String>,
    /// Subjects there.
    pub subject: Spanned<String>,
    /// Subjects here, if they are others.
    pub to: Option<Spanned<String>>,
    /// What stands before the subjects here.
    pub prefix: Option<Spanned<String>>,
}

impl Import {
    /// The rule by which subjects there become subjects here.
    pub fn transform(&self) -> Result<Transform, ImportError> {
        messages(&self.subject.value, text(self.to.as_ref()), text(self.prefix.as_ref()))
    }

    /// The rule by which messages come here, or requests go there.
    pub fn passage(&self) -> Result<Transform, ImportError> {
        match self.passage {
            Passage::Stream => {
                passing(&self.subject.value, text(self.to.as_ref()), text(self.prefix.as_ref()))
            }
            Passage::Service => requests(&self.subject.value, text(self.to.as_ref())),
        }
    }

    /// The subjects here, as a filter. `None` if they are none.
    pub fn local(&self) -> Option<String> {
        self.transform().ok()?.image(&self.subject.value)
    }
}

fn text(said: Option<&Spanned<String>>) -> Option<&str> {
    said.map(|said| said.value.as_str())
}
