//! What `up` shows when everything holds.

use std::path::Path;

use serde_json::json;
use watershed_server::Server;
use watershed_topology::observe::Observed;
use watershed_topology::plan::{Action, Plan, Target};

use super::people::People;
use super::{Arguments, suggest};
use crate::data::Place;
use crate::load::Workspace;
use crate::ui::out;
use crate::ui::path::{full, shown};
use crate::{secret, ui};

/// Tables of everything, how to reach it, and what to try.
pub(super) fn show(
    arguments: &Arguments,
    place: &Place,
    workspace: &Workspace,
    server: &Server,
    people: &People,
    plans: &[&Plan],
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
        out(&done(plan));
        out("");
    }
    reach(server, people, &place.folder);
    let commands = suggest::commands(arguments, workspace, server, people);
    if !commands.is_empty() {
        out("try");
        for command in commands {
            out(&format!("  {command}"));
        }
    }
    out("Ctrl-C stops; everything is on disk.");
}

/// What was done to a topology, in a line.
fn done(plan: &Plan) -> String {
    let number = |actions: &[Action]| {
        plan.steps.iter().filter(|step| actions.contains(&step.action)).count()
    };
    let words = [
        (number(&[Action::Create]), "created"),
        (number(&[Action::Update, Action::UpdateLosing]), "updated"),
        (number(&[Action::Recreate]), "recreated"),
        (plan.unchanged.len() + plan.unmanaged.len(), "unchanged"),
        (number(&[Action::Delete]), "no longer declared"),
    ];
    let parts = words.iter().filter(|(number, _)| *number > 0);
    let parts: Vec<String> = parts.map(|(number, word)| format!("{number} {word}")).collect();
    format!("verified: {}", parts.join(", "))
}

/// Where clients connect, as whom, and where the passwords are.
fn reach(server: &Server, people: &People, folder: &Path) {
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
    out(&format!("data: {}", shown(folder)));
    if people.kept_in.is_some() {
        out(&format!("generated passwords: {} there", secret::FILE));
    }
    if let Some(address) = server.http_addr() {
        out(&format!("page: http://{address}/"));
        out(&format!("monitoring: http://{address}/healthz /varz /jsz"));
    }
}

/// The same for programs.
pub(super) fn json(place: &Place, workspace: &Workspace, server: &Server, people: &People) {
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
        "secrets": people.kept_in.as_ref().map(|path| full(path).display().to_string()),
        "data": full(&place.folder).display().to_string(),
    }));
}

/// What became of an asset.
fn state(plan: &Plan, target: &Target) -> &'static str {
    let mut steps = plan.steps.iter().filter(|step| step.target == *target);
    match steps.find(|step| step.action != Action::Adopt).map(|step| step.action) {
        None if plan.unmanaged.contains(target) => "unmanaged",
        None => "unchanged",
        Some(action) => action.past(),
    }
}
