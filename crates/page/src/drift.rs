//! What of an account is not as it is declared.

use serde_json::{Value as Json, json};
use watershed_client::Client;
use watershed_topology::Topology;
use watershed_topology::plan::{Action, Plan, Policy, Target, plan};

/// Compares the account with a topology. An error is said in place of what differs.
pub(crate) async fn of(client: &Client, topology: &Topology) -> Json {
    match client.observe(topology).await {
        Ok(observed) => shown(&plan(topology, &observed)),
        Err(error) => json!({"topology": topology.name.value, "error": error.to_string()}),
    }
}

fn shown(plan: &Plan) -> Json {
    let policy = Policy::default();
    // What nobody owns, and is as declared, does not count as a difference.
    let differs =
        plan.steps.iter().filter(|step| !matches!(step.action, Action::Adopt | Action::Drop));
    let steps = differs.map(|step| {
        let changes = step.changes.iter().map(|change| {
            let (before, after) = change.shown();
            json!({"field": change.field, "before": before, "after": after})
        });
        let flags = policy.missing(step).into_iter().map(|(flag, name)| match name {
            Some(name) => format!("{flag} {name}"),
            None => flag.to_owned(),
        });
        json!({
            "sign": step.action.sign(),
            "action": step.action.verb(),
            "kind": step.target.kind(),
            "target": step.target.to_string(),
            "changes": changes.collect::<Vec<_>>(),
            "losses": step.losses,
            "notes": step.notes,
            "flags": flags.collect::<Vec<_>>(),
        })
    });
    let refused = plan.refused.iter().map(|refusal| {
        let target = &refusal.target;
        json!({"kind": target.kind(), "target": target.to_string(), "reason": refusal.reason})
    });
    let names = |all: &[Target]| all.iter().map(ToString::to_string).collect::<Vec<_>>();
    json!({
        "topology": plan.topology,
        "steps": steps.collect::<Vec<_>>(),
        "refused": refused.collect::<Vec<_>>(),
        "unmanaged": names(&plan.unmanaged),
        "same": plan.unchanged.len() + plan.unmanaged.len(),
    })
}
