//! What `up` shows when everything holds.

use serde_json::json;
use watershed_server::Server;
use watershed_topology::observe::Observed;
use watershed_topology::plan::{Action, Plan, Policy, Target};

use super::people::People;
use crate::load::Workspace;
use crate::ui;
use crate::ui::out;

/// Tables of everything, how to reach it, and what to try.
pub(super) fn show(
    workspace: &Workspace,
    server: &Server,
    people: &People,
    (plans, policy): (&[&Plan], &Policy),
    seen: &[Observed],
) {
    for ((loaded, plan), observed) in workspace.topologies.iter().zip(plans).zip(seen) {
        let topology = &loaded.topology;
        out(&format!("{} (account {})", topology.name.value, topology.account_name()));
        let names = topology.streams.iter().map(|stream| stream.name.value.as_str());
        out(&ui::table::streams(observed, names, |name| state(plan, &Target::stream(name))));
        let rows = topology.consumers().filter_map(|(stream, consumer)| {
            let there = observed.streams.get(&stream.name.value)?;
            let live = there.consumers.get(&consumer.name.value)?;
            let target = Target::consumer(&stream.name.value, &consumer.name.value);
            Some((&live.info, state(plan, &target)))
        });
        if let Some(table) = ui::table::consumers(rows) {
            out(&table);
        }
        out(&ui::plan::summary(plan, policy));
        out("");
    }
    reach(server, people);
    let Some(loaded) = workspace.topologies.first() else { return };
    let published = loaded.topology.services.iter().flat_map(|service| &service.publishes);
    let subject = published
        .map(|subject| subject.value.as_str())
        .chain(
            loaded
                .topology
                .streams
                .iter()
                .flat_map(|s| s.config.subjects.iter().map(String::as_str)),
        )
        .map(example)
        .next();
    let file = workspace.sources.place(loaded.topology.name.span).file;
    out("try");
    if let Some(subject) = subject {
        out(&format!("  watershed pub -f {file} {subject} hello"));
    }
    out(&format!("  watershed status {file}"));
    out(&format!("  watershed verify {file}"));
    out("Ctrl-C stops; everything is on disk.");
}

/// Where clients connect, as whom, and where the passwords are.
fn reach(server: &Server, people: &People) {
    let mut table = ui::table::table(&["account", "url", "user", "password"], &[]);
    for (account, users) in &people.shown {
        if users.is_empty() {
            table.add_row([
                account.as_str(),
                &server.client_url(),
                "anybody on this machine",
                "none",
            ]);
        }
        for user in users {
            let bare = server.client_url();
            table.add_row([account.as_str(), &bare, &user.name, &user.password]);
        }
    }
    out(&table.to_string());
    if let Some(address) = server.http_addr() {
        out(&format!("monitoring: http://{address}/healthz /varz /jsz"));
    }
}

/// The same for programs.
pub(super) fn json(workspace: &Workspace, server: &Server, people: &People) {
    let accounts: Vec<_> = people
        .shown
        .iter()
        .map(|(account, users)| {
            let users: Vec<_> = users.iter().map(|user| user.name.as_str()).collect();
            json!({"account": account, "users": users})
        })
        .collect();
    let names: Vec<&str> =
        workspace.topologies.iter().map(|loaded| loaded.topology.name.value.as_str()).collect();
    ui::json::print(&json!({
        "version": 1,
        "url": server.client_url(),
        "http": server.http_addr().map(|address| format!("http://{address}")),
        "topologies": names,
        "accounts": accounts,
        "secrets": people.kept_in.as_ref().map(|path| path.display().to_string()),
    }));
}

/// What became of an asset.
fn state(plan: &Plan, target: &Target) -> &'static str {
    let step = plan.steps.iter().find(|step| step.target == *target);
    match step.map(|step| step.action) {
        None if plan.unmanaged.contains(target) => "unmanaged",
        None => "unchanged",
        Some(Action::Create) => "created",
        Some(Action::Update | Action::UpdateLosing) => "updated",
        Some(Action::Recreate) => "recreated",
        Some(Action::Delete) => "deleted",
    }
}

/// A subject to publish to.
fn example(subject: &str) -> String {
    let open = |token| if matches!(token, "*" | ">") { "x" } else { token };
    subject.split('.').map(open).collect::<Vec<_>>().join(".")
}
