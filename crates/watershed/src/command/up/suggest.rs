//! Commands to try, as they can be pasted into a terminal, in any folder.

use std::ffi::OsString;
use std::fmt::Write as _;
use std::net::SocketAddr;

use watershed_server::Server;
use watershed_topology::Topology;
use watershed_topology::model::{Access, Stream};
use watershed_topology::permission::permissions;
use watershed_wire::subject::matches;

use super::people::People;
use super::{Arguments, PORT};
use crate::load::{Loaded, Workspace};
use crate::ui::path::{quoted, word};

/// Variables through which a terminal may mean another server than the usual one.
const SERVER_VARIABLES: [&str; 2] = ["NATS_URL", "NATS_CONTEXT"];

/// What a message of a command holds.
const PAYLOAD: &str = "hello";

/// Commands for the first topology that has any.
pub(super) fn commands(
    arguments: &Arguments,
    workspace: &Workspace,
    server: &Server,
    people: &People,
) -> Vec<String> {
    let mut topologies = workspace.topologies.iter();
    let all = topologies.find_map(|loaded| {
        let commands = of_topology(arguments, loaded, server, people);
        (!commands.is_empty()).then_some(commands)
    });
    all.unwrap_or_default()
}

fn of_topology(
    arguments: &Arguments,
    loaded: &Loaded,
    server: &Server,
    people: &People,
) -> Vec<String> {
    let topology = &loaded.topology;
    let admin = topology.users.iter().find(|user| user.access == Access::Admin);
    let mut shared = String::new();
    if let Some(env) = &arguments.env {
        let _ = write!(shared, " --env {}", word(env));
    }
    if let Some(folder) = &arguments.data {
        let _ = write!(shared, " --data {}", quoted(folder));
    }
    // The file says where the server is, unless a flag said otherwise.
    let said = topology.server.listen.as_ref().map(|listen| listen.value);
    let usual = said.unwrap_or_else(|| SocketAddr::from(([127, 0, 0, 1], PORT)));
    let elsewhere = SERVER_VARIABLES.iter().any(|name| std::env::var_os(name).is_some());
    let named = server.local_addr() != usual || elsewhere;
    if named {
        let _ = write!(shared, " -s {}", server.client_url());
    }
    let program = program();
    let file = quoted(&loaded.path);
    let command = |verb: &str, user: Option<&str>, rest: &str| {
        let user = user.map(|user| format!(" --user {}", word(user))).unwrap_or_default();
        let file = if verb == "verify" { format!(" {file}") } else { format!(" -f {file}") };
        format!("{program} {verb}{file}{shared}{user}{rest}")
    };
    // A server that is named gets no password unless its user is named, too.
    let first = people.shown.get(topology.account_name()).and_then(|all| all.first());
    let everything = match admin {
        Some(_) if !named => Some(None),
        Some(user) => Some(Some(user.name.value.as_str())),
        None if topology.users.is_empty() => {
            Some(first.filter(|_| named).map(|user| user.name.as_str()))
        }
        None => None,
    };
    let mut commands = Vec::new();
    if let Some(user) = everything {
        if let Some(subject) = subjects(topology).into_iter().next() {
            commands.push(command("pub", user, &format!(" {} {PAYLOAD}", word(&subject))));
        } else if let Some(bucket) = topology.streams.iter().find(|one| one.bucket().is_some()) {
            commands.push(command("view", user, &format!(" {}", word(&bucket.name.value))));
        }
        commands.push(command("status", user, ""));
        commands.push(command("verify", user, ""));
    } else if let Some((user, subject)) = may_publish(topology) {
        // Nobody may do everything: what is left is what a service does.
        commands.push(command("pub", Some(&user), &format!(" {} {PAYLOAD}", word(&subject))));
    }
    commands
}

/// A user and a subject that they may publish.
fn may_publish(topology: &Topology) -> Option<(String, String)> {
    let subjects = subjects(topology);
    topology.users.iter().find_map(|user| {
        let allowed = permissions(topology, user)?.publish;
        let hit = |all: &[String], subject: &String| {
            all.iter().any(|one| matches(one.as_bytes(), subject.as_bytes()))
        };
        let allows = |subject: &&String| {
            allowed.allow.as_ref().is_none_or(|all| hit(all, subject))
                && !hit(&allowed.deny, subject)
        };
        Some((user.name.value.clone(), subjects.iter().find(allows)?.clone()))
    })
}

/// Subjects that streams store, those that services publish first. What is the server's own, and what
/// is a bucket's, is not published by hand.
fn subjects(topology: &Topology) -> Vec<String> {
    let fits = |stream: &&Stream| {
        let config = &stream.config;
        let max = config.max_msg_size;
        let small = max >= 0 && usize::try_from(max).is_ok_and(|max| max < PAYLOAD.len());
        stream.bucket().is_none() && !config.no_ack && !config.sealed && !small
    };
    let streams: Vec<&Stream> = topology.streams.iter().filter(fits).collect();
    let stored = || streams.iter().flat_map(|stream| &stream.config.subjects);
    let published = topology.services.iter().flat_map(|service| &service.publishes);
    let all = published.map(|subject| &subject.value).chain(stored());
    let all = all.map(|subject| example(subject)).filter(|subject| {
        !subject.starts_with('$') && stored().any(|own| matches(own.as_bytes(), subject.as_bytes()))
    });
    all.collect()
}

/// A subject to publish to.
fn example(subject: &str) -> String {
    let open = |token| if matches!(token, "*" | ">") { "x" } else { token };
    subject.split('.').map(open).collect::<Vec<_>>().join(".")
}

/// What to type to run this program: its name if a shell finds it by that, else where it is.
fn program() -> String {
    const NAME: &str = "watershed";
    let search = |path: OsString| {
        std::env::split_paths(&path)
            .any(|folder| folder.is_absolute() && folder.join(NAME).is_file())
    };
    match std::env::current_exe() {
        Ok(path) if !std::env::var_os("PATH").is_some_and(search) => quoted(&path),
        _ => NAME.to_owned(),
    }
}
