//! What a plan consists of, and what may be lost.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value as Json;
use watershed_wire::time::UnixNanos;

use crate::migration::Means;

/// A stream, or a consumer of one.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
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
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    /// Makes it.
    Create,
    /// Marks what is nobody's as the topology's; nothing else about it changes.
    Adopt,
    /// Takes the mark away; nothing else about it changes.
    Release,
    /// Changes it in place; nothing is lost.
    Update,
    /// Changes it in place; the server deletes messages at once.
    UpdateLosing,
    /// Makes it anew beside itself and moves everything over; nothing is lost.
    Migrate,
    /// Deletes it and makes it again.
    Recreate,
    /// Deletes what the topology owns and no longer declares.
    Delete,
    /// Deletes what a run that was cut off has left behind, and nobody has used.
    Clear,
    /// Deletes what a stream was before it was migrated.
    Drop,
    /// Undoes a migration that was cut off; nothing is lost.
    Revert,
}

impl Action {
    /// The sign that stands before it.
    pub fn sign(self) -> &'static str {
        match self {
            Self::Create => "+",
            Self::Adopt | Self::Release => "=",
            Self::Update => "~",
            Self::UpdateLosing => "~!",
            Self::Migrate | Self::Revert => "±",
            Self::Recreate => "-/+",
            Self::Delete | Self::Clear | Self::Drop => "-",
        }
    }

    /// What it does, as one would say it.
    pub fn verb(self) -> &'static str {
        match self {
            Self::UpdateLosing => "update",
            other => other.word(),
        }
    }

    /// What it has done.
    pub fn past(self) -> &'static str {
        match self {
            Self::Create => "created",
            Self::Adopt => "adopted",
            Self::Release => "released",
            Self::Update | Self::UpdateLosing => "updated",
            Self::Migrate => "migrated",
            Self::Recreate => "recreated",
            Self::Delete => "deleted",
            Self::Clear => "cleared",
            Self::Drop => "dropped",
            Self::Revert => "reverted",
        }
    }

    /// What it is, in a word.
    pub fn word(self) -> &'static str {
        match self {
            Self::Create => "create",
            Self::Adopt => "adopt",
            Self::Release => "release",
            Self::Update => "update",
            Self::UpdateLosing => "update_losing",
            Self::Migrate => "migrate",
            Self::Recreate => "recreate",
            Self::Delete => "delete",
            Self::Clear => "clear",
            Self::Drop => "drop",
            Self::Revert => "revert",
        }
    }
}

/// A field that changes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Change {
    /// Its API name.
    pub field: String,
    /// Its value now, in the API's units; null where it is absent.
    pub before: Json,
    /// Its value afterwards.
    pub after: Json,
}

/// A step of a plan.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
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
    /// Whether it is about what is nobody's, and has to be adopted.
    pub adopts: bool,
    /// Another topology, whose stream it takes subjects and messages from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub takes_from: Option<String>,
    /// Whether what is kept of it from a migration has to be dropped first.
    #[serde(default)]
    pub drops: bool,
    /// Consumers of others that go with it, and the topology of each.
    pub takes: Vec<(Target, Option<String>)>,
    /// What is to be done.
    pub work: Work,
    /// What was there when this was planned; `None` where nothing was.
    pub seen: Option<Seen>,
}

impl Step {
    /// Whether it deletes a stream and makes it again.
    pub fn replaces_stream(&self) -> bool {
        self.action == Action::Recreate && self.target.consumer.is_none()
    }

    /// A step that loses nothing and concerns nobody else.
    pub(super) fn new(target: Target, action: Action, work: Work, seen: Option<Seen>) -> Self {
        let (changes, losses, notes) = (Vec::new(), Vec::new(), Vec::new());
        let (adopts, takes_from, drops, takes) = (false, None, false, Vec::new());
        Self {
            target,
            action,
            changes,
            losses,
            notes,
            adopts,
            takes_from,
            drops,
            takes,
            work,
            seen,
        }
    }
}

/// What a step has to do. The calls follow from this and from what is there when it runs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Work {
    /// Create it with this configuration.
    Create(Json),
    /// Give it these fields of a configuration.
    Update {
        /// API names.
        fields: Vec<String>,
        /// The whole configuration, as it will be.
        after: Json,
    },
    /// Delete it.
    Delete,
    /// Delete it and create it with this configuration.
    Recreate(Json),
    /// Move it over to another configuration.
    Migrate {
        /// Stream whose messages and consumers it gets; without one, what it is itself goes through a
        /// copy.
        from: Option<String>,
        /// What of it; without this, everything.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        part: Option<Part>,
        /// The whole configuration, as it will be.
        after: Json,
        /// How the server does it.
        #[serde(default, skip_serializing_if = "Means::is_all")]
        means: Means,
    },
    /// Make it what it was before a migration that was cut off.
    Back {
        /// The stream that it would have been before.
        from: Option<String>,
    },
    /// Pause it until then: a call of its own, which no update does.
    Pause(UnixNanos),
    /// Put this consumer into its place, which goes on where it is.
    Replace {
        /// Whether the server pauses consumers: from 2.11 on.
        pauses: bool,
        /// The whole configuration, as it will be.
        after: Json,
    },
    /// Delete what the stream of this name was before.
    Drop(String),
}

impl Work {
    /// What the asset is to be, if it is to be anything.
    pub(crate) fn after(&self) -> Option<&Json> {
        match self {
            Self::Create(after)
            | Self::Update { after, .. }
            | Self::Recreate(after)
            | Self::Migrate { after, .. }
            | Self::Replace { after, .. } => Some(after),
            Self::Delete | Self::Drop(_) | Self::Back { .. } | Self::Pause(_) => None,
        }
    }
}

/// Subjects that go from one stream to another, with their messages.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Part {
    /// Subjects whose messages go; none: all messages.
    pub moves: Vec<String>,
    /// Subjects that the other stream gets.
    pub claims: Vec<String>,
    /// Subjects that this one has from then on.
    pub keeps: Vec<String>,
    /// Consumers that are this topology's from then on.
    pub consumers: Vec<String>,
}

/// What a plan relies on about an asset. It is looked at again before the step runs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Seen {
    /// Topology that owned it.
    pub owner: Option<String>,
    /// When it was created.
    pub created: UnixNanos,
    /// Its configuration with every default filled in, without what the server notes for itself.
    pub config: Json,
    /// Last sequence, of a stream.
    pub last_sequence: u64,
    /// Its durable consumers, if it is a stream whose consumers were looked at.
    pub consumers: Option<BTreeMap<String, SeenConsumer>>,
}

/// What a plan relies on about a consumer that goes with its stream.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SeenConsumer {
    /// Topology that owned it.
    pub owner: Option<String>,
    /// When it was created.
    pub created: UnixNanos,
    /// Whether it is marked as one that must not be deleted.
    pub protect: bool,
}

/// Something that no flag of this program makes possible.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refusal {
    /// What it is about.
    pub target: Target,
    /// Why not, and what to do.
    pub reason: String,
    /// Whether the reason is somebody else's data.
    pub for_safety: bool,
}

/// What it takes to make a server what a topology says.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
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
    /// Whether the server is what the topology says; what is so and nobody's may be adopted, and what is
    /// kept of a migration dropped.
    pub fn is_empty(&self) -> bool {
        let optional = |step: &Step| matches!(step.action, Action::Adopt | Action::Drop);
        self.refused.is_empty() && self.steps.iter().all(optional)
    }

    /// Whether another plan takes the same assets, configured the same way, to the same ends, whatever was stored
    /// meanwhile.
    pub fn does_the_same_as(&self, other: &Self) -> bool {
        let does = |step: &Step| {
            let seen = step.seen.clone();
            let seen = seen.map(|seen| (seen.owner, seen.created, seen.config));
            (step.target.clone(), step.action, step.work.clone(), seen)
        };
        self.steps.iter().map(does).eq(other.steps.iter().map(does))
            && self
                .refused
                .iter()
                .map(|refusal| &refusal.target)
                .eq(other.refused.iter().map(|refusal| &refusal.target))
    }
}
