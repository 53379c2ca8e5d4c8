//! Accounts of a configuration to topologies: one is the topology that is read, of several each is one.

use watershed_topology::lower::is_name;
use watershed_topology::model::{ServerSettings, Topology};
use watershed_topology::source::{Span, Spanned};

use crate::conf::Account;

/// Puts the one account into the topology; of several, each becomes one. What the server is goes into each, and
/// what it may keep only where the account says so: that adds up.
pub(crate) fn divided(
    topology: &mut Topology,
    mut accounts: Vec<Account>,
    notes: &mut Vec<(Span, String)>,
) -> Vec<Topology> {
    for account in &mut accounts {
        renamed(account, notes);
        if !account.jetstream
            && let Some(name) = &account.name
        {
            let message =
                format!("`{}` keeps no streams there; the account of a topology may", name.value);
            notes.push((name.span, message));
        }
    }
    if accounts.len() < 2 {
        if let Some(only) = accounts.pop() {
            let server = std::mem::take(&mut topology.server);
            take(topology, only, server);
        }
        return Vec::new();
    }
    let keep = accounts.iter().filter(|account| account.jetstream).count();
    let guest = topology.server.no_auth_user.take();
    let mut all = Vec::new();
    for account in accounts {
        let own = &account.server;
        let server = ServerSettings {
            max_file_store: own.max_file_store.clone(),
            max_memory_store: own.max_memory_store.clone(),
            account: own.account,
            no_auth_user: guest
                .clone()
                .filter(|name| account.users.iter().any(|user| user.name.value == name.value)),
            places: own.places.clone(),
            ..topology.server.clone()
        };
        let mut one = Topology::default();
        if keep == 1 && account.jetstream {
            one.streams.clone_from(&topology.streams);
            one.services.clone_from(&topology.services);
        }
        let name = account.name.as_ref().map_or("global", |name| &name.value);
        one.name = Spanned::new(another(name, &all), topology.name.span);
        take(&mut one, account, server);
        all.push(one);
    }
    all
}

/// A name that none of these has: accounts of several servers may be called alike.
fn another(name: &str, all: &[Topology]) -> String {
    let taken = |name: &str| all.iter().any(|one| one.name.value == name);
    let numbered = (2..).map(|number| format!("{name}-{number}"));
    let mut names = std::iter::once(name.to_owned()).chain(numbered);
    names.find(|name| !taken(name)).unwrap_or_default()
}

fn take(topology: &mut Topology, account: Account, server: ServerSettings) {
    topology.account = account.name;
    topology.users = account.users;
    topology.exports = account.exports;
    topology.imports = account.imports;
    topology.mappings = account.mappings;
    topology.server = server;
}

/// Names as topologies may have them, here and where others mean the account.
fn renamed(account: &mut Account, notes: &mut Vec<(Span, String)>) {
    if let Some(name) = account.name.as_mut().filter(|name| !is_name(&name.value)) {
        let new = fitting(&name.value);
        let message = format!("the account `{}` is called `{new}` in the topology", name.value);
        notes.push((name.span, message));
        name.value = new;
    }
    let others = account.exports.iter_mut().flat_map(|export| &mut export.accounts);
    for other in others.chain(account.imports.iter_mut().map(|import| &mut import.account)) {
        if !is_name(&other.value) {
            other.value = fitting(&other.value);
        }
    }
}

fn fitting(name: &str) -> String {
    let fits = |c: char| if c.is_ascii_alphanumeric() || c == '-' { c } else { '_' };
    name.chars().take(64).map(fits).collect()
}
