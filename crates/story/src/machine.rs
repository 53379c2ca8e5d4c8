//! The server that a topology wants, and what its users may do there.

use std::sync::Arc;

use watershed_engine::permit::{Permissions, Responses, Rules};
use watershed_engine::{AccountStore, JetStreamSettings};
use watershed_topology::Topology;
use watershed_topology::model::User;
use watershed_topology::permission;
use watershed_wire::limits::PAYLOAD_BYTES_MAX;
use watershed_wire::subject::SubjectError;

use crate::limits::STORE_BYTES;

/// How the server is set up.
#[derive(Debug, Clone)]
pub(crate) struct Machine {
    pub(crate) account: String,
    pub(crate) jetstream: JetStreamSettings,
    pub(crate) store: AccountStore,
    pub(crate) max_payload: usize,
}

/// The server that a topology wants.
pub(crate) fn machine(topology: &Topology) -> Machine {
    let server = &topology.server;
    let bytes = |max: Option<u64>| max.unwrap_or(STORE_BYTES);
    let (file, memory) = (server.max_file_store.as_ref(), server.max_memory_store.as_ref());
    let (file, memory) = (file.map(|max| max.value), memory.map(|max| max.value));
    let payload = server.max_payload.as_ref().and_then(|max| usize::try_from(max.value).ok());
    let jetstream = JetStreamSettings {
        bounds: server.limits,
        ..JetStreamSettings::new(bytes(file), bytes(memory))
    };
    Machine {
        account: topology.account_name().to_owned(),
        jetstream,
        store: AccountStore { bounds: server.account, ..AccountStore::default() },
        max_payload: payload.unwrap_or(PAYLOAD_BYTES_MAX),
    }
}

/// What a user may do, as the engine judges it.
pub(crate) fn permissions(
    topology: &Topology,
    user: &User,
) -> Result<Option<Arc<Permissions>>, SubjectError> {
    let all = permission::permissions(topology, user).map(|own| {
        let permission::Permissions { publish, subscribe, responses } = own;
        let publish = Rules::of_publishes(publish.allow.as_deref(), &publish.deny)?;
        let subscribe = Rules::of_subscriptions(subscribe.allow.as_deref(), &subscribe.deny)?;
        let responses = responses.map(|own| Responses {
            max: own.max.unwrap_or_default(),
            ttl: own.expires.unwrap_or_default(),
        });
        Ok(Permissions::new(publish, subscribe, responses))
    });
    Ok(all.transpose()?.map(Arc::new))
}
