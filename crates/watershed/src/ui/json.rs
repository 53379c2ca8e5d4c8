//! The published JSON form of what commands report. `version` counts changes that readers notice.

use serde_json::{Value as Json, json};
use watershed_client::Whereabouts;
use watershed_server::offline::{Repaired, StoreReport};
use watershed_topology::diagnostic::{Diagnostic, Label, ServerSays};
use watershed_topology::observe::Observed;
use watershed_topology::plan::{Plan, Policy, Target};
use watershed_topology::verify::{Problem, Verdict};

use super::out;
use crate::load::Workspace;

/// Version of these forms.
pub(super) const VERSION: u32 = 1;

/// Prints findings.
pub(crate) fn findings(workspace: &Workspace) {
    let findings: Vec<Json> =
        workspace.diagnostics.iter().map(|diagnostic| finding(workspace, diagnostic)).collect();
    let passed_over: Vec<String> =
        workspace.passed_over.iter().map(|path| path.display().to_string()).collect();
    print(&json!({
        "version": VERSION,
        "findings": findings,
        "allowed": workspace.allowed,
        "passed_over": passed_over,
    }));
}

fn finding(workspace: &Workspace, diagnostic: &Diagnostic) -> Json {
    let place = |label: &Label| {
        let sources = &workspace.sources;
        let place = sources.place(label.span);
        json!({
            "file": place.file,
            "line": place.line,
            "column": place.column,
            "text": sources.text(label.span),
            "label": label.text,
        })
    };
    let (server_code, server_accepts) = match diagnostic.server {
        ServerSays::Nothing => (None, false),
        ServerSays::Refuses(code) => (Some(code), false),
        ServerSays::Accepts => (None, true),
    };
    json!({
        "code": diagnostic.code,
        "severity": diagnostic.severity.word(),
        "message": diagnostic.message,
        "place": place(&diagnostic.place),
        "others": diagnostic.others.iter().map(place).collect::<Vec<_>>(),
        "notes": diagnostic.notes,
        "fix": diagnostic.fix,
        "edit": diagnostic.edit.as_ref().map(|edit| json!({
            "start": edit.span.start,
            "end": edit.span.end,
            "text": edit.text,
        })),
        "server_code": server_code,
        "server_accepts": server_accepts,
    })
}

/// Prints a plan.
pub(crate) fn plan(plan: &Plan, policy: &Policy, server: &Whereabouts) {
    print(&planned(plan, policy, server));
}

/// A plan.
pub(crate) fn planned(plan: &Plan, policy: &Policy, server: &Whereabouts) -> Json {
    let steps: Vec<Json> = plan
        .steps
        .iter()
        .map(|step| {
            let changes: Vec<Json> = step
                .changes
                .iter()
                .map(|c| json!({"field": c.field, "before": c.before, "after": c.after}))
                .collect();
            let missing: Vec<Json> = policy
                .missing(step)
                .into_iter()
                .map(
                    |(flag, name)| json!({"flag": flag, "name": name.map(|name| name.to_string())}),
                )
                .collect();
            let takes: Vec<Json> = step
                .takes
                .iter()
                .map(|(target, owner)| json!({"target": target.to_string(), "owner": owner}))
                .collect();
            json!({
                "action": step.action.word(),
                "kind": step.target.kind(),
                "target": step.target.to_string(),
                "changes": changes,
                "losses": step.losses,
                "notes": step.notes,
                "allowed": policy.allows(step),
                "takes": takes,
                "missing": missing,
            })
        })
        .collect();
    let refused: Vec<Json> = plan
        .refused
        .iter()
        .map(|refusal| {
            json!({
                "kind": refusal.target.kind(),
                "target": refusal.target.to_string(),
                "reason": refusal.reason,
                "for_safety": refusal.for_safety,
            })
        })
        .collect();
    json!({
        "version": VERSION,
        "topology": plan.topology,
        "server": server,
        "steps": steps,
        "refused": refused,
        "unknown": names(&plan.unknown),
        "unchanged": names(&plan.unchanged),
        "unmanaged": names(&plan.unmanaged),
    })
}

/// Prints what was verified.
pub(crate) fn verdict(topology: &str, verdict: &Verdict) {
    let problems = |problems: &[Problem]| -> Vec<Json> {
        let one = |problem: &Problem| {
            json!({
                "kind": problem.target.kind(),
                "target": problem.target.to_string(),
                "text": problem.text,
            })
        };
        problems.iter().map(one).collect()
    };
    print(&json!({
        "version": VERSION,
        "topology": topology,
        "held": names(&verdict.held),
        "problems": problems(&verdict.problems),
        "unknown": names(&verdict.unknown),
        "notes": problems(&verdict.notes),
    }));
}

/// Prints what an account has.
pub(crate) fn status(observed: &Observed) {
    let streams: Vec<Json> = observed
        .streams
        .values()
        .map(|stream| {
            let consumers = stream.consumers.values().map(|c| as_it_came(&c.info, &c.config));
            let consumers: Vec<Json> = consumers.collect();
            let info = as_it_came(&stream.info, &stream.config);
            json!({"stream": info, "owner": stream.owner(), "consumers": consumers})
        })
        .collect();
    print(&json!({
        "version": VERSION,
        "server": observed.server.version,
        "account": observed.account,
        "streams": streams,
        "unknown": observed.all_silent(),
    }));
}

/// What a server says about something, with its configuration as it came: this program may not know
/// all of it.
fn as_it_came(info: &impl serde::Serialize, config: &Json) -> Json {
    let mut info = serde_json::to_value(info).unwrap_or_default();
    if let Some(slot) = info.get_mut("config") {
        slot.clone_from(config);
    }
    info
}

/// Prints what a store holds, and what is wrong with it.
pub(crate) fn store(report: &StoreReport) {
    print(&json!({"version": VERSION, "store": report}));
}

/// Prints what was mended.
pub(crate) fn repaired(repaired: &Repaired) {
    print(&json!({
        "version": VERSION,
        "mended": repaired.mended,
        "copies": repaired.copies,
        "store": repaired.report,
    }));
}

fn names(targets: &[Target]) -> Vec<String> {
    targets.iter().map(ToString::to_string).collect()
}

/// Prints a value on one line, or over several where a person looks.
pub(crate) fn print(json: &Json) {
    out(&serde_json::to_string_pretty(json).unwrap_or_default());
}
