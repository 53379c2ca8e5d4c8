//! Plans as people read them.

use watershed_topology::plan::{Action, Plan, Policy, Step, Target, Work};

use super::path::word;
use super::wrapped::detail;
use super::{count, out};

/// Prints a plan.
pub(crate) fn show(plan: &Plan, policy: &Policy) {
    // What is nobody's and as declared is said below, unless it is adopted.
    let shown =
        |step: &&Step| !matches!(step.action, Action::Adopt | Action::Drop) || policy.allows(step);
    for step in plan.steps.iter().filter(shown) {
        show_step(step, policy);
    }
    for refusal in &plan.refused {
        out(&format!("  ✗ {} {}", refusal.target.kind(), refusal.target));
        detail(8, &refusal.reason);
    }
    let adopts = |target: &&Target| {
        let mut steps = plan.steps.iter().filter(|step| step.target == **target);
        steps.any(|step| policy.allows(step))
    };
    let left: Vec<&Target> = plan.unmanaged.iter().filter(|target| !adopts(target)).collect();
    for target in &left {
        out(&format!("    {} {target} is as declared, and unmanaged: left alone", target.kind()));
    }
    let kept = plan.steps.iter().filter(|step| step.action == Action::Drop && !policy.allows(step));
    for step in kept {
        out(&format!("    stream {} is kept: {}", step.target, step.notes.join("; ")));
        for (flag, name) in policy.missing(step) {
            let name = name.map(|name| word(&name.to_string())).unwrap_or_default();
            out(&format!("    delete it with {flag} {name}"));
        }
    }
    match left.as_slice() {
        [] => {}
        [one] => out(&format!("    take it over with --adopt {}", word(&one.to_string()))),
        all => out(&format!("    take these {} over with --adopt all, or by name", all.len())),
    }
    out(&summary(plan, policy));
}

fn show_step(step: &Step, policy: &Policy) {
    out(&format!("{:>3} {} {}", step.action.sign(), step.target.kind(), step.target));
    for change in &step.changes {
        let (before, after) = change.shown();
        detail(8, &format!("{}: {before} → {after}", change.field));
    }
    for loss in &step.losses {
        detail(8, &format!("loses {loss}"));
    }
    for note in &step.notes {
        detail(8, note);
    }
    for (taken, owner) in &step.takes {
        let whose = match owner {
            Some(owner) => format!("of the topology `{owner}`"),
            None => "unmanaged".into(),
        };
        detail(8, &format!("takes consumer {taken} with it ({whose})"));
    }
    let missing = policy.missing(step);
    if !missing.is_empty() {
        let what = if policy.is_blocked_by(step) { "refused" } else { "left alone" };
        let mut flags: Vec<String> = missing
            .iter()
            .map(|(flag, name)| match name {
                Some(name) => format!("{flag} {}", word(&name.to_string())),
                None => (*flag).to_owned(),
            })
            .collect();
        let is_migration = |(flag, _): &(&str, Option<Target>)| *flag == "--migrate";
        let again = matches!(step.work, Work::Migrate { from: None, .. } | Work::Replace { .. })
            && step.seen.is_some();
        if again && missing.iter().any(is_migration) {
            let name = word(&step.target.to_string());
            flags.push(format!("(or --recreate {name}, which begins anew)"));
        }
        detail(8, &format!("{what} without {}", flags.join(" ")));
    }
}

/// How much there is to do, in a line.
pub(crate) fn summary(plan: &Plan, policy: &Policy) -> String {
    let number = |action| plan.steps.iter().filter(|step| step.action == action).count();
    let adopts = |step: &&Step| step.action == Action::Adopt && policy.allows(step);
    let adopted = plan.steps.iter().filter(adopts).count();
    let words = [
        (number(Action::Create), "to create"),
        (adopted, "to adopt"),
        (number(Action::Update), "to update"),
        (number(Action::UpdateLosing), "to update with loss"),
        (number(Action::Migrate), "to migrate"),
        (number(Action::Revert), "to revert"),
        (number(Action::Recreate), "to recreate"),
        (number(Action::Clear), "to clear"),
        (number(Action::Delete), if policy.prune { "to delete" } else { "no longer declared" }),
        (plan.refused.len() - plan.unknown.len(), "impossible"),
        (plan.unknown.len(), "not known"),
    ];
    let parts: Vec<String> =
        words.iter().filter(|(n, _)| *n > 0).map(|(n, word)| format!("{n} {word}")).collect();
    let same = plan.unchanged.len() + plan.unmanaged.len();
    if parts.is_empty() {
        format!("{}: nothing to do, {} as declared", plan.topology, count(same, "asset"))
    } else {
        format!("{}: {}, {same} as declared", plan.topology, parts.join(", "))
    }
}
