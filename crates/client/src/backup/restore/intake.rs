//! How messages get into a stream that is being restored.
//!
//! Under subjects of their own, which the stream maps to what they are: so nobody else's messages come
//! between, and those come in, too, that the stream would not store now. A server that maps no subjects
//! (before 2.10, and the embedded one) gets them under their own.

use std::collections::BTreeSet;

use serde_json::{Map, Value as Json, json};
use watershed_topology::Version;
use watershed_topology::call::{CallError, Request, answer};
use watershed_wire::jetstream::call::Call;

use super::ids;
use crate::backup::error::BackupError;
use crate::client::Client;

/// Subjects that a stream holds messages of and does not store, where each has to be named.
pub(super) const FOREIGN_MAX: usize = 1000;

/// Key of the metadata of a stream that is being restored.
pub(super) const RESTORING: &str = "watershed.restoring";

/// How a stream is filled.
#[derive(Debug)]
pub(super) struct Intake {
    /// What stands before the subject of each message.
    prefix: String,
    /// Whether sources go on where the messages that they have copied end.
    continues: bool,
}

impl Intake {
    /// Where to publish a message that is to be stored under `subject`.
    pub(super) fn subject(&self, subject: &str) -> String {
        format!("{}{subject}", self.prefix)
    }

    pub(super) fn continues(&self) -> bool {
        self.continues
    }
}

/// What stands before subjects where they are mapped.
pub(in crate::backup) fn prefix(stream: &str) -> String {
    format!("_watershed.restore.{stream}.")
}

impl Client {
    /// Creates the stream `name` so that it can be filled.
    pub(super) async fn open_intake(
        &self,
        name: &str,
        config: &Json,
        foreign: &BTreeSet<String>,
    ) -> Result<Intake, BackupError> {
        // From 2.15 on clients may not say where a message was copied from.
        let continues = !Version::of_server(&self.facts().version).is_at_least(2, 15, 0);
        let mapped = Intake { prefix: prefix(name), continues };
        let filter = mapped.subject(">");
        let maps = json!({"src": filter, "dest": ">"});
        let filling = filling(config, name, &[filter], Some(&maps));
        // A schedule names a subject of its stream.
        if config.get("allow_msg_schedules").and_then(Json::as_bool) != Some(true) {
            match self.settled(&Request::new(Call::StreamCreate(name), &filling)).await {
                Ok(reply) => {
                    let created: Json = answer(&reply)?;
                    if created
                        .pointer("/config/subject_transform")
                        .is_some_and(|own| !own.is_null())
                    {
                        return Ok(mapped);
                    }
                    self.settled(&Request::bare(Call::StreamDelete(name))).await?;
                }
                // Whether it is for the mapping, shows without.
                Err(CallError::Refused(_)) => {}
                Err(error) => return Err(error.into()),
            }
        }
        if foreign.len() > FOREIGN_MAX {
            return Err(BackupError::Impossible(format!(
                "it has messages of more than {FOREIGN_MAX} subjects that it does not store, and this \
                 server maps no subjects: restore it on nats-server 2.10 or newer"
            )));
        }
        let own = texts(config, "subjects").map(str::to_owned);
        let subjects: Vec<String> = own.chain(foreign.iter().cloned()).collect();
        let filling = self::filling(config, name, &subjects, None);
        self.settled(&Request::new(Call::StreamCreate(name), &filling)).await?;
        Ok(Intake { prefix: String::new(), continues: false })
    }
}

/// A configuration as long as messages are missing: ids are forgotten soon, everything is answered,
/// nothing is refused that was stored once, nothing is copied or sealed.
fn filling(config: &Json, name: &str, subjects: &[String], maps: Option<&Json>) -> Json {
    let mut config = config.clone();
    let Some(object) = config.as_object_mut() else { return config };
    for field in ["sealed", "no_ack", "sources", "republish", "subject_transform", "max_msg_size"] {
        object.remove(field);
    }
    object.insert("duplicate_window".into(), json!(u64::from(ids::WINDOW.subsec_nanos())));
    object.insert("subjects".into(), json!(subjects));
    if let Some(maps) = maps {
        object.insert("subject_transform".into(), maps.clone());
    }
    // Not all who want something are there yet.
    if object.get("retention").and_then(Json::as_str) == Some("interest") {
        object.insert("retention".into(), json!("limits"));
    }
    let metadata = object.entry("metadata").or_insert_with(|| Json::Object(Map::new()));
    if let Some(metadata) = metadata.as_object_mut() {
        // Nobody's, until it is whole.
        metadata.retain(|key, _| !key.starts_with(watershed_topology::observe::OURS));
        metadata.insert(RESTORING.into(), json!(name));
    }
    config
}

/// The texts of a field that is a list of them.
pub(super) fn texts<'a>(config: &'a Json, field: &str) -> impl Iterator<Item = &'a str> {
    config.get(field).and_then(Json::as_array).into_iter().flatten().filter_map(Json::as_str)
}
