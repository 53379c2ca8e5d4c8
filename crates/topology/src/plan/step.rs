//! What a plan consists of, and what may be lost.

use serde_json::Value as Json;

use crate::call::Request;

/// A stream, or a consumer of one.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Target {
    /// Stream.
    pub stream: String,
    /// Consumer, if it is one.
    pub consumer: Option<String>,
}

impl Target {
    /// The stream `name`.
    pub fn stream(name: &str) -> Self {
        Self { stream: name.to_owned(), consumer: None }
    }

    /// The consumer `name` of `stream`.
    pub fn consumer(stream: &str, name: &str) -> Self {
        Self { stream: stream.to_owned(), consumer: Some(name.to_owned()) }
    }

    /// What it is, in a word.
    pub fn kind(&self) -> &'static str {
        if self.consumer.is_some() { "consumer" } else { "stream" }
    }
}

impl std::fmt::Display for Target {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.consumer {
            None => f.write_str(&self.stream),
            Some(consumer) => write!(f, "{}/{consumer}", self.stream),
        }
    }
}

/// What a step does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Action {
    /// Makes it.
    Create,
    /// Changes it in place; nothing is lost.
    Update,
    /// Changes it in place; the server deletes messages at once.
    UpdateLosing,
    /// Deletes it and makes it again.
    Recreate,
    /// Deletes what the topology owns and no longer declares.
    Delete,
}

impl Action {
    /// The sign that stands before it.
    pub fn sign(self) -> &'static str {
        match self {
            Self::Create => "+",
            Self::Update => "~",
            Self::UpdateLosing => "~!",
            Self::Recreate => "-/+",
            Self::Delete => "-",
        }
    }

    /// What it is, in a word.
    pub fn word(self) -> &'static str {
        match self {
            Self::Create => "create",
            Self::Update => "update",
            Self::UpdateLosing => "update_losing",
            Self::Recreate => "recreate",
            Self::Delete => "delete",
        }
    }

    /// The flag that allows it; none for what loses nothing.
    pub fn flag(self) -> Option<&'static str> {
        match self {
            Self::Create | Self::Update => None,
            Self::UpdateLosing => Some("--allow-loss"),
            Self::Recreate => Some("--recreate"),
            Self::Delete => Some("--prune"),
        }
    }
}

/// A field that changes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// Its API name.
    pub field: String,
    /// Its value now, in the API's units; null where it is absent.
    pub before: Json,
    /// Its value afterwards.
    pub after: Json,
}

/// A step of a plan.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// What it is about.
    pub target: Target,
    /// What it does.
    pub action: Action,
    /// Fields that change.
    pub changes: Vec<Change>,
    /// What is lost, in sentences with the counts of now.
    pub losses: Vec<String>,
    /// What else there is to know.
    pub notes: Vec<String>,
    /// The calls that do it, in order.
    pub requests: Vec<Request>,
}

/// Something that no flag of this program makes possible.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// What it is about.
    pub target: Target,
    /// Why not, and what to do.
    pub reason: String,
    /// Whether the reason is somebody else's data.
    pub for_safety: bool,
}

/// What it takes to make a server what a topology says.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Plan {
    /// The topology's name.
    pub topology: String,
    /// Steps, in the order in which they run.
    pub steps: Vec<Step>,
    /// What is as declared.
    pub unchanged: Vec<Target>,
    /// What is as declared, and nobody's: left alone.
    pub unmanaged: Vec<Target>,
    /// What cannot be done.
    pub refused: Vec<Refusal>,
    /// Among what is refused, what did not answer: nothing is known of it.
    pub unknown: Vec<Target>,
}

impl Plan {
    /// Whether the server is what the topology says.
    pub fn is_empty(&self) -> bool {
        self.steps.is_empty() && self.refused.is_empty()
    }
}

/// What may be lost.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Policy {
    /// Streams that may lose messages.
    pub allow_loss: Names,
    /// Streams and consumers that may be deleted and made again.
    pub recreate: Names,
    /// Whether what is owned and no longer declared is deleted.
    pub prune: bool,
}

/// Names that were given to a flag.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Names {
    /// These.
    Only(Vec<String>),
    /// `all`.
    All,
}

impl Default for Names {
    fn default() -> Self {
        Self::Only(Vec::new())
    }
}

impl Names {
    /// From the words that were given.
    pub fn from_words(words: &[String]) -> Self {
        if words.iter().any(|word| word == "all") { Self::All } else { Self::Only(words.to_vec()) }
    }

    fn has(&self, target: &Target) -> bool {
        match self {
            Self::All => true,
            Self::Only(names) => names.iter().any(|name| *name == target.to_string()),
        }
    }
}

impl Policy {
    /// Whether `step` may run.
    pub fn allows(&self, step: &Step) -> bool {
        match step.action {
            Action::Create | Action::Update => true,
            // A stream's name stands for what its consumers make it lose, too.
            Action::UpdateLosing => {
                self.allow_loss.has(&step.target)
                    || self.allow_loss.has(&Target::stream(&step.target.stream))
            }
            Action::Recreate => self.recreate.has(&step.target),
            Action::Delete => self.prune,
        }
    }
}
