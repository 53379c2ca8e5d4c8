//! How a live server differs from a topology, and what would make it the same.
//!
//! A plan is data: showing it, refusing it and carrying it out are somebody else's. What changes is
//! judged on effective values (both sides filled in as the server does), by the table of
//! [`watershed_wire::jetstream::change`].

mod consumer;
pub(crate) mod difference;
mod handing;
mod limits;
pub(crate) mod live;
mod loss;
mod mark;
mod migrate;
mod moving;
mod order;
mod policy;
mod release;
mod renumbering;
mod shown;
mod step;
mod stream;
mod unknown;
mod whose;

use crate::model::Topology;
use crate::observe::Observed;

pub(crate) use self::consumer::filters;
pub use self::mark::claim;
pub use self::order::destroy;
pub use self::policy::{Names, Policy, Ways};
pub use self::release::release;
pub use self::step::{Action, Change, Part, Plan, Refusal, Seen, SeenConsumer, Step, Target, Work};
pub use crate::migration::Means;

/// Compares. Both sides are whole: what is not declared and not owned is nobody's business here. What is
/// not changed in place is migrated where that is possible.
pub fn plan(topology: &Topology, observed: &Observed) -> Plan {
    plan_by(topology, observed, &Ways::default())
}

/// The same, by the ways that were chosen.
pub fn plan_by(topology: &Topology, observed: &Observed, ways: &Ways) -> Plan {
    let mut plan = Plan { topology: topology.name.value.clone(), ..Plan::default() };
    for declared in &topology.streams {
        stream::compare(topology, declared, observed, ways, &mut plan);
    }
    order::leftovers(topology, observed, &mut plan);
    migrate::kept(topology, observed, &mut plan);
    mark::guard(Some(topology), observed, &mut plan);
    unknown::guard(Some(topology), observed, &mut plan);
    order::sort(topology, observed, &mut plan);
    order::untangle(topology, observed, &mut plan);
    limits::guard(observed, &mut plan);
    plan
}

#[cfg(test)]
mod tests;
