//! A topology on an empty server, as `apply` puts it there.

use std::sync::Arc;

use watershed_engine::permit::{Permissions, Responses, Rules};
use watershed_engine::{AccountStore, JetStreamSettings};
use watershed_topology::Topology;
use watershed_topology::apply::{Event, Run, Task};
use watershed_topology::model::User;
use watershed_topology::observe::{Observation, ServerFacts};
use watershed_topology::permission;
use watershed_topology::plan::{Policy, plan};
use watershed_wire::limits::PAYLOAD_BYTES_MAX;
use watershed_wire::subject::SubjectError;

use crate::client::Client;
use crate::limits::STORE_BYTES;
use crate::world::{Broken, Machine, World};

/// Version of nats-server that the engine stands for.
const VERSION: &str = "2.14.6";

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

/// Applies a topology. Why it can't be, for people.
pub(crate) fn apply(
    world: &mut World,
    client: &mut Client,
    topology: &Topology,
) -> Result<Result<(), String>, Broken> {
    let server = ServerFacts { version: VERSION.into(), clustered: false };
    let mut observation = Observation::new(topology, server);
    while let Some((tag, request)) = observation.next() {
        let reply = client.call(world, &request)?;
        let taken = reply.and_then(|reply| observation.done(tag, &reply));
        if let Err(error) = taken {
            return Ok(Err(error.to_string()));
        }
    }
    let plan = plan(topology, &observation.finish());
    if let Some(refusal) = plan.refused.first() {
        return Ok(Err(format!("{}: {}", refusal.target, refusal.reason)));
    }
    let policy = Policy::default();
    let mut run = Run::new(&plan, &policy);
    while let Some(task) = run.next() {
        let event = match task {
            Task::Call(request) => {
                let reply = client.call(world, &request)?;
                run.done(Event::Answer(reply.as_deref().map_err(Clone::clone)))
            }
            Task::Pause(_) => run.done(Event::Passed),
            // Nothing is there that could be changed.
            Task::BackUp(_) | Task::PutBack(_) | Task::Compare(_) | Task::Ids(_) => {
                return Err(Broken::new("a new server has something to change"));
            }
        };
        if let Err(halt) = event {
            return Ok(Err(format!("{halt}: {}", halt.source)));
        }
    }
    Ok(Ok(()))
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
