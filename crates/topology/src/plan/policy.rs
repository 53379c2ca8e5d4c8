//! What a person allows.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::step::{Action, Step, Target, Work};

/// What may be lost.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Policy {
    /// Streams that may lose messages.
    pub allow_loss: Names,
    /// Streams that may be moved over, in use as they are.
    #[serde(default)]
    pub migrate: Names,
    /// How long the consumers of these may take to acknowledge what they have.
    #[serde(default)]
    pub drain: Duration,
    /// Streams whose migration, cut off as it was, is undone.
    #[serde(default)]
    pub back: Names,
    /// Streams of which what they were before a migration is dropped.
    #[serde(default)]
    pub drop_old: Names,
    /// Streams and consumers that may be deleted and made again.
    pub recreate: Names,
    /// Streams and consumers of nobody that become the topology's; a stream's name stands for its
    /// consumers, too.
    pub adopt: Names,
    /// Topologies from whose streams this one may take subjects and messages.
    #[serde(default)]
    pub take_from: Names,
    /// Whether what is owned and no longer declared is deleted.
    pub prune: bool,
}

/// Which way is taken where there is more than one.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Ways {
    /// Streams and consumers that are deleted and created again, where they could be migrated.
    pub recreate: Names,
    /// Streams whose migration is undone, where it could go on.
    pub back: Names,
}

/// Names that were given to a flag.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
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

    pub(super) fn has_or_stream(&self, target: &Target) -> bool {
        self.has(target) || self.has(&Target::stream(&target.stream))
    }

    pub(super) fn has(&self, target: &Target) -> bool {
        match self {
            Self::All => true,
            Self::Only(names) => names.iter().any(|name| *name == target.to_string()),
        }
    }
}

impl Policy {
    /// The ways that its flags choose.
    pub fn ways(&self) -> Ways {
        Ways { recreate: self.recreate.clone(), back: self.back.clone() }
    }

    /// Whether `step` may run.
    pub fn allows(&self, step: &Step) -> bool {
        self.missing(step).is_empty()
    }

    /// Whether nothing at all is done because `step` may not run. What is no longer declared, and what is
    /// nobody's and as declared, is left alone instead.
    pub fn is_blocked_by(&self, step: &Step) -> bool {
        let left_alone = match step.action {
            Action::Adopt | Action::Drop => true,
            Action::Delete => !self.prune,
            _ => false,
        };
        !left_alone && !self.allows(step)
    }

    /// The flags, and what they must name, that `step` needs and does not have.
    pub fn missing(&self, step: &Step) -> Vec<(&'static str, Option<Target>)> {
        let target = &step.target;
        let mut missing = Vec::new();
        let mut need = |has: bool, flag: &'static str, name: &Target| {
            if !has {
                missing.push((flag, Some(name.clone())));
            }
        };
        if step.adopts {
            need(self.adopt.has_or_stream(target), "--adopt", target);
        }
        match step.action {
            // A stream's name stands for what its consumers make it lose, too.
            Action::Create | Action::Update | Action::UpdateLosing if !step.losses.is_empty() => {
                need(self.allow_loss.has_or_stream(target), "--allow-loss", target);
            }
            Action::Create
            | Action::Update
            | Action::UpdateLosing
            | Action::Adopt
            | Action::Release
            | Action::Clear => {}
            Action::Migrate => {
                if let Some(other) = &step.takes_from {
                    let other = Target::stream(other);
                    need(self.take_from.has(&other), "--take-from", &other);
                }
                if step.drops {
                    need(self.drop_old.has(target), "--drop-old", target);
                }
                need(self.migrate.has_or_stream(target), "--migrate", target);
                if !step.losses.is_empty() {
                    need(self.allow_loss.has(target), "--allow-loss", target);
                }
            }
            Action::Revert => need(self.back.has(target), "--back", target),
            Action::Recreate => need(self.recreate.has(target), "--recreate", target),
            Action::Drop => {
                let stream = match &step.work {
                    Work::Drop(stream) => Target::stream(stream),
                    _ => target.clone(),
                };
                need(self.drop_old.has(&stream), "--drop-old", &stream);
            }
            Action::Delete if self.prune => {}
            Action::Delete => return vec![("--prune", None)],
        }
        for (taken, _) in &step.takes {
            need(self.allow_loss.has(taken), "--allow-loss", taken);
        }
        missing
    }
}
