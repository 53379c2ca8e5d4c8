//! Whose an asset is that is there, and what follows for a plan: alike for streams and consumers.

use serde_json::Value as Json;

use super::difference::METADATA;
use super::step::{Action, Plan, Refusal, Seen, Step, Target, Work};
use crate::model::Topology;
use crate::observe::Observed;

/// Notes an asset that is there as unchanged or unmanaged if no field differs, or as refused if it is not
/// for this topology to change. Whether anything else may be planned for it.
pub(super) fn note(
    target: &Target,
    owner: Option<&str>,
    fields: &[&str],
    topology: &Topology,
    observed: &Observed,
    plan: &mut Plan,
) -> bool {
    let reason = match owner {
        Some(owner) if owner != topology.name.value => {
            format!("it belongs to the topology `{owner}`")
        }
        Some(_) if fields.is_empty() => {
            plan.unchanged.push(target.clone());
            return true;
        }
        None if fields.is_empty() => {
            plan.unmanaged.push(target.clone());
            return true;
        }
        None if !observed.server.keeps_metadata() => format!(
            "it differs in {}, and nats-server {} keeps no metadata by which its owner could be known: \
             only what is missing is created on servers before 2.10",
            fields.join(", "),
            observed.server.version
        ),
        _ => return true,
    };
    plan.refused.push(Refusal { target: target.clone(), reason, for_safety: true });
    false
}

/// Marks an asset that is nobody's; `marked` is its configuration with the marks.
pub(super) fn adopt(target: Target, marked: Json, seen: Seen) -> Step {
    let work = Work::Update { fields: vec![METADATA.to_owned()], after: marked };
    Step { adopts: true, ..Step::new(target, Action::Adopt, work, Some(seen)) }
}

/// Plans the change of an asset, if there is one, and its adoption before it. Whether it is made again:
/// then it is marked by that.
pub(super) fn push(plan: &mut Plan, change: Option<Step>, adoption: Option<Step>) -> bool {
    let change = change.map(|step| Step { adopts: adoption.is_some(), ..step });
    let again = change.as_ref().is_some_and(|step| step.action == Action::Recreate);
    plan.steps.extend(adoption.filter(|_| !again));
    plan.steps.extend(change);
    again
}
