//! How the services of topologies are run beside the server: each as its user, and with no secret of another one.

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::Command;

use anyhow::Context as _;
use watershed_server::Server;
use watershed_topology::Topology;
use watershed_topology::model::{Secret, Service, User};

use super::Arguments;
use super::people::People;
use super::supervisor::Program;
use crate::command::work::user_of;
use crate::load::{Loaded, Workspace};
use crate::parent::PARENT;
use crate::ui::path::full;

/// Services that nothing says how to run.
pub(super) fn left_out(workspace: &Workspace) -> Vec<&str> {
    let services = workspace.topologies.iter().flat_map(|loaded| &loaded.topology.services);
    let others = services.filter(|service| !is_runnable(service));
    others.map(|service| service.name.value.as_str()).collect()
}

/// Whether anything can be run.
pub(super) fn any(workspace: &Workspace) -> bool {
    let mut services = workspace.topologies.iter().flat_map(|loaded| &loaded.topology.services);
    services.any(is_runnable)
}

fn is_runnable(service: &Service) -> bool {
    !service.command.is_empty() || !service.handlers.is_empty()
}

/// A program for each replica of each service that can be run.
pub(super) fn programs(
    arguments: &Arguments,
    workspace: &Workspace,
    server: &Server,
    people: &People,
) -> anyhow::Result<Vec<Program>> {
    let own = std::env::current_exe().context("cannot find this program")?;
    let mut programs = Vec::new();
    for loaded in &workspace.topologies {
        let all = loaded.topology.services.iter();
        for service in all.filter(|service| is_runnable(service)) {
            let run = Run { own: &own, arguments, loaded, service };
            let replicas = service.replicas.value;
            for number in 1..=replicas {
                let name = &service.name.value;
                let label = if replicas == 1 { name.clone() } else { format!("{name}-{number}") };
                programs.push(Program { label, command: run.command(server, people) });
            }
        }
    }
    Ok(programs)
}

/// What a service is run with.
struct Run<'a> {
    own: &'a PathBuf,
    arguments: &'a Arguments,
    loaded: &'a Loaded,
    service: &'a Service,
}

impl Run<'_> {
    /// `watershed work` with its handlers, or `watershed run` with its own command.
    fn command(&self, server: &Server, people: &People) -> Command {
        let topology = &self.loaded.topology;
        let user = user_of(self.loaded, &self.service.name.value);
        let mut command = Command::new(self.own);
        command.arg(if self.service.command.is_empty() { "work" } else { "run" });
        command.arg("-f").arg(full(&self.loaded.path)).args(["-s", &server.client_url()]);
        // Without declared users, `up` may have generated one.
        let made = people.shown.get(topology.account_name()).and_then(|all| all.first());
        let made = made.filter(|_| topology.users.is_empty());
        if let Some(name) = user.map(|own| &own.name.value).or(made.map(|own| &own.name)) {
            command.args(["--user", name]);
        }
        if let Some(env) = &self.arguments.env {
            command.args(["--env", env]);
        }
        if let Some(folder) = &self.arguments.data {
            command.arg("--data").arg(full(folder));
        }
        if self.service.command.is_empty() {
            command.args(["--service", &self.service.name.value]);
        } else {
            command.arg("--").args(&self.service.command);
        }
        // The folder itself may be named by nothing at all.
        if let Some(folder) = full(&self.loaded.path).parent() {
            command.current_dir(folder);
        }
        for name in foreign(topology, user) {
            command.env_remove(name);
        }
        command.env(PARENT, std::process::id().to_string());
        command
    }
}

/// Variables that are not for a service: secrets of others, and what leads a client elsewhere.
fn foreign(topology: &Topology, own: Option<&User>) -> Vec<OsString> {
    let secret = |user: &User| match &user.password {
        Some(Secret::Env(name)) => Some(name.clone()),
        _ => None,
    };
    let kept = own.and_then(secret);
    let secrets =
        topology.users.iter().filter_map(secret).filter(|name| Some(name) != kept.as_ref());
    let elsewhere = std::env::vars_os().map(|(name, _)| name);
    let elsewhere = elsewhere.filter(|name| name.to_string_lossy().starts_with("NATS_"));
    elsewhere.chain(secrets.map(OsString::from)).collect()
}
