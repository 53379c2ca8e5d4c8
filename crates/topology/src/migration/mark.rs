//! What a migration writes into the metadata of streams and consumers.

use std::collections::BTreeMap;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

/// Key of the metadata of a stream that is a copy: [`Copied`], as JSON.
const COPIED: &str = "watershed.copied";

/// Key of the metadata of a parked stream: [`Parked`], as JSON.
const PARKED: &str = "watershed.parked";

/// Prefix of the name of a stream through which another one is migrated.
const TRANSIT: &str = "watershed_migrates_";

/// Longest name of a stream.
const NAME_MAX: usize = 255;

/// What a stream is a copy of.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Copied {
    /// Name of its origin.
    pub(crate) of: String,
    /// Up to this sequence it was compared with its origin, message by message.
    pub(crate) compared: u64,
    /// Last sequences of both when it was made a stream of its own: after that, it has messages of
    /// its own.
    pub(crate) last: Option<Last>,
    /// How far each consumer of a work queue was when the copy began. What was still stored up to there
    /// was not done, but given up or passed over.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) left: BTreeMap<String, u64>,
    /// Of which subjects it has the messages; none: of all.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) moves: Vec<String>,
    /// Subjects that it gets; none: those of its origin.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) claims: Vec<String>,
    /// Whether its messages may already be gone from the origin, so that it cannot be undone.
    #[serde(default, skip_serializing_if = "is_false")]
    pub(crate) clears: bool,
    /// Whether it is copied by sources: its messages have other sequences, and say which they had.
    #[serde(default, skip_serializing_if = "is_false")]
    pub(crate) sources: bool,
    /// Consumers of the origin that end there, as its server pauses none.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) stopped: BTreeMap<String, Stopped>,
}

/// A consumer that ended, so that it goes on elsewhere.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Stopped {
    /// Its configuration, as it came.
    pub(crate) config: Json,
    /// From where on it had not finished.
    pub(crate) start: u64,
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "as serde asks for it")]
fn is_false(flag: &bool) -> bool {
    !*flag
}

/// Last sequences of a copy and its origin.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Last {
    pub(crate) copy: u64,
    pub(crate) origin: u64,
}

/// What a parked stream was before.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Parked {
    /// Its subjects.
    pub(crate) subjects: Vec<String>,
    /// Its sources, as they were configured.
    #[serde(default, skip_serializing_if = "Json::is_null")]
    pub(crate) sources: Json,
    /// The stream that got its subjects, if it is not said elsewhere.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) to: Option<String>,
    /// Whether that stream got only some of its messages.
    #[serde(default, skip_serializing_if = "is_false")]
    pub(crate) partly: bool,
}

impl Copied {
    pub(crate) fn of(metadata: &BTreeMap<String, String>) -> Option<Self> {
        read(metadata, COPIED)
    }

    /// Writes it.
    pub(super) fn entry(&self) -> (&'static str, Json) {
        (COPIED, text(self))
    }
}

impl Parked {
    /// Whether it was parked for the stream `name`, as far as is noted.
    pub(crate) fn is_for(&self, name: &str) -> bool {
        self.to.as_deref().is_none_or(|to| to == name)
    }

    pub(crate) fn of(metadata: &BTreeMap<String, String>) -> Option<Self> {
        read(metadata, PARKED)
    }

    pub(super) fn entry(&self) -> (&'static str, Json) {
        (PARKED, text(self))
    }
}

fn read<T: DeserializeOwned>(metadata: &BTreeMap<String, String>, key: &str) -> Option<T> {
    serde_json::from_str(metadata.get(key)?).ok()
}

fn text(mark: &impl Serialize) -> Json {
    Json::String(serde_json::to_string(mark).expect("marks have no keys but texts"))
}

/// Name of the stream through which `name` is migrated, if it is short enough for one.
pub(crate) fn transit_name(name: &str) -> String {
    format!("{TRANSIT}{name}")
}

/// The stream that is migrated through one of this name.
pub(crate) fn migrated_of(transit: &str) -> Option<&str> {
    transit.strip_prefix(TRANSIT)
}

/// Whether a stream of this name can be migrated through another one.
pub(crate) fn has_transit_name(name: &str) -> bool {
    transit_name(name).len() <= NAME_MAX
}

/// What a parked stream has in place of its subjects. Nobody publishes to it.
pub(crate) fn park_subject(name: &str) -> String {
    format!("_watershed.park.{name}")
}
