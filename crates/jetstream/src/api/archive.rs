//! Snapshots of streams, and streams out of snapshots.

use serde::{Deserialize, Serialize};
use watershed_wire::ident::short_id;
use watershed_wire::jetstream::account::Reply;
use watershed_wire::jetstream::error::{ApiError, table};
use watershed_wire::jetstream::stream::StreamState;
use watershed_wire::jetstream::{StreamConfig, check, json};
use watershed_wire::subject;

use super::request::{Answer, Request};
use super::unbuilt;
use crate::jetstream::JetStream;
use crate::network::Network;
use crate::snapshots::{Pace, Snapshot};
use crate::told::Begun;

const SNAPSHOT: &str = "stream_snapshot_response";
const RESTORE: &str = "stream_restore_response";

/// Snapshots, and restores, that are made at once.
const AT_ONCE_MAX: usize = 8;

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct SnapshotRequest {
    deliver_subject: String,
    no_consumers: bool,
    chunk_size: usize,
    window_size: usize,
    /// Every message is checked anyway.
    jsck: bool,
}

#[derive(Serialize)]
struct Described {
    config: StreamConfig,
    state: StreamState,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct RestoreRequest {
    config: StreamConfig,
    /// What a client believes to be in it.
    state: StreamState,
}

#[derive(Serialize)]
struct Awaited {
    deliver_subject: String,
}

impl JetStream {
    pub(super) fn stream_snapshot(
        &mut self,
        net: &mut impl Network,
        request: &Request<'_>,
        name: &str,
    ) -> Answer {
        match self.try_snapshot(net, request, name) {
            Ok(begun) => Answer::Reply(json::encode(&Reply::new(SNAPSHOT, Ok(begun)))),
            Err(error) => Self::refuse_call(SNAPSHOT, error),
        }
    }

    fn try_snapshot(
        &mut self,
        net: &mut impl Network,
        request: &Request<'_>,
        name: &str,
    ) -> Result<Described, ApiError> {
        if json::asks_nothing(request.body) {
            return Err(table::BAD_REQUEST.into());
        }
        let Some((key, stream)) = self.state.find(request.account, name) else {
            return Err(table::STREAM_NOT_FOUND.into());
        };
        let wanted: SnapshotRequest = json::decode(request.body)?;
        let deliver = wanted.deliver_subject.as_bytes();
        if !subject::is_literal(deliver) {
            return Err(table::SNAPSHOT_DELIVER_SUBJECT_INVALID.into());
        }
        let refused = |text| Err(table::STREAM_SNAPSHOT.with(text));
        if stream.is_memory() {
            return refused("memory streams do not support snapshots");
        }
        if stream.pin.is_some() {
            return refused("snapshot in progress");
        }
        if self.snapshots.len() >= AT_ONCE_MAX {
            return refused("too many snapshots in progress");
        }
        let pace = Pace { chunk_bytes: wanted.chunk_size, window_bytes: wanted.window_size };
        let of = (request.account, stream.log.id(), name);
        let mut own = Snapshot::new(of, deliver, pace, self.now);
        own.begun = self.begun(request);
        let described = Described { config: stream.config.clone(), state: stream.state() };
        let id = short_id(self.random.next());
        if let Some(Begun { client, .. }) = &own.begun {
            self.notice_snapshot_begun(net, request.account, name, &described.state, client);
        }
        self.begin_snapshot(id, key, own, !wanted.no_consumers);
        Ok(described)
    }

    /// Who asks for a snapshot or a restore.
    fn begun(&self, request: &Request<'_>) -> Option<Begun> {
        let client = request.caller?.client.clone();
        Some(Begun { client, at: self.now.wall })
    }

    pub(super) fn stream_restore(
        &mut self,
        net: &mut impl Network,
        request: &Request<'_>,
        name: &str,
    ) -> Answer {
        match self.try_restore(net, request, name) {
            Ok(deliver_subject) => {
                let awaited = Awaited { deliver_subject };
                Answer::Reply(json::encode(&Reply::new(RESTORE, Ok(awaited))))
            }
            Err(error) => {
                let deliver_subject = String::new();
                Answer::refuse_beside(RESTORE, Awaited { deliver_subject }, error)
            }
        }
    }

    fn try_restore(
        &mut self,
        net: &mut impl Network,
        request: &Request<'_>,
        name: &str,
    ) -> Result<String, ApiError> {
        if json::asks_nothing(request.body) {
            return Err(table::BAD_REQUEST.into());
        }
        let wanted: RestoreRequest = json::decode(request.body)?;
        let mut config = wanted.config;
        if config.name.is_empty() {
            name.clone_into(&mut config.name);
        }
        Self::check_name(&config, name)?;
        let config = self.fill_config(request, config, check::stream)?;
        if self.state.find(request.account, name).is_some() {
            return Err(table::STREAM_NAME_EXIST_RESTORE_FAILED.into());
        }
        unbuilt::refuse(&config).map_or(Ok(()), Err)?;
        self.check_resources(request, &config)?;
        let refused = |text| Err(table::STREAM_RESTORE.with(text));
        if self.restores.len() >= AT_ONCE_MAX {
            return refused("too many restores in progress");
        }
        let id = short_id(self.random.next());
        let subject = format!("$JS.SNAPSHOT.RESTORE.{name}.{id}");
        let begun = self.begun(request);
        if !self.begin_restore(request.account, id, config, begun) {
            return Err(table::CLUSTER_NOT_AVAIL.into());
        }
        if let Some(caller) = request.caller {
            self.notice_restore_begun(net, request.account, name, &caller.client);
        }
        Ok(subject)
    }
}
