//! What `up` shows when everything holds.

use std::fmt::Write as _;
use std::net::SocketAddr;

use serde_json::json;
use watershed_server::Server;
use watershed_topology::observe::Observed;
use watershed_topology::plan::{Action, Plan, Target};

use super::people::People;
use crate::load::{Loaded, Workspace};
use crate::ui;
use crate::ui::out;

/// Tables of everything, how to reach it, and what to try.
pub(super) fn show(
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
    reach(server, people);
    if let Some(loaded) = workspace.topologies.first() {
        to_try(workspace, loaded, server, people);
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

/// Commands that work as they stand.
fn to_try(workspace: &Workspace, loaded: &Loaded, server: &Server, people: &People) {
    let topology = &loaded.topology;
    let published = topology.services.iter().flat_map(|service| &service.publishes);
    let stored = topology.streams.iter().flat_map(|stream| &stream.config.subjects);
    let mut subjects = published.map(|subject| &subject.value).chain(stored);
    let file = workspace.sources.place(topology.name.span).file;
    // The file says where the server is, unless a flag said otherwise.
    let said = topology.server.listen.as_ref().map(|listen| listen.value);
    let usual = said.unwrap_or_else(|| SocketAddr::from(([127, 0, 0, 1], super::PORT)));
    let mut connection = String::new();
    if server.local_addr() != usual {
        connection = format!(" -s {}", server.client_url());
        if let Some(user) = people.shown.get(topology.account_name()).and_then(|all| all.first()) {
            let _ = write!(connection, " --user {}", user.name);
        }
    }
    out("try");
    if let Some(subject) = subjects.next() {
        out(&format!("  watershed pub -f {file}{connection} {} hello", example(subject)));
    }
    out(&format!("  watershed status -f {file}{connection}"));
    out(&format!("  watershed verify {file}{connection}"));
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
